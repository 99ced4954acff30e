"""The result files of an experiment, put together from its trials; equal trials give equal bytes.

| file            | one row per                                                              |
|-----------------|--------------------------------------------------------------------------|
| cells.csv       | trial: how it ended, what was drawn for it, its mean Dice                 |
| scores.csv      | trial, case and class                                                     |
| slices.csv      | trial, case, class and slice                                              |
| clinical.csv    | trial, patient and measurement (volumes, ejection fraction), for hearts    |
| summary.csv     | method, share and class: means over the cases, annotation effort         |
| comparisons.csv | share, measure, class and pair of methods: differences by patient        |
| agreement.csv   | method, share and quantity: Bland-Altman's bias and limits               |
| table.tex       | method and share: Dice and HD95, for a paper                             |
| timing.csv      | trial: seconds and computer; the only one that differs from time to time  |

The files of the locked cases have `locked_` in front. Units stand in the column names; an empty
cell is a number that does not exist, "inf" a distance to something that was missed. Test cases of a
failed trial count as Dice 0, like every missing segmentation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from napari_scribseg.evaluation.bland_altman import agreement
from napari_scribseg.evaluation.metrics import MEASURES, NAN, ClassScore
from napari_scribseg.evaluation.summaries import Spread, summarise
from napari_scribseg.evaluation.tables import COUNTS, SPREAD, csv_text, plain_text
from napari_scribseg.evaluation.tables import Cell as CsvCell
from napari_scribseg.experiment.attempts import attempts_of
from napari_scribseg.experiment.comparisons import comparison_rows
from napari_scribseg.experiment.experiment import (
    Experiment,
    Trial,
    TrialResult,
    locked_result_of,
    result_of,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.latex_table import latex_table
from napari_scribseg.experiment.mixtures import timing_rows
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.experiment.trial_tables import (
    Rows,
    ScoredRow,
    clinical_of,
    grouped,
    scores_of,
    slices_of,
)
from napari_scribseg.io.atomic import write_text

TRIAL_COLUMNS: Final = (
    *("cell", "label", "method", "preset", "fold", "random_seed", "share_percent", "share_of"),
    *("state", "reason", "step", "train_patients", "train_cases", "test_patients", "test_cases"),
    *("scribbled_voxels", "scribbled_slices", "labelled_share", "pen_minutes"),
    *("mean_dice", "failed_cases"),
    *("cases_without_usable_reference", "sha256"),
)


def write_results(folder: Path, experiment: Experiment, *, locked: bool = False) -> tuple[str, ...]:
    """Write the result files of all trials that have ended; gives one sentence per comparison.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        locked: those of the locked cases.

    Raises:
        InvalidInput: a table of a trial is damaged, or a file can't be written.
    """
    trials = list(trials_of(experiment).values())
    results = {trial.name: _result(folder, experiment, trial, locked) for trial in trials}
    ended = [trial for trial in trials if results[trial.name] is not None]
    prefix = "locked_" if locked else ""
    scored, scores = scores_of(folder, experiment, ended, results, prefix)
    done = [
        trial for trial in ended if cast("TrialResult", results[trial.name]).outcome == "finished"
    ]
    clinical = clinical_of(folder, experiment, done, prefix)
    compared = comparison_rows(scored, experiment)
    tables_of_trials: dict[str, Rows] = {
        "scores.csv": scores,
        "slices.csv": slices_of(folder, experiment, done, prefix),
        "clinical.csv": clinical,
    }
    for name, rows in tables_of_trials.items():
        write_text(folder / f"{prefix}{name}", csv_text(rows, copied=True))
    tables: dict[str, Rows] = {
        "summary.csv": _summary_rows(scored, experiment, results),
        "comparisons.csv": compared,
        "agreement.csv": _agreement_rows(scored, clinical),
    }
    for name, rows in tables.items():
        write_text(folder / f"{prefix}{name}", csv_text(rows))
    write_text(folder / f"{prefix}table.tex", latex_table(scored, experiment))
    if not locked:
        rows = _trial_rows(folder, trials, results, scored, experiment.recipe.shares_of)
        write_text(folder / "cells.csv", csv_text(rows))
        write_text(folder / "timing.csv", csv_text(timing_rows(folder, trials)))
    return tuple(str(row[-1]) for row in compared[1:])


def _result(folder: Path, experiment: Experiment, trial: Trial, locked: bool) -> TrialResult | None:
    return locked_result_of(folder, experiment, trial) if locked else result_of(folder, trial)


def _trial_rows(
    folder: Path,
    trials: Sequence[Trial],
    results: Mapping[str, TrialResult | None],
    scored: Iterable[ScoredRow],
    share_of: str,
) -> Rows:
    by_trial: dict[str, list[ClassScore]] = defaultdict(list)
    for row in scored:
        by_trial[row.trial.name].append(row.score)
    rows: Rows = [TRIAL_COLUMNS]
    for trial in trials:
        result = results[trial.name]
        state = result.outcome if result is not None else state_of(folder, trial)
        tried = () if result is not None else attempts_of(trial_folder(folder, trial.name))
        result = result or TrialResult(sha256="", outcome="failed", labelled_share=NAN)
        means = [s.dice.mean for s in summarise(by_trial[trial.name]) if s.dice.n]
        rows.append(
            (
                *(
                    trial.name,
                    trial.label,
                    trial.settings.method,
                    trial.settings.preset,
                    trial.fold,
                ),
                *(trial.random_seed, share_text(trial.share), share_of),
                *(state, result.reason or (tried[-1].reason if tried else ""), result.step),
                *(_patients(trial.train), len(trial.train), _patients(trial.test), len(trial.test)),
                *(result.scribbled_voxels, result.scribbled_slices, result.labelled_share),
                _pen_minutes(trial, share_of),
                *(float(np.mean(means)) if means else NAN, len(result.failures)),
                *(len(result.unusable), trial.sha256),
            )
        )
    return rows


def _patients(cases: Iterable[Any]) -> int:
    return len({case.files.patient for case in cases})


def _summary_rows(
    scored: Sequence[ScoredRow], experiment: Experiment, results: Mapping[str, TrialResult | None]
) -> Rows:
    columns = [(m, f.name) for m in MEASURES for f in SPREAD]
    rows: Rows = [
        (
            *("label", "share_percent", "share_of", "cells", "patients"),
            *("scribbled_voxels_mean", "scribbled_slices_mean", "labelled_share_mean"),
            "pen_minutes_mean",
            *("class", "class_index", *COUNTS, *(f"{m}_{name}" for m, name in columns)),
            "dice_std_between_seeds",
            "dice_max",
        )
    ]
    for (label, share), group in grouped(scored).items():
        trials = {row.trial.name: row.trial for row in group}
        effort = [r for r in (results[name] for name in trials) if r is not None]
        share_of = experiment.recipe.shares_of
        front = (
            *(label, share_text(share), share_of, len(trials)),
            len({row.patient for row in group}),
            *(float(np.mean([getattr(r, name) for r in effort])) for name in _EFFORT),
            float(np.mean([_pen_minutes(trial, share_of) for trial in trials.values()])),
        )
        for s in summarise(row.score for row in group):
            of_class = [row for row in group if row.score.index == s.index]
            rows.append(
                (
                    *(*front, s.name, s.index),
                    *(cast("int", getattr(s, name)) for name in COUNTS),
                    *(cast("CsvCell", getattr(getattr(s, m), name)) for m, name in columns),
                    _between_seeds(of_class),
                    max((row.score.dice for row in of_class if row.score.dice >= 0), default=NAN),
                )
            )
    return rows


_EFFORT: Final = ("scribbled_voxels", "scribbled_slices", "labelled_share")


def _pen_minutes(trial: Trial, share_of: str) -> float:
    """Minutes with the pen behind a trial; NaN where not known, as of a share of the strokes."""
    minutes = None if share_of == "strokes" and trial.share < 1 else trial.pen_minutes
    return NAN if minutes is None else minutes


def _between_seeds(rows: Iterable[ScoredRow]) -> float:
    """Standard deviation of the mean Dice of every seed; NaN with one seed."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        by_seed[row.trial.random_seed].append(row.score.dice)
    return Spread.of(Spread.of(values).mean for values in by_seed.values()).std


def _agreement_rows(scored: Iterable[ScoredRow], clinical: Rows) -> Rows:
    """Bland-Altman numbers of the volumes of all classes, and of the clinical measurements."""
    rows: Rows = [
        (
            *("label", "share_percent", "quantity", "unit", "pairs", "patients", "left_out"),
            *("bias", "bias_low_95", "bias_high_95", "std", "limit_low", "limit_high"),
        )
    ]
    pairs: dict[tuple[str, str, str, str], list[tuple[float, float, str]]] = defaultdict(list)
    for row in scored:
        key = (row.trial.label, share_text(row.trial.share), f"{row.score.name} volume", "mL")
        pairs[key].append((row.score.volume_ml, row.score.reference_volume_ml, row.patient))
    for row in clinical[1:]:
        noted = {str(k): plain_text(str(v)) for k, v in zip(clinical[0], row, strict=True)}
        key = (noted["label"], noted["share_percent"], noted["measurement"], noted["unit"])
        numbers = (float(noted["value"] or "nan"), float(noted["reference"]))
        pairs[key].append((*numbers, noted["patient"]))
    for key, values in pairs.items():
        measured, reference, patients = zip(*values, strict=True)
        a = agreement(measured, reference, patients)
        n = (a.n, a.patients, len(values) - a.n)
        interval = (a.bias_interval.low, a.bias_interval.high)
        rows.append((*key, *n, a.bias, *interval, a.std, a.low, a.high))
    return rows
