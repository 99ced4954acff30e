"""The tables of single trials, read and put under each other.

Whose a case is may have been corrected since a trial was scored. That changes none of its numbers,
so it is told here as the experiment knows it now.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.case_scores import (
    CLINICAL_COLUMNS,
    SCORE_COLUMNS,
    SLICE_COLUMNS,
    ScoreTables,
    score_of_row,
)
from napari_scribseg.evaluation.hearts import PHASES, hearts_of
from napari_scribseg.evaluation.metrics import ClassScore
from napari_scribseg.evaluation.tables import Cell as CsvCell
from napari_scribseg.evaluation.tables import cell_of_text, csv_text, plain_text
from napari_scribseg.experiment.experiment import Experiment, Trial, TrialResult, trial_folder
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.io.regular_file import open_own

WHOSE: Final = ("cell", "label", "fold", "random_seed", "share_percent")
"""In front of every row of scores.csv and slices.csv."""
_LATER: Final = {"reference_share": "1.0", "cases": ""}
"""Columns that tables of earlier versions lack, and what they stand for there."""


Rows = list[tuple[CsvCell, ...]]
_Known = dict[str, dict[str, str]]
"""By the id of every case: the cells that say whose it is, by column."""


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
    known = _known(experiment)
    for trial in trials:
        result = results[trial.name]
        assert result is not None
        if result.outcome == "failed":
            rows = _failed_rows(trial, result.reason, experiment)
        else:
            path = trial_folder(folder, trial.name) / f"{prefix}scores.csv"
            rows = _as_known_now(_read_rows(path, SCORE_COLUMNS), known)
        scores += [(*_whose(trial), *row.values()) for row in rows]
        scored += [ScoredRow(trial, plain_text(row["patient"]), score_of_row(row)) for row in rows]
    return scored, scores


def slices_of(folder: Path, experiment: Experiment, trials: Iterable[Trial], prefix: str) -> Rows:
    """The rows of slices.csv: those of all trials, numbers as they are."""
    rows: Rows = [(*WHOSE, *SLICE_COLUMNS)]
    known = _known(experiment)
    for trial in trials:
        path = trial_folder(folder, trial.name) / f"{prefix}slices.csv"
        parts = _as_known_now(_read_rows(path, SLICE_COLUMNS), known)
        rows += [(*_whose(trial), *row.values()) for row in parts]
    return rows


def clinical_of(folder: Path, experiment: Experiment, trials: Iterable[Trial], prefix: str) -> Rows:
    """The rows of clinical.csv: those of all trials, numbers as they are.

    What was measured on two phases that are not taken for one heart any more is left out.
    """
    rows: Rows = [(*WHOSE, *CLINICAL_COLUMNS)]
    known = _known(experiment)
    hearts = {" ".join(pair) for pair in hearts_of(c.files for c in experiment.cases).of.values()}
    for trial in trials:
        there = trial_folder(folder, trial.name)
        parts = _read_rows(there / f"{prefix}clinical.csv", CLINICAL_COLUMNS)
        if parts:
            scores = _read_rows(there / f"{prefix}scores.csv", SCORE_COLUMNS)
            parts = _hearts_as_known_now(parts, scores, known, hearts)
        rows += [(*_whose(trial), *row.values()) for row in parts]
    return rows


def grouped(scored: Iterable[ScoredRow]) -> dict[tuple[str, float], list[ScoredRow]]:
    """The scores of every method and share, in the order of the trials."""
    groups: dict[tuple[str, float], list[ScoredRow]] = {}
    for row in scored:
        groups.setdefault((row.trial.label, row.trial.share), []).append(row)
    return groups


def _as_known_now(rows: list[dict[str, str]], known: _Known) -> list[dict[str, str]]:
    """Rows about cases, with what is known of their patients now."""
    changes = (known.get(plain_text(row["case"]), {}) for row in rows)
    return [
        row | {name: cell for name, cell in new.items() if name in row}
        for row, new in zip(rows, changes, strict=True)
    ]


def _hearts_as_known_now(
    rows: list[dict[str, str]],
    scores: list[dict[str, str]],
    known: _Known,
    hearts: Collection[str],
) -> list[dict[str, str]]:
    """Rows about hearts, likewise; without those whose phases belong together no more.

    Earlier versions did not name the cases, and took phases of several examinations of a patient
    for one heart.

    Args:
        rows: of clinical.csv, as the trial has written them.
        scores: of scores.csv, likewise: which case was whose.
        known: what is known now.
        hearts: the cases of every heart of now, as the column has them.
    """
    now = _as_known_now(scores, known)
    before, after = _phases_by_patient(scores), _phases_by_patient(now)
    same = {frozenset(phases): patient for patient, phases in after.items()}
    groups = {row["patient"]: row["group"] for row in now}
    whose = {row["case"]: row["patient"] for row in now}
    found: list[dict[str, str]] = []
    for row in rows:
        if row["cases"]:
            patient = whose[row["cases"].split()[0]] if row["cases"] in hearts else None
        else:
            phases = frozenset(before.get(row["patient"], ()))
            patient = same.get(phases) if len(phases) == len(PHASES) else None
        if patient is not None:
            found.append(row | {"patient": patient, "group": groups[patient]})
    return found


def _phases_by_patient(scores: Iterable[dict[str, str]]) -> dict[str, set[tuple[str, str]]]:
    """The cases of every patient that are a phase of a heart, and which one."""
    phases: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in scores:
        if row["phase"]:
            phases[row["patient"]].add((row["case"], row["phase"].casefold()))
    return phases


def _known(experiment: Experiment) -> _Known:
    found: _Known = {}
    for files in (case.files for case in experiment.cases):
        words = {"patient": files.patient, "group": files.group or "", "phase": files.phase or ""}
        found[files.id] = {name: cell_of_text(text) for name, text in words.items()}
    return found


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
