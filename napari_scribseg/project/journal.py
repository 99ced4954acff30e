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
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.planes import Planes
from napari_scribseg.core.types import Array
from napari_scribseg.io.regular_file import reason, shown
from napari_scribseg.project.journal_records import (
    DIFFERENCE,
    HEADER,
    SCHEMA,
    STROKE,
    JournalHeader,
    as_bytes,
    packed,
    record,
)
from napari_scribseg.project.journals import discard, file_name
from napari_scribseg.project.private_files import BINARY, make_private, sync_folder, write_all
from napari_scribseg.project.strokes_ledger import Stroke, stroke_of

_SLOW_SECONDS: Final = 2.0


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
                path = self._folder / file_name(self.header)
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


def _planes(scribbles: Array | Planes) -> Planes:
    return scribbles if isinstance(scribbles, Planes) else Planes.of(as_bytes(scribbles))


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
