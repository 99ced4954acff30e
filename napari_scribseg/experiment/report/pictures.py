"""Pictures of the picked slices of an experiment: the prediction's outline over the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.data.case import Case
from napari_scribseg.evaluation.figures import png_of, slice_figure
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.worst_slices import PickedSlice, prediction_path
from napari_scribseg.io import read_labels


@dataclass(frozen=True)
class Picture:
    """A picked slice, drawn.

    Args:
        picked: which slice of which trial.
        png: the picture; empty when it could not be drawn.
        n_slices: slices of its case.
        problem: why it could not be drawn, in a sentence; "" when it could.
    """

    picked: PickedSlice
    png: bytes
    n_slices: int
    problem: str = ""


def pictures_of(
    folder: Path, experiment: Experiment, picked: Sequence[PickedSlice]
) -> dict[PickedSlice, Picture]:
    """Slices, drawn; one whose files are gone becomes a sentence, and the others go on.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        picked: slices of its trials.
    """
    files = {case.files.id: case.files for case in experiment.cases}
    pictures: dict[PickedSlice, Picture] = {}
    for name in dict.fromkeys(one.case for one in picked):  # one case in memory at a time
        ones = [one for one in picked if one.case == name]
        try:
            case = files[name].model_copy(update={"scribbles": None}).load(experiment.labels)
        except ScribsegError as error:
            pictures |= {one: Picture(one, b"", 0, str(error)) for one in ones}
            continue
        for one in ones:
            try:
                pictures[one] = _drawn(folder, experiment, one, case)
            except ScribsegError as error:
                pictures[one] = Picture(one, b"", 0, str(error))
    return pictures


def _drawn(folder: Path, experiment: Experiment, one: PickedSlice, case: Case) -> Picture:
    predicted = read_labels(prediction_path(folder, one.trial, one.case))
    if case.reference is None or predicted.array.shape != case.image.shape:
        raise InvalidInput(f"Case {one.case} has changed since it was scored.")
    figure = slice_figure(
        case.image.array[one.slice_index],
        experiment.labels,
        case.image.spacing[1:],
        segmentation=predicted.array[one.slice_index],
        reference=case.reference[one.slice_index],
    )
    return Picture(one, png_of(figure), case.image.shape[0])
