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

import csv
import io
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.case_scores import (
    CLINICAL_COLUMNS,
    SCORE_COLUMNS,
    SLICE_COLUMNS,
    ScoreTables,
    score_of_row,
)
from napari_scribseg.evaluation.metrics import (
    MEASURES,
    NAN,
    ClassScore,
    ClassSummary,
    Spread,
    summarise,
)
from napari_scribseg.evaluation.statistics import Comparison, agreement, compare, holm, sentence
from napari_scribseg.evaluation.tables import COUNTS, SPREAD, csv_text, plain_text
from napari_scribseg.evaluation.tables import Cell as CsvCell
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
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.io.atomic import write_text
from napari_scribseg.io.documents import read_json
from napari_scribseg.io.regular_file import open_own

TRIAL_COLUMNS: Final = (
    *("cell", "label", "method", "preset", "fold", "random_seed", "share_percent", "share_of"),
    *("state", "reason", "step", "train_patients", "train_cases", "test_patients", "test_cases"),
    *("scribbled_voxels", "scribbled_slices", "labelled_share", "mean_dice", "failed_cases"),
    *("cases_without_usable_reference", "sha256"),
)
WHOSE: Final = ("cell", "label", "fold", "random_seed", "share_percent")
"""In front of every row of scores.csv and slices.csv."""
TIMED: Final = ("train_seconds", "score_seconds", "host", "code_sha256")
"""What is noted of every trial in timing.csv."""
COMPARED: Final = (("dice", "Dice", 3), ("hd95_mm", "HD95 in mm", 2))
"""Measures that methods are compared by: name, words, decimals."""
MEAN: Final = "mean of classes"
"""What stands for all classes together in comparisons.csv; of Dice only."""

_LATER: Final = {"reference_share": "1.0"}
"""Columns that tables of earlier versions lack, and what they stand for there."""

Rows = list[tuple[CsvCell, ...]]


@dataclass(frozen=True)
class _Scored:
    """A row of scores.csv, read."""

    trial: Trial
    patient: str
    score: ClassScore


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
    scored, scores = _scores(folder, experiment, ended, results, prefix)
    done = [
        trial for trial in ended if cast("TrialResult", results[trial.name]).outcome == "finished"
    ]
    clinical = _copied(folder, done, f"{prefix}clinical.csv", CLINICAL_COLUMNS)
    compared = _comparisons(scored, experiment)
    copied: dict[str, Rows] = {
        "scores.csv": scores,
        "slices.csv": _copied(folder, done, f"{prefix}slices.csv", SLICE_COLUMNS),
        "clinical.csv": clinical,
    }
    for name, rows in copied.items():
        write_text(folder / f"{prefix}{name}", csv_text(rows, copied=True))
    tables: dict[str, Rows] = {
        "summary.csv": _summary_rows(scored, experiment, results),
        "comparisons.csv": compared,
        "agreement.csv": _agreement_rows(scored, clinical),
    }
    for name, rows in tables.items():
        write_text(folder / f"{prefix}{name}", csv_text(rows))
    write_text(folder / f"{prefix}table.tex", _latex(scored, experiment))
    if not locked:
        rows = _trial_rows(folder, trials, results, scored, experiment.recipe.shares_of)
        write_text(folder / "cells.csv", csv_text(rows))
        write_text(folder / "timing.csv", csv_text(_timing_rows(folder, trials)))
    return tuple(str(row[-1]) for row in compared[1:])


def _result(folder: Path, experiment: Experiment, trial: Trial, locked: bool) -> TrialResult | None:
    return locked_result_of(folder, experiment, trial) if locked else result_of(folder, trial)


def _scores(
    folder: Path,
    experiment: Experiment,
    trials: Sequence[Trial],
    results: Mapping[str, TrialResult | None],
    prefix: str,
) -> tuple[list[_Scored], Rows]:
    """The scores of the trials that have ended, read and as the rows of scores.csv."""
    scored: list[_Scored] = []
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
        scored += [_Scored(trial, plain_text(row["patient"]), score_of_row(row)) for row in rows]
    return scored, scores


def _copied(folder: Path, trials: Iterable[Trial], name: str, columns: Sequence[str]) -> Rows:
    """One table of all trials, text as it is."""
    rows: Rows = [(*WHOSE, *columns)]
    for trial in trials:
        parts = _read_rows(trial_folder(folder, trial.name) / name, columns)
        rows += [(*_whose(trial), *row.values()) for row in parts]
    return rows


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


def _trial_rows(
    folder: Path,
    trials: Sequence[Trial],
    results: Mapping[str, TrialResult | None],
    scored: Iterable[_Scored],
    share_of: str,
) -> Rows:
    by_trial: dict[str, list[ClassScore]] = defaultdict(list)
    for row in scored:
        by_trial[row.trial.name].append(row.score)
    rows: Rows = [TRIAL_COLUMNS]
    for trial in trials:
        result = results[trial.name]
        state = result.outcome if result is not None else state_of(folder, trial)
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
                *(state, result.reason, result.step),
                *(_patients(trial.train), len(trial.train), _patients(trial.test), len(trial.test)),
                *(result.scribbled_voxels, result.scribbled_slices, result.labelled_share),
                *(float(np.mean(means)) if means else NAN, len(result.failures)),
                *(len(result.unusable), trial.sha256),
            )
        )
    return rows


def _patients(cases: Iterable[Any]) -> int:
    return len({case.files.patient for case in cases})


def _timing_rows(folder: Path, trials: Sequence[Trial]) -> Rows:
    rows: Rows = [("cell", *TIMED)]
    for trial in trials:
        path = trial_folder(folder, trial.name) / "timing.json"
        if path.is_file():
            noted = read_json(path)
            rows.append((trial.name, *(noted.get(name, "") for name in TIMED)))
    return rows


def code_note(folder: Path, experiment: Experiment) -> str | None:
    """That the trials were computed by different code of one version, in a sentence, if so."""
    trials = list(trials_of(experiment).values())
    states = {str(row[-1]) for row in _timing_rows(folder, trials)[1:]}
    if len(states) < 2:
        return None
    return (
        f"The trials were computed by {len(states)} states of the code (see code_sha256 in "
        "timing.csv), so methods may have changed between them: repeat the experiment in a new "
        "folder before you compare."
    )


def _grouped(scored: Iterable[_Scored]) -> dict[tuple[str, float], list[_Scored]]:
    """The scores of every method and share, in the order of the trials."""
    groups: dict[tuple[str, float], list[_Scored]] = {}
    for row in scored:
        groups.setdefault((row.trial.label, row.trial.share), []).append(row)
    return groups


def _summary_rows(
    scored: Sequence[_Scored], experiment: Experiment, results: Mapping[str, TrialResult | None]
) -> Rows:
    columns = [(m, f.name) for m in MEASURES for f in SPREAD]
    rows: Rows = [
        (
            *("label", "share_percent", "share_of", "cells", "patients"),
            *("scribbled_voxels_mean", "scribbled_slices_mean", "labelled_share_mean"),
            *("class", "class_index", *COUNTS, *(f"{m}_{name}" for m, name in columns)),
            "dice_std_between_seeds",
        )
    ]
    for (label, share), group in _grouped(scored).items():
        trials = dict.fromkeys(row.trial.name for row in group)
        effort = [r for r in (results[name] for name in trials) if r is not None]
        front = (
            *(label, share_text(share), experiment.recipe.shares_of, len(trials)),
            len({row.patient for row in group}),
            *(float(np.mean([getattr(r, name) for r in effort])) for name in _EFFORT),
        )
        for s in summarise(row.score for row in group):
            of_class = [row for row in group if row.score.index == s.index]
            rows.append(
                (
                    *(*front, s.name, s.index),
                    *(cast("int", getattr(s, name)) for name in COUNTS),
                    *(cast("CsvCell", getattr(getattr(s, m), name)) for m, name in columns),
                    _between_seeds(of_class),
                )
            )
    return rows


_EFFORT: Final = ("scribbled_voxels", "scribbled_slices", "labelled_share")


def _between_seeds(rows: Iterable[_Scored]) -> float:
    """Standard deviation of the mean Dice of every seed; NaN with one seed."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        by_seed[row.trial.random_seed].append(row.score.dice)
    return Spread.of(Spread.of(values).mean for values in by_seed.values()).std


def _agreement_rows(scored: Iterable[_Scored], clinical: Rows) -> Rows:
    """Bland-Altman numbers of the volumes of all classes, and of the clinical measurements."""
    rows: Rows = [
        (
            *("label", "share_percent", "quantity", "unit", "pairs", "left_out"),
            *("bias", "bias_low_95", "bias_high_95", "std", "limit_low", "limit_high"),
        )
    ]
    pairs: dict[tuple[str, str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in scored:
        key = (row.trial.label, share_text(row.trial.share), f"{row.score.name} volume", "mL")
        pairs[key].append((row.score.volume_ml, row.score.reference_volume_ml))
    for row in clinical[1:]:
        noted = {str(k): plain_text(str(v)) for k, v in zip(clinical[0], row, strict=True)}
        key = (noted["label"], noted["share_percent"], noted["measurement"], noted["unit"])
        pairs[key].append((float(noted["value"] or "nan"), float(noted["reference"])))
    for key, values in pairs.items():
        a = agreement([ours for ours, _ in values], [theirs for _, theirs in values])
        interval = (a.bias_interval.low, a.bias_interval.high)
        rows.append((*key, a.n, len(values) - a.n, a.bias, *interval, a.std, a.low, a.high))
    return rows


def _comparisons(scored: Sequence[_Scored], experiment: Experiment) -> Rows:
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
    scored: Iterable[_Scored], measure: str
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


def _latex(scored: Sequence[_Scored], experiment: Experiment) -> str:
    """A table for a paper: mean (standard deviation) over the cases; needs no package."""
    classes = experiment.labels.names[1:]
    head = ["Method", "Annotation", *(f"Dice {c}" for c in classes)]
    head += [f"HD95 {c} (mm)" for c in classes]
    lines = [
        f"% {experiment.dataset_title}: mean (standard deviation) over the test cases.",
        "% HD95 over finite distances; the number of infinite ones follows the plus sign.",
        *_partial_comment(scored),
        rf"\begin{{tabular}}{{ll{'c' * (2 * len(classes))}}}",
        r"\hline",
        " & ".join(map(_tex, head)) + r" \\",
        r"\hline",
    ]
    lines[0] = lines[0].replace("\n", " ")
    for (label, share), group in _grouped(scored).items():
        summaries = {s.name: s for s in summarise(row.score for row in group)}
        words = [_tex(label), rf"{share_text(share)}\,\%"]
        words += [_tex_spread(summaries.get(c), "dice", 3) for c in classes]
        words += [_tex_spread(summaries.get(c), "hd95_mm", 1) for c in classes]
        lines.append(" & ".join(words) + r" \\")
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def _partial_comment(scored: Iterable[_Scored]) -> list[str]:
    """Comments of the table on cases with no usable reference, or a partial one."""
    scores = [row.score for row in scored]
    lines: list[str] = []
    if any(score.status == "no reference" for score in scores):
        lines.append("% Cases without a usable reference are in no mean.")
    if any(score.reference_share < 1 for score in scores):
        lines.append("% Some references are partial: scores are of the voxels that they label.")
    return lines


def _tex_spread(summary: ClassSummary | None, measure: str, digits: int) -> str:
    spread = cast("Spread | None", getattr(summary, measure, None))
    if spread is None or not spread.n:
        return "--"
    text = f"{spread.mean:.{digits}f}"
    if not np.isnan(spread.std):
        text += f" ({spread.std:.{digits}f})"
    return f"{text} +{spread.n_infinite}" if spread.n_infinite else text


def _tex(text: str) -> str:
    """Text with the characters escaped that TeX would take for commands."""
    special = {c: rf"\{c}" for c in "&%$#_{}"}
    special |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, c) for c in text)
