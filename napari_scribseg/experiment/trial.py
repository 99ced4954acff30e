"""One trial, computed: its run is prepared here, trained and scored by child processes.

Whatever happens to a child ends the trial, not the experiment. All that is known of a trial lies in
its folder, so it may be continued by another process or another machine. Who computes it has its
lease; what goes wrong because of the place where it is computed is no result. Nothing here needs
torch.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import RunError, ScribsegError
from napari_scribseg.core.events import Finished
from napari_scribseg.data.names import few
from napari_scribseg.experiment import place
from napari_scribseg.experiment.attempts import (
    Attempt,
    attempts_of,
    given_up,
    is_given_up,
    is_of_an_installation,
    is_of_the_place,
    note_attempt,
)
from napari_scribseg.experiment.clients import stopping
from napari_scribseg.experiment.data_now import data_now
from napari_scribseg.experiment.experiment import (
    EXPERIMENT,
    Experiment,
    State,
    Trial,
    is_experiment,
    load_experiment,
    locked_result_of,
    result_of,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.lease import Lease
from napari_scribseg.experiment.trial_notes import TrialNotes, save_failure
from napari_scribseg.experiment.trial_run import empty, prepared_run
from napari_scribseg.io.atomic import remove_abandoned, remove_leftovers
from napari_scribseg.io.regular_file import open_own, reason, refuse_links
from napari_scribseg.runs import children, process
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.gpu_slots import a_gpu
from napari_scribseg.runs.orphans import end_orphan

_POLL_SECONDS = 0.2
_STOP_SECONDS = 20.0
"""Time a training has to save what it has learnt."""
_PAUSE_SECONDS = 5.0
"""Before an attempt is repeated on the same computer: what took its memory may end."""
_SIGNALLED: Final = 130
"""Exit code of a training that the system has told to end, and that has saved."""
Tell = Callable[[str], None]

ScoreCommand = Callable[[Path, str, bool], Sequence[str]]
"""(experiment, trial, locked) -> the command line that predicts and scores."""


@dataclass(frozen=True)
class Programs:
    """The command lines of the children; a test puts smaller ones here."""

    train: process.Command
    score: ScoreCommand
    inspect: place.InspectCommand | None = place.inspect_command
    """None: nobody is asked for devices."""


@dataclass(frozen=True)
class Computed:
    """What has become of a trial for now.

    Args:
        state: how it is.
        held_by: who else computes it.
        fault: why this place can't compute it; no failure of the trial.
        doubt: an attempt has ended by the fault of the place, see `attempts`; why, in a sentence.
    """

    state: State
    held_by: str = ""
    fault: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Manner:
    """How trials are to be computed.

    Args:
        retry: compute those again that have failed.
        client: token of whoever asked for them, see `clients`; "" = nobody in particular.
        per_gpu: trials that share a GPU.
        over: token of a dead holder of the lease, see `Lease.take`.
        elsewhere: whoever asks decides where it is tried again; else that is here.
        locked: score the locked cases of a finished trial instead.
        strict: compute nothing with data that has changed since it was planned.
    """

    retry: bool = False
    client: str = ""
    per_gpu: int = 1
    over: str = ""
    elsewhere: bool = False
    locked: bool = False
    strict: bool = False


def score_command(folder: Path, name: str, locked: bool) -> list[str]:
    """The command line that predicts and scores the test cases of a trial."""
    command = [*children.PROGRAM, "experiment", str(folder), "--lifeline"]
    return [*command, "--score-locked" if locked else "--score", name]


PROGRAMS: Final = Programs(process.worker_command, score_command)


def compute_trial(
    folder: str | Path,
    name: str,
    manner: Manner = Manner(),
    *,
    experiment: Experiment | None = None,
    trials: dict[str, Trial] | None = None,
    programs: Programs | None = None,
    tell: Tell = lambda _: None,
) -> Computed:
    """Bring a trial to its end, from wherever it is; gives how it is afterwards.

    Args:
        folder: of the experiment.
        name: of the trial.
        manner: how.
        experiment: of the folder; read from there when None, as by a worker of a cluster.
        trials: of the experiment, if somebody has them already.
        programs: the children; None = our command line.
        tell: is given sentences for people.

    Raises:
        ScribsegError: the folder is no experiment.
    """
    folder = Path(folder).absolute()  # the children work elsewhere
    if experiment is None or trials is None:
        stamp = (folder / EXPERIMENT).stat().st_mtime_ns if is_experiment(folder) else 0
        experiment, trials = _loaded(folder, stamp)
    trial = trials[name]
    state = _state(folder, experiment, trial, manner)
    if _is_done(state, manner) or stopping(folder, manner.client):
        return Computed(state)
    there = trial_folder(folder, name)
    try:
        refuse_links(there)
        there.mkdir(parents=True, exist_ok=True)
        lease = Lease.take(there, manner.client, over=manner.over)
    except OSError:
        fault = place.fault_of_place(folder, experiment)
        if not fault:  # something lies in the way of this trial alone
            raise
        return Computed(state, fault=fault)
    if not isinstance(lease, Lease):
        return Computed(state, held_by=str(lease))
    with lease:
        work = _Work(folder, experiment, trial, programs or PROGRAMS, manner, lease, tell)
        return work.done()


def _state(folder: Path, experiment: Experiment, trial: Trial, manner: Manner) -> State:
    """How a trial is, or how the scoring of its locked cases is."""
    if not manner.locked:
        return state_of(folder, trial)
    result = locked_result_of(folder, experiment, trial)
    return "waiting" if result is None else result.outcome


def _is_done(state: State, manner: Manner) -> bool:
    return state == "finished" or (state == "failed" and not manner.retry)


@functools.lru_cache(maxsize=2)
def _loaded(folder: Path, stamp: int) -> tuple[Experiment, dict[str, Trial]]:  # noqa: ARG001
    """The experiment of a folder and its trials; read once per change of the document."""
    experiment = load_experiment(folder)
    return experiment, trials_of(experiment)


@dataclass
class _Work:
    """A trial under our lease."""

    folder: Path
    experiment: Experiment
    trial: Trial
    programs: Programs
    manner: Manner
    lease: Lease
    tell: Tell
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.there = trial_folder(self.folder, self.trial.name)
        self.notes = TrialNotes(self.there, self.trial, self.lease)

    def done(self) -> Computed:
        """What becomes of it: tried again here where a place is at fault and there is no other."""
        while True:
            computed = self._attempted()
            if not computed.doubt or self.manner.elsewhere:
                return computed
            attempts = attempts_of(self.there, self.manner.client)
            if is_given_up(attempts):
                return Computed(computed.state, doubt=given_up(attempts))
            self.tell(
                f"{self.trial.name} on {socket.gethostname()}: {computed.doubt} Trying again."
            )
            until = time.monotonic() + _PAUSE_SECONDS
            while time.monotonic() < until and not self._is_over():
                time.sleep(_POLL_SECONDS)
            if self._is_over():
                return self._interrupted()

    def _attempted(self) -> Computed:
        state = _state(self.folder, self.experiment, self.trial, self.manner)
        if _is_done(state, self.manner):  # by whoever had the lease before us
            return Computed(state)
        if self.manner.strict and not self.manner.locked:
            changed = data_now((*self.trial.train, *self.trial.test)).changed
            if changed:
                fault = place.fault_of_place(self.folder, self.experiment)
                if fault:
                    return Computed(state, fault=fault)
                raise RunError(
                    f"--strict refuses data that has changed since the plan ({few(changed)}): put "
                    "it back, or plan again into a new folder."
                )
        device = self.trial.training.device
        waiting = f"{self.trial.name} waits for a GPU, which is taken {{}}."
        with a_gpu(
            device,
            self.manner.per_gpu,
            over=self._is_over,
            waiting=lambda why: self.tell(waiting.format(why)),
        ) as variables:
            if variables is None:
                return Computed("interrupted")
            self.variables = {**variables, **self.lease.variables}
            try:
                return self._locked_scored() if self.manner.locked else self._computed(state)
            except ScribsegError as error:
                return self._failed(str(error), 0)
            except OSError as error:
                return self._failed(f"{error.strerror}: {error.filename}", 0, of_place=True)

    def _computed(self, state: State) -> Computed:
        if state in {"outdated", "failed"}:
            empty(self.there)
        remove_leftovers(self.there)
        remove_abandoned(self.there)
        run = prepared_run(self.folder, self.experiment, self.trial)
        if not end_orphan(run, self._is_over):
            return Computed("interrupted", held_by="a training that does not stop yet")
        self.notes.begin(run)
        end = self._train(run)
        if end.outcome == "stopped" or self.lease.is_lost:
            return self._interrupted()
        if end.outcome in {"failed", "crashed"}:
            return self._failed(end.message, end.step)
        self.notes.trained(run)
        said = self._score()
        if result_of(self.folder, self.trial) is None:
            return self._failed(said, end.step)
        with contextlib.suppress(OSError):  # the trial is finished without it
            self.notes.ended(run)  # with the time that scoring took
        return Computed("finished")

    def _locked_scored(self) -> Computed:
        said = self._score()
        if locked_result_of(self.folder, self.experiment, self.trial) is not None:
            return Computed("finished")
        return self._failed(said, 0)

    def _is_over(self) -> bool:
        """Whether the work shall end: somebody asked for it, or has taken over."""
        return stopping(self.folder, self.manner.client) or self.lease.is_lost

    def _interrupted(self) -> Computed:
        held = "" if self.lease.is_held else "somebody who has taken it over"
        return Computed("interrupted", held_by=held)

    def _train(self, run: RunFolder) -> Finished:
        """Train a run to its end, or until everybody is asked to stop."""
        end = run.summary.end
        if end is not None and end.outcome == "completed":
            return end
        resume = run.checkpoint("last").exists()
        child = process.start(
            run, resume=resume, command=self.programs.train, variables=self.variables
        )
        try:
            while child.is_alive:
                if self._is_over():
                    return child.stop(_STOP_SECONDS, ask=not self.lease.is_lost)
                self.notes.look_at_memory(child.pid)
                time.sleep(_POLL_SECONDS)
            end = child.wait()
            if end.outcome == "stopped" and child.code == _SIGNALLED:  # nobody has asked for it
                message = "The training was ended from outside by the system, and has saved."
                return end.model_copy(update={"outcome": "crashed", "message": message})
            return end
        finally:
            if child.is_alive:
                child.stop(_STOP_SECONDS, ask=not self.lease.is_lost)

    def _score(self) -> str:
        """Predict and score in a child process; gives how that ended, in a sentence."""
        with open_own(self.there / "score.log", "wb") as log:
            child = children.start(
                self.programs.score(self.folder, self.trial.name, self.manner.locked),
                output=log,
                threads=self.trial.training.threads,
                variables=self.variables,
            )
            try:
                while not child.ends_within(_POLL_SECONDS) and not self._is_over():
                    self.notes.look_at_memory(child.pid)
            finally:
                child.kill()
                child.ends_within(None)
                child.cut_line()
        said = process.explain_exit(child.code, children.tail_of(self.there / "score.log"))
        return said.replace("training process", "process that scores")

    def _failed(self, text: str, step: int, *, of_place: bool = False) -> Computed:
        """A trial that did not come to its end: is it the place's fault, the lease's, its own?"""
        if self._is_over() or not self.lease.is_held:
            return self._interrupted()
        if not self.manner.locked and state_of(self.folder, self.trial) == "finished":
            return Computed("finished")
        fault = place.fault_of_place(self.folder, self.experiment)
        if fault:
            return Computed("interrupted", fault=fault)
        client = self.manner.client
        if is_of_an_installation(text) and self.manner.elsewhere:
            # Where another computer has said the same, it is the method's own.
            of_place = all(one.reason != text for one in attempts_of(self.there, client))
        if of_place or is_of_the_place(text):
            try:
                note_attempt(self.there, Attempt(step=step, reason=text, client=client))
            except OSError as error:
                fault = f"{self.there} can't be written to ({reason(error)})"
                return Computed("interrupted", fault=fault)
            return Computed("interrupted", doubt=text)
        if self.manner.locked:
            raise RunError(text)
        save_failure(self.folder, self.experiment, self.trial, text, step)
        return Computed("failed")
