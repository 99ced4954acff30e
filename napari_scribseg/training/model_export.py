"""A run's model as one file, without anything of the data that it has learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetensors.torch import save

from napari_scribseg import __version__
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Started, Validated
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.io.atomic import write_bytes
from napari_scribseg.methods.registry import method_named
from napari_scribseg.runs.documents import RunRecord
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_card import LearntFrom, Score, Trained, card_text
from napari_scribseg.runs.model_file import (
    ENDING,
    ModelDocument,
    metadata_of,
    model_path,
    read_document,
)
from napari_scribseg.training.fitting_weights import Weights, method_with, read_weights

_OF_THE_DATA: Final[dict[str, Any]] = {
    "python": "",
    "platform": "",
    "created": "",
    "dataset": "",
    "dataset_folder": None,
    "validate_on": "none",
    "continues": "",
    "effort": "",
}
"""What a run's record tells of data, people and machines, and what a model says instead."""


def export_model(run: RunFolder, path: Path) -> Path:
    """Write the model of a run as one file; gives its path.

    Args:
        run: with weights.
        path: a new file that ends in .scribseg.

    Raises:
        InvalidInput: the file exists, has another ending, or can't be written.
        RunError: the run has no weights, or they are damaged or of another run.
    """
    if path.suffix != ENDING:
        raise InvalidInput(f"{path} can't be the name of a model: let it end in {ENDING}.")
    if path.exists():
        raise InvalidInput(
            f"{path} exists already and nothing is overwritten: choose another name, or move it "
            "away."
        )
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"{path.absolute().parent} is not a folder; choose another place.")
    weights = read_weights(run)
    method_with(weights.tensors, weights.info, weights.path)  # whoever gets it can't ask us
    document = document_of(run, weights)
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in weights.tensors.items()}
    write_bytes(path, save(tensors, metadata_of(document, save(tensors))))
    return path


def card_of(source: Path) -> str:
    """The card of a run, of a model file, or of a folder with one, as Markdown.

    Raises:
        InvalidInput: it is neither, or the model file is damaged or newer.
        RunError: the run has no weights, or they are damaged or of another run.
    """
    path = model_path(source)
    if path is not None:
        return read_document(path).card
    run = RunFolder.open(source)
    return document_of(run, read_weights(run)).card


def document_of(run: RunFolder, weights: Weights) -> ModelDocument:
    """What a model file says of a run besides its weights."""
    kind = method_named(weights.info.method)
    record = _shareable(weights.record, known_presets=tuple(kind.spec.presets))
    # Titles of schemas are often the name of a folder.
    schema = weights.schema.model_copy(update={"title": ", ".join(weights.schema.names[1:])[:80]})
    options = kind.spec.Config().updated(weights.info.options)
    return ModelDocument(
        package_version=__version__,
        labels=schema,
        preprocessing={
            "in_plane_pixel_mm": weights.info.spacing_mm,
            "grey_values": "clipped at robust percentiles, then mean 0 and standard deviation 1 "
            "over the volume (napari_scribseg.batches.slices.normalise)",
            "sample": kind.sample,
            "patch_yx_pixels": list(weights.info.patch or record.training.patch),
            "patch_slices": kind.patch_depth(options),
        },
        record=record,
        checkpoint=weights.info.model_copy(update={"data_sha256": ""}).model_dump(mode="json"),
        card=_card(run, weights, schema, record),
    )


def _shareable(record: RunRecord, known_presets: tuple[str, ...]) -> RunRecord:
    """The record without what tells of data, people and machines; all else stays."""
    # Somebody's own preset has a name that they gave it.
    preset = record.preset if record.preset in known_presets else ""
    training = record.training.model_copy(update={"device": "auto"})
    return record.model_copy(update={**_OF_THE_DATA, "preset": preset, "training": training})


def _card(run: RunFolder, weights: Weights, schema: LabelSchema, record: RunRecord) -> str:
    kind = method_named(weights.info.method)
    events = run.events()
    started = [event for event in events if isinstance(event, Started)]
    best = [event for event in events if isinstance(event, Validated) and event.best]
    score = None
    if best and best[-1].mean is not None:
        score = Score(best[-1].measure, best[-1].mean, best[-1].scores)
    trained = Trained(
        name=kind.spec.name,
        title=kind.spec.title,
        summary=kind.spec.summary,
        source=kind.spec.source,
        preset=record.preset,
        options=weights.info.options,
        training=record.training,
        step=weights.info.step,
        seconds=weights.info.seconds,
    )
    training, validation = run.files("train"), run.files("validate")
    learnt = LearntFrom(
        cases=len(training),
        patients=len({files.patient for files in training}),
        validation=len(validation),
        slices=started[-1].slices if started else None,
        references=kind.spec.uses_references,
        sequences=record.sequences,
    )
    return card_text(__version__, schema, weights.info.spacing_mm, trained, learnt, score)
