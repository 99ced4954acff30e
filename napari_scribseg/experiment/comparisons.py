"""Every pair of methods compared by patient, as the rows of comparisons.csv.

While trials are still open, two methods are compared on the folds and seeds that have ended for
both: the mean of five trainings is nothing to compare with that of one.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

import numpy as np

from napari_scribseg.evaluation.statistics import Comparison, compare, holm, sentence
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.experiment.trial_tables import Rows, ScoredRow

COMPARED: Final = (("dice", "Dice", 3), ("hd95_mm", "HD95 in mm", 2))
"""Measures that methods are compared by: name, words, decimals."""
MEAN: Final = "mean of classes"
"""What stands for all classes together in comparisons.csv; of Dice only."""


def comparison_rows(scored: Sequence[ScoredRow], experiment: Experiment) -> Rows:
    """Every pair of methods, corrected for the number of comparisons of the same measure."""
    rows: Rows = [
        (
            *("share_percent", "measure", "class", "first", "second", "patients", "left_out"),
            *("left_out_first", "left_out_second"),
            *("mean_first", "mean_second", "difference", "low_95", "high_95"),
            *("p", "p_holm", "tests", "sentence"),
        )
    ]
    labels = [settings.label for settings in experiment.settings]
    groups = _Groups(scored)
    for measure, words, digits in COMPARED:
        found: list[tuple[float, str, Comparison]] = []
        for share in experiment.recipe.shares:
            for name in _compared_classes(experiment, measure):
                for first, second in itertools.combinations(labels, 2):
                    both = groups.of_both(share, first, second, measure)
                    sides = (both[0].get(name, {}), both[1].get(name, {}))
                    if all(sides):
                        found.append((share, name, compare(first, second, sides)))
        corrected = holm([c.p for _, _, c in found])
        n_tests = sum(not np.isnan(c.p) for _, _, c in found)
        for (share, name, c), p_holm in zip(found, corrected, strict=True):
            about = f"{words} ({name})"
            if len(experiment.recipe.shares) > 1:
                about += f" with {share_text(share)} % of the {experiment.recipe.shares_of}"
            said = sentence(c, about, p_holm, n_tests, digits)
            rows.append(
                (
                    *(share_text(share), measure, name, c.first, c.second, c.n, c.n_left_out),
                    *(c.left_out_first, c.left_out_second),
                    *(c.mean_first, c.mean_second, c.difference),
                    *(c.interval.low, c.interval.high, c.p, p_holm, n_tests, said),
                )
            )
    return rows


def _compared_classes(experiment: Experiment, measure: str) -> tuple[str, ...]:
    classes = experiment.labels.names[1:]
    return (MEAN, *classes) if measure == "dice" and len(classes) > 1 else classes


_Values = Mapping[str, Mapping[str, float]]
"""By the name of a class and the patient."""


class _Groups:
    """The scores of every method and share, by fold and seed.

    Args:
        scored: of all trials that have ended.
    """

    def __init__(self, scored: Iterable[ScoredRow]) -> None:
        self._rows: dict[tuple[str, float], dict[tuple[str, int], list[ScoredRow]]] = {}
        for row in scored:
            trial = row.trial
            parts = self._rows.setdefault((trial.label, trial.share), {})
            parts.setdefault((trial.fold, trial.random_seed), []).append(row)
        self._known: dict[tuple[str, float, str, frozenset[tuple[str, int]]], _Values] = {}

    def of_both(self, share: float, first: str, second: str, measure: str) -> tuple[_Values, ...]:
        """The numbers of two methods, of the folds and seeds that both have."""
        sides = [self._rows.get((label, share), {}) for label in (first, second)]
        both = frozenset(sides[0].keys() & sides[1].keys())
        found: list[_Values] = []
        for label, parts in zip((first, second), sides, strict=True):
            key = (label, share, measure, both)
            if key not in self._known:
                rows = (row for part, rows in parts.items() if part in both for row in rows)
                self._known[key] = _by_patient(rows, measure)
            found.append(self._known[key])
        return tuple(found)


def _by_patient(scored: Iterable[ScoredRow], measure: str) -> _Values:
    """One number per class and patient: the mean over cases, folds and seeds."""
    numbers: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in scored:
        value = cast("float", getattr(row.score, measure))
        if not np.isnan(value):
            numbers[row.score.name][row.patient].append(value)
    means: dict[str, dict[str, float]] = {}
    of_classes: dict[str, list[float]] = defaultdict(list)
    for name, patients in numbers.items():
        means[name] = {patient: float(np.mean(values)) for patient, values in patients.items()}
        for patient, mean in means[name].items():
            of_classes[patient].append(mean)
    means[MEAN] = {patient: float(np.mean(values)) for patient, values in of_classes.items()}
    return means
