"""Files in the private folder of the journals: made for their owner alone, brought to the disk."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

BINARY: Final = getattr(os, "O_BINARY", 0)
"""Windows would change line ends otherwise."""


def write_all(descriptor: int, content: bytes) -> None:
    """Write everything.

    Raises:
        OSError: the disk is full, or anything else is wrong with it.
    """
    rest = memoryview(content)
    while rest:
        written = os.write(descriptor, rest)
        if written <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]


def make_private(folder: Path) -> None:
    """Make a folder that nobody else can read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name != "nt" and folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, where the file system can."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
