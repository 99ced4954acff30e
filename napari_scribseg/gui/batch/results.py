"""What came out of an experiment, read from its folder for the window. No Qt, no napari."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import Case
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.evaluation.tables import plain_text
from napari_scribseg.experiment.comparisons import MEAN
from napari_scribseg.experiment.experiment import REPORT, Experiment
from napari_scribseg.experiment.worst_slices import PickedSlice, picked_slices, prediction_path
from napari_scribseg.io import read_labels

PER_METHOD = 5
"""Worst slices that are listed of every method."""


@dataclass(frozen=True)
class BatchResults:
    """What is known so far.

    Args:
        comparisons: one sentence per pair of methods, on the mean Dice.
        more: the sentences on single structures and on distances.
        worst: the slices with the lowest Dice.
        has_report: whether there is a report to open.
    """

    comparisons: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    worst: tuple[PickedSlice, ...] = ()
    has_report: bool = False


@dataclass(frozen=True, eq=False)
class ShownSlice:
    """A picked slice with the volumes to look at it.

    Args:
        picked: which one.
        case: image and reference.
        segmentation: what the trial made of it, on the grid of the image.
        schema: the structures.
        run: folder of the trial's training.
    """

    picked: PickedSlice
    case: Case
    segmentation: Volume
    schema: LabelSchema
    run: Path


def results_of(folder: Path, experiment: Experiment) -> BatchResults:
    """What the folder of an experiment says by now.

    Raises:
        InvalidInput: a table is damaged.
    """
    rows = _comparisons(folder / "comparisons.csv")
    one_class = len(experiment.labels.classes) == 1
    about_all = [row["measure"] == "dice" and (one_class or row["class"] == MEAN) for row in rows]
    sentences = [row["sentence"] for row in rows]
    picked = picked_slices(folder, experiment, per_method=PER_METHOD)
    worst = sorted((one for one in picked if one.rank == "worst"), key=lambda one: one.dice)
    return BatchResults(
        comparisons=tuple(itertools.compress(sentences, about_all)),
        more=tuple(itertools.compress(sentences, (not overall for overall in about_all))),
        worst=tuple(worst),
        has_report=(folder / REPORT).is_file(),
    )


def load_slice(folder: Path, experiment: Experiment, picked: PickedSlice) -> ShownSlice:
    """The volumes of a picked slice.

    Raises:
        InvalidInput: a file is gone, damaged, or lies on another grid than the image.
    """
    files = next(case.files for case in experiment.cases if case.files.id == picked.case)
    case = files.model_copy(update={"scribbles": None}).load(experiment.labels)
    path = prediction_path(folder, picked.trial, picked.case)
    name = f"The segmentation of {picked.case}"
    array, _ = put_on_grid(read_labels(path), case.grid, name)
    segmentation = Volume(array.astype(np.uint8), case.grid, frame=case.image.frame)
    run = folder / "cells" / picked.trial / "run"
    return ShownSlice(picked, case, segmentation, experiment.labels, run)


def _comparisons(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{k: plain_text(v) for k, v in row.items()} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} can't be read ({error}).") from error
    if rows and not {"measure", "class", "sentence"} <= set(rows[0]):
        raise InvalidInput(f"{path} has other columns than expected; continue the experiment.")
    return rows
