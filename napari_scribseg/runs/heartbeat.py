"""The heartbeat of a run: which process trains it, and when that was last seen alive.

Whether the process lives is asked of the system, where that can be asked. Only of another
computer's process, on a shared drive, and of a heartbeat that can't be read, it is told by the
time of the last beat; a time in the future tells no more than one long ago. What is no regular file
is nobody's heartbeat.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.process_identity import ProcessIdentity
from napari_scribseg.io.regular_file import open_own, read_regular

SILENCE_SECONDS: Final = 30.0
"""A process that can't be asked for and was not seen alive for this long counts as gone."""
_MAX_BYTES: Final = 4096


class _Beat(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    time: float
    process: ProcessIdentity


@dataclass(frozen=True)
class Heartbeat:
    """What a heartbeat tells.

    Args:
        time: of the last beat, seconds since 1970.
        age_seconds: since then, by this computer's clock; never negative.
        lives: whether the process is alive.
        process: which one; None when the file doesn't tell.
    """

    time: float
    age_seconds: float
    lives: bool
    process: ProcessIdentity | None


def beat(path: Path, pid: int | None = None) -> None:
    """Say that a process is alive now.

    Args:
        path: of the heartbeat.
        pid: of the process; None = this one.

    Raises:
        OSError: it can't be written; also for a link, a pipe or a folder in its place.
    """
    process = _identity(os.getpid()) if pid is None else ProcessIdentity.of(pid)
    text = _Beat(time=round(time.time(), 3), process=process).model_dump_json().encode()
    with open_own(path, "r+b") as file:
        # Over the old one, so that it is never empty and needs no new room on a full disk.
        file.write(text)
        file.truncate()


def look_at(path: Path) -> Heartbeat | None:
    """What a heartbeat tells now; None when there is none."""
    ours = True
    try:
        status = path.lstat()
        written, ours = status.st_mtime, stat.S_ISREG(status.st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        written = time.time()  # Windows: it is being written
    noted, process = _read(path) if ours else (None, None)
    now = time.time()
    seen = written if noted is None else noted
    known = None if process is None else process.runs
    # Another computer's clock may be wrong; then the file's own time, from the drive, is right.
    moments = (seen,) if process is None else (seen, written)
    recent = ours and any(abs(now - moment) < SILENCE_SECONDS for moment in moments)
    return Heartbeat(
        time=seen,
        age_seconds=max(0.0, now - seen),
        lives=recent if known is None else known,
        process=process,
    )


def _read(path: Path) -> tuple[float | None, ProcessIdentity | None]:
    """Time and process of the last beat, None where the file doesn't tell."""
    try:
        text = read_regular(path, _MAX_BYTES)
    except InvalidInput:  # being written just now, or nothing that we wrote
        return None, None
    with contextlib.suppress(ValidationError):
        beaten = _Beat.model_validate_json(text)
        return (beaten.time if math.isfinite(beaten.time) else None), beaten.process
    with contextlib.suppress(ValueError):  # as earlier versions wrote it
        seconds = float(text)
        return (seconds if math.isfinite(seconds) else None), None
    return None, None


@functools.lru_cache(maxsize=4)
def _identity(pid: int) -> ProcessIdentity:
    """A living process; asked for once, since it beats every second."""
    return ProcessIdentity.of(pid)
