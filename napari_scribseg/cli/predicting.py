"""predict and evaluate: from a trained run to segmentations, and from those to scores."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli import unfinished
from napari_scribseg.cli.answer import Answer, columns, refuse_existing, told_names, with_notes
from napari_scribseg.cli.inputs import Items, items_of
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.runs import add_frame
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import CONVENTIONS, LabelSchema
from napari_scribseg.core.notes import Notes
from napari_scribseg.core.region import Region
from napari_scribseg.data.names import distinct_slugs
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import described, weights_of
from napari_scribseg.runs.worker import sentence_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.core.volume import Grid, Volume
    from napari_scribseg.training.predict import Model, Prediction

    Loader = Callable[[RunFolder | Path, str], Model]

NOTHING_FOUND: Final = (
    "No structure was found: all of it is background. The run may be too short, or the image "
    "unlike those it has learnt from."
)


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every image.

    Args:
        probabilities: also the map of every class.
        uncertainty: also this map.
        z: only this slice.
        region: outside of which everything is background; None = what is known of the case.
        cleaning: of the segmentation.
        augmented: test-time augmentation: average over small turns of the image.
    """

    probabilities: bool = False
    uncertainty: bool = False
    z: int | None = None
    region: Region | None = None
    cleaning: PostProcessing = field(default_factory=PostProcessing)
    augmented: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """By the names of the command's options."""
        return {
            "probabilities": self.probabilities,
            "uncertainty": self.uncertainty,
            "slice": self.z,
            **({} if self.region is None else {"region": str(self.region)}),
            **({"test_time_augmentation": True} if self.augmented else {}),
            **self.cleaning.model_dump(mode="json"),
        }

    def names(self, case: str, schema: LabelSchema) -> tuple[str, ...]:
        """Names of the files of a case: segmentation, probabilities by class, uncertainty."""
        names = [case]
        if self.probabilities:
            names += [f"{case}_probabilities_{slug}" for slug in distinct_slugs(schema.names)]
        names += [f"{case}_uncertainty"] if self.uncertainty else []
        return tuple(f"{name}.nii.gz" for name in names)


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add predict and evaluate."""
    predict = commands.add_parser(
        "predict",
        parents=[common],
        help="segment images with a trained run or a model file",
        description="Segment images with a trained run or a model file: <case id>.nii.gz on the "
        "grid of the image; images of one name get their folders in front, p1_image.nii.gz and "
        "p2_image.nii.gz. "
        "An image that can't be segmented does not stop the others (exit code 1 then). Repeating a "
        "command that was killed, interrupted or failed in part makes only what is missing.",
    )
    predict.add_argument("folder", metavar="RUN", type=Path, help="a run folder or a model file")
    predict.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        type=Path,
        help="image files, folders of them or of one DICOM series, dataset or project folders",
    )
    predict.add_argument("--out", required=True, type=Path, help="a new folder")
    predict.add_argument("--split", default="all", help="part of a dataset folder; default: all")
    add_frame(predict)
    predict.add_argument(
        "--probabilities", action="store_true", help="also write one map per class, 0 to 1"
    )
    predict.add_argument("--uncertainty", action="store_true", help="also write a map, 0 to 1")
    predict.add_argument(
        "--clean-up",
        choices=("anatomy", "none"),
        default="anatomy",
        help="anatomy (default) removes what contradicts what the classes say of themselves: "
        "further pieces of a structure that is one, and what should lie inside another; none "
        "leaves the segmentation as predicted, as it is done for a single --slice",
    )
    predict.add_argument(
        "--largest-component",
        action="store_true",
        help="keep only the largest piece of each class, whatever is said of it",
    )
    predict.add_argument(
        "--fill-holes",
        action="store_true",
        help="fill background that a slice's structures enclose (off, likewise)",
    )
    predict.add_argument(
        "--test-time-augmentation",
        action="store_true",
        help="also show every image turned by 10 degrees either way, and average: often a little "
        "better, three times as slow",
    )
    predict.add_argument(
        "--slice", type=int, metavar="N", help="only this slice (from 0), as of the whole volume"
    )
    predict.add_argument(
        "--region",
        type=Region.parse,
        metavar="Z0:Z1,Y0:Y1,X0:X1",
        help="everything outside this box of voxels is background (from 0, the ends not included); "
        "default: the region of interest that a project knows of a case",
    )
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    predict.set_defaults(run=run_predict)

    evaluate = commands.add_parser(
        "evaluate",
        parents=[common],
        help="compare segmentations with references",
        description="Compare segmentations with references: Dice, HD95, ASSD, precision, recall "
        "and volume per class and case. A missing segmentation counts as Dice 0, a reference that "
        "can't be used is left out of the means; both are listed (exit code 1).",
    )
    evaluate.add_argument("predictions", metavar="PREDICTIONS", type=Path, help="what to judge")
    evaluate.add_argument(
        "references",
        metavar="REFERENCES",
        type=Path,
        help="a dataset folder, or a folder of label files of the same names",
    )
    evaluate.add_argument("--out", required=True, type=Path, help="a new folder for the tables")
    evaluate.add_argument("--split", default="all", help="part of a dataset folder; default: all")
    evaluate.add_argument(
        "--convention",
        choices=tuple(CONVENTIONS),
        help="how the references are written, if they are scribbles or label only some of the "
        "voxels; scores are then of the labelled voxels alone",
    )
    add_frame(evaluate)
    evaluate.set_defaults(run=run_evaluate)


def run_predict(
    arguments: argparse.Namespace, display: Display, load: Loader | None = None
) -> Answer:
    """Segment the inputs; `load` as in `predict_into`."""
    described(arguments.folder)  # before torch is loaded
    if not unfinished.is_unfinished(arguments.out):
        refuse_existing(arguments.out)
    return predict_into(
        arguments.folder,
        items_of(arguments.inputs, arguments.split, arguments.frame),
        arguments.out,
        display,
        Wanted(
            probabilities=arguments.probabilities,
            uncertainty=arguments.uncertainty,
            z=arguments.slice,
            region=arguments.region,
            augmented=arguments.test_time_augmentation,
            cleaning=PostProcessing(
                # What one slice shows as two pieces may be one in the volume.
                anatomy=arguments.clean_up == "anatomy" and arguments.slice is None,
                largest_component=arguments.largest_component,
                fill_holes=arguments.fill_holes,
            ),
        ),
        device=arguments.device,
        load=load,
    )


def predict_into(
    source: RunFolder | Path,
    given: Items,
    folder: Path,
    display: Display,
    wanted: Wanted = Wanted(),
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
    from napari_scribseg.evaluation.anatomy import anatomy_findings
    from napari_scribseg.io.documents import save_document
    from napari_scribseg.training.predict import load_model, predict_case

    items = given.items
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
    written = {case: list(names[case]) for case in done}
    failures: dict[str, str] = {}
    notes = Notes()
    notes.add("", given.notes)
    by_image: dict[str, list[str]] = {}
    interrupted = False
    for item in items:
        if item.id in written:
            continue
        display.count(f"segmenting {item.id},", len(written) + len(failures), len(items))
        try:
            image = item.read()
            prediction = predict_case(
                model,
                image,
                wanted.z,
                probabilities=wanted.probabilities,
                uncertainty=wanted.uncertainty,
                test_time_augmentation=wanted.augmented,
            )
            prediction = _inside(prediction, wanted.region or item.region, image, wanted.z)
            _refuse_taken(names[item.id], written)
            maps = _maps(prediction, wanted, schema)
            _write(folder, names[item.id], maps, prediction.grid)
            written[item.id] = list(names[item.id])
            empty = () if maps[0].any() else (NOTHING_FOUND,)
            odd: tuple[str, ...] = ()
            if wanted.cleaning.anatomy:  # what the clean-up can't mend
                odd = anatomy_findings(maps[0], schema, prediction.grid.spacing)
            seen = list(dict.fromkeys((*image.notes, *prediction.notes, *empty, *odd)))
            notes.add(item.id, seen)
            by_image |= {item.id: seen} if seen else {}
        except KeyboardInterrupt:
            interrupted = True
            break
        except Exception as error:  # noqa: BLE001  one bad image must not cost the others
            failures[item.id] = sentence_of(error)
    if len(written) == len(items):
        unfinished.finish(folder)
    document = {
        "out": folder,
        "post_processing": wanted.cleaning.model_dump(),
        "clean_up": list(wanted.cleaning.in_words(schema)),
        "test_time_augmentation": wanted.augmented,
        "inputs": {item.id: item.place for item in items},
        "written": {item.id: written[item.id] for item in items if item.id in written},
        "already_there": list(done),
        "failed": failures,
        "not_done": [i.id for i in items if i.id not in written and i.id not in failures],
        "notes": list(notes),
        "notes_by_image": by_image,
    }
    problems = [f"{case}: {reason}" for case, reason in failures.items()]
    if interrupted:
        problems.append(
            f"Interrupted after {len(written)} of {len(items)} images; repeat the command to "
            "segment the others."
        )
    code = 130 if interrupted else 1 if failures else 0
    there = f" ({len(done)} were there already)" if done else ""
    text = f"{len(written)} of {len(items)} images segmented{there}, in {folder}."
    if done_to := wanted.cleaning.in_words(schema):
        text += f" Cleaned up: {', '.join(done_to)}."
    if wanted.augmented:
        text += " Averaged over three small turns of each image (test-time augmentation)."
    text += told_names({item.id: item.name for item in items if item.name})
    return Answer(document, with_notes(text, notes), tuple(problems), code)


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


def _maps(prediction: Prediction, wanted: Wanted, schema: LabelSchema) -> list[npt.NDArray[Any]]:
    """The arrays to write, in the order of `Wanted.names`."""
    maps: list[npt.NDArray[Any]] = [wanted.cleaning.applied(prediction.segmentation, schema)]
    if prediction.probabilities is not None and wanted.probabilities:
        maps += list(prediction.probabilities)
    if prediction.uncertainty is not None and wanted.uncertainty:
        maps.append(prediction.uncertainty)
    return maps


def _refuse_taken(names: Sequence[str], written: dict[str, list[str]]) -> None:
    """One input's map may be called like another input's segmentation."""
    taken = set(names) & {name for others in written.values() for name in others}
    if taken:
        raise InvalidInput(f"{min(taken)} belongs to another input already; rename one of them.")


def _write(
    folder: Path, names: Sequence[str], arrays: Sequence[npt.NDArray[Any]], grid: Grid
) -> None:
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.io import write_volume

    # The segmentation last: whoever sees it may take the case for done.
    for name, array in reversed(list(zip(names, arrays, strict=True))):
        write_volume(folder / name, Volume(array, grid))


def run_evaluate(arguments: argparse.Namespace, display: Display) -> Answer:
    """Score a folder of segmentations."""
    return evaluate_into(
        arguments.predictions,
        arguments.references,
        arguments.out,
        display,
        split=arguments.split,
        convention=arguments.convention,
        frame=arguments.frame,
    )


def evaluate_into(
    predictions: Path,
    references: Path,
    out: Path,
    display: Display,
    *,
    split: str,
    convention: str | None = None,
    frame: int | None = None,
) -> Answer:
    """Score a folder of segmentations, with tables in a new folder."""
    from napari_scribseg.evaluation.folders import evaluate_folders
    from napari_scribseg.evaluation.tables import discard_unfinished, document, sentences, table
    from napari_scribseg.project.folder import cases_in
    from napari_scribseg.project.open_document import is_project

    discard_unfinished(out)
    refuse_existing(out)
    evaluation = evaluate_folders(
        predictions,
        cases_in(references, frame) if is_project(references) else references,
        out=out,
        split=split,
        convention=convention,
        frame=frame,
        progress=lambda done, total: display.count("comparing", done, total),
    )
    problems = (
        *(f"{f.case}: {f.reason}" for f in evaluation.failures),
        *(f"{u.case} has no usable reference: {u.reason}" for u in evaluation.unusable),
    )
    text = "\n".join(
        [
            columns(table(evaluation)),
            "",
            *sentences(evaluation),
            f"The tables are in {out}.",
        ]
    )
    answer = {**document(evaluation), "out": out}
    return Answer(answer, text, problems, 1 if problems else 0)
