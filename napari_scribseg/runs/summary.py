"""What a log of events says in short, read once: only what was added since the last look is parsed.

Watchers ask twice a second how a run is, and a long one has tens of thousands of lines.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Event, Finished, Started, Validated, from_line
from napari_scribseg.io.regular_file import open_own

_MOST_LOGS: Final = 512
"""So many logs are remembered, those that were asked for last."""
_TAIL_BYTES: Final = 256
"""What stands before the position is compared, since a file may be replaced under its name."""


@dataclass(frozen=True)
class Summary:
    """A log of events in short.

    Args:
        last: the last event.
        last_step: the highest step that any event tells of, 0 before the first.
        end: how the last session that has ended did so.
        seconds: the most training time that any end tells of.
        score: of the weights that predict: the last validation that found the best ones so far;
            before there is one, the last that has a mean.
        slices: with strokes that are learnt from; 0 before the training has begun, and in old logs.
    """

    last: Event | None = None
    last_step: int = 0
    end: Finished | None = None
    seconds: float = 0.0
    score: Validated | None = None
    slices: int = 0

    def with_event(self, event: Event) -> Summary:
        """The summary after one more event."""
        is_end = isinstance(event, Finished)
        return replace(
            self,
            last=event,
            last_step=max(self.last_step, getattr(event, "step", 0)),
            end=event if is_end else self.end,
            seconds=max(self.seconds, event.seconds) if is_end else self.seconds,
            score=self._score_after(event),
            slices=event.drawn_slices if isinstance(event, Started) else self.slices,
        )

    def _score_after(self, event: Event) -> Validated | None:
        if not isinstance(event, Validated) or event.mean is None:
            return self.score
        is_kept = event.best or self.score is None or not self.score.best
        return event if is_kept else self.score


def whole_events(data: bytes) -> tuple[list[Event], int]:
    """The events of the whole lines of a part of a log, and how many bytes those lines are.

    A line that is not whole yet is left for the next look; one that can't be read (cut by a crash)
    is skipped, since a damaged log must not hide the weights of the run.
    """
    whole = data.rfind(b"\n") + 1
    events: list[Event] = []
    for line in data[:whole].splitlines():
        with contextlib.suppress(InvalidInput):
            events.append(from_line(line.decode(errors="replace")))
    return events, whole


def summary_of(log: Path) -> Summary:
    """The summary of a log of events; of one that is not there, an empty one."""
    with _lock:
        reader = _readers.pop(log, None) or _Reader(log)
        _readers[log] = reader
        while len(_readers) > _MOST_LOGS:
            _readers.popitem(last=False)
    return reader.read()


class _Reader:
    """Remembers up to where a log was read, and what was found."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._forget()

    def read(self) -> Summary:
        """The summary as of now."""
        with self._lock:
            try:
                self._read_on()
            except FileNotFoundError:
                self._forget()
            except OSError:  # a network drive that comes back: what was known still holds
                pass
            return self._summary

    def _forget(self) -> None:
        self._file: tuple[int, int] | None = None
        self._position = 0
        self._tail = b""
        self._summary = Summary()

    def _read_on(self) -> None:
        with open_own(self._log, "rb") as file:
            status = os.fstat(file.fileno())
            if self._file != (status.st_dev, status.st_ino) or status.st_size < self._position:
                self._forget()
            file.seek(self._position - len(self._tail))
            if file.read(len(self._tail)) != self._tail:
                self._forget()
                file.seek(0)
            data = file.read()
        self._file = (status.st_dev, status.st_ino)
        events, length = whole_events(data)
        self._add(events)
        self._position += length
        self._tail = (self._tail + data[:length])[-_TAIL_BYTES:]

    def _add(self, events: Iterable[Event]) -> None:
        for event in events:
            self._summary = self._summary.with_event(event)


_lock = threading.Lock()
_readers: OrderedDict[Path, _Reader] = OrderedDict()
