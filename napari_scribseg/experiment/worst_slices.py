"""Which slices of an experiment somebody should look at: the worst and the median of every method.

A slice counts by the mean Dice of its structures. A structure that was invented or missed on a
slice has Dice 0 there, so of equally bad slices those come first where more tissue is wrong. Of the
worst every case gives one at most; trials take part that learnt from the largest share of the
annotation.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.tables import plain_text
from napari_scribseg.experiment.experiment import (
    Experiment,
    Trial,
    locked_result_of,
    result_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.io.regular_file import open_own

Rank = Literal["worst", "median"]


@dataclass(frozen=True)
class PickedSlice:
    """A slice to look at.

    Args:
        trial: whose segmentation it is.
        label: name of the method in the experiment.
        share: of the annotation that the trial learnt from.
        case: id of the test case.
        slice_index: from 0, along z.
        dice: mean over the structures on the slice.
        rank: why it was picked.
    """

    trial: str
    label: str
    share: float
    case: str
    slice_index: int
    dice: float
    rank: Rank


@dataclass
class _Slice:
    """What the rows of one slice say."""

    dices: list[float] = field(default_factory=list)
    wrong_mm2: float = 0.0

    @property
    def dice(self) -> float:
        return math.fsum(self.dices) / len(self.dices)


def picked_slices(
    folder: Path, experiment: Experiment, *, per_method: int = 3, locked: bool = False
) -> tuple[PickedSlice, ...]:
    """The worst slices of every method, then its median one.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        per_method: how many of the worst.
        locked: of the locked cases instead of the others.

    Raises:
        InvalidInput: a table of a trial is damaged.
    """
    share = max(experiment.recipe.shares)
    by_label: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials_of(experiment).values():
        done = locked_result_of(folder, experiment, trial) if locked else result_of(folder, trial)
        if trial.share == share and done is not None and done.outcome == "finished":
            by_label[trial.label].append(trial)
    picked: list[PickedSlice] = []
    for label, trials in by_label.items():
        found = [item for trial in trials for item in _slices_of(folder, trial, locked)]
        found.sort(key=lambda item: (item[1].dice, -item[1].wrong_mm2, *item[0]))
        worst = _one_per_case(found)[:per_method]
        median = [found[(len(found) - 1) // 2]] if len(found) > len(worst) else []
        ranked: tuple[tuple[Rank, Sequence[_Found]], ...] = (("worst", worst), ("median", median))
        for rank, items in ranked:
            picked += [
                PickedSlice(trial, label, share, case, z, item.dice, rank)
                for (trial, case, z), item in items
            ]
    return tuple(picked)


def prediction_path(folder: Path, trial: str, case: str) -> Path:
    """The file of the segmentation that a trial made of a test case.

    Args:
        folder: of the experiment.
        trial: name of the trial.
        case: id of the case.
    """
    return trial_folder(folder, trial) / "run" / "predictions" / f"{case}.nii.gz"


_Found = tuple[tuple[str, str, int], _Slice]
"""(trial, case, slice index) and what is known of it."""


def _slices_of(folder: Path, trial: Trial, locked: bool) -> Iterable[_Found]:
    """The slices of a trial's test cases that have a Dice."""
    path = trial_folder(folder, trial.name) / ("locked_slices.csv" if locked else "slices.csv")
    slices: dict[tuple[str, str, int], _Slice] = defaultdict(_Slice)
    try:
        with open_own(path, "rb") as file:
            for row in csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")):
                if row["status"] == "scored":
                    one = slices[trial.name, plain_text(row["case"]), int(row["slice_index"])]
                    one.dices.append(float(row["dice"]))
                    areas = float(row["area_mm2"]), float(row["reference_area_mm2"] or 0)
                    # Of a Dice and two areas follows the overlap, and from it what is wrong.
                    one.wrong_mm2 += (1 - one.dices[-1]) * sum(areas)
    except (OSError, KeyError, ValueError) as error:
        raise InvalidInput(
            f"{trial.name}: the table {path.name} can't be read ({error}). Remove the folder of "
            "the trial and repeat the command."
        ) from error
    return slices.items()


def _one_per_case(found: Iterable[_Found]) -> list[_Found]:
    """The first slice of every case."""
    first: dict[str, _Found] = {}
    for item in found:
        first.setdefault(item[0][1], item)
    return list(first.values())
