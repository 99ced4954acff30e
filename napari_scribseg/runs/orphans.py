"""A training that somebody else began and that may go on without its starter: it is ended first.

Whether it goes on is asked of the system where that can be asked. Of a process of another computer
it is told by watching whether its heart beats, by our own clock alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.regular_file import read_regular
from napari_scribseg.runs.folder import RunFolder

WATCH_SECONDS: Final = 10.0
"""A heart that does not beat for so long has stopped; it beats once a second."""
_END_SECONDS: Final = 40.0
"""An orphan notices that its starter is gone, saves and ends."""
_POLL_SECONDS = 0.2
_MOST_BYTES: Final = 4096


def end_orphan(run: RunFolder, over: Callable[[], bool] = lambda: False) -> bool:
    """Ask whoever trains a run to save and to stop, and wait; gives whether nobody trains it.

    Args:
        run: whose folder is ours to work on.
        over: whether nobody waits for it any more.

    Raises:
        RunError: what was asked of the run can't be taken back.
    """
    until = time.monotonic() + _END_SECONDS
    while _is_trained(run, over):
        with contextlib.suppress(OSError):
            run.request("stop")
        if time.monotonic() > until or over():
            return False
        time.sleep(_POLL_SECONDS)
    with contextlib.suppress(OSError):
        run.end_heartbeat()  # of a process that is gone
    run.clear_requests()
    return True


def _is_trained(run: RunFolder, over: Callable[[], bool]) -> bool:
    heart = run.heart
    if heart is None:
        return False
    known = None if heart.process is None else heart.process.runs
    return _beats(run, over) if known is None else known


def _beats(run: RunFolder, over: Callable[[], bool]) -> bool:
    """Whether the file of the heart changes while we watch it."""
    first = _text(run)
    until = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < until and not over():
        time.sleep(_POLL_SECONDS)
        now = _text(run)
        if now != first:
            return bool(now)
    return False


def _text(run: RunFolder) -> bytes:
    try:
        return read_regular(run.path / "heartbeat", _MOST_BYTES)
    except InvalidInput:
        return b""
