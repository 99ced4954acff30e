"""The trials of an experiment computed: all of them, one of them, and what came out."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scribseg.cli.answer import Answer
from napari_scribseg.cli.experiment_answers import result_answer
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.watching import progress_of
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.wording import counted

if TYPE_CHECKING:
    from napari_scribseg.experiment.experiment import Experiment, Trial
    from napari_scribseg.experiment.schedule import Done
    from napari_scribseg.experiment.trial import Computed, Manner


@dataclass(frozen=True)
class Work:
    """What is to be computed of an experiment.

    Args:
        experiment: of the folder.
        folder: of the experiment.
        names: of the trials.
        jobs: trials at once, where they are computed here.
    """

    experiment: Experiment
    folder: Path
    names: Sequence[str]
    jobs: int


def compute_all(arguments: argparse.Namespace, display: Display, work: Work) -> Answer:
    """Compute what is open, write the results, and say what came out."""
    from napari_scribseg.experiment.clients import at_work, stopping
    from napari_scribseg.experiment.experiment import REPORT
    from napari_scribseg.experiment.outcome import write_all

    problem, interrupted, opened = "", False, False
    unsaved: dict[str, str] = {}
    folder, report, sentences = work.folder, work.folder / REPORT, tuple[str, ...]()
    here = arguments.strict and not arguments.scheduler
    with (
        at_work(folder, work.experiment, " ".join(["scribseg", *sys.argv[1:]])) as client,
        _agreed(folder, work.experiment, strict=here),
    ):
        manner = _manner(arguments, client)
        try:
            done = _computed(arguments, display, work, manner)
            unsaved |= _watched(done, len(work.names), display)
            interrupted = stopping(folder, client)
            unsaved = {} if interrupted else unsaved
            if arguments.open_locked and not interrupted:
                unsaved |= _locked_scored(arguments, display, work, manner)
                opened = True
        except KeyboardInterrupt:
            interrupted = True
        except RunError as error:
            problem = str(error)
        try:
            report, sentences = write_all(folder, work.experiment, locked=opened)
        except RunError as error:
            problem = " ".join([problem, str(error)]).strip()
    return result_answer(
        work.experiment,
        folder,
        report,
        sentences,
        unsaved,
        interrupted=interrupted,
        problem=problem,
        strict=arguments.strict,
        scheduler=arguments.scheduler or "",
    )


def compute_one(arguments: argparse.Namespace, display: Display) -> Answer:
    """Compute one trial of a planned experiment: what an array of a batch system does."""
    from napari_scribseg.experiment.clients import client_of_one
    from napari_scribseg.experiment.experiment import (
        load_experiment,
        trial_folder,
        trials_of,
    )
    from napari_scribseg.experiment.place import fault_of_place
    from napari_scribseg.experiment.schedule import allow_opening
    from napari_scribseg.experiment.trial import compute_trial

    folder: Path = arguments.source.absolute()
    experiment = load_experiment(folder)
    trials = trials_of(experiment)
    name = trial_named(arguments.trial, trials)
    fault = fault_of_place(folder, experiment)
    if fault:
        raise RunError(f"{name} can't be computed on this computer: {fault}.")
    if arguments.open_locked:
        allow_opening(folder, experiment)
    display.say(f"Computing {name}; `scribseg experiment {folder} --watch` shows how far it is.")
    with (
        client_of_one(folder) as client,
        _agreed(folder, experiment, strict=arguments.strict),
    ):
        manner = replace(_manner(arguments, client), locked=arguments.open_locked)
        compute = partial(
            *(compute_trial, folder, name, manner),
            experiment=experiment,
            trials=trials,
            tell=display.say,
        )
        computed = compute()
        if computed.held_by and _is_free_after_all(trial_folder(folder, name), display):
            computed = compute()
    return _one_answer(folder, experiment, trials[name], computed, locked=arguments.open_locked)


def _is_free_after_all(there: Path, display: Display) -> bool:
    """Whether whoever holds a trial turns out to be gone, such as with a node that went down."""
    from napari_scribseg.experiment.lease import gone_when_watched, holder_of

    holder = holder_of(there)
    if holder is None:
        return True
    if holder.runs is None:
        display.say(f"{holder} had this trial last; looking for half a minute whether it lives.")
    return gone_when_watched(there, holder)


def _one_answer(
    folder: Path, experiment: Experiment, trial: Trial, computed: Computed, *, locked: bool
) -> Answer:
    """What has become of a single trial; the last one writes the tables."""
    from napari_scribseg.experiment.experiment import locked_result_of, state_of, trials_of
    from napari_scribseg.experiment.outcome import write_all
    from napari_scribseg.experiment.schedule import reason_of

    if computed.fault:
        raise RunError(f"{trial.name} can't be computed on this computer: {computed.fault}.")
    if computed.held_by:
        raise RunError(f"{trial.name} is being computed already, by {computed.held_by}.")
    if computed.doubt:
        raise RunError(f"{trial.name} could not be computed. {computed.doubt}")
    everything = trials_of(experiment).values()
    if locked:
        n_open = sum(locked_result_of(folder, experiment, t) is None for t in everything)
    else:
        n_open = sum(state_of(folder, t) not in {"finished", "failed"} for t in everything)
    if not n_open:
        try:
            write_all(folder, experiment, locked=locked)
        except RunError as error:
            raise RunError(f"{trial.name} is {computed.state}, but {_lower(str(error))}") from error
    document = {"cell": trial.name, "state": computed.state, "open": n_open}
    if computed.state == "failed":
        why = reason_of(folder, trial)
        return Answer({**document, "error": why, "exit_code": 1}, "", (f"{trial.name}: {why}",), 1)
    if computed.state != "finished":
        return Answer(document, "", (f"{trial.name} was stopped; repeat the command.",), 130)
    after = f"the tables are in {folder}"
    if n_open:
        after = f"{counted(n_open, 'trial')} still open"
    return Answer(document, f"{trial.name} is finished; {after}.")


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def write_tables(arguments: argparse.Namespace) -> Answer:
    """Write the tables and the report of what has ended by now."""
    from napari_scribseg.experiment.experiment import load_experiment
    from napari_scribseg.experiment.outcome import write_all

    folder: Path = arguments.source.absolute()
    experiment = load_experiment(folder)
    report, sentences = write_all(folder, experiment)
    return result_answer(
        experiment, folder, report, sentences, {}, interrupted=False, strict=arguments.strict
    )


def trial_named(word: str, trials: dict[str, Trial]) -> str:
    """The trial of a name, or of a number from 0.

    Raises:
        InvalidInput: there is none.
    """
    names = list(trials)
    if word in trials:
        return word
    if word.isdecimal() and int(word) < len(names):
        return names[int(word)]
    raise InvalidInput(
        f"There is no trial {word}; expected a name or a number from 0 to {len(names) - 1}. "
        "--dry-run lists the trials."
    )


def score_for_another(arguments: argparse.Namespace) -> Answer:
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


def devices_answer(folder: Path) -> Answer:
    """Which device and arithmetic every method of an experiment would use here; loads torch."""
    from napari_scribseg.experiment.experiment import load_experiment
    from napari_scribseg.experiment.mixtures import kind_of_device
    from napari_scribseg.methods.registry import spec_named
    from napari_scribseg.training.machine import choose_machine

    found: set[str] = set()
    for settings in load_experiment(folder).settings:
        training, kind = settings.training, spec_named(settings.method).load()
        machine = choose_machine(
            training.device, training.precision, volumes=kind.sample == "patch"
        )
        found.add(f"{kind_of_device(str(machine))} {machine.precision}")
    return Answer({"devices": sorted(found)}, "\n".join(sorted(found)))


def _computed(
    arguments: argparse.Namespace, display: Display, work: Work, manner: Manner
) -> Generator[Done]:
    """The trials, computed here or on a cluster."""
    look = progress_of(work.folder, work.experiment, display)
    if not arguments.scheduler:
        from napari_scribseg.experiment.schedule import compute_trials

        return compute_trials(
            *(work.folder, work.experiment, work.names, manner),
            jobs=work.jobs,
            look=look,
            tell=display.say,
        )
    from napari_scribseg.experiment.cluster import compute_on_cluster
    from napari_scribseg.experiment.cluster_work import ClusterWork
    from napari_scribseg.experiment.plan import memory_mib

    return compute_on_cluster(
        ClusterWork(
            arguments.scheduler,
            work.folder,
            work.experiment,
            work.names,
            manner,
            wait_minutes=arguments.wait,
            tell=display.say,
            look=look,
            trial_mib=memory_mib(work.folder, work.experiment),
        )
    )


def _locked_scored(
    arguments: argparse.Namespace, display: Display, work: Work, manner: Manner
) -> dict[str, str]:
    """Score the locked cases where trials are computed; gives why some have no scores."""
    from napari_scribseg.experiment.experiment import trials_of
    from napari_scribseg.experiment.schedule import allow_opening

    allow_opening(work.folder, work.experiment)
    names = list(trials_of(work.experiment))
    manner = replace(manner, retry=False, locked=True)
    done = _computed(arguments, display, replace(work, names=names), manner)
    return _watched(done, len(names), display)


def _manner(arguments: argparse.Namespace, client: str) -> Manner:
    from napari_scribseg.experiment.trial import Manner

    return Manner(
        retry=arguments.retry_failed,
        client=client,
        per_gpu=arguments.trials_per_gpu,
        strict=arguments.strict,
    )


@contextlib.contextmanager
def _agreed(folder: Path, experiment: Experiment, *, strict: bool) -> Generator[None]:
    """--strict: this computer has what is finished, has begun or begins with us.

    Raises:
        RunError: it hasn't, or what is here can't be told; another computer may go on.
    """
    from napari_scribseg.experiment.place import inspected
    from napari_scribseg.experiment.strict import Agreement
    from napari_scribseg.experiment.trial import PROGRAMS

    if not strict:
        yield
        return
    here = inspected(folder, command=PROGRAMS.inspect)
    if here.fault:
        raise RunError(f"This computer can't compute: {here.fault}.")
    agreement = Agreement(folder, experiment)
    try:
        said = agreement.objection(here.parts)
        if said:
            raise RunError(
                f"Between the trials of {folder} and this computer there is {said}, and --strict "
                "refuses to mix: use the same installation and device, or a new folder."
            )
        yield
    finally:
        agreement.release()


def _watched(done: Generator[Done], total: int, display: Display) -> dict[str, str]:
    """Tell of every trial that is done with; gives why some have no scores."""
    failed: dict[str, str] = {}
    with contextlib.closing(done) as trials:
        for count, one in enumerate(trials, start=1):
            display.count("trials done", count, total)
            if one.state == "failed":
                failed[one.trial] = one.reason
                display.say(f"{one.trial} failed: {one.reason}")
            elif one.state != "finished":
                stopped = "It was stopped before its end; repeat the command to continue."
                failed[one.trial] = one.reason or stopped
                if one.reason:
                    display.say(f"{one.trial}: {one.reason}")
            else:
                display.say(f"{one.trial} finished ({count}/{total})")
    display.clear()
    return failed
