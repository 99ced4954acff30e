"""Scheduling: an experiment's folder made ready, and its trials computed, several at once.

One process at a time works on a folder. Trials that fail are noted and don't stop the others; being
interrupted at any moment costs at most what the running trainings have not saved.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from napari_scribseg import __version__
from napari_scribseg.core.errors import InvalidInput, RunError, ScribsegError
from napari_scribseg.experiment.experiment import (
    EXPERIMENT,
    RECIPE,
    STOP,
    Experiment,
    State,
    Trial,
    is_experiment,
    load_experiment,
    result_of,
    state_of,
    trials_of,
)
from napari_scribseg.experiment.recipe import Recipe, load_recipe
from napari_scribseg.experiment.settings import MethodSettings
from napari_scribseg.experiment.trial import Programs, compute_trial, score_locked
from napari_scribseg.io.atomic import remove_leftovers, write_text
from napari_scribseg.io.documents import save_document
from napari_scribseg.io.lock import FolderLock
from napari_scribseg.io.regular_file import open_own

OPENED: Final = "locked_list_opened.txt"
"""That the locked cases were scored; from then on the experiment can't change any more."""
_CORES_PER_JOB: Final = 2
"""One computes, the other makes batches."""


@dataclass(frozen=True)
class Done:
    """A trial that somebody has finished with for now.

    Args:
        trial: its name.
        state: how it is.
        reason: why it failed; "" otherwise.
    """

    trial: str
    state: State
    reason: str = ""


def default_jobs(threads: int) -> int:
    """How many trials this machine computes at once, if nobody says: one per two cores."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores // max(_CORES_PER_JOB, threads))


def known_settings(folder: Path, recipe: Recipe) -> tuple[MethodSettings, ...] | None:
    """The settings of the experiment that is in a folder, if it has this recipe and version."""
    if not is_experiment(folder):
        return None
    there = load_experiment(folder)
    same = there.recipe == recipe and there.package_version == __version__
    return there.settings if same else None


def refuse_another(folder: Path, recipe: Recipe) -> None:
    """Refuse a folder that holds something else than this recipe's experiment.

    Raises:
        InvalidInput: it holds another experiment (the message names what differs), or other files.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} is a file; choose a folder with --out.")
    if (folder / RECIPE).is_file():
        different = load_recipe(folder / RECIPE).differences(recipe)
        if different:
            raise InvalidInput(
                f"{folder} holds another experiment; what differs is: {', '.join(different)}. "
                "Choose another folder with --out, or continue that one with "
                f"`scribseg experiment {folder}`."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise InvalidInput(
            f"{folder} exists already and is no experiment, and nothing is overwritten: choose "
            "another place with --out."
        )


@contextmanager
def at_work(folder: Path, experiment: Experiment, command: str) -> Generator[None]:
    """The right to work on an experiment's folder, which is made or brought up to date.

    Args:
        folder: is made if needed.
        experiment: written to it.
        command: what somebody typed, for the record.

    Raises:
        InvalidInput: somebody else works there, it holds another experiment, it can't be written
            to, or its locked list was opened and trials would change now.
    """
    refuse_another(folder, experiment.recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"The folder {folder} can't be made: {error.strerror}.") from error
    lock = _lock(folder)
    try:
        remove_leftovers(folder)
        save_document(folder / RECIPE, experiment.recipe)
        _refuse_changes_after_opening(folder, experiment)
        save_document(folder / EXPERIMENT, experiment)
        try:
            (folder / STOP).unlink(missing_ok=True)
            _note_session(folder, command)
        except OSError as error:
            raise InvalidInput(f"{error.filename} can't be written: {error.strerror}.") from error
        yield
    finally:
        lock.release()


def compute_trials(
    folder: Path,
    experiment: Experiment,
    names: Sequence[str],
    *,
    jobs: int,
    retry: bool = False,
    programs: Programs | None = None,
) -> Iterator[Done]:
    """Compute trials on this machine; gives each when it is done with.

    When the iteration is left early (Ctrl-C), the running trainings are asked to save and to stop,
    and waited for.

    Args:
        folder: of the experiment, that this process has the right to work on.
        experiment: of the folder.
        names: of the trials.
        jobs: trials at once.
        retry: also compute again what has failed.
        programs: the children; None = our command line.
    """
    trials = trials_of(experiment)

    def compute(name: str) -> State:
        return compute_trial(
            folder, name, retry=retry, experiment=experiment, trials=trials, programs=programs
        )

    yield from _in_threads(folder, compute, names, jobs, trials)


def open_locked(
    folder: Path, experiment: Experiment, *, jobs: int, programs: Programs | None = None
) -> Iterator[Done]:
    """Score the locked cases with the run of every trial, once all of them are finished.

    Raises:
        InvalidInput: there are no locked cases.
        RunError: a trial is not finished.
    """
    trials = trials_of(experiment)
    if not experiment.locked:
        raise InvalidInput("The experiment has no locked cases to open: its recipe names none.")
    open_trials = [trial for trial in trials.values() if state_of(folder, trial) != "finished"]
    if open_trials:
        raise RunError(
            f"The locked cases stay locked: {len(open_trials)} of {len(trials)} trials are not "
            f"finished, such as {open_trials[0].name}. Finish them first."
        )
    write_text(
        folder / OPENED, "The locked cases were scored. Trials of this experiment can't change.\n"
    )

    def score(name: str) -> State:
        said = score_locked(folder, experiment, trials[name], programs)
        if said is not None:
            raise RunError(said)
        return "finished"

    yield from _in_threads(folder, score, list(trials), jobs, trials)


def ask_to_stop(folder: Path) -> None:
    """Ask everybody who works on an experiment, on any machine, to save and to stop."""
    if not os.path.lexists(folder / STOP):
        open_own(folder / STOP, "ab").close()


def is_stopping(folder: Path) -> bool:
    """Whether somebody has asked to stop since the work began."""
    return (folder / STOP).exists()


def reason_of(folder: Path, trial: Trial) -> str:
    """Why a trial has failed; "" when it hasn't."""
    result = result_of(folder, trial)
    return result.reason if result is not None else ""


def _in_threads(
    folder: Path,
    task: Callable[[str], State],
    names: Sequence[str],
    jobs: int,
    trials: Mapping[str, Trial],
) -> Iterator[Done]:
    """Do a task for every trial, `jobs` at once; the threads only wait for child processes."""
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="trial")
    futures: dict[Future[State], str] = {}
    try:
        futures = {pool.submit(task, name): name for name in names}
        for future in as_completed(futures):
            yield _done(folder, trials[futures[future]], future)
    finally:
        if not all(future.done() for future in futures):
            ask_to_stop(folder)
        pool.shutdown(wait=True, cancel_futures=True)


def _done(folder: Path, trial: Trial, future: Future[State]) -> Done:
    try:
        state = future.result()
    except ScribsegError as error:
        return Done(trial.name, "failed", str(error))
    except OSError as error:
        return Done(trial.name, "failed", f"{error.strerror}: {error.filename}.")
    return Done(trial.name, state, reason_of(folder, trial) if state == "failed" else "")


def _lock(folder: Path) -> FolderLock:
    try:
        return FolderLock.take(folder)
    except InvalidInput as error:
        raise InvalidInput(f"The experiment can't be worked on now. {error}") from error


def _refuse_changes_after_opening(folder: Path, experiment: Experiment) -> None:
    if not (folder / OPENED).exists():
        return
    changed = _not_finished(folder, trials_of(experiment).values())
    if changed:
        raise InvalidInput(
            f"The locked cases of {folder} were opened already, and the trial {changed[0]} would "
            "be computed again because data or version have changed; its scores would be chosen with "
            "the test known. Make a new experiment in another folder."
        )


def _not_finished(folder: Path, trials: Iterable[Trial]) -> list[str]:
    return [trial.name for trial in trials if state_of(folder, trial) != "finished"]


def _note_session(folder: Path, command: str) -> None:
    noted = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "package_version": __version__,
        "command": command,
    }
    with open_own(folder / "sessions.jsonl", "ab") as file:
        file.write(json.dumps(noted).encode() + b"\n")
