"""Writing that leaves the old file or the new one, whole, and never anything between.

New content goes to a temporary file in the same folder, is brought to the disk, read back and
compared, and only then takes the place of the old file in one step of the file system.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.process_identity import ProcessIdentity, runs
from napari_scribseg.io.regular_file import reason, refuse_links, shown

_TEMP_PREFIX: Final = ".scribseg-"
_TEMP_SUFFIX: Final = ".part"
_ABANDONED_SECONDS: Final = 24 * 3600.0
"""A temporary file whose writer can't be asked for was left behind when it is older than this."""
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REPLACE_ATTEMPTS: Final = 20 if os.name == "nt" else 1
"""Windows refuses to replace a file that a virus scanner or viewer has open for a moment."""
_REPLACE_PAUSE_S: Final = 0.05
_NO_FOLDER_SYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF}
"""Errors of file systems that can't sync a folder at all (network drives)."""


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file so that a crash or a full disk leaves the old one whole.

    Args:
        path: the file to replace or create.
        data: its new content.

    Raises:
        InvalidInput: the file could not be written; what was there before is untouched.
    """

    def same(temp: Path) -> None:
        if temp.read_bytes() != data:
            raise OSError(errno.EIO, "what was read back is not what was written")

    replace_with(path, lambda temp: fill(temp, data), same)


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8, line ends as they are; see `write_bytes`.

    Raises:
        InvalidInput: the file could not be written, or the text is not valid Unicode.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{shown(path)} can't be written: the text has half a character at position "
            f"{error.start}."
        ) from error
    write_bytes(path, data)


def write_json(path: str | Path, document: Any) -> None:
    """Write a JSON document, indented, in the order of its keys; see `write_bytes`.

    Raises:
        InvalidInput: the file could not be written, or the document has a value that JSON doesn't
            know (NaN, infinity, an array, a path).
    """
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{shown(path)} can't be written as JSON: {reason(error)}.") from error
    write_text(path, text + "\n")


def replace_with(
    path: str | Path,
    write_temp: Callable[[Path], None],
    verify: Callable[[Path], None],
    ending: str = "",
) -> None:
    """Replace a file by what `write_temp` writes, if `verify` is content with it.

    Args:
        path: the file to replace or create; the place a link points to is replaced, not the link,
            but in the folder of a run or an experiment a link is refused.
        write_temp: fills the temporary file, which exists already, is empty and private.
        verify: raises (OSError or a ScribsegError) unless the temporary file is good.
        ending: of the temporary file's name, for libraries that tell the format by it.

    Raises:
        InvalidInput: writing failed; what was there before is untouched, nothing else is left.
    """
    path = Path(path)
    refuse_links(path)
    try:
        target = Path(os.path.realpath(path))
        _tidy_once(target.parent)
        mode = _mode_of(target)
        temp, new_mode = _create_temp(target.parent, ending)
        try:
            write_temp(temp)
            _sync(temp)
            verify(temp)
            temp.chmod(new_mode if mode is None else mode)
            _replace(temp, target)
        finally:
            _remove(temp)
    except (OSError, ValueError) as error:
        raise InvalidInput(_not_written(path, error)) from error
    try:
        _sync_folder(target.parent)
    except OSError as error:
        raise InvalidInput(
            f"{shown(path)} was saved, but the disk did not confirm it: {reason(error)}. "
            "Save again."
        ) from error


def fill(temp: Path, data: bytes) -> None:
    """Give a temporary file this content, to the last byte.

    Raises:
        OSError: with the number of the cause, as of a full disk.
    """
    descriptor = os.open(temp, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_BINARY", 0))
    try:
        rest = memoryview(data)
        while rest:
            written = os.write(descriptor, rest[: 1 << 26])
            if written <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            rest = rest[written:]
    finally:
        os.close(descriptor)  # some file systems tell of a full disk only here


def remove_leftovers(folder: str | Path) -> int:
    """Remove temporary files that a killed program left in a folder; gives how many there were.

    Only for the owner of the folder (who holds the project's lock): another program may be
    writing there.
    """
    leftovers = temporary_files(Path(folder))
    for leftover in leftovers:
        _discard(leftover)
    return len(leftovers)


def remove_abandoned(folder: str | Path) -> int:
    """Remove temporary files in and below a folder whose writers are gone; gives how many.

    Others may be writing there. Links to folders are not followed.
    """
    removed = 0
    for place, names, _ in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(_TEMP_PREFIX)]
        removed += _remove_abandoned_in(Path(place))
    return removed


def temporary_name(ending: str = "") -> str:
    """A new name for a temporary file or folder, that tells who made it.

    So that it can be removed once that process is gone, see `remove_abandoned`.
    """
    owner = f"{_place_of_processes()}-{os.getpid()}"
    return f"{_TEMP_PREFIX}{owner}-{secrets.token_hex(8)}{_TEMP_SUFFIX}{ending}"


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is that a disk or a quota is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            return True
        error = error.__cause__
    return False


def temporary_files(folder: Path) -> list[Path]:
    """What is being written in a folder, or was left there by a killed program."""
    return list(folder.glob(f"{_TEMP_PREFIX}*{_TEMP_SUFFIX}*"))


@functools.lru_cache(maxsize=1000)
def _tidy_once(folder: Path) -> None:
    """Remove what killed programs left in a folder, before the first file is written there."""
    with contextlib.suppress(OSError):
        _remove_abandoned_in(folder)


def _remove_abandoned_in(folder: Path) -> int:
    abandoned = [path for path in temporary_files(folder) if _is_abandoned(path)]
    for path in abandoned:
        _discard(path)
    return len(abandoned)


def _is_abandoned(path: Path) -> bool:
    """Whether nobody writes a temporary file any more; when in doubt, not for a day."""
    place, _, rest = path.name.removeprefix(_TEMP_PREFIX).partition("-")
    pid = rest.partition("-")[0]
    if place == _place_of_processes() and pid.isdecimal() and not runs(int(pid)):
        return True
    try:
        return time.time() - path.lstat().st_mtime > _ABANDONED_SECONDS
    except OSError:
        return False


@functools.cache
def _place_of_processes() -> str:
    """A short word for the system whose process ids ours is one of."""
    here = ProcessIdentity.of(os.getpid())
    return hashlib.sha256(f"{here.host}\n{here.boot}".encode()).hexdigest()[:8]


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _mode_of(target: Path) -> int | None:
    """Permissions of the file to be replaced; None when there is none."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInput(f"{shown(target)} is not a regular file and can't be written over.")
    return stat.S_IMODE(status.st_mode)


def _create_temp(folder: Path, ending: str) -> tuple[Path, int]:
    """A new empty file with mode 0600, and the mode that the umask would have given it."""
    temp = folder / temporary_name(ending)
    try:
        # Asking the file is the only way to learn the umask without changing it for all threads.
        descriptor = os.open(temp, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)
        temp.chmod(0o600)
    except OSError:
        _remove(temp)
        raise
    return temp, mode


def _remove(temp: Path) -> None:
    """Remove a temporary file, if it is still there; what went wrong before is told, not this."""
    with contextlib.suppress(OSError):
        temp.unlink(missing_ok=True)


def _sync(temp: Path) -> None:
    descriptor = os.open(temp, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(temp: Path, target: Path) -> None:
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            os.replace(temp, target)  # noqa: PTH105  the tests inject faults by this name
        except PermissionError:
            if attempt + 1 == _REPLACE_ATTEMPTS:
                raise
            time.sleep(_REPLACE_PAUSE_S)
        else:
            return


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, where the file system can."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _not_written(path: Path, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in _DISK_FULL:
        advice = f"the disk of {shown(path.parent)} is full; free space or save elsewhere"
    elif number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        advice = f"{shown(path.parent)} is read-only for you; save elsewhere"
    elif number in {errno.ENOENT, errno.ENOTDIR}:
        advice = f"the folder {shown(path.parent)} does not exist"
    else:
        advice = reason(error)
    return f"{shown(path)} was not saved: {advice}. What was there before is unchanged."
