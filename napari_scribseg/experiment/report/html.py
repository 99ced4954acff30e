"""report.html: an experiment for the eye, one file without scripts that needs no network.

It is made from the result files alone, and from the images and segmentations of a few slices. All
text is escaped. Of a case nothing is shown but its id, as the dataset calls it, and of the dataset
its name and not its place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np

from napari_scribseg.data.pseudonyms import safe_title
from napari_scribseg.experiment.attempts import told
from napari_scribseg.experiment.experiment import (
    RECIPE,
    REPORT,
    CaseFailure,
    Experiment,
    locked_result_of,
    result_of,
    trials_of,
)
from napari_scribseg.experiment.mixtures import mixtures
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.report.figures import address_of, figures_of
from napari_scribseg.experiment.report.pictures import Picture, pictures_of
from napari_scribseg.experiment.report.published import Published, published_for
from napari_scribseg.experiment.report.result_tables import ResultTables, Row, by_key, number
from napari_scribseg.experiment.report.verdict import verdict
from napari_scribseg.experiment.worst_slices import picked_slices
from napari_scribseg.io.atomic import write_text
from napari_scribseg.runs.documents import BEGINNINGS

_NO_VALUE: Final = "\N{EN DASH}"


def write_report(folder: Path, experiment: Experiment, *, locked: bool = False) -> Path:
    """Write the report of an experiment whose results were written; gives its path.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        locked: of the locked cases, as locked_report.html.

    Raises:
        InvalidInput: a result file is missing or damaged, or the report can't be written.
    """
    tables = ResultTables.read(folder, experiment, locked=locked)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("napari_scribseg.experiment.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        experiment=experiment,
        recipe=experiment.recipe,
        locked=locked,
        title=experiment.recipe.title or f"Experiment on {experiment.dataset_title}",
        protocol=_protocol(experiment),
        classes=tables.classes,
        colors=[experiment.labels.segmentation_colors[k + 1] for k in range(len(tables.classes))],
        summary=_summary(tables),
        winner=verdict(tables),
        mixtures=mixtures(folder, experiment),
        attempts=told(folder, experiment),
        sentences=tables.sentences(),
        figures=figures_of(folder, tables, locked),
        gallery=_gallery(folder, experiment, locked),
        problems=_problems(folder, experiment, locked),
        published=_published(tables),
        trials=_trials(tables),
        settings={s.label: _readable(s.model_dump(mode="json")) for s in experiment.settings},
        recipe_text=_readable(_shareable(experiment.recipe)),
        recipe_file=RECIPE,
        files=_files(folder, locked),
    )
    path = folder / (f"locked_{REPORT}" if locked else REPORT)
    write_text(path, page)
    return path


def _protocol(experiment: Experiment) -> list[tuple[str, str]]:
    """What was done, as names and values."""
    recipe = experiment.recipe
    patients = {case.files.patient for case in experiment.cases}
    tested = {i for fold in experiment.folds for i in fold.test}
    budgets = dict.fromkeys(
        f"{s.training.minutes:g} min ({s.training.clock} time)"
        if s.training.minutes is not None
        else f"{s.training.steps} steps"
        for s in experiment.settings
    )
    shares = ", ".join(f"{100 * share:g} %" for share in recipe.shares)
    split = {
        "cross-validation": f"{len(experiment.folds)} folds by patient",
        "published": "published split",
        "dataset": "splits of the dataset",
        "listed": f"{len(experiment.folds)} listed fold(s)",
    }[recipe.split.kind]
    found = [
        ("Data", experiment.dataset_title),
        (
            "Cases",
            f"{len(experiment.cases)} ({len(patients)} patients), {len(tested)} of them tested",
        ),
        *([("Patients", experiment.patients)] if experiment.patients else []),
        ("Split", split),
        ("Training", f"{' or '.join(budgets)} per run, CPU threads: {recipe.threads}"),
        ("Began with", _beginnings(experiment)),
        ("Clean-up", "none: segmentations are scored as predicted"),
        ("Random seeds", ", ".join(map(str, recipe.random_seeds))),
    ]
    if recipe.shares != (1.0,):
        found.append(("Annotation", f"{shares} of the {recipe.shares_of}"))
    if experiment.locked:
        found.append(("Locked for the end", f"{len(experiment.locked)} cases"))
    return found


def _beginnings(experiment: Experiment) -> str:
    """The weights that trainings began with; which began with which, where they differ."""
    by_start: dict[str, list[str]] = {}
    for settings in experiment.settings:
        by_start.setdefault(BEGINNINGS[settings.training.start], []).append(settings.label)
    if len(by_start) == 1:
        return next(iter(by_start))
    told = "; ".join(f"{', '.join(labels)}: {words}" for words, labels in by_start.items())
    return f"{told}. Differences between these are also differences of the beginning."


def _summary(tables: ResultTables) -> list[dict[str, Any]]:
    """One row per method and share, the highest mean Dice first."""
    means = tables.mean_dice()
    methods = {s.label: f"{s.method}, {s.preset}" for s in tables.experiment.settings}
    rows: list[dict[str, Any]] = []
    grouped = by_key(tables.summary, lambda row: f"{row['label']}/{row['share_percent']}")
    for group in grouped.values():
        first = group[0]
        key = (first["label"], first["share_percent"])
        of_class = {row["class"]: row for row in group}
        rows.append(
            {
                "label": first["label"],
                "method": methods[first["label"]],
                "share": first["share_percent"],
                "patients": first["patients"],
                "mean": means.get(key, float("nan")),
                "dice": [_spread(of_class.get(c), "dice", 3) for c in tables.classes],
                "hd95": [_distance(of_class.get(c)) for c in tables.classes],
                "failed": _cases(group, "n_failed"),
                "no_reference": _cases(group, "n_no_reference"),
                "partial": _cases(group, "n_partial"),
                "effort": _effort(first),
            }
        )
    rows.sort(
        key=lambda row: (-row["mean"], row["label"]) if row["mean"] == row["mean"] else (1.0,)
    )
    return rows


def _cases(group: Sequence[Row], count: str) -> int:
    """A number of cases, which is the same for all classes."""
    return max((int(row[count]) for row in group), default=0)


def _spread(row: Row | None, measure: str, digits: int) -> str:
    """Mean ± standard deviation."""
    if row is None or not row[f"{measure}_mean"]:
        return _NO_VALUE
    text = f"{number(row[f'{measure}_mean']):.{digits}f}"
    std = row[f"{measure}_std"]
    return f"{text} ± {number(std):.{digits}f}" if std else text


def _distance(row: Row | None) -> str:
    """Mean (median) of HD95, and how many are infinite."""
    if row is None or not row["hd95_mm_mean"]:
        return _NO_VALUE
    text = f"{number(row['hd95_mm_mean']):.1f} ({number(row['hd95_mm_median']):.1f})"
    infinite = int(row["hd95_mm_n_infinite"])
    return f"{text} + {infinite} missed" if infinite else text


def _effort(row: Row) -> tuple[str, str]:
    """What was drawn for a training: voxels, then slices, share and time with the pen."""
    voxels, slices, share = (
        number(row[f"{name}_mean"])
        for name in ("scribbled_voxels", "scribbled_slices", "labelled_share")
    )
    if np.isnan(voxels):
        return _NO_VALUE, ""
    thin = "\N{NARROW NO-BREAK SPACE}"
    drawn = f"{voxels:,.0f}".replace(",", thin)
    minutes = number(row["pen_minutes_mean"])
    pen = "" if np.isnan(minutes) else f", {minutes:.3g} min of pen"
    return f"{drawn} voxels", f"{slices:,.0f} slices, {100 * share:.2g} % of all{pen}"


def _gallery(folder: Path, experiment: Experiment, locked: bool) -> dict[str, list[dict[str, Any]]]:
    """Method -> its picked slices, the worst first."""
    picked = picked_slices(folder, experiment, locked=locked)
    pictures = pictures_of(folder, experiment, picked)
    shown: dict[str, list[dict[str, Any]]] = {}
    for one in picked:
        shown.setdefault(one.label, []).append(_shown(pictures[one]))
    return shown


def _shown(picture: Picture) -> dict[str, Any]:
    one = picture.picked
    return {
        "rank": one.rank,
        "case": one.case,
        "cell": one.trial,
        "slice": f"slice {one.slice_index}"
        + (f" (of 0 to {picture.n_slices - 1})" if picture.n_slices else ""),
        "dice": f"{one.dice:.3f}",
        "problem": picture.problem,
        "source": address_of("image/png", picture.png) if picture.png else "",
    }


def _problems(folder: Path, experiment: Experiment, locked: bool) -> dict[str, list[str]]:
    """Everything that did not go well, in sentences, under a heading each."""
    trials: list[str] = []
    failed: list[str] = []
    unusable = [
        f"{case.files.id}: {case.reference_problem}"
        for case in experiment.cases
        if case.reference_problem
    ]
    for name, trial in trials_of(experiment).items():
        result = locked_result_of(folder, experiment, trial) if locked else result_of(folder, trial)
        if result is None:
            trials.append(f"{name} has not ended.")
        elif result.outcome == "failed":
            trials.append(f"{name} failed: {result.reason}")
        else:
            failed += [f"{name}, {_reason(failure)}" for failure in result.failures]
            unusable += [
                f"{name}, {told}"
                for one in result.unusable
                if (told := _reason(one)) not in unusable
            ]
    left_out = [f"{case.case}: {case.reason}" for case in experiment.left_out]
    found = {
        "Trials without scores (all their cases count as Dice 0 where they failed)": trials,
        "Cases without a segmentation (they count as Dice 0)": failed,
        "Cases without a usable reference (they are in no mean)": unusable,
        "Cases that were left out": left_out,
        "Notes": list(experiment.notes),
    }
    return {title: sentences for title, sentences in found.items() if sentences}


def _reason(failure: CaseFailure) -> str:
    return f"{failure.case}: {failure.reason}"


def _published(tables: ResultTables) -> list[dict[str, Any]]:
    """What papers report for the methods of the experiment, and what they reached here."""
    settings = tables.experiment.settings
    here = {
        (row["label"], row["class"]): number(row["dice_mean"])
        for row in tables.summary
        if row["share_percent"] == tables.largest_share
    }
    means = tables.mean_dice()
    rows: list[dict[str, Any]] = []
    for paper in published_for((s.method for s in settings), tables.classes):
        rows += [
            {
                "label": s.label,
                "variant": paper.variant,
                "protocol": paper.protocol,
                "theirs": [_dice_of(paper, c) for c in tables.classes],
                "their_mean": _published_mean(paper, tables.classes),
                "ours": [_dice(here.get((s.label, c))) for c in tables.classes],
                "our_mean": _dice(means.get((s.label, tables.largest_share))),
            }
            for s in settings
            if s.method == paper.method
        ]
    return rows


def _dice_of(paper: Published, name: str) -> str:
    return _dice(next((d for c, d in paper.dice.items() if c.casefold() == name.casefold()), None))


def _published_mean(paper: Published, classes: Sequence[str]) -> str:
    if "mean" in paper.dice:
        return _dice(paper.dice["mean"])
    complete = len(paper.dice) == len(classes)
    return _dice(float(np.mean(list(paper.dice.values()))) if complete else None)


def _dice(value: float | None) -> str:
    return _NO_VALUE if value is None or np.isnan(value) else f"{value:.3f}"


def _trials(tables: ResultTables) -> list[dict[str, str]]:
    """One row per trial, with its time."""
    times = {row["cell"]: row for row in tables.timing}
    return [
        {
            "cell": row["cell"],
            "state": row["state"],
            "reason": row["reason"],
            "steps": row["step"],
            "train": f"{row['train_cases']} ({row['train_patients']})",
            "test": f"{row['test_cases']} ({row['test_patients']})",
            "dice": _dice(number(row["mean_dice"])),
            "time": _minutes(times.get(row["cell"])),
            "sha256": row["sha256"][:12],
        }
        for row in tables.trials
    ]


def _minutes(row: Row | None) -> str:
    if row is None or not row["train_seconds"]:
        return _NO_VALUE
    return f"{(number(row['train_seconds']) + number(row['score_seconds'] or '0')) / 60:.1f}"


def _files(folder: Path, locked: bool) -> list[str]:
    """The tables beside the report."""
    found = sorted(p.name for p in folder.iterdir() if p.suffix in {".csv", ".tex", ".json"})
    return [name for name in found if locked or not name.startswith("locked_")]


def _shareable(recipe: Recipe) -> dict[str, Any]:
    """A recipe without the place of its data, which may name people or clinics."""
    table = recipe.patient_table
    shared = {
        "dataset": safe_title(Path(recipe.dataset).name),
        "patient_table": table and safe_title(Path(table).name),
    }
    return {**recipe.model_dump(mode="json"), **shared}


def _readable(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
