"""experiment: methods compared by cross-validation, planned, run, continued, scored."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli.answer import Answer, columns, refuse_existing, with_notes
from napari_scribseg.cli.progress import Display, duration
from napari_scribseg.cli.recipes import (
    add_plan_options,
    costs_answer,
    recipe_and_folder,
    settings_answer,
)
from napari_scribseg.core.errors import InvalidInput, RunError

if TYPE_CHECKING:
    from napari_scribseg.experiment.experiment import Experiment, Trial
    from napari_scribseg.experiment.plan import Estimate
    from napari_scribseg.experiment.recipe import Recipe
    from napari_scribseg.experiment.schedule import Done
    from napari_scribseg.experiment.settings import Cost

MOST_ROWS: Final = 200
"""Of the table of trials; --json has all of them."""
_MOST_JOBS: Final = 1024


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add experiment."""
    parser = commands.add_parser(
        "experiment",
        parents=[common],
        help="compare methods on a dataset by patient-wise cross-validation",
        description="Compare methods on a dataset: train every method on every fold, score the "
        "test cases, compare by patient. SOURCE is a dataset folder (then say what to compare), a "
        "recipe file, or the folder of an experiment to continue. Repeating a command continues: "
        "finished trials are not computed again. Ctrl-C saves and stops.",
    )
    parser.add_argument("source", metavar="SOURCE", type=Path, help="dataset, recipe or experiment")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the experiment")
    add_plan_options(parser.add_argument_group("what to compare (SOURCE is a dataset)"))
    how = parser.add_argument_group("how to run it")
    how.add_argument(
        "--dry-run", action="store_true", help="read and check everything, list the trials, stop"
    )
    how.add_argument("--save-recipe", metavar="FILE", type=Path, help="write the recipe and stop")
    how.add_argument("--jobs", type=int, help="trials at once; default: one per two cores")
    how.add_argument("--scheduler", metavar="ADDRESS", help="compute on a Dask cluster instead")
    how.add_argument("--retry-failed", action="store_true", help="also repeat trials that failed")
    how.add_argument(
        "--only", metavar="TRIAL", nargs="+", default=[], help="compute these trials only"
    )
    how.add_argument(
        "--open-locked",
        action="store_true",
        help="score the locked patients, once all trials are finished; nothing can change after",
    )
    for hidden in ("--score", "--score-locked"):
        parser.add_argument(hidden, metavar="TRIAL", help=argparse.SUPPRESS)
    for hidden in ("--settings", "--costs"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run_experiment, stops_in_order=_computes)


def _computes(arguments: argparse.Namespace) -> bool:
    """Whether the command computes trials, and not a part of the work for another process."""
    parts = (arguments.score, arguments.score_locked, arguments.settings, arguments.costs)
    return not any(parts) and not arguments.dry_run


def run_experiment(arguments: argparse.Namespace, display: Display) -> Answer:
    """Plan, run or continue an experiment, or do a part of it for another process."""
    if arguments.score or arguments.score_locked:
        return _score(arguments)
    recipe, out = recipe_and_folder(arguments)
    if arguments.settings or arguments.costs:
        return settings_answer(recipe) if arguments.settings else costs_answer(recipe)
    if arguments.save_recipe is not None:
        return _save_recipe(arguments.save_recipe, recipe)
    if out is None and not arguments.dry_run:
        raise InvalidInput("Give the folder of the experiment with --out, or ask for --dry-run.")
    if arguments.jobs is not None and not 1 <= arguments.jobs <= _MOST_JOBS:
        raise InvalidInput(f"--jobs must be 1 to {_MOST_JOBS}, got {arguments.jobs}.")
    return _plan_and_run(arguments, display, recipe, out)


def _plan_and_run(
    arguments: argparse.Namespace, display: Display, recipe: Recipe, out: Path | None
) -> Answer:
    from napari_scribseg.experiment.experiment import state_of, trials_of
    from napari_scribseg.experiment.plan import disk_obstacle, draft, estimate
    from napari_scribseg.experiment.schedule import default_jobs, known_settings, refuse_another

    folder = (out or Path()).absolute()
    if arguments.lifeline and _computes(arguments):
        from napari_scribseg.experiment.process import stop_when_stdin_closes

        stop_when_stdin_closes(folder)
    if out is not None:
        refuse_another(folder, recipe)
    known = known_settings(folder, recipe) if out is not None else None
    drafted = draft(recipe, known, lambda n, of: display.count("reading cases", n, of))
    experiment = drafted.experiment
    if experiment is None:
        return _refused(drafted.obstacles)
    trials = trials_of(experiment)
    unknown = [name for name in arguments.only if name not in trials]
    if unknown:
        raise InvalidInput(f"There is no trial {unknown[0]}; --dry-run lists the trials.")
    names = [name for name in trials if not arguments.only or name in arguments.only]
    states = {name: state_of(folder, trials[name]) if out else "waiting" for name in names}
    open_names = [
        name
        for name in names
        if states[name] != "finished" and (arguments.retry_failed or states[name] != "failed")
    ]
    measured = arguments.dry_run and open_names and not drafted.obstacles
    costs = _costs(recipe, display) if measured else {}
    cost = estimate(folder, experiment, [trials[name] for name in open_names], costs)
    full = disk_obstacle(folder, cost.bytes)
    obstacles = (*drafted.obstacles, *([full] if full else []))
    jobs = arguments.jobs or default_jobs(recipe.threads)
    if arguments.dry_run:
        return _plan_answer(experiment, trials, states, cost, jobs, costs, obstacles)
    if obstacles:
        return _refused(obstacles)
    display.say(f"Patients: {experiment.patients}")
    return _work(arguments, display, experiment, folder, open_names, jobs)


def _work(
    arguments: argparse.Namespace,
    display: Display,
    experiment: Experiment,
    folder: Path,
    names: Sequence[str],
    jobs: int,
) -> Answer:
    """Compute what is open, write the results, and say what came out."""
    from napari_scribseg.experiment.experiment import trials_of
    from napari_scribseg.experiment.report.html import write_report
    from napari_scribseg.experiment.results import code_note, write_results
    from napari_scribseg.experiment.schedule import (
        at_work,
        compute_trials,
        is_stopping,
        open_locked,
    )

    interrupted = False
    unsaved: dict[str, str] = {}
    with at_work(folder, experiment, " ".join(["scribseg", *sys.argv[1:]])):
        try:
            done: Iterator[Done]
            if arguments.scheduler:
                from napari_scribseg.experiment.cluster import compute_on_cluster

                done = compute_on_cluster(
                    arguments.scheduler,
                    folder,
                    experiment,
                    names,
                    retry=arguments.retry_failed,
                )
            else:
                done = compute_trials(
                    folder, experiment, names, jobs=jobs, retry=arguments.retry_failed
                )
            unsaved |= _watched(done, len(names), display)
            interrupted = is_stopping(folder)
            unsaved = {} if interrupted else unsaved
            if arguments.open_locked and not interrupted:
                opened = open_locked(folder, experiment, jobs=jobs)
                unsaved |= _watched(opened, len(trials_of(experiment)), display)
        except KeyboardInterrupt:
            interrupted = True
        sentences = write_results(folder, experiment)
        report = write_report(folder, experiment)
        if arguments.open_locked and not interrupted:
            sentences = write_results(folder, experiment, locked=True)
            report = write_report(folder, experiment, locked=True)
        note = code_note(folder, experiment)
    sentences = (*sentences, *([note] if note else []))
    return _result_answer(experiment, folder, report, sentences, unsaved, interrupted=interrupted)


def _watched(done: Iterator[Done], total: int, display: Display) -> dict[str, str]:
    """Tell of every trial that is done with; gives why some have no scores."""
    failed: dict[str, str] = {}
    with contextlib.closing(done) as trials:  # pyright: ignore[reportArgumentType]  a generator
        for count, one in enumerate(trials, start=1):
            display.count("trials done", count, total)
            if one.state == "failed":
                failed[one.trial] = one.reason
                display.say(f"{one.trial} failed: {one.reason}")
            elif one.state != "finished":
                failed[one.trial] = "It was stopped before its end; repeat the command to continue."
            else:
                display.say(f"{one.trial} finished ({count}/{total})")
    display.clear()
    return failed


def _score(arguments: argparse.Namespace) -> Answer:
    """Predict and score a trained trial; what an experiment's child processes do."""
    from napari_scribseg.experiment.experiment import load_experiment, trials_of
    from napari_scribseg.experiment.score_trial import score_trial

    folder: Path = arguments.source
    name = arguments.score or arguments.score_locked
    experiment = load_experiment(folder)
    trials = trials_of(experiment)
    if name not in trials:
        raise InvalidInput(f"{folder} has no trial {name}.")
    score_trial(folder, experiment, trials[name], locked=bool(arguments.score_locked))
    return Answer({"cell": name}, f"{name}: scored.")


def _save_recipe(path: Path, recipe: Recipe) -> Answer:
    from napari_scribseg.io.documents import save_document

    refuse_existing(path)
    save_document(path, recipe)
    document = {"recipe": path, **recipe.model_dump(mode="json")}
    return Answer(document, f"{path} repeats it: scribseg experiment {path} --out DIR")


def _refused(obstacles: Sequence[str]) -> Answer:
    document = {"error": " ".join(obstacles), "exit_code": InvalidInput.exit_code}
    return Answer({**document, "obstacles": list(obstacles)}, "", tuple(obstacles), 2)


def _plan_answer(
    experiment: Experiment,
    trials: dict[str, Trial],
    states: dict[str, Any],
    cost: Estimate,
    jobs: int,
    costs: dict[str, Cost],
    obstacles: Sequence[str],
) -> Answer:
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
    problems = (*obstacles, *_left_out(experiment))
    return Answer(document, "\n".join(text), problems, 2 if obstacles else 1 if problems else 0)


def _costs(recipe: Recipe, display: Display) -> dict[str, Cost]:
    """What a training of each method takes; nothing where it can't be measured."""
    from napari_scribseg.experiment.settings import ask_for_costs

    display.say("Measuring two steps of every method ...")
    try:
        return ask_for_costs(recipe)
    except RunError as error:
        display.say(f"The times below are rough guesses. {error}")
        return {}


def _plan_row(trial: Trial, state: str) -> dict[str, str]:
    training = trial.training
    minutes = f"{training.minutes:g} min" if training.minutes is not None else None
    return {
        "cell": trial.name,
        "train": _sides(trial.train),
        "test": _sides(trial.test),
        "budget": minutes or f"{training.steps} steps",
        "state": state,
        "sha256": trial.sha256,
    }


def _sides(cases: Sequence[Any]) -> str:
    return f"{len({case.files.patient for case in cases})} patients, {len(cases)} cases"


def _left_out(experiment: Experiment) -> list[str]:
    """Cases that take no part, and those that are in no mean."""
    told = [f"{case.case} is left out: {case.reason}" for case in experiment.left_out]
    return told + [
        f"{case.files.id} has no usable reference and is in no mean: {case.reference_problem}"
        for case in experiment.cases
        if case.reference_problem
    ]


def _result_answer(
    experiment: Experiment,
    folder: Path,
    report: Path,
    sentences: Sequence[str],
    unsaved: dict[str, str],
    *,
    interrupted: bool,
) -> Answer:
    from napari_scribseg.experiment.experiment import result_of, state_of, trials_of

    trials = trials_of(experiment)
    states = {name: state_of(folder, trial) for name, trial in trials.items()}
    failed = dict(unsaved)
    for name, trial in trials.items():
        result = result_of(folder, trial)
        if result is not None and result.outcome == "failed":
            failed[name] = result.reason
        elif result is not None:
            failed |= {f"{name}: {f.case}": f.reason for f in result.failures}
            known = {c.files.id for c in experiment.cases if c.reference_problem}
            failed |= {
                f"{name}: {one.case} has no usable reference": one.reason
                for one in result.unusable
                if one.case not in known
            }
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
        "notes": list(experiment.notes),
        "interrupted": interrupted,
    }
    problems = [*(f"{name}: {reason}" for name, reason in failed.items()), *_left_out(experiment)]
    if interrupted:
        problems.append(
            f"Interrupted with {n_finished} of {len(trials)} trials finished; continue with "
            f"`scribseg experiment {folder}`."
        )
    code = 130 if interrupted else 1 if problems else 0
    told = (
        f"{n_finished} of {len(trials)} trials finished. The tables are in {folder}.\n"
        f"Open {report} in a browser."
    )
    text = [*sentences, "", told]
    answer = with_notes("\n".join(text), experiment.notes)
    return Answer(document, answer, tuple(problems), code)
