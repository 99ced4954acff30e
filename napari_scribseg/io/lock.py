"""FolderLock: one writer for a folder, told apart from a writer that died.

The lock is a file with who holds it: process, computer, time and a random token. It is created
in one step that fails when it is there already. A lock left by a process of this computer that
is gone is taken over; one of another computer never is, as nobody here can tell whether that
writer lives.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import json
import os
import secrets
import stat
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.process_identity import ProcessIdentity

LOCK_NAME: Final = "project.lock"
_UNREADABLE_S: Final = 1.0
"""A lock that is still incomplete after this time was left by a crash while it was written."""


def this_user() -> str:
    """The name of the user of this computer."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


class LockHolder(ProcessIdentity):
    """Who holds a lock."""

    user: str
    time: str
    token: str

    @classmethod
    def this_process(cls) -> LockHolder:
        """This process, with a fresh token."""
        return cls(
            **ProcessIdentity.of(os.getpid()).model_dump(),
            user=this_user(),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            token=secrets.token_hex(16),
        )

    @property
    def is_gone(self) -> bool:
        """Whether the holder was a process of this computer that no longer runs."""
        return self.runs is False

    def __str__(self) -> str:
        return f"{self.user} on {self.host}, process {self.pid}, since {self.time}"


class FolderLock:
    """The right to write to a folder; use `FolderLock.take`, then `release`."""

    def __init__(self, path: Path, holder: LockHolder, note: str | None = None) -> None:
        self.path = path
        self.holder = holder
        self.note = note
        """That the lock of a dead process was taken over, in a sentence; None = it was free."""

    @classmethod
    def take(cls, folder: Path) -> FolderLock:
        """The lock of a folder.

        Raises:
            InvalidInput: somebody else holds it (the message says who and where), or the folder
                can't be written to.
        """
        path = folder / LOCK_NAME
        me = LockHolder.this_process()
        with _one_at_a_time(folder):
            if _created(path, me):
                return cls(path, me)
            holder = _holder_after_wait(path)
            if not (_is_blank(path) if holder is None else holder.is_gone):
                raise InvalidInput(_held(folder, holder))
            _remove(path)
            if not _created(path, me):
                raise InvalidInput(_held(folder, _holder_after_wait(path)))
        who = "an unknown process" if holder is None else str(holder)
        return cls(path, me, f"The project was left open by {who}; its lock was taken over.")

    @property
    def is_held(self) -> bool:
        """Whether the lock file is still ours."""
        holder = _holder(self.path)
        return holder is not None and holder.token == self.holder.token

    def release(self) -> None:
        """Give the lock back; nothing happens when it isn't ours any more."""
        if self.is_held:
            _remove(self.path)


def holder_of(folder: Path) -> LockHolder | None:
    """Who holds the lock of a folder now; None when nobody does, or only somebody who is gone."""
    holder = _holder(folder / LOCK_NAME)
    return None if holder is None or holder.is_gone else holder


def _created(path: Path, holder: LockHolder) -> bool:
    """Create the lock file; False when there is one."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    except OSError as error:
        raise InvalidInput(
            f"{path.parent} can't be written to ({error.strerror}); open the project read-only."
        ) from error
    try:
        os.write(descriptor, holder.model_dump_json().encode())
    except OSError as error:
        os.close(descriptor)
        _remove(path)
        raise InvalidInput(
            f"The lock {path} can't be written ({error.strerror}); free space on the disk."
        ) from error
    os.close(descriptor)
    return True


def _holder(path: Path) -> LockHolder | None:
    """Who holds the lock; None when there is no lock or it is incomplete."""
    try:
        return LockHolder.model_validate(json.loads(_start_of(path)), strict=True)
    except (OSError, ValueError, RecursionError, ValidationError):
        return None


def _holder_after_wait(path: Path) -> LockHolder | None:
    """The holder, given the time that another process needs to write its name."""
    end = time.monotonic() + _UNREADABLE_S
    while (holder := _holder(path)) is None and time.monotonic() < end:
        time.sleep(0.02)
    return holder


def _is_blank(path: Path) -> bool:
    """Whether a lock has no content, which a crash or power cut while writing leaves."""
    try:
        return not _start_of(path).strip(b"\0 \n")
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _start_of(path: Path) -> bytes:
    """What a lock holds. A pipe or device in its place is neither waited for nor a lock of ours.

    Raises:
        OSError: it can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Generator[None]:
    """Keeps two processes from taking over one stale lock, where the system has such a guard.

    The guard belongs to the kernel, so it can't be left behind. Where there is none (Windows,
    some network drives) a writer that lost its lock still notices by `is_held` before it writes.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _held(folder: Path, holder: LockHolder | None) -> str:
    who = "another process" if holder is None else str(holder)
    return (
        f"The project {folder} is open elsewhere: {who}. Close it there or open it read-only; "
        f"if it is certain that nobody uses it, delete {folder / LOCK_NAME}."
    )
