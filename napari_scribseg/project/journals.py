"""The journals in the private folder of the user: which there are, and what they hold."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import platformdirs
from pydantic import ValidationError

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.names import slug
from napari_scribseg.io.lock import LockHolder
from napari_scribseg.io.regular_file import read_regular, reason, shown
from napari_scribseg.project.journal_records import (
    DIFFERENCE,
    HEADER,
    SCHEMA,
    STROKE,
    JournalHeader,
    apply,
    checked_shape,
    records,
)
from napari_scribseg.project.strokes_ledger import Stroke

_ENDING: Final = ".strokes"
_MOST_BYTES: Final = 4 * 1024**3


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


def file_name(header: JournalHeader) -> str:
    """A fresh name for the file of a journal."""
    return f"{slug(header.case)}-{_place_of(header.project)}-{secrets.token_hex(4)}{_ENDING}"


def _place_of(project: str) -> str:
    return hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:12]
