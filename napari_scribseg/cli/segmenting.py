"""Segmenting images one by one into a folder, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_scribseg.cli import unfinished
from napari_scribseg.cli.answer import Answer, told_names, with_notes
from napari_scribseg.cli.inputs import Item, Items
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.wanted_maps import Wanted, write_maps
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.notes import Notes
from napari_scribseg.core.region import Region
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import described, weights_of
from napari_scribseg.runs.worker import sentence_of

if TYPE_CHECKING:
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.training.predict import Model, Prediction

    Loader = Callable[[RunFolder | Path, str], Model]

NOTHING_FOUND: Final = (
    "No structure was found: all of it is background. The run may be too short, or the image "
    "unlike those it has learnt from."
)


def predict_into(
    source: RunFolder | Path,
    given: Items,
    folder: Path,
    display: Display,
    wanted: Wanted | None = None,
    *,
    device: str = "auto",
    load: Loader | None = None,
) -> Answer:
    """Segment every item into a folder; what fails is told at the end.

    `source` is what `training.predict.load_model` takes; `load` may be given in its place.

    Raises:
        InvalidInput: the folder has something else in it than what the same command left there
            when it was ended early.
    """
    from napari_scribseg.io.documents import save_document
    from napari_scribseg.training.predict import load_model

    items, wanted = given.items, wanted or Wanted()
    schema = source.schema if isinstance(source, RunFolder) else described(source)[1]
    model = (load or load_model)(source, device)
    names = {item.id: wanted.names(item.id, schema) for item in items}
    asked = unfinished.Asked(
        weights_sha256=unfinished.sum_of_file(weights_of(source)),
        options=wanted.options,
        images={item.id: unfinished.image_sum(item.image, item.frame) for item in items},
    )
    done = unfinished.begin(folder, asked, names)
    save_document(folder / "labels.json", schema)
    save_document(folder / "post_processing.json", wanted.cleaning)
    work = _Work(folder, model, schema, wanted, names, tuple(done))
    work.notes.add("", given.notes)
    for item in items:
        if item.id in work.written:
            continue
        n_seen = len(work.written) + len(work.failures)
        display.count(f"segmenting {item.id},", n_seen, len(items))
        try:
            work.segment(item)
        except KeyboardInterrupt:
            work.interrupted = True
            break
        except Exception as error:  # noqa: BLE001  one bad image must not cost the others
            work.failures[item.id] = sentence_of(error)
    if len(work.written) == len(items):
        unfinished.finish(folder)
    return work.answer(items)


@dataclass
class _Work:
    """The images of one folder, as far as they are segmented."""

    folder: Path
    model: Model
    schema: LabelSchema
    wanted: Wanted
    names: dict[str, tuple[str, ...]]
    """Of the files of every case, see `Wanted.names`."""
    done: tuple[str, ...]
    """Cases that were there already."""
    failures: dict[str, str] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    by_image: dict[str, list[str]] = field(default_factory=dict)
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.written = {case: list(self.names[case]) for case in self.done}

    def segment(self, item: Item) -> None:
        """Segment one image and write its files."""
        from napari_scribseg.evaluation.anatomy import anatomy_findings
        from napari_scribseg.training.predict import predict_case

        wanted, names = self.wanted, self.names[item.id]
        image = item.read()
        prediction = predict_case(
            self.model,
            image,
            wanted.z,
            probabilities=wanted.probabilities,
            uncertainty=wanted.uncertainty,
            test_time_augmentation=wanted.augmented,
        )
        prediction = _inside(prediction, wanted.region or item.region, image, wanted.z)
        _refuse_taken(names, self.written)
        maps = wanted.maps(prediction, self.schema)
        write_maps(self.folder, names, maps, prediction.grid)
        self.written[item.id] = list(names)
        empty = () if maps[0].any() else (NOTHING_FOUND,)
        odd: tuple[str, ...] = ()
        if wanted.cleaning.anatomy:  # what the clean-up can't mend
            odd = anatomy_findings(maps[0], self.schema, prediction.grid.spacing)
        seen = list(dict.fromkeys((*image.notes, *prediction.notes, *empty, *odd)))
        self.notes.add(item.id, seen)
        self.by_image |= {item.id: seen} if seen else {}

    def answer(self, items: Sequence[Item]) -> Answer:
        """What to say at the end."""
        wanted, written, failures = self.wanted, self.written, self.failures
        clean_up = wanted.cleaning.in_words(self.schema)
        document = {
            "out": self.folder,
            "post_processing": wanted.cleaning.model_dump(),
            "clean_up": list(clean_up),
            "test_time_augmentation": wanted.augmented,
            "inputs": {item.id: item.place for item in items},
            "written": {item.id: written[item.id] for item in items if item.id in written},
            "already_there": list(self.done),
            "failed": failures,
            "not_done": [i.id for i in items if i.id not in written and i.id not in failures],
            "notes": list(self.notes),
            "notes_by_image": self.by_image,
        }
        problems = [f"{case}: {reason}" for case, reason in failures.items()]
        if self.interrupted:
            problems.append(
                f"Interrupted after {len(written)} of {len(items)} images; repeat the command to "
                "segment the others."
            )
        code = 130 if self.interrupted else 1 if failures else 0
        there = f" ({len(self.done)} were there already)" if self.done else ""
        text = f"{len(written)} of {len(items)} images segmented{there}, in {self.folder}."
        if clean_up:
            text += f" Cleaned up: {', '.join(clean_up)}."
        if wanted.augmented:
            text += " Averaged over three small turns of each image (test-time augmentation)."
        text += told_names({item.id: item.name for item in items if item.name})
        return Answer(document, with_notes(text, self.notes), tuple(problems), code)


def _inside(
    prediction: Prediction, region: Region | None, image: Volume, z: int | None
) -> Prediction:
    """The prediction, with sure background everywhere outside of a region of the image."""
    if region is None:
        return prediction
    outside = region.outside(image.shape)
    outside = outside if z is None else outside[z : z + 1]
    prediction.segmentation[outside] = 0
    if prediction.probabilities is not None:
        prediction.probabilities[:, outside] = 0.0
        prediction.probabilities[0, outside] = 1.0
    if prediction.uncertainty is not None:
        prediction.uncertainty[outside] = 0.0
    return prediction


def _refuse_taken(names: Sequence[str], written: dict[str, list[str]]) -> None:
    """One input's map may be called like another input's segmentation."""
    taken = set(names) & {name for others in written.values() for name in others}
    if taken:
        raise InvalidInput(f"{min(taken)} belongs to another input already; rename one of them.")
