"""The records that a journal of strokes consists of: how they are packed, checked and applied.

A record has a kind, a length and a check sum, so that one that was cut by a kill is told apart from
a whole one. A difference holds, per changed slice, the voxels and their new values.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.io.lock import LockHolder

HEADER, DIFFERENCE, SCHEMA, STROKE = b"SJh1", b"SJd1", b"SJs1", b"SJk1"
_HEAD: Final = struct.Struct("<4sII")
"""Kind, length of the packed content, CRC-32 of kind and packed content."""
_SLICE: Final = struct.Struct("<II")
"""Index of a slice and how many of its voxels changed."""
_MOST_VOXELS: Final = 2**31


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


def record(kind: bytes, payload: bytes) -> bytes:
    """A whole record."""
    packed = zlib.compress(payload, 1)
    return _HEAD.pack(kind, len(packed), zlib.crc32(packed, zlib.crc32(kind))) + packed


def records(content: bytes) -> Generator[tuple[bytes, bytes, int]]:
    """Whole records and where each ends; stops before the first one that is cut or damaged."""
    at = 0
    while at + _HEAD.size <= len(content):
        kind, length, check = _HEAD.unpack_from(content, at)
        packed = content[at + _HEAD.size : at + _HEAD.size + length]
        if len(packed) < length or zlib.crc32(packed, zlib.crc32(kind)) != check:
            return
        at += _HEAD.size + length
        yield kind, packed, at


def packed(before: Mapping[int, Array], changes: Mapping[int, Array]) -> bytes:
    """Changed slices: number of slices, then for each its index, voxels (as steps), values.

    Args:
        before: slices (y, x) by index, at least the changed ones.
        changes: changed slices (y, x) uint8 by index.
    """
    parts = [struct.pack("<I", len(changes))]
    for z, piece in changes.items():
        voxels = np.flatnonzero(piece.ravel() != before[z].ravel())
        steps = np.diff(voxels, prepend=0).astype("<u4")
        parts += [_SLICE.pack(z, len(voxels)), steps.tobytes(), piece.ravel()[voxels].tobytes()]
    return b"".join(parts)


def apply(payload: bytes, scribbles: Array) -> None:
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


def checked_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, if it can be that of a volume.

    Raises:
        ValueError: it can not.
    """
    if min(shape) < 1 or np.prod([float(n) for n in shape]) > _MOST_VOXELS:
        raise ValueError(f"{shape} is no shape of a volume")
    return shape


def as_bytes(scribbles: Array) -> npt.NDArray[np.uint8]:
    """Scribbles as bytes.

    Raises:
        InvalidInput: a value is no whole number from 0 to 255.
    """
    if scribbles.dtype != np.uint8 and scribbles.size:
        low, high = int(scribbles.min()), int(scribbles.max())
        if scribbles.dtype.kind not in "iub" or low < 0 or high > np.iinfo(np.uint8).max:
            raise InvalidInput(
                f"Scribbles are whole numbers from 0 to 255, got {scribbles.dtype} from {low} to "
                f"{high}."
            )
    return scribbles.astype(np.uint8, copy=False)
