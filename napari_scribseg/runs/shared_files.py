"""What a training process and its watchers tell each other: events, heartbeat and requests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Event, Finished, to_line
from napari_scribseg.io.regular_file import open_own
from napari_scribseg.runs.heartbeat import Heartbeat, beat, look_at
from napari_scribseg.runs.summary import Summary, summary_of, whole_events

Status = Literal["created", "running", "completed", "stopped", "failed", "crashed"]
Request = Literal["stop", "finish", "pause"]
EventKind = TypeVar("EventKind", bound=Event)

_REQUESTS: tuple[Request, ...] = ("stop", "finish", "pause")
"""Most urgent first."""


@dataclass(frozen=True)
class SharedFiles:
    """The files of a run that are written and read while it is trained."""

    path: Path

    @property
    def events_path(self) -> Path:
        """The log of events, one JSON line each."""
        return self.path / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """What the training process printed."""
        return self.path / "log.txt"

    @property
    def reserve_path(self) -> Path:
        """Bytes of no meaning, there while it is trained: given up when the disk is full."""
        return self.path / "reserve"

    def append(self, event: EventKind) -> EventKind:
        """Write the event behind the others, stamped with the time; gives the stamped event.

        Raises:
            RunError: the file can't be written (disk full, folder gone).
        """
        stamped = event.model_copy(update={"time": time.time()})
        try:
            with open_own(self.events_path, "a+b") as file:
                # A line that a crash cut in half must not swallow the next one.
                start = b"\n" if _ends_within_a_line(file.seek(0, os.SEEK_END), file) else b""
                file.write(start + to_line(stamped).encode() + b"\n")
        except OSError as error:
            raise RunError(
                f"The events of the run can't be written to {self.events_path}: {error.strerror}. "
                "Make room or restore the folder, then resume the run."
            ) from error
        return stamped

    def events(self) -> list[Event]:
        """Everything that happened so far, all sessions of the run together."""
        return self._read_events(0)[0]

    @property
    def summary(self) -> Summary:
        """What happened so far in short; asking again costs only what was added since."""
        return summary_of(self.events_path)

    @property
    def position(self) -> int:
        """How long the log of events is now, for `follow(since=...)`."""
        return self.events_path.stat().st_size if self.events_path.exists() else 0

    def follow(
        self,
        poll_seconds: float = 0.2,
        stop: Callable[[], bool] = lambda: False,
        *,
        since: int = 0,
    ) -> Iterator[Event]:
        """Events as they come, until the run has finished or `stop()` is true.

        Only what was added since the last look is read. When `stop()` becomes true, what is
        already written is still delivered.

        Args:
            poll_seconds: time between two looks.
            stop: asked before every look.
            since: position to begin at; give `position` from before a resumed run was started,
                or an earlier session's Finished may end the watch.
        """
        while True:
            stopping = stop()
            events, since = self._read_events(since)
            yield from events
            if stopping or (events and isinstance(events[-1], Finished)):
                return
            time.sleep(poll_seconds)

    def _read_events(self, since: int) -> tuple[list[Event], int]:
        """Events of the whole lines behind a position, and the position behind them."""
        try:
            with open_own(self.events_path, "rb") as file:
                file.seek(since)
                data = file.read()
        except OSError:  # not there yet, or a network drive that comes back
            return [], since
        events, length = whole_events(data)
        return events, since + length

    @property
    def status(self) -> Status:
        """How the run is now, by its events and its heartbeat."""
        last = self.summary.last
        heart = self.heart
        if heart is not None and heart.lives:
            # A resumed run beats before its first event: newer than the end of the last session.
            # A process that is known to live is asked for, whatever the clock says.
            known = heart.process is not None
            if known or not isinstance(last, Finished) or heart.time > last.time:
                return "running"
        if isinstance(last, Finished):
            return last.outcome
        return "created" if last is None and heart is None else "crashed"

    @property
    def last_step(self) -> int:
        """The highest step that any event tells of, 0 before the first."""
        return self.summary.last_step

    def request(self, what: Literal["stop", "finish", "pause", "resume"]) -> None:
        """Ask the training process to stop, to finish with the best weights, to pause or go on."""
        if what == "resume":
            (self.path / "PAUSE").unlink(missing_ok=True)
        else:
            self._mark(what.upper())

    @property
    def requested(self) -> Request | None:
        """What is asked of the training process now; the most urgent if several are."""
        return next((what for what in _REQUESTS if (self.path / what.upper()).exists()), None)

    def let_go(self) -> None:
        """Let the training process go on when the one that started it ends."""
        self._mark("DETACHED")

    @property
    def is_let_go(self) -> bool:
        """Whether the training process goes on without the one that started it."""
        return (self.path / "DETACHED").exists()

    def clear_requests(self) -> None:
        """Forget what was asked, as every start of the training process does.

        Raises:
            RunError: something else than a file lies in the place of a request.
        """
        for name in ("DETACHED", *(what.upper() for what in _REQUESTS)):
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise RunError(
                    f"{self.path / name} can't be removed ({error.strerror}), so the run can't be "
                    "started: remove it."
                ) from error

    def _mark(self, name: str) -> None:
        """Leave an empty file; a link in its place is not followed.

        Raises:
            OSError: it can't be written.
        """
        if not os.path.lexists(self.path / name):
            open_own(self.path / name, "ab").close()

    def heartbeat(self, pid: int | None = None) -> None:
        """Say that the training process, this one unless another is given, is alive now.

        Raises:
            OSError: it can't be written.
        """
        beat(self.path / "heartbeat", pid)

    def end_heartbeat(self) -> None:
        """Say that the training process has ended in an orderly way."""
        (self.path / "heartbeat").unlink(missing_ok=True)

    @property
    def heart(self) -> Heartbeat | None:
        """What the heartbeat tells now; None when there is none."""
        return look_at(self.path / "heartbeat")


def _ends_within_a_line(size: int, file: Any) -> bool:
    if size == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"
