"""What `scribseg experiment` answers: what is planned, what came out, why it can't begin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli.answer import Answer, columns, with_notes
from napari_scribseg.cli.progress import duration
from napari_scribseg.core.errors import InvalidInput, RunError

if TYPE_CHECKING:
    from napari_scribseg.experiment.experiment import Experiment, Trial
    from napari_scribseg.experiment.plan import Estimate
    from napari_scribseg.experiment.settings import Cost

MOST_ROWS: Final = 200
"""Of the table of trials; --json has all of them."""


def refused(obstacles: Sequence[str]) -> Answer:
    """Why an experiment can't begin."""
    document = {"error": " ".join(obstacles), "exit_code": InvalidInput.exit_code}
    return Answer({**document, "obstacles": list(obstacles)}, "", tuple(obstacles), 2)


def plan_answer(
    experiment: Experiment,
    trials: dict[str, Trial],
    states: dict[str, Any],
    cost: Estimate,
    jobs: int,
    costs: dict[str, Cost],
    obstacles: Sequence[str],
) -> Answer:
    """What would be computed, and what it would cost."""
    rows = [_plan_row(trials[name], state) for name, state in states.items()]
    document = {
        "title": experiment.recipe.title,
        "dataset": experiment.dataset_title,
        "cells": rows,
        "folds": [fold.model_dump(mode="json") for fold in experiment.folds],
        "patients": experiment.patients,
        "locked": list(experiment.locked),
        "left_out": [case.model_dump(mode="json") for case in experiment.left_out],
        "obstacles": list(obstacles),
        "notes": list(experiment.notes),
        "estimate": {
            "seconds": cost.seconds / jobs,
            "bytes": cost.bytes,
            "jobs": jobs,
            "trainings": [one.model_dump(mode="json") for one in costs.values()],
        },
    }
    heading = ("cell", "train", "test", "budget", "state")
    shown = [tuple(row[k] for k in ("cell", "train", "test", "budget", "state")) for row in rows]
    text = [
        f"{experiment.dataset_title}: {len(rows)} trials of {len(experiment.settings)} method(s)",
        "",
        columns([heading, *shown[:MOST_ROWS]]),
    ]
    if len(rows) > MOST_ROWS:
        text.append(f"  ... and {len(rows) - MOST_ROWS} more; --json lists all")
    text += [
        "",
        f"Patients: {experiment.patients}",
        *(f"Note: {note}" for note in experiment.notes),
        *(
            f"A training of {c.label} on {c.device}: about {duration(c.seconds)} and "
            f"{c.memory_mib:.0f} MiB of memory."
            for c in costs.values()
        ),
        f"In all about {duration(cost.seconds / jobs)} with {jobs} trial(s) at once, and "
        f"{cost.bytes / 1e6:.0f} MB on the disk.",
    ]
    problems = (*obstacles, *left_out(experiment))
    return Answer(document, "\n".join(text), problems, 2 if obstacles else 1 if problems else 0)


def _plan_row(trial: Trial, state: str) -> dict[str, str]:
    from napari_scribseg.experiment.experiment import patients_and_cases

    return {
        "cell": trial.name,
        "train": patients_and_cases(trial.train),
        "test": patients_and_cases(trial.test),
        "budget": trial.budget,
        "state": state,
        "sha256": trial.sha256,
    }


def left_out(experiment: Experiment) -> list[str]:
    """Cases that take no part, and those that are in no mean."""
    told = [f"{case.case} is left out: {case.reason}" for case in experiment.left_out]
    return told + [
        f"{case.files.id} has no usable reference and is in no mean: {case.reference_problem}"
        for case in experiment.cases
        if case.reference_problem
    ]


def result_answer(
    experiment: Experiment,
    folder: Path,
    report: Path,
    sentences: Sequence[str],
    unsaved: dict[str, str],
    *,
    interrupted: bool,
    problem: str = "",
    strict: bool = False,
    scheduler: str = "",
) -> Answer:
    """What an experiment says at the end of a session.

    Args:
        experiment: of the folder.
        folder: of the experiment.
        report: the page for the eye.
        sentences: what the comparisons say.
        unsaved: why trials have no scores, as far as no file says it.
        interrupted: whether somebody has stopped it.
        problem: why it ended before its end; "" = it didn't.
        strict: a mixture is an error.
        scheduler: address of the cluster that it was computed on; "" = here.
    """
    from napari_scribseg.experiment.attempts import told
    from napari_scribseg.experiment.experiment import state_of, trials_of
    from napari_scribseg.experiment.mixtures import mixtures

    states = {name: state_of(folder, t) for name, t in trials_of(experiment).items()}
    failed = {**unsaved, **_failures(folder, experiment)}
    mixed, again = mixtures(folder, experiment), told(folder, experiment)
    n_finished = sum(state == "finished" for state in states.values())
    document = {
        "out": folder,
        "report": report,
        "cells": states,
        "finished": n_finished,
        "failed": failed,
        "left_out": [case.model_dump(mode="json") for case in experiment.left_out],
        "no_reference": [c.files.id for c in experiment.cases if c.reference_problem],
        "patients": experiment.patients,
        "comparisons": list(sentences),
        "mixtures": list(mixed),
        "tried_again": list(again),
        "notes": list(experiment.notes),
        "interrupted": interrupted,
    }
    problems = [*(f"{name}: {reason}" for name, reason in failed.items()), *left_out(experiment)]
    if interrupted:
        where = f" --scheduler {scheduler}" if scheduler else ""
        problems.append(
            f"Interrupted with {n_finished} of {len(states)} trials finished; continue with "
            f"`scribseg experiment {folder}{where}`."
        )
    if problem:
        document |= {"error": problem, "exit_code": RunError.exit_code}
        problems.append(f"{n_finished} of {len(states)} trials are finished. {problem}")
    problems += mixed if strict else ()
    code = 130 if interrupted else RunError.exit_code if problem else 1 if problems else 0
    said = [f"{n_finished} of {len(states)} trials finished."]
    if report.is_file():
        said = [f"{said[0]} The tables are in {folder}.", f"Open {report} in a browser."]
    text = "\n".join([*sentences, "", *said])
    notes = [*experiment.notes, *again, *(() if strict else mixed)]
    return Answer(document, with_notes(text, notes), tuple(problems), code)


def _failures(folder: Path, experiment: Experiment) -> dict[str, str]:
    """Why trials and cases have no scores, as their files say it."""
    from napari_scribseg.experiment.experiment import result_of, trials_of

    known = {c.files.id for c in experiment.cases if c.reference_problem}
    failed: dict[str, str] = {}
    for name, trial in trials_of(experiment).items():
        result = result_of(folder, trial)
        if result is None:
            continue
        if result.outcome == "failed":
            failed[name] = result.reason
            continue
        failed |= {f"{name}: {f.case}": f.reason for f in result.failures}
        failed |= {
            f"{name}: {one.case} has no usable reference": one.reason
            for one in result.unusable
            if one.case not in known
        }
    return failed
