"""The tables of single trials, read and put under each other."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.case_scores import SCORE_COLUMNS, ScoreTables, score_of_row
from napari_scribseg.evaluation.metrics import ClassScore
from napari_scribseg.evaluation.tables import Cell as CsvCell
from napari_scribseg.evaluation.tables import csv_text, plain_text
from napari_scribseg.experiment.experiment import Experiment, Trial, TrialResult, trial_folder
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.io.regular_file import open_own

WHOSE: Final = ("cell", "label", "fold", "random_seed", "share_percent")
"""In front of every row of scores.csv and slices.csv."""
_LATER: Final = {"reference_share": "1.0"}
"""Columns that tables of earlier versions lack, and what they stand for there."""


Rows = list[tuple[CsvCell, ...]]


@dataclass(frozen=True)
class ScoredRow:
    """A row of scores.csv, read."""

    trial: Trial
    patient: str
    score: ClassScore


def scores_of(
    folder: Path,
    experiment: Experiment,
    trials: Sequence[Trial],
    results: Mapping[str, TrialResult | None],
    prefix: str,
) -> tuple[list[ScoredRow], Rows]:
    """The scores of the trials that have ended, read and as the rows of scores.csv."""
    scored: list[ScoredRow] = []
    scores: Rows = [(*WHOSE, *SCORE_COLUMNS)]
    for trial in trials:
        result = results[trial.name]
        assert result is not None
        if result.outcome == "failed":
            rows = _failed_rows(trial, result.reason, experiment)
        else:
            path = trial_folder(folder, trial.name) / f"{prefix}scores.csv"
            rows = _read_rows(path, SCORE_COLUMNS)
        scores += [(*_whose(trial), *row.values()) for row in rows]
        scored += [ScoredRow(trial, plain_text(row["patient"]), score_of_row(row)) for row in rows]
    return scored, scores


def copied(folder: Path, trials: Iterable[Trial], name: str, columns: Sequence[str]) -> Rows:
    """One table of all trials, text as it is."""
    rows: Rows = [(*WHOSE, *columns)]
    for trial in trials:
        parts = _read_rows(trial_folder(folder, trial.name) / name, columns)
        rows += [(*_whose(trial), *row.values()) for row in parts]
    return rows


def grouped(scored: Iterable[ScoredRow]) -> dict[tuple[str, float], list[ScoredRow]]:
    """The scores of every method and share, in the order of the trials."""
    groups: dict[tuple[str, float], list[ScoredRow]] = {}
    for row in scored:
        groups.setdefault((row.trial.label, row.trial.share), []).append(row)
    return groups


def _whose(trial: Trial) -> tuple[str, ...]:
    return (trial.name, trial.label, trial.fold, str(trial.random_seed), share_text(trial.share))


def _failed_rows(trial: Trial, reason: str, experiment: Experiment) -> list[dict[str, str]]:
    tables = ScoreTables()
    for case in trial.test:
        if case.reference_problem:
            tables.add_unusable(case.files, case.reference_problem, experiment.labels)
        else:
            tables.add_failed(case.files, reason, experiment.labels)
    return _rows_of(csv_text(tables.scores))


def _read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with open_own(path, "rb") as file:
            rows = _rows_of(file.read().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path.parent.name}: the table {path.name} can't be read ({error}). Remove the folder "
            "of the trial and repeat the command."
        ) from error
    if rows and tuple(rows[0]) == tuple(c for c in columns if c not in _LATER):
        return [{c: row.get(c, _LATER.get(c, "")) for c in columns} for row in rows]
    if rows and tuple(rows[0]) != tuple(columns):
        raise InvalidInput(
            f"{path.parent.name}: the table {path.name} has other columns than expected. Remove "
            "the folder of the trial and repeat the command."
        )
    return rows


def _rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))
