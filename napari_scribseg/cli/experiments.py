"""experiment: methods compared by cross-validation, planned, run, continued, scored."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli.answer import Answer, refuse_existing
from napari_scribseg.cli.experiment_answers import plan_answer, refused
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.recipes import (
    add_plan_options,
    costs_answer,
    recipe_and_folder,
    settings_answer,
)
from napari_scribseg.cli.trials import (
    Work,
    compute_all,
    compute_one,
    devices_answer,
    score_for_another,
    write_tables,
)
from napari_scribseg.cli.watching import LOGGERS, watch_experiment
from napari_scribseg.core.errors import InvalidInput, RunError

if TYPE_CHECKING:
    from napari_scribseg.experiment.experiment import Experiment
    from napari_scribseg.experiment.recipe import Recipe
    from napari_scribseg.experiment.settings import Cost

_MOST_JOBS: Final = 1024
_MOST_PER_GPU: Final = 64


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
    _add_run_options(parser.add_argument_group("how to run it"))
    _add_cluster_options(parser.add_argument_group("on several computers"))
    for hidden in ("--score", "--score-locked"):
        parser.add_argument(hidden, metavar="TRIAL", help=argparse.SUPPRESS)
    for hidden in ("--settings", "--costs", "--place"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run_experiment, stops_in_order=_computes)


def _add_run_options(how: Any) -> None:
    how.add_argument(
        "--dry-run", action="store_true", help="read and check everything, list the trials, stop"
    )
    how.add_argument(
        "--plan",
        action="store_true",
        help="write the plan into --out and stop; `--trial` then computes it piece by piece",
    )
    how.add_argument("--save-recipe", metavar="FILE", type=Path, help="write the recipe and stop")
    how.add_argument("--jobs", type=int, help="trials at once; default: what cores and GPUs allow")
    how.add_argument(
        "--trials-per-gpu", type=int, default=1, metavar="N", help="that share a GPU; default: 1"
    )
    how.add_argument("--retry-failed", action="store_true", help="also repeat trials that failed")
    how.add_argument(
        "--only", metavar="TRIAL", nargs="+", default=[], help="compute these trials only"
    )
    how.add_argument(
        "--open-locked",
        action="store_true",
        help="score the locked patients, once all trials are finished; nothing can change after",
    )
    how.add_argument(
        "--strict",
        action="store_true",
        help="refuse to mix trials of another code, torch, device or arithmetic",
    )


def _add_cluster_options(where: Any) -> None:
    where.add_argument("--scheduler", metavar="ADDRESS", help="compute on a Dask cluster instead")
    where.add_argument(
        "--wait",
        metavar="MINUTES",
        type=float,
        default=60.0,
        help="for a worker that can compute, before giving up; default: 60",
    )
    where.add_argument(
        "--trial",
        "--cell",
        metavar="NAME",
        dest="trial",
        help="compute this trial only, of the planned experiment SOURCE; a name or a number from "
        "0, such as the index of an array of jobs",
    )
    where.add_argument(
        "--tables", action="store_true", help="write tables and report of what has ended, and stop"
    )
    where.add_argument(
        "--watch", action="store_true", help="show how the trials of the experiment SOURCE are"
    )
    where.add_argument(
        "--log-to",
        choices=LOGGERS,
        help="while watching, also pass losses and scores on to this program",
    )


def _computes(arguments: argparse.Namespace) -> bool:
    """Whether the command computes trials, and not a part of the work for another process."""
    parts = (arguments.score, arguments.score_locked, arguments.settings, arguments.costs)
    alone = (arguments.place, arguments.plan, arguments.trial, arguments.tables, arguments.watch)
    return not any((*parts, *alone)) and not arguments.dry_run


def run_experiment(arguments: argparse.Namespace, display: Display) -> Answer:
    """Plan, run or continue an experiment, or do a part of it for another process."""
    if arguments.score or arguments.score_locked:
        return score_for_another(arguments)
    if arguments.place:
        return devices_answer(arguments.source)
    _check_options(arguments)
    if arguments.trial is not None:
        return compute_one(arguments, display)
    if arguments.tables:
        return write_tables(arguments)
    if arguments.watch:
        return watch_experiment(arguments, display)
    recipe, out = recipe_and_folder(arguments)
    if arguments.settings or arguments.costs:
        return settings_answer(recipe) if arguments.settings else costs_answer(recipe)
    if arguments.save_recipe is not None:
        return _save_recipe(arguments.save_recipe, recipe)
    if out is None and not arguments.dry_run:
        raise InvalidInput("Give the folder of the experiment with --out, or ask for --dry-run.")
    return _plan_and_run(arguments, display, recipe, out)


def _check_options(arguments: argparse.Namespace) -> None:
    """Raises InvalidInput for options that say nothing, or contradict each other."""
    if arguments.jobs is not None and not 1 <= arguments.jobs <= _MOST_JOBS:
        raise InvalidInput(f"--jobs must be 1 to {_MOST_JOBS}, got {arguments.jobs}.")
    if not 1 <= arguments.trials_per_gpu <= _MOST_PER_GPU:
        got = arguments.trials_per_gpu
        raise InvalidInput(f"--trials-per-gpu must be 1 to {_MOST_PER_GPU}, got {got}.")
    if not arguments.wait >= 0:
        raise InvalidInput(f"--wait must be 0 or more minutes, got {arguments.wait:g}.")
    ways = ("dry_run", "plan", "trial", "tables", "watch", "scheduler")
    given = [f"--{w.replace('_', '-')}" for w in ways if getattr(arguments, w)]
    if len(given) > 1:
        raise InvalidInput(f"{' and '.join(given)} exclude each other; give one.")
    if arguments.log_to and not arguments.watch:
        raise InvalidInput("--log-to goes with --watch: whoever watches passes the numbers on.")


def _plan_and_run(
    arguments: argparse.Namespace, display: Display, recipe: Recipe, out: Path | None
) -> Answer:
    from napari_scribseg.experiment.clients import refuse_another
    from napari_scribseg.experiment.experiment import state_of, trials_of
    from napari_scribseg.experiment.plan import disk_obstacle, draft, estimate, memory_mib
    from napari_scribseg.experiment.schedule import default_jobs, known_settings

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
        return refused(drafted.obstacles)
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
    jobs = arguments.jobs or default_jobs(
        recipe.threads,
        [one.training.device for one in experiment.settings],
        per_gpu=arguments.trials_per_gpu,
        trial_mib=memory_mib(folder, experiment),
    )
    if arguments.dry_run:
        return plan_answer(experiment, trials, states, cost, jobs, costs, obstacles)
    if obstacles:
        return refused(obstacles)
    display.say(f"Patients: {experiment.patients}")
    if arguments.plan:
        return _planned(experiment, folder)
    return compute_all(arguments, display, Work(experiment, folder, open_names, jobs))


def _planned(experiment: Experiment, folder: Path) -> Answer:
    """Write the plan and stop."""
    from napari_scribseg.experiment.clients import alone, at_work
    from napari_scribseg.experiment.experiment import trials_of
    from napari_scribseg.experiment.results import write_results

    with at_work(folder, experiment, "scribseg experiment --plan"), alone(folder):
        write_results(folder, experiment)
    names = list(trials_of(experiment))
    text = (
        f"{len(names)} trials are planned in {folder}; cells.csv lists them, from 0.\n"
        f"Compute one with: scribseg experiment {folder} --trial 0"
    )
    return Answer({"out": folder, "cells": names}, text)


def _save_recipe(path: Path, recipe: Recipe) -> Answer:
    from napari_scribseg.io.documents import save_document

    refuse_existing(path)
    save_document(path, recipe)
    document = {"recipe": path, **recipe.model_dump(mode="json")}
    return Answer(document, f"{path} repeats it: scribseg experiment {path} --out DIR")


def _costs(recipe: Recipe, display: Display) -> dict[str, Cost]:
    """What a training of each method takes; nothing where it can't be measured."""
    from napari_scribseg.experiment.settings import ask_for_costs

    display.say("Measuring two steps of every method ...")
    try:
        return ask_for_costs(recipe)
    except RunError as error:
        display.say(f"The times below are rough guesses. {error}")
        return {}
