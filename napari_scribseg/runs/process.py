"""Training in a process of its own: start it, watch it, stop it.

The child is our own command line working on a run folder, so that whatever happens to it (out of
memory, a crash in native code, a kill) can't touch the program that started it. The child ends
when its parent dies, however it dies, unless it was started as detached. Nothing here needs torch.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Event, Finished
from napari_scribseg.io.regular_file import open_own
from napari_scribseg.runs import children
from napari_scribseg.runs.children import Child, tail_of
from napari_scribseg.runs.folder import RunFolder

_EXCEPTION_LINE = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*): (.+)$")
_ACCESS_VIOLATION = 0xC0000005

Command = Callable[[RunFolder, bool, bool], Sequence[str]]
"""(run, detached, resume) -> the command line of the child."""


def worker_command(run: RunFolder, detached: bool, resume: bool) -> list[str]:
    """The command line that trains a prepared run folder."""
    command = [*children.PROGRAM, "train", str(run.path)]
    command.append("--detached" if detached else "--lifeline")
    return [*command, "--resume"] if resume else command


def start(
    run: RunFolder,
    *,
    detached: bool = False,
    resume: bool = False,
    beside_window: bool = False,
    command: Command = worker_command,
    variables: Mapping[str, str] | None = None,
) -> TrainingProcess:
    """Train a run in a child process of low priority, and give the handle on it.

    Args:
        run: a prepared run folder.
        detached: the child lives on when this process ends.
        resume: continue from the last checkpoint.
        beside_window: somebody draws meanwhile: the child leaves one core to the window, unless
            the run's settings name a number of threads, and computes when nobody else wants to.
        command: makes the command line.
        variables: of the child's environment, see `children.start`.

    Raises:
        RunError: the run is being trained already, or no process can be started.
    """
    refuse_when_running(run)
    run.clear_requests()
    since = run.position
    log_start = run.log_path.stat().st_size if run.log_path.exists() else 0
    try:
        run.heartbeat()  # nobody else may start it meanwhile
        with open_own(run.log_path, "ab") as log:
            child = children.start(
                command(run, detached, resume),
                output=log,
                lifeline=not detached,
                threads=run.record.training.threads
                or (threads_beside_a_window() if beside_window else 0),
                priority="idle" if beside_window else "low",
                variables=variables,
            )
    except OSError as error:
        with contextlib.suppress(OSError):
            run.end_heartbeat()
        raise RunError(f"The run {run.path} can't be started: {error}.") from error
    with contextlib.suppress(OSError):
        # Loading torch takes seconds in which the child can't say anything yet.
        run.heartbeat(child.pid)
        if not child.is_alive:
            run.end_heartbeat()
    return TrainingProcess(run, child, since=since, log_start=log_start, detached=detached)


def threads_beside_a_window() -> int:
    """Threads for a training beside a window: one core stays free for it, if there are more."""
    if sys.platform == "linux":
        return max(1, len(os.sched_getaffinity(0)) - 1)
    return max(1, (os.cpu_count() or 1) - 1)


def watch(run: RunFolder, poll_seconds: float = 0.5, *, since: int = 0) -> Iterator[Event]:
    """Events of a run that some other process started, as they come, a Finished last.

    Args:
        run: a run that is being trained, as its heart tells.
        poll_seconds: time between two looks.
        since: position in the log of events to begin at.
    """
    for event in run.follow(poll_seconds, lambda: run.status != "running", since=since):
        yield event
        if isinstance(event, Finished):
            return
    message = "The training process is gone; it can be resumed from the last checkpoint."
    yield Finished(outcome="crashed", step=run.last_step, message=message, seconds=run.used[1])


def refuse_when_running(run: RunFolder) -> None:
    """Raises RunError when a process is training this run now."""
    if run.status != "running":
        return
    heart = run.heart
    process = None if heart is None else heart.process
    if process is not None and process.runs:
        raise RunError(
            f"The run {run.path.name} is being trained already, by process {process.pid} of this "
            f"computer. Stop it first: scribseg stop {run.path}."
        )
    age = 0.0 if heart is None else heart.age_seconds
    raise RunError(
        f"The run {run.path.name} is being trained already (its process was alive {age:.0f} s "
        "ago). Stop it first; after a crash, wait half a minute."
    )


class TrainingProcess:
    """The handle on a training process; made by `start`. Safe to use from several threads."""

    def __init__(
        self,
        run: RunFolder,
        child: Child,
        *,
        since: int,
        log_start: int,
        detached: bool,
    ) -> None:
        self.run = run
        self.detached = detached
        self._child = child
        self._since = since
        self._log_start = log_start
        self._stopping = False
        self._lock = threading.Lock()
        self._concluded: Finished | None = None

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._child.is_alive

    @property
    def code(self) -> int | None:
        """Its exit code, negative = the signal that ended it; None while it runs."""
        return self._child.code

    def events(self, poll_seconds: float = 0.2) -> Iterator[Event]:
        """Events of this session as they come; the last one is always a Finished.

        A process that dies without having said so gets a Finished with the outcome "crashed" and
        a sentence on what happened, which is written to the run folder, too.
        """
        over = lambda: not self.is_alive  # noqa: E731
        for event in self.run.follow(poll_seconds, over, since=self._since):
            yield event
            if isinstance(event, Finished):
                return
        yield self._conclude()

    def request(self, what: Literal["stop", "finish", "pause", "resume"]) -> None:
        """Ask the process to stop, to finish with the best weights, to pause or to go on."""
        self.run.request(what)

    def stop(self, timeout_seconds: float = 5.0, *, ask: bool = True) -> Finished:
        """End the process within this time, and give how the run ended.

        It is asked first, so that it can save; then told by the system; then killed, together
        with its helper processes. The checkpoints written so far stay good in any case.

        Args:
            timeout_seconds: for all of it.
            ask: by a file in the run's folder, which others who train the run would find, too.
        """
        self._stopping = True
        if self.is_alive:
            if ask:
                with contextlib.suppress(OSError):  # a full disk must not keep it running
                    self.run.request("stop")
            if not (ask and self._child.ends_within(0.6 * timeout_seconds)):
                self._child.terminate()
                if not self._child.ends_within(0.2 * timeout_seconds):
                    self._child.kill()
                    self._child.ends_within(None)
        return self._conclude()

    def wait(self, timeout_seconds: float | None = None) -> Finished:
        """Wait for the end of the process, and give how the run ended.

        Raises:
            RunError: it has not ended within the time.
        """
        if not self._child.ends_within(timeout_seconds):
            raise RunError(f"The run {self.run.path.name} is still being trained.")
        return self._conclude()

    def let_go(self) -> None:
        """Let the process live on when this one ends."""
        self.run.let_go()
        self.detached = True

    def close(self) -> None:
        """Let go: a detached process lives on, any other is stopped."""
        if not self.detached:
            self.stop()

    def _conclude(self) -> Finished:
        """How the session ended, once the process is gone; told to the run folder if it isn't."""
        with self._lock:
            if self._concluded is None:
                self._child.kill()  # helpers that outlived a crash
                self._child.cut_line()
                self._concluded = self._told_end() or self._tell_end()
            return self._concluded

    def _told_end(self) -> Finished | None:
        events = self.run.follow(0.0, lambda: True, since=self._since)
        return next((event for event in events if isinstance(event, Finished)), None)

    def _tell_end(self) -> Finished:
        with contextlib.suppress(OSError):
            self.run.end_heartbeat()
        if self._stopping:
            outcome, message = "stopped", "Training did not answer and was ended."
        else:
            outcome = "crashed"
            log = tail_of(self.run.log_path, self._log_start)
            message = explain_exit(self._child.code, log)
        if self.run.checkpoint("last").exists():
            message += " It can be resumed from the last checkpoint."
        begun = next((e.time for e in self.run.follow(0, lambda: True, since=self._since)), None)
        end = Finished(
            outcome=outcome,
            step=self.run.last_step,
            message=message,
            seconds=self._earlier_seconds() + (time.time() - begun if begun else 0.0),
        )
        try:
            return self.run.append(end)
        except RunError as error:  # a full disk, which is likely why the process ended
            return end.model_copy(update={"message": f"{end.message} {error}"})

    def _earlier_seconds(self) -> float:
        return self.run.summary.seconds


def explain_exit(code: int | None, log: str) -> str:
    """One sentence on why a training process is gone.

    Args:
        code: its exit code; negative = the signal that ended it.
        log: the end of what it printed.
    """
    if code is None:
        return "The training process is gone."
    if code == -9:
        return (
            "The training process was killed, most likely because memory ran out: choose a "
            "smaller patch or batch size."
        )
    if code in (-4, -6, -7, -8, -11, _ACCESS_VIOLATION):
        name = "access violation" if code > 0 else signal.Signals(-code).name
        return f"The training process crashed in native code ({name}); the log says where."
    if code < 0:
        return f"The training process was ended from outside (signal {-code})."
    for line in reversed(log.splitlines()):
        found = _EXCEPTION_LINE.match(line.strip())
        if found and "Warning" not in found[1]:
            return f"The training process failed: {found[2][:300]} ({found[1]})."
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "nothing")
    return f"The training process ended with code {code}; the last it said was: {last[:300]}"
