"""Bytes of regular files only: a pipe, a device or a folder is refused before it can hang us."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from napari_scribseg.core.errors import InvalidInput

MAX_VOLUME_BYTES: Final = 16 * 1024**3
"""Largest volume, packed or unpacked, that is read into memory."""


def read_regular(path: str | Path, limit: int = MAX_VOLUME_BYTES) -> bytes:
    """All bytes of a regular file.

    Args:
        path: links are followed.
        limit: largest size in bytes that is accepted.

    Raises:
        InvalidInput: no such file, not a regular file, not readable, larger than the limit, or it
            changed its size while it was read.
    """
    with opened(path, limit) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)
    if len(data) != size:
        raise InvalidInput(
            f"{shown(path)} changed while it was read ({size} bytes at first); try again "
            "when no other program writes it."
        )
    return data


@contextmanager
def opened(path: str | Path, limit: int = MAX_VOLUME_BYTES) -> Generator[BinaryIO, None, None]:
    """A regular file, opened to be read.

    Raises:
        InvalidInput: see `read_regular`; also for an error while it is read.
    """
    path = Path(path)
    try:
        # O_NONBLOCK: opening a named pipe would otherwise wait for a writer for ever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            _check_status(path, os.fstat(file.fileno()), limit)
            yield file
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{shown(path)} can't be read: {reason(error)}.") from error


def reason(error: Exception) -> str:
    """The plain cause of an error of a library or the operating system, without the path."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(". ")
    starts_a_sentence = text.partition(" ")[0][1:].islower()
    return text[:1].lower() + text[1:] if starts_a_sentence else text


def shown(path: str | Path) -> str:
    """A path as it may be printed: control codes and bytes that are not text are escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in str(path)
    )


def _check_status(path: Path, status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise InvalidInput(f"{shown(path)} is {kind}, expected a regular file.")
    if status.st_size > limit:
        raise InvalidInput(
            f"{shown(path)} has {status.st_size / 1e6:.0f} MB, more than the {limit / 1e6:.0f} MB "
            "that are read from such a file."
        )
