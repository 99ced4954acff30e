"""One trial, computed: its run is prepared here, trained and scored by child processes.

Whatever happens to a child ends the trial, not the experiment. All that is known of a trial lies in
its folder, so it may be continued by another process or another machine. Who computes it has its
lease; what goes wrong because of the place where it is computed is no result. Nothing here needs
torch.
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from napari_scribseg.core.errors import RunError, ScribsegError
from napari_scribseg.core.events import Finished, Started
from napari_scribseg.data.pseudonyms import without_paths
from napari_scribseg.experiment import place
from napari_scribseg.experiment.case_facts import paths_of, without_folder
from napari_scribseg.experiment.clients import stopping
from napari_scribseg.experiment.experiment import (
    EXPERIMENT,
    JOINED,
    RESULT,
    TIMING,
    Experiment,
    State,
    Trial,
    TrialResult,
    is_experiment,
    load_experiment,
    locked_result_of,
    result_of,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.gpu_slots import a_gpu
from napari_scribseg.experiment.lease import Lease
from napari_scribseg.experiment.trial_run import empty, prepared_run
from napari_scribseg.io.atomic import remove_abandoned, remove_leftovers, write_text
from napari_scribseg.io.documents import save_document
from napari_scribseg.io.regular_file import open_own, refuse_links
from napari_scribseg.runs import children, process
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.orphans import end_orphan

_POLL_SECONDS = 0.2
_STOP_SECONDS = 20.0
"""Time a training has to save what it has learnt."""
_LOOK_SECONDS: Final = 1.0
"""Between two looks at the memory of a child."""
_DOUBTFUL: Final = (
    *("was killed, most likely because memory ran out", "crashed in native code"),
    *("was ended from outside", "OutOfMemoryError", "CUDA error", "AcceleratorError"),
    *("Memory of ", "Memory ran out", "ended with code 130"),
)
"""Ends of a child that may be the place's fault as well as the method's."""

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
        doubt: it failed in a way that may be the place's fault: worth another place.
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
        elsewhere: there are other places to try; a doubtful end is no failure then.
        locked: score the locked cases of a finished trial instead.
    """

    retry: bool = False
    client: str = ""
    per_gpu: int = 1
    over: str = ""
    elsewhere: bool = False
    locked: bool = False


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
) -> Computed:
    """Bring a trial to its end, from wherever it is; gives how it is afterwards.

    Args:
        folder: of the experiment.
        name: of the trial.
        manner: how.
        experiment: of the folder; read from there when None, as by a worker of a cluster.
        trials: of the experiment, if somebody has them already.
        programs: the children; None = our command line.

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
        work = _Work(folder, experiment, trial, programs or PROGRAMS, manner, lease)
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
    variables: dict[str, str] = field(default_factory=dict)
    peak_bytes: int = 0
    _next_look: float = 0.0

    @property
    def there(self) -> Path:
        """Folder of the trial."""
        return trial_folder(self.folder, self.trial.name)

    def done(self) -> Computed:
        """What becomes of it."""
        state = _state(self.folder, self.experiment, self.trial, self.manner)
        if _is_done(state, self.manner):  # by whoever had the lease before us
            return Computed(state)
        device = self.trial.training.device
        with a_gpu(device, self.manner.per_gpu, over=self._is_over) as variables:
            if variables is None:
                return Computed("interrupted")
            self.variables = {**variables, **self.lease.variables}
            try:
                return self._locked_scored() if self.manner.locked else self._computed(state)
            except ScribsegError as error:
                return self._failed(str(error), 0)
            except OSError as error:
                text = f"{error.strerror}: {error.filename}"
                return self._failed(text, 0, doubtful=True)

    def _computed(self, state: State) -> Computed:
        if state in {"outdated", "failed"}:
            empty(self.there)
        remove_leftovers(self.there)
        remove_abandoned(self.there)
        began = time.time()
        run = prepared_run(self.folder, self.experiment, self.trial)
        if not end_orphan(run, self._is_over):
            return Computed("interrupted", held_by="a training that does not stop yet")
        end = self._train(run)
        if end.outcome == "stopped" or self.lease.is_lost:
            return self._interrupted()
        if end.outcome in {"failed", "crashed"}:
            return self._failed(end.message, end.step, doubtful=_is_doubtful(end.message))
        trained = time.time()
        self._note(run, began, trained)  # before the result, so that none is without it
        said = self._score()
        if result_of(self.folder, self.trial) is None:
            if self._is_over():
                return self._interrupted()
            return self._failed(said, end.step, doubtful=_is_doubtful(said))
        self._note(run, began, trained)  # with the time that scoring took
        return Computed("finished")

    def _locked_scored(self) -> Computed:
        said = self._score()
        if locked_result_of(self.folder, self.experiment, self.trial) is not None:
            return Computed("finished")
        if self._is_over():
            return Computed("waiting")
        fault = place.fault_of_place(self.folder, self.experiment)
        if fault:
            return Computed("waiting", fault=fault)
        raise RunError(said)

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
                self._look_at_memory(child.pid)
                time.sleep(_POLL_SECONDS)
            return child.wait()
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
                    self._look_at_memory(child.pid)
            finally:
                child.kill()
                child.ends_within(None)
                child.cut_line()
        said = process.explain_exit(child.code, children.tail_of(self.there / "score.log"))
        return said.replace("training process", "process that scores")

    def _failed(self, text: str, step: int, *, doubtful: bool = False) -> Computed:
        """A trial that did not come to its end: is it the place's fault, the lease's, its own?"""
        if self._is_over() or not self.lease.is_held:
            return self._interrupted()
        fault = place.fault_of_place(self.folder, self.experiment)
        if fault:
            return Computed("interrupted", fault=fault)
        if doubtful and self.manner.elsewhere:
            return Computed("interrupted", doubt=text)
        if self.manner.locked:
            raise RunError(text)
        _save_failure(self.folder, self.experiment, self.trial, text, step)
        return Computed("failed")

    def _look_at_memory(self, pid: int) -> None:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            self.peak_bytes = max(self.peak_bytes, _memory_of(pid))

    def _note(self, run: RunFolder, began: float, trained: float) -> None:
        """Note when and on what it was computed, beside its result, as long as it is ours."""
        if not self.lease.is_held:
            return
        started = [event for event in run.events() if isinstance(event, Started)]
        document = {
            "train_seconds": round(trained - began, 3),
            "score_seconds": round(time.time() - trained, 3),
            "host": socket.gethostname(),
            **place.parts_here(),
            "device": _all_of(event.device for event in started),
            "precision": _all_of(event.precision for event in started),
            "peak_memory_mib": round(self.peak_bytes / 2**20),
        }
        write_text(self.there / TIMING, json.dumps(document))


def _all_of(values: Iterable[str]) -> str:
    """What a training was computed on; a training that went on elsewhere may have several."""
    return JOINED.join(dict.fromkeys(values))


def _is_doubtful(text: str) -> bool:
    return any(words in text for words in _DOUBTFUL)


def _memory_of(pid: int) -> int:
    """Bytes that a process and its helpers have in memory now."""
    total = 0
    with contextlib.suppress(psutil.Error):
        family = [psutil.Process(pid)]
        family += family[0].children(recursive=True)
        for member in family:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total


def _save_failure(folder: Path, experiment: Experiment, trial: Trial, text: str, step: int) -> None:
    """Note that a trial has failed."""
    text = without_paths(text, paths_of([case.files for case in (*trial.train, *trial.test)]))
    for path in (Path(experiment.recipe.dataset), trial_folder(folder, trial.name), folder):
        text = without_folder(text, path)
    voxels, slices, share = _effort_of(trial)
    result = TrialResult(
        sha256=trial.sha256,
        outcome="failed",
        reason=text,
        step=step,
        scribbled_voxels=voxels,
        scribbled_slices=slices,
        labelled_share=share,
    )
    save_document(trial_folder(folder, trial.name) / RESULT, result)


def _effort_of(trial: Trial) -> tuple[int, int, float]:
    """What was drawn for a trial; of thinned strokes this is what there was before."""
    voxels = sum(sum(case.scribbled_voxels.values()) for case in trial.train)
    slices = sum(case.scribbled_slices for case in trial.train)
    return voxels, slices, voxels / max(sum(case.voxels for case in trial.train), 1)
