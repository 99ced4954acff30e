"""Every pair of methods compared by patient, as the rows of comparisons.csv."""

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
            *("mean_first", "mean_second", "difference", "low_95", "high_95"),
            *("p", "p_holm", "tests", "sentence"),
        )
    ]
    labels = [settings.label for settings in experiment.settings]
    for measure, words, digits in COMPARED:
        values = _by_patient(scored, measure)
        found: list[tuple[float, str, Comparison]] = []
        for share in experiment.recipe.shares:
            for name in _compared_classes(experiment, measure):
                for first, second in itertools.combinations(labels, 2):
                    sides = (values[first, share, name], values[second, share, name])
                    if all(sides):
                        found.append((share, name, compare(first, second, sides)))
        corrected = holm([c.p for _, _, c in found])
        for (share, name, c), p_holm in zip(found, corrected, strict=True):
            about = f"{words} ({name})"
            if len(experiment.recipe.shares) > 1:
                about += f" with {share_text(share)} % of the {experiment.recipe.shares_of}"
            said = sentence(c, about, p_holm, len(found), digits)
            rows.append(
                (
                    *(share_text(share), measure, name, c.first, c.second, c.n, c.n_left_out),
                    *(c.mean_first, c.mean_second, c.difference),
                    *(c.interval.low, c.interval.high, c.p, p_holm, len(found), said),
                )
            )
    return rows


def _compared_classes(experiment: Experiment, measure: str) -> tuple[str, ...]:
    classes = experiment.labels.names[1:]
    return (MEAN, *classes) if measure == "dice" and len(classes) > 1 else classes


def _by_patient(
    scored: Iterable[ScoredRow], measure: str
) -> Mapping[tuple[str, float, str], dict[str, float]]:
    """One number per method, share, class and patient: the mean over cases, folds and seeds."""
    numbers: dict[tuple[str, float, str], dict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in scored:
        value = cast("float", getattr(row.score, measure))
        if not np.isnan(value):
            key = (row.trial.label, row.trial.share, row.score.name)
            numbers[key][row.patient].append(value)
    means: dict[tuple[str, float, str], dict[str, float]] = defaultdict(dict)
    of_classes: dict[tuple[str, float, str], dict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for key, patients in numbers.items():
        for patient, values in patients.items():
            mean = float(np.mean(values))
            means[key][patient] = mean
            of_classes[key[0], key[1], MEAN][patient].append(mean)
    for key, patients in of_classes.items():
        means[key] = {patient: float(np.mean(values)) for patient, values in patients.items()}
    return means
