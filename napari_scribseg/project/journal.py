"""The stroke journal: what was drawn since the last save, so that a killed program loses nothing.

One file per case and sitting, in a private folder. Every record is appended, brought to the disk
and has a check sum, so that a record that was cut by a kill is told apart from a whole one:

    header       JSON: version, project, case, shape, schema, who writes
    difference   the scribbles that were there at the beginning, against nothing drawn
    difference   what the first strokes changed: per slice the voxels and their new values
    schema       JSON: other structures from here on
    ...

The file holds everything that is needed to restore the scribbles and leans on no other file. It
is removed once the scribbles are saved in the project. There are no threads here: `record` is
quick, but it waits for the disk, so a window calls it from a background thread.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import struct
import time
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import platformdirs
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.data.names import slug
from napari_scribseg.io.lock import LockHolder
from napari_scribseg.io.regular_file import read_regular, reason, shown

_ENDING: Final = ".strokes"
_HEAD: Final = struct.Struct("<4sII")
"""Kind, length of the packed content, CRC-32 of kind and packed content."""
_SLICE: Final = struct.Struct("<II")
"""Index of a slice and how many of its voxels changed."""
_HEADER, _DIFFERENCE, _SCHEMA = b"SJh1", b"SJd1", b"SJs1"
_MOST_BYTES: Final = 4 * 1024**3
_MOST_VOXELS: Final = 2**31
_SLOW_SECONDS: Final = 2.0


class JournalHeader(BaseModel):
    """What a journal belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    project: str
    """Absolute path of the project's folder."""
    case: str
    shape: tuple[int, int, int]
    """Voxels along (z, y, x)."""
    labels: LabelSchema
    revision: int = 0
    """Revision of the project when the journal began."""
    scribbles_sha256: str | None = None
    """Of the file of saved scribbles it began with; None = nothing had been saved."""
    writer: LockHolder
    started: str
    """Date and time with time zone, ISO 8601."""

    @classmethod
    def begin(
        cls,
        project: Path,
        case: str,
        shape: tuple[int, int, int],
        labels: LabelSchema,
        *,
        revision: int = 0,
        scribbles_sha256: str | None = None,
    ) -> JournalHeader:
        """The header of a journal that this process begins now."""
        return cls(
            project=str(project),
            case=case,
            shape=shape,
            labels=labels,
            revision=revision,
            scribbles_sha256=scribbles_sha256,
            writer=LockHolder.this_process(),
            started=datetime.now().astimezone().isoformat(timespec="seconds"),
        )


@dataclass(frozen=True)
class Recorded:
    """What one call of `Journal.record` did.

    Args:
        voxels: how many differed from the record before; 0 = nothing was written.
        seconds: until the disk confirmed.
        note: that the drive is slow, in a sentence; "" = it is not.
    """

    voxels: int
    seconds: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Restored:
    """The content of a journal.

    Args:
        path: the file.
        header: what it belongs to.
        scribbles: (z, y, x) uint8, as after the last whole record.
        labels: the structures after the last whole record.
        strokes: number of records after the beginning.
        is_cut: whether a cut or damaged rest was left out.
        changed: time of the last change, seconds since 1970.
    """

    path: Path
    header: JournalHeader
    scribbles: npt.NDArray[np.uint8]
    labels: LabelSchema
    strokes: int
    is_cut: bool
    changed: float


def private_folder() -> Path:
    """Where the journals of this user lie."""
    return platformdirs.user_state_path("napari-scribseg", appauthor=False) / "strokes"


class Journal:
    """Follows the scribbles of one case; the file exists while something is not saved.

    Args:
        folder: the private folder; made when it is needed.
        header: what the journal belongs to.
        saved: (z, y, x) whole numbers 0..255, the scribbles as they are saved; a copy is kept.
    """

    def __init__(self, folder: Path, header: JournalHeader, saved: Array) -> None:
        self.header = header
        self._folder = folder
        self._labels = header.labels
        self._known = _as_bytes(saved).copy()
        self._path: Path | None = None
        self._length = 0

    @property
    def path(self) -> Path | None:
        """The file; None while there is nothing to keep."""
        return self._path

    @property
    def is_pending(self) -> bool:
        """Whether there is something that was not saved yet."""
        return self._path is not None

    def differs(self, scribbles: Array) -> bool:
        """Whether scribbles differ from the last record; writes nothing."""
        return not np.array_equal(self._known, scribbles)

    def record(self, scribbles: Array, labels: LabelSchema | None = None) -> Recorded:
        """Keep what differs from the record before; it is on the disk when this returns.

        Args:
            scribbles: (z, y, x) whole numbers 0..255; may be drawn on meanwhile, what comes later
                is then part of the next record.
            labels: the structures, when they may have changed.

        Raises:
            InvalidInput: the shape or a value does not fit, or the file can't be written; nothing
                is lost then, the next record holds this one as well.
        """
        began = time.monotonic()
        if scribbles.shape != self._known.shape:
            raise InvalidInput(
                f"The strokes of case {self.header.case} have the shape {scribbles.shape}, "
                f"expected {self._known.shape}."
            )
        changes = dict(_changed_slices(self._known, scribbles))
        other_labels = labels is not None and labels != self._labels
        if not changes and not other_labels:
            return Recorded(0, 0.0)
        records = self._opening()
        if changes:
            records += _record(_DIFFERENCE, _packed(self._known, changes))
        if labels is not None and other_labels:
            records += _record(_SCHEMA, labels.model_dump_json().encode())
        self._append(records)
        voxels = 0
        for z, piece in changes.items():
            voxels += int(np.count_nonzero(self._known[z] != piece))
            self._known[z] = piece
        self._labels = labels or self._labels
        seconds = time.monotonic() - began
        return Recorded(voxels, seconds, _slow(self._folder, seconds))

    def settle(self, saved: Array, header: JournalHeader | None = None) -> None:
        """These scribbles are saved now: what was kept of them is not needed any more.

        Args:
            saved: (z, y, x), as they were saved.
            header: for the journal that the next stroke begins.

        Raises:
            InvalidInput: the file can't be removed.
        """
        if self._path is not None:
            discard(self._path)
        self._path, self._length = None, 0
        self._known = _as_bytes(saved).copy()
        self.header = header or self.header
        self._labels = self.header.labels

    def _opening(self) -> bytes:
        """The records that make a new file; nothing when the file is there and whole."""
        if self._path is not None and self._is_in_place(self._path):
            return b""
        self._path, self._length = None, 0
        header = self.header.model_copy(update={"labels": self._labels})
        everything = {z: piece for z, piece in enumerate(self._known) if piece.any()}
        nothing = np.zeros_like(self._known)
        return _record(_HEADER, header.model_dump_json().encode()) + _record(
            _DIFFERENCE, _packed(nothing, everything)
        )

    def _is_in_place(self, path: Path) -> bool:
        try:
            return path.stat().st_size == self._length
        except OSError:
            return False

    def _append(self, records: bytes) -> None:
        """Bring records to the disk, or leave the file as it was."""
        path = self._path
        try:
            if path is None:
                _make_private(self._folder)
                path = self._folder / _name(self.header)
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | _BINARY, 0o600)
            else:
                descriptor = os.open(path, os.O_RDWR | _BINARY)
            try:
                self._write(descriptor, records)
            finally:
                os.close(descriptor)
            if self._path is None:
                _sync_folder(self._folder)
        except OSError as error:
            if self._path is None and path is not None:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            raise InvalidInput(_not_kept(self._folder, error)) from error
        self._path = path
        self._length += len(records)

    def _write(self, descriptor: int, records: bytes) -> None:
        try:
            os.lseek(descriptor, self._length, os.SEEK_SET)
            _write_all(descriptor, records)
            os.fsync(descriptor)
        except OSError:
            # A half-written record would hide all that come after it.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._length)
            raise


def read(path: Path) -> Restored:
    """What a journal holds, to the last whole record.

    Raises:
        InvalidInput: the file can't be read or is no journal.
    """
    header: JournalHeader | None = None
    scribbles = np.zeros((0, 0, 0), np.uint8)
    labels: LabelSchema | None = None
    strokes, end = -1, 0
    content = read_regular(path, _MOST_BYTES)
    changed = path.stat().st_mtime
    try:
        for kind, packed, at in _records(content):
            payload = zlib.decompress(packed)
            if kind == _HEADER and header is None:
                header = JournalHeader.model_validate_json(payload, strict=True)
                labels = header.labels
                scribbles = np.zeros(_checked_shape(header.shape), np.uint8)
            elif kind == _SCHEMA:
                labels = LabelSchema.model_validate_json(payload, strict=True)
            elif kind == _DIFFERENCE and header is not None:
                _apply(payload, scribbles)
                strokes += 1
            end = at
    except (ValidationError, ValueError, zlib.error, struct.error, MemoryError) as error:
        if header is None:
            raise InvalidInput(f"{shown(path)} is no journal of strokes.") from error
    if header is None or labels is None or strokes < 0:
        raise InvalidInput(f"{shown(path)} is no journal of strokes, or was cut at its beginning.")
    is_cut = end < len(content)
    return Restored(path, header, scribbles, labels, strokes, is_cut, changed)


def pending(folder: Path) -> tuple[Restored, ...]:
    """The journals that nobody writes any more and that hold strokes; the oldest first.

    A journal of a process of this computer that is still running is left out, unless it is this
    process. Files that are no journals are left alone.
    """
    found: list[Restored] = []
    for path in sorted(folder.glob(f"*{_ENDING}")) if folder.is_dir() else ():
        try:
            restored = read(path)
        except InvalidInput:
            continue
        writer = restored.header.writer
        mine = LockHolder.this_process()
        running = writer.host == mine.host and not writer.is_gone and writer.pid != mine.pid
        if restored.strokes > 0 and not running:
            found.append(restored)
    return tuple(sorted(found, key=lambda one: one.changed))


def discard(path: Path) -> None:
    """Remove a journal.

    Raises:
        InvalidInput: it can't be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(f"{shown(path)} can't be removed: {reason(error)}.") from error


_BINARY: Final = getattr(os, "O_BINARY", 0)


def _changed_slices(known: Array, scribbles: Array) -> Iterator[tuple[int, Array]]:
    """Slices that differ, as copies: the originals may be drawn on at this moment."""
    for z in range(len(known)):
        if not np.array_equal(known[z], scribbles[z]):
            piece = _as_bytes(scribbles[z].copy())
            yield z, piece


def _as_bytes(scribbles: Array) -> npt.NDArray[np.uint8]:
    if scribbles.dtype != np.uint8 and scribbles.size:
        low, high = int(scribbles.min()), int(scribbles.max())
        if scribbles.dtype.kind not in "iub" or low < 0 or high > np.iinfo(np.uint8).max:
            raise InvalidInput(
                f"Scribbles are whole numbers from 0 to 255, got {scribbles.dtype} from {low} to "
                f"{high}."
            )
    return scribbles.astype(np.uint8, copy=False)


def _packed(before: Array, changes: dict[int, Array]) -> bytes:
    """Changed slices: number of slices, then for each its index, voxels (as steps), values."""
    parts = [struct.pack("<I", len(changes))]
    for z, piece in changes.items():
        voxels = np.flatnonzero(piece.ravel() != before[z].ravel())
        steps = np.diff(voxels, prepend=0).astype("<u4")
        parts += [_SLICE.pack(z, len(voxels)), steps.tobytes(), piece.ravel()[voxels].tobytes()]
    return b"".join(parts)


def _apply(payload: bytes, scribbles: Array) -> None:
    """Change scribbles in place by a difference, or not at all.

    Raises:
        ValueError: the difference does not fit.
    """
    (n_slices,) = struct.unpack_from("<I", payload)
    at = 4
    found: list[tuple[int, Array, Array]] = []
    for _ in range(n_slices):
        z, count = _SLICE.unpack_from(payload, at)
        at += _SLICE.size
        voxels = np.cumsum(np.frombuffer(payload, "<u4", count, at).astype(np.int64))
        values = np.frombuffer(payload, np.uint8, count, at + 4 * count)
        at += 5 * count
        if z >= len(scribbles) or (count and voxels[-1] >= scribbles[0].size):
            raise ValueError("the difference lies outside of the volume")
        found.append((z, voxels, values))
    for z, voxels, values in found:
        scribbles[z].ravel()[voxels] = values


def _record(kind: bytes, payload: bytes) -> bytes:
    packed = zlib.compress(payload, 1)
    return _HEAD.pack(kind, len(packed), zlib.crc32(packed, zlib.crc32(kind))) + packed


def _records(content: bytes) -> Generator[tuple[bytes, bytes, int]]:
    """Whole records and where each ends; stops before the first one that is cut or damaged."""
    at = 0
    while at + _HEAD.size <= len(content):
        kind, length, check = _HEAD.unpack_from(content, at)
        packed = content[at + _HEAD.size : at + _HEAD.size + length]
        if len(packed) < length or zlib.crc32(packed, zlib.crc32(kind)) != check:
            return
        at += _HEAD.size + length
        yield kind, packed, at


def _checked_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if min(shape) < 1 or np.prod([float(n) for n in shape]) > _MOST_VOXELS:
        raise ValueError(f"{shape} is no shape of a volume")
    return shape


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        written = os.write(descriptor, rest)
        if written <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]


def _name(header: JournalHeader) -> str:
    where = hashlib.sha256(header.project.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{slug(header.case)}-{where}-{secrets.token_hex(4)}{_ENDING}"


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name != "nt" and folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, where the file system can."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _not_kept(folder: Path, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        why = f"the disk of {shown(folder)} is full; free some space"
    elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        why = f"{shown(folder)} is read-only for you; save the project now"
    else:
        why = f"{shown(folder)}: {reason(error)}; save the project now"
    return f"The last strokes are in memory only, because {why}."


def _slow(folder: Path, seconds: float) -> str:
    if seconds < _SLOW_SECONDS:
        return ""
    return (
        f"Keeping the last strokes took {seconds:.0f} s: the drive of {shown(folder)} is slow. "
        "Drawing goes on meanwhile."
    )
