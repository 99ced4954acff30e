"""The stroke journal: what was drawn since the last save, so that a killed program loses nothing.

One file per case and sitting, in a private folder. Every record is appended, brought to the disk
and has a check sum, so that a record that was cut by a kill is told apart from a whole one:

    header       JSON: version, project, case, shape, schema, who writes
    difference   the scribbles that were there at the beginning, against nothing drawn
    stroke       JSON: who drew what follows, when, how many voxels, see `strokes_ledger`
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
from napari_scribseg.core.planes import Planes
from napari_scribseg.core.types import Array
from napari_scribseg.data.names import slug
from napari_scribseg.io.lock import LockHolder
from napari_scribseg.io.regular_file import read_regular, reason, shown
from napari_scribseg.project.journal_records import (
    DIFFERENCE,
    HEADER,
    SCHEMA,
    STROKE,
    apply,
    as_bytes,
    checked_shape,
    packed,
    record,
    records,
)
from napari_scribseg.project.private_files import BINARY, make_private, sync_folder, write_all
from napari_scribseg.project.strokes_ledger import Stroke, stroke_of

_ENDING: Final = ".strokes"
_MOST_BYTES: Final = 4 * 1024**3
_SLOW_SECONDS: Final = 2.0


class JournalHeader(BaseModel):
    """What a journal belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1, 2] = 1
    """2 = with an annotator, which programs that know nothing of annotators leave alone."""
    project: str
    """Absolute path of the project's folder."""
    case: str
    annotator: str = ""
    """Whose version of the strokes it is; "" = the one that all share."""
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
        annotator: str = "",
        revision: int = 0,
        scribbles_sha256: str | None = None,
    ) -> JournalHeader:
        """The header of a journal that this process begins now."""
        return cls(
            version=2 if annotator else 1,
            project=str(project),
            case=case,
            annotator=annotator,
            shape=shape,
            labels=labels,
            revision=revision,
            scribbles_sha256=scribbles_sha256,
            writer=LockHolder.this_process(),
            started=datetime.now().astimezone().isoformat(timespec="seconds"),
        )

    def json_text(self) -> str:
        """As it is stored: of version 1 with the fields that version 1 knows."""
        return self.model_dump_json(exclude=None if self.annotator else {"annotator"})


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
        ledger: who drew when; older journals tell only who wrote them.
    """

    path: Path
    header: JournalHeader
    scribbles: npt.NDArray[np.uint8]
    labels: LabelSchema
    strokes: int
    is_cut: bool
    changed: float
    ledger: tuple[Stroke, ...] = ()


def private_folder() -> Path:
    """Where the journals of this user lie."""
    return platformdirs.user_state_path("napari-scribseg", appauthor=False) / "strokes"


class Journal:
    """Follows the scribbles of one case; the file exists while something is not saved.

    Args:
        folder: the private folder; made when it is needed.
        header: what the journal belongs to.
        saved: (z, y, x) whole numbers 0..255, the scribbles as they are saved; an array is copied,
            planes are shared.
    """

    def __init__(self, folder: Path, header: JournalHeader, saved: Array | Planes) -> None:
        self.header = header
        self._folder = folder
        self._labels = header.labels
        self._known = _planes(saved)
        self._path: Path | None = None
        self._length = 0
        self._strokes: list[Stroke] = []

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """Who drew what since the last save."""
        return tuple(self._strokes)

    @property
    def path(self) -> Path | None:
        """The file; None while there is nothing to keep."""
        return self._path

    @property
    def is_pending(self) -> bool:
        """Whether there is something that was not saved yet."""
        return self._path is not None

    @property
    def recorded(self) -> Planes:
        """The scribbles as of the last record."""
        return self._known

    def differs(self, scribbles: Array) -> bool:
        """Whether scribbles differ from the last record; writes nothing."""
        if scribbles.shape != self._known.shape:
            return True
        pairs = zip(self._known.slices, scribbles, strict=True)
        return any(not np.array_equal(known, now) for known, now in pairs)

    def record(
        self,
        scribbles: Array | Planes,
        labels: LabelSchema | None = None,
        *,
        by: str = "",
        seconds: float = 0.0,
    ) -> Recorded:
        """Keep what differs from the record before; it is on the disk when this returns.

        Args:
            scribbles: (z, y, x) whole numbers 0..255. An array may be drawn on meanwhile, what
                comes later is then part of the next record; planes are shared, and only those that
                are not known yet are looked at.
            labels: the structures, when they may have changed.
            by: who drew; "" = the user of the computer.
            seconds: how long the pen moved; 0 = it is not known.

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
        now = scribbles if isinstance(scribbles, Planes) else self._known.follow(scribbles)
        changes = self._changes(now)
        other_labels = labels is not None and labels != self._labels
        if not changes and not other_labels:
            self._known = now
            return Recorded(0, 0.0)
        before = {z: as_bytes(self._known.slices[z]) for z in changes}
        content, strokes = self._opening(), self._strokes
        if changes:
            who, of = by or self.header.writer.user, self.header.annotator
            drawn = stroke_of(before, changes, by=who, seconds=seconds, of=of)
            content += record(STROKE, drawn.model_dump_json().encode())
            content += record(DIFFERENCE, packed(before, changes))
            strokes = [*strokes, drawn]
        if labels is not None and other_labels:
            content += record(SCHEMA, labels.model_dump_json().encode())
        self._append(content)
        voxels = sum(int(np.count_nonzero(before[z] != piece)) for z, piece in changes.items())
        self._known = now
        self._strokes = strokes
        self._labels = labels or self._labels
        took = time.monotonic() - began
        return Recorded(voxels, took, _slow(self._folder, took))

    def _changes(self, now: Planes) -> dict[int, Array]:
        """Slices that differ from the last record, as bytes, by index."""
        return {
            z: as_bytes(now.slices[z])
            for z in now.changed_since(self._known)
            if not np.array_equal(self._known.slices[z], now.slices[z])
        }

    def settle(self, saved: Array | Planes, header: JournalHeader | None = None) -> None:
        """These scribbles are saved now: what was kept of them is not needed any more.

        Args:
            saved: (z, y, x), as they were saved.
            header: for the journal that the next stroke begins.

        Raises:
            InvalidInput: the file can't be removed.
        """
        if self._path is not None:
            discard(self._path)
        self._path, self._length, self._strokes = None, 0, []
        self._known = _planes(saved)
        self.header = header or self.header
        self._labels = self.header.labels

    def _opening(self) -> bytes:
        """The records that make a new file; nothing when the file is there and whole."""
        if self._path is not None and self._is_in_place(self._path):
            return b""
        self._path, self._length = None, 0
        header = self.header.model_copy(update={"labels": self._labels})
        drawn = {z: as_bytes(piece) for z, piece in enumerate(self._known.slices) if piece.any()}
        nothing = {z: np.zeros_like(piece) for z, piece in drawn.items()}
        content = record(HEADER, header.json_text().encode())
        content += record(DIFFERENCE, packed(nothing, drawn))
        # Of a file that somebody took away the strokes are still ours.
        return content + b"".join(
            record(STROKE, stroke.model_dump_json().encode()) for stroke in self._strokes
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
                make_private(self._folder)
                path = self._folder / _name(self.header)
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | BINARY, 0o600)
            else:
                descriptor = os.open(path, os.O_RDWR | BINARY)
            try:
                self._write(descriptor, records)
            finally:
                os.close(descriptor)
            if self._path is None:
                sync_folder(self._folder)
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
            write_all(descriptor, records)
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
    ledger: list[Stroke] = []
    told: list[Stroke] = []
    content = read_regular(path, _MOST_BYTES)
    changed = path.stat().st_mtime
    try:
        for kind, content_of_record, at in records(content):
            payload = zlib.decompress(content_of_record)
            if kind == HEADER and header is None:
                header = JournalHeader.model_validate_json(payload, strict=True)
                labels = header.labels
                scribbles = np.zeros(checked_shape(header.shape), np.uint8)
            elif kind == SCHEMA:
                labels = LabelSchema.model_validate_json(payload, strict=True)
            elif kind == DIFFERENCE and header is not None:
                apply(payload, scribbles)
                strokes += 1
            elif kind == STROKE:  # is true once what was drawn is there, too
                told.append(Stroke.model_validate_json(payload))
                continue
            ledger, told, end = [*ledger, *told], [], at
    except (ValidationError, ValueError, zlib.error, struct.error, MemoryError) as error:
        if header is None:
            raise InvalidInput(f"{shown(path)} is no journal of strokes.") from error
    if header is None or labels is None or strokes < 0:
        raise InvalidInput(f"{shown(path)} is no journal of strokes, or was cut at its beginning.")
    is_cut = end < len(content)
    return Restored(path, header, scribbles, labels, strokes, is_cut, changed, tuple(ledger))


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


def unsaved_strokes(project: Path, case: str, of: str = "") -> tuple[Stroke, ...]:
    """What this user has drawn on a case of a project and not saved yet, as far as it is known.

    Args:
        project: absolute path of its folder.
        case: id of the case.
        of: whose version of the strokes, see `Version.of`.
    """
    found: list[Stroke] = []
    for path in sorted(private_folder().glob(f"{slug(case)}-{_place_of(str(project))}-*{_ENDING}")):
        with contextlib.suppress(InvalidInput):
            restored = read(path)
            if restored.header.case == case and restored.header.annotator == of:
                found += restored.ledger
    return tuple(found)


def discard(path: Path) -> None:
    """Remove a journal.

    Raises:
        InvalidInput: it can't be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(f"{shown(path)} can't be removed: {reason(error)}.") from error


def _planes(scribbles: Array | Planes) -> Planes:
    return scribbles if isinstance(scribbles, Planes) else Planes.of(as_bytes(scribbles))


def _name(header: JournalHeader) -> str:
    return f"{slug(header.case)}-{_place_of(header.project)}-{secrets.token_hex(4)}{_ENDING}"


def _place_of(project: str) -> str:
    return hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:12]


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
