"""Bytes of regular files only: a pipe, a device or a folder is refused before it can hang us.

In the folder of a run or an experiment, which may come from somebody else, nothing is written
through a link either: it would end wherever that person liked.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, Literal, overload

from napari_scribseg.core.errors import InvalidInput

MAX_VOLUME_BYTES: Final = 16 * 1024**3
"""Largest volume, packed or unpacked, that is read into memory."""
_MARKS: Final = (("run.json", "labels.json"), ("experiment.json", "recipe.json"))
"""Documents that make a folder a run or an experiment."""
_NO_LINK: Final = "it is a link, and links in the folder of a run are not followed"
_NO_FILE: Final = "it is a folder, pipe, socket or device, expected a regular file"
_OPEN_FLAGS: Final = {
    "rb": os.O_RDONLY,
    "ab": os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    "a+b": os.O_RDWR | os.O_APPEND | os.O_CREAT,
    "r+b": os.O_RDWR | os.O_CREAT,
    "wb": os.O_WRONLY | os.O_CREAT,
}


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


@overload
def open_own(path: Path, mode: Literal["rb"]) -> BufferedReader: ...


@overload
def open_own(path: Path, mode: Literal["ab", "a+b", "r+b", "wb"]) -> BinaryIO: ...


def open_own(
    path: Path, mode: Literal["rb", "ab", "a+b", "r+b", "wb"]
) -> BinaryIO | BufferedReader:
    """Open a file that lies directly in a folder of ours.

    Args:
        path: is created unless it is only read. A link is followed for reading only, and nothing
            but a regular file is opened, so that this never waits.
        mode: as for `open`, but "r+b" creates the file, too.

    Raises:
        OSError: it can't be opened; also for a link, and for what is no regular file.
    """
    extra = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if mode != "rb":
        extra |= getattr(os, "O_NOFOLLOW", 0)
        if path.is_symlink():
            raise OSError(errno.ELOOP, _NO_LINK, str(path))
    try:
        descriptor = os.open(path, _OPEN_FLAGS[mode] | extra, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a pipe without a reader, a socket
            raise OSError(errno.EINVAL, _NO_FILE, str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, _NO_FILE, str(path))
    file = os.fdopen(descriptor, mode)
    if mode == "wb":
        file.truncate(0)
    return file


def refuse_links(path: str | Path) -> None:
    """Make sure that no link leads out of the folder of a run or an experiment.

    The folder itself may be reached through links, since whoever opened it chose that.

    Args:
        path: of what is going to be written; need not exist.

    Raises:
        InvalidInput: the path or a folder on the way to it, below the run or experiment that it
            lies in, is a link.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100  without following links
    root = next((p for p in reversed(place.parents) if _is_marked(p)), None)
    if root is None:
        return
    inner = [place, *place.parents[: len(place.relative_to(root).parts) - 1]]
    link = next((part for part in inner if part.is_symlink()), None)
    if link is not None:
        raise InvalidInput(
            f"{shown(link)} can't be written: {_NO_LINK}. Put a file or folder in its place, or "
            "use a run of your own."
        )


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


def _is_marked(folder: Path) -> bool:
    return any(all((folder / name).is_file() for name in names) for names in _MARKS)
