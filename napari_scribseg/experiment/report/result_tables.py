"""What the result files of an experiment say, read once and arranged for whoever shows it."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.tables import plain_text
from napari_scribseg.experiment.comparisons import MEAN
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.experiment.report.plots import EffortPoint, Pairs
from napari_scribseg.io.regular_file import open_own

Row = dict[str, str]
"""A row of a result file by the names of its columns."""

EF: Final = " EF"
"""How the names of ejection fractions end."""
VOLUME: Final = " volume"
_FILES: Final = ("scores", "summary", "comparisons", "clinical", "agreement")


@dataclass(frozen=True)
class ResultTables:
    """The result files of an experiment, as text.

    Args:
        experiment: whose they are.
        scores: one row per trial, case and class.
        summary: one per method, share and class.
        comparisons: one per measure, class and pair of methods.
        clinical: one per trial, patient and measurement.
        agreement: one per method and quantity.
        trials: one per trial; those of the test cases, also when the others are locked ones.
        timing: one per computed trial.
    """

    experiment: Experiment
    scores: list[Row]
    summary: list[Row]
    comparisons: list[Row]
    clinical: list[Row]
    agreement: list[Row]
    trials: list[Row]
    timing: list[Row]

    @classmethod
    def read(cls, folder: Path, experiment: Experiment, *, locked: bool = False) -> ResultTables:
        """The files in the folder of an experiment.

        Raises:
            InvalidInput: one is missing or can't be read.
        """
        prefix = "locked_" if locked else ""
        tables = {name: _rows(folder / f"{prefix}{name}.csv") for name in _FILES}
        return cls(
            experiment,
            **tables,
            trials=_rows(folder / "cells.csv"),
            timing=_rows(folder / "timing.csv"),
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the methods, in the order of the recipe."""
        return tuple(settings.label for settings in self.experiment.settings)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the foreground classes."""
        return self.experiment.labels.names[1:]

    @property
    def shares(self) -> tuple[str, ...]:
        """Shares of the annotation in percent, as the files call them."""
        return tuple(share_text(share) for share in self.experiment.recipe.shares)

    @property
    def largest_share(self) -> str:
        """The share that plots of one share show."""
        return share_text(max(self.experiment.recipe.shares))

    def by_class(self, measure: str) -> dict[str, dict[str, list[float]]]:
        """Class -> method -> the numbers of all cases, with the largest share of the annotation."""
        found = {name: {label: list[float]() for label in self.labels} for name in self.classes}
        for row in self.scores:
            if row["share_percent"] == self.largest_share:
                found[row["class"]][row["label"]].append(number(row[measure]))
        return found

    def mean_dice(self) -> dict[tuple[str, str], float]:
        """Method and share -> mean over the classes of the mean Dice over the cases."""
        means: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row in self.summary:
            dice = number(row["dice_mean"])
            if not np.isnan(dice):
                means[row["label"], row["share_percent"]].append(dice)
        return {key: float(np.mean(values)) for key, values in means.items()}

    def effort(self) -> dict[str, list[EffortPoint]]:
        """Method -> what it reached with each share of the annotation."""
        points: dict[str, list[EffortPoint]] = {}
        for label in self.labels:
            for share in self.shares:
                trials = [
                    row
                    for row in self.trials
                    if (row["label"], row["share_percent"]) == (label, share)
                    and row["state"] == "finished"
                    and row["mean_dice"]
                ]
                if trials:
                    drawn = _mean(number(row["scribbled_voxels"]) for row in trials)
                    dice = [number(row["mean_dice"]) for row in trials]
                    points.setdefault(label, []).append(EffortPoint(drawn, dice))
        return points

    def volume_pairs(self) -> tuple[dict[str, dict[str, Pairs]], dict[str, str]]:
        """Method -> quantity -> pairs, and the unit of every quantity: volumes and EF."""
        units: dict[str, str] = {}
        pairs: dict[str, dict[str, tuple[list[float], list[float]]]] = {
            label: defaultdict(lambda: ([], [])) for label in self.labels
        }

        def add(row: Row, quantity: str, unit: str, ours: str, reference: str) -> None:
            if row["share_percent"] == self.largest_share:
                units[quantity] = unit
                for values, text in zip(
                    pairs[row["label"]][quantity], (ours, reference), strict=True
                ):
                    values.append(number(text))

        for row in self.scores:
            volumes = (row["volume_ml"], row["reference_volume_ml"])
            add(row, row["class"] + VOLUME, "mL", *volumes)
        for row in self.clinical:
            if row["measurement"].endswith(EF):
                add(row, row["measurement"], row["unit"], row["value"], row["reference"])
        shown = {
            label: {quantity: Pairs(*values) for quantity, values in of_label.items()}
            for label, of_label in pairs.items()
        }
        return shown, units

    def sentences(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the comparisons say: about all classes together, and about single ones."""
        overall: list[str] = []
        single: list[str] = []
        one_class = len(self.classes) == 1
        for row in self.comparisons:
            about_all = row["measure"] == "dice" and (row["class"] == MEAN or one_class)
            (overall if about_all else single).append(row["sentence"])
        return tuple(overall), tuple(single)


def number(text: str) -> float:
    """A number of a result file; NaN where the cell is empty."""
    return float(text) if text else float("nan")


def by_key(rows: Iterable[Row], key: Callable[[Row], str]) -> Mapping[str, list[Row]]:
    """Rows that belong together, in the order in which they come."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _rows(path: Path) -> list[Row]:
    try:
        with open_own(path, "rb") as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            return [{k: plain_text(v) for k, v in row.items()} for row in csv.DictReader(text)]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"The result file {path.name} of {path.parent} can't be read ({error}). Repeat "
            "`scribseg experiment` with the folder: it writes the results again."
        ) from error
