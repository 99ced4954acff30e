"""The ledger of a case: who drew when, one line of JSON for every stroke that was saved.

    cases/<id>/strokes.jsonl

The journal notes each stroke as it is drawn; on saving its notes come here. Lines are only appended
and brought to the disk; one that a crash has cut is left out on reading, and one that was written
twice counts once. Strokes that lay in a case before anybody took note are one line of "unknown".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNLABELLED
from napari_scribseg.core.types import Array
from napari_scribseg.io.atomic import write_text
from napari_scribseg.io.regular_file import open_own, read_regular, reason, shown
from napari_scribseg.project.annotator import UNKNOWN_AUTHOR

LEDGER: Final = "strokes.jsonl"
_MOST_BYTES: Final = 1024**3
Count = Annotated[int, Field(ge=0)]


class Stroke(BaseModel):
    """What changed between two pauses of the pen.

    Lines of newer versions may say more, which is left alone.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    by: str
    """Who drew it."""
    at: str
    """When it ended, ISO 8601 with time zone."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """How long the pen moved; 0 = it is not known."""
    slices: tuple[Count, ...] = ()
    """Indices along z."""
    drawn: Mapping[int, Count] = {}
    """Voxels that got a value, by scribble value."""
    erased: Count = 0
    """Voxels that are unlabelled now and were not before."""
    of: str = ""
    """Whose version of the strokes it is part of; "" = the one that all share."""

    def __hash__(self) -> int:
        return hash((self.by, self.at, self.of))

    @property
    def voxels(self) -> int:
        """How many were drawn."""
        return sum(self.drawn.values())

    @property
    def end(self) -> float:
        """When it ended, seconds since 1970."""
        return datetime.fromisoformat(self.at).timestamp()


def stroke_of(
    before: Mapping[int, Array],
    after: Mapping[int, Array],
    *,
    by: str,
    seconds: float = 0.0,
    of: str = "",
) -> Stroke:
    """What changed just now.

    Args:
        before: slices (y, x) by index, at least the changed ones.
        after: the changed ones, uint8.
        by: who drew.
        seconds: how long the pen moved.
        of: see `Stroke`.
    """
    counts = np.zeros(256, np.int64)
    for z, piece in after.items():
        counts += np.bincount(piece[piece != before[z]].ravel(), minlength=256)
    drawn = {int(v): int(counts[v]) for v in np.flatnonzero(counts) if v != UNLABELLED}
    return Stroke(
        by=by,
        at=datetime.now().astimezone().isoformat(timespec="milliseconds"),
        seconds=round(seconds, 2),
        slices=tuple(sorted(after)),
        drawn=drawn,
        erased=int(counts[UNLABELLED]),
        of=of,
    )


def found_strokes(scribbles: Array, at: float, by: str = UNKNOWN_AUTHOR, of: str = "") -> Stroke:
    """Everything that lay in a case before anybody took note of strokes, as one of them.

    Args:
        scribbles: (z, y, x) uint8.
        at: when they were written, seconds since 1970.
        by: who drew them.
        of: see `Stroke`.
    """
    slices = {int(z): scribbles[z] for z in np.flatnonzero(scribbles.any((1, 2)))}
    nothing = {z: np.zeros_like(piece) for z, piece in slices.items()}
    when = datetime.fromtimestamp(at, UTC).astimezone().isoformat(timespec="milliseconds")
    return stroke_of(nothing, slices, by=by, of=of).model_copy(update={"at": when})


def begin(path: Path, found: Sequence[Stroke]) -> None:
    """Begin the ledger of a case, if there is none yet.

    Args:
        path: the file.
        found: what lay in the case before.

    Raises:
        InvalidInput: it can't be written.
    """
    if not path.is_file():
        write_text(path, _lines(found))


def append(path: Path, strokes: Sequence[Stroke]) -> None:
    """Bring strokes to the disk, behind those that are there.

    Raises:
        InvalidInput: the ledger can't be written; what was there stays.
    """
    if not strokes:
        return
    text = _lines(strokes)
    try:
        with open_own(path, "a+b") as stream:
            end = stream.seek(0, os.SEEK_END)
            if end:
                stream.seek(end - 1)
                text = text if stream.read(1) == b"\n" else f"\n{text}"
            try:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(end)
                raise
    except OSError as error:
        raise InvalidInput(
            f"Who drew what could not be noted in {shown(path)}: {reason(error)}."
        ) from error


def read(path: Path) -> tuple[Stroke, ...]:
    """The strokes of a ledger, in the order in which they were drawn; none where there is none.

    Raises:
        InvalidInput: it is there and can't be read.
    """
    if not path.is_file():
        return ()
    lines = dict.fromkeys(read_regular(path, _MOST_BYTES).splitlines())
    return tuple(sorted(_whole(lines), key=lambda stroke: stroke.end))


def _lines(strokes: Sequence[Stroke]) -> str:
    return "".join(f"{stroke.model_dump_json()}\n" for stroke in strokes)


def _whole(lines: Iterable[bytes]) -> list[Stroke]:
    found: list[Stroke] = []
    for line in lines:
        try:
            stroke = Stroke.model_validate_json(line)
            stroke.end  # noqa: B018  a time that is none makes no stroke
        except (ValidationError, ValueError, OverflowError):
            continue
        found.append(stroke)
    return found
