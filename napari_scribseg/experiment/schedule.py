"""Scheduling on this computer: the trials of an experiment computed, several at once.

Trials that fail are noted and don't stop the others; being interrupted at any moment costs at most
what the running trainings have not saved. What another client computes is waited for. A fault of
this computer ends the work, and fails no trial.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from napari_scribseg import __version__
from napari_scribseg.core.errors import InvalidInput, RunError, ScribsegError
from napari_scribseg.experiment.clients import OPENED, ask_to_stop, stopping
from napari_scribseg.experiment.experiment import (
    Experiment,
    State,
    Trial,
    is_experiment,
    load_experiment,
    result_of,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.lease import holder_of, is_gone
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.settings import MethodSettings
from napari_scribseg.experiment.trial import Computed, Manner, Programs, Tell, compute_trial
from napari_scribseg.io.atomic import write_text
from napari_scribseg.runs import gpu_slots

_CORES_PER_JOB: Final = 2
"""One computes, the other makes batches."""
_POLL_SECONDS = 0.2
_HELD_SECONDS = 2.0
"""Between two looks at trials that somebody else computes."""


@dataclass(frozen=True)
class Done:
    """A trial that somebody has finished with for now.

    Args:
        trial: its name.
        state: how it is.
        reason: why it failed, or is not finished; "" otherwise.
    """

    trial: str
    state: State
    reason: str = ""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def default_jobs(
    threads: int, devices: Sequence[str] = ("cpu",), *, per_gpu: int = 1, trial_mib: float = 0.0
) -> int:
    """How many trials this machine computes at once, if nobody says.

    One per two cores, or per `threads` cores where a trial computes with more; not more than
    fit the memory that is free; and where all trials compute on GPUs, as many as those take.

    Args:
        threads: of every trial.
        devices: that the trainings ask for.
        per_gpu: trials that share one GPU.
        trial_mib: memory of one trial; 0 = unknown.
    """
    most = max(1, cores() // max(_CORES_PER_JOB, threads))
    on_gpus = [gpu_slots.slots(device, per_gpu) for device in devices]
    if on_gpus and all(on_gpus):
        most = min(max(1, cores() // threads), max(n for n in on_gpus if n))
    if trial_mib:
        most = min(most, int(psutil.virtual_memory().available / 2**20 // trial_mib))
    return max(1, most)


def known_settings(folder: Path, recipe: Recipe) -> tuple[MethodSettings, ...] | None:
    """The settings of the experiment that is in a folder, if it has this recipe and version."""
    if not is_experiment(folder):
        return None
    there = load_experiment(folder)
    same = there.recipe == recipe and there.package_version == __version__
    return there.settings if same else None


def compute_trials(
    folder: Path,
    experiment: Experiment,
    names: Sequence[str],
    manner: Manner = Manner(),  # noqa: B008  frozen
    *,
    jobs: int,
    programs: Programs | None = None,
    look: Callable[[], None] = lambda: None,
    tell: Tell = lambda _: None,
) -> Generator[Done]:
    """Compute trials on this machine; gives each when it is done with.

    When the iteration is left early (Ctrl-C), the running trainings are asked to save and to stop,
    and waited for.

    Args:
        folder: of the experiment, that this process has the right to work on.
        experiment: of the folder.
        names: of the trials.
        manner: how they are computed.
        jobs: trials at once.
        programs: the children; None = our command line.
        look: is called now and then meanwhile.
        tell: is given sentences for people; from any thread.

    Raises:
        RunError: this computer can't go on; nothing has failed for it.
    """
    trials = trials_of(experiment)

    def compute(name: str) -> Computed:
        return compute_trial(
            folder, name, manner, experiment=experiment, trials=trials, programs=programs, tell=tell
        )

    yield from _Pool(folder, trials, names, compute, manner.client, look).done(jobs)


def open_locked(
    folder: Path,
    experiment: Experiment,
    manner: Manner = Manner(),  # noqa: B008  frozen
    *,
    jobs: int,
    programs: Programs | None = None,
) -> Generator[Done]:
    """Score the locked cases with the run of every trial, once all of them are finished.

    Raises:
        InvalidInput: there are no locked cases.
        RunError: a trial is not finished.
    """
    allow_opening(folder, experiment)
    manner = Manner(client=manner.client, per_gpu=manner.per_gpu, locked=True)
    yield from compute_trials(
        folder, experiment, list(trials_of(experiment)), manner, jobs=jobs, programs=programs
    )


def allow_opening(folder: Path, experiment: Experiment) -> None:
    """Note that the locked cases are going to be scored, after which nothing can change.

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


def reason_of(folder: Path, trial: Trial) -> str:
    """Why a trial has failed; "" when it hasn't."""
    result = result_of(folder, trial)
    return result.reason if result is not None else ""


def done_of(folder: Path, trial: Trial, computed: Computed) -> Done:
    """A trial that somebody is done with, and why it has failed or is given up."""
    why = reason_of(folder, trial) if computed.state == "failed" else computed.doubt
    return Done(trial.name, computed.state, why)


@dataclass
class _Pool:
    """Threads that wait for child processes, and the trials that are still open.

    Args:
        folder: of the experiment.
        trials: of it, by name.
        names: those to be computed.
        compute: brings one to its end.
        client: whose they are.
        look: is called now and then.
    """

    folder: Path
    trials: dict[str, Trial]
    names: Sequence[str]
    compute: Callable[[str], Computed]
    client: str
    look: Callable[[], None]
    held: dict[str, str] = field(default_factory=dict)
    """Trials that somebody else computes, and who."""
    fault: str = ""
    _next_held: float = 0.0

    def done(self, jobs: int) -> Generator[Done]:
        """Every trial when it is done with."""
        waiting = deque(self.names)
        running: dict[Future[Computed], str] = {}
        pool = ThreadPoolExecutor(jobs, thread_name_prefix="trial")
        try:
            while waiting or running or self.held:
                self._ask_again(waiting)
                while waiting and len(running) < jobs:
                    name = waiting.popleft()
                    running[pool.submit(self.compute, name)] = name
                self.look()
                if running:
                    ended = wait(running, _POLL_SECONDS, FIRST_COMPLETED).done
                else:
                    ended = set[Future[Computed]]()
                    time.sleep(_POLL_SECONDS)
                for future in ended:
                    one = self._ended(running.pop(future), future)
                    if one is not None:
                        yield one
                if self.fault:
                    break
        finally:
            if running:
                ask_to_stop(self.folder, self.client)
            pool.shutdown(wait=True, cancel_futures=True)
        if self.fault:
            raise RunError(
                f"This computer can't go on: {self.fault}. No trial has failed for it; mend that, "
                f"then continue with `scribseg experiment {self.folder}`."
            )

    def _ended(self, name: str, future: Future[Computed]) -> Done | None:
        try:
            computed = future.result()
        except ScribsegError as error:
            return Done(name, "failed", str(error))
        except OSError as error:
            return Done(name, "failed", f"{error.strerror}: {error.filename}.")
        if computed.fault:
            self.fault = computed.fault
            return None
        if computed.held_by and not stopping(self.folder, self.client):
            self.held[name] = computed.held_by
            return None
        return done_of(self.folder, self.trials[name], computed)

    def _ask_again(self, waiting: deque[str]) -> None:
        """Try those again that somebody else has computed or given up."""
        if time.monotonic() < self._next_held:
            return
        self._next_held = time.monotonic() + _HELD_SECONDS
        for name in list(self.held):
            there = trial_folder(self.folder, name)
            holder = holder_of(there)
            if holder is None or is_gone(there, holder) or stopping(self.folder, self.client):
                del self.held[name]
                waiting.append(name)
