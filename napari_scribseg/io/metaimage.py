"""MetaImage (.mha, .mhd) headers, checked in full: a damaged one can end a process that runs ITK.

Source: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io import strict
from napari_scribseg.io.geometry import (
    ASSUMED_THICKNESS,
    check_spacing,
    embed_plane,
    make_affine,
    to_grid,
)
from napari_scribseg.io.itk import Header
from napari_scribseg.io.text_header import (
    MAX_HEADER_BYTES,
    Fields,
    add_field,
    real_numbers,
    required,
    whole_numbers,
)

_TYPES: Final = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_SYNONYMS: Final = {
    "Position": "Offset",
    "Origin": "Offset",
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}
_MUST_BE: Final = {
    "ObjectType": "image",
    "BinaryData": "true",
    "ElementNumberOfChannels": "1",
    "ElementToIntensityFunctionSlope": "1",
    "ElementToIntensityFunctionOffset": "0",
    "DistanceUnits": "mm",
    "HeaderSize": "0",
}
_NEEDED: Final = ("ObjectType", "BinaryData")
_OTHER_NUMBERS: Final = {
    "CenterOfRotation": None,
    "ElementSize": None,
    "Color": 4,
    "SequenceID": 4,
    "ID": 1,
    "ParentID": 1,
    "ElementMin": 1,
    "ElementMax": 1,
    "ElementNBits": 1,
}
"""Fields of MetaIO that we don't need, and how many numbers each has (None: one per axis)."""
_LINE: Final = re.compile(r"[^\0-\x08\x0a-\x1f\x7f:=]{0,200}=[^\0-\x08\x0a-\x1f\x7f]*")
"""What MetaIO and we take for the same name and value."""
_LONGEST_TEXT: Final = (250, 490)
"""Characters for which MetaIO has room: in a field of its own, in one of another program."""
_ANATOMY: Final = "AnatomicalOrientation"
UNKNOWN_ANATOMY: Final = "???"
_LAST: Final = "ElementDataFile"


def check(data: bytes, path: Path) -> Header:
    """What the header of a MetaImage tells, when it and the voxels' container are whole.

    Args:
        data: all bytes of the .mha or .mhd file.
        path: its name; detached voxels are looked for beside it.

    Raises:
        InvalidInput: cut, damaged, contradictory, or a kind of MetaImage that isn't a scalar
            volume.
    """
    fields, body = _header(data)
    sizes = _sizes(fields)
    _check_other_numbers(fields, len(sizes))
    name = required(fields, "ElementType")
    if name not in _TYPES:
        raise InvalidInput(
            f"Voxels have the type {name[:40]!r}, expected one of {', '.join(_TYPES)}."
        )
    dtype = np.dtype(_TYPES[name])
    _flag(fields, "BinaryDataByteOrderMSB")
    affine, notes = _geometry(fields, len(sizes))
    size = strict.check_size(math.prod(sizes), dtype.itemsize)
    notes += _check_voxels(fields, body, path, size, len(data))
    x, y, z, t = (*sizes, 1, 1)[:4]
    grid = to_grid((z, y, x), affine, oriented=_is_oriented(fields))
    return Header((t, z, y, x), dtype, grid, notes)


def n_frames(data: bytes) -> int:
    """Number of frames the header tells of; voxels are not looked at.

    Raises:
        InvalidInput: not a MetaImage header of a scalar volume.
    """
    sizes = _sizes(_header(data)[0])
    return sizes[3] if len(sizes) == 4 else 1


def told_grid(start: bytes) -> tuple[Grid, int]:
    """Grid and number of frames, by the header alone.

    Args:
        start: the first bytes of the file, the whole header among them.

    Raises:
        InvalidInput: not a MetaImage header of a scalar volume, or its geometry can't be trusted.
    """
    fields, _ = _header(start)
    sizes = _sizes(fields)
    affine, _ = _geometry(fields, len(sizes))
    x, y, z, t = (*sizes, 1, 1)[:4]
    return to_grid((z, y, x), affine, oriented=_is_oriented(fields)), t


def _header(data: bytes) -> tuple[Fields, memoryview]:
    """The fields up to the one that names the data, and what follows it."""
    fields: Fields = {}
    position = 0
    while _LAST not in fields:
        end = data.find(b"\n", position, MAX_HEADER_BYTES)
        if end < 0:
            raise InvalidInput("This is not a MetaImage file, or its header is cut off or damaged.")
        line = data[position:end].decode("latin-1").rstrip(" \t\r")
        position = end + 1
        if line:
            name, value = _name_and_value(line)
            add_field(fields, _SYNONYMS.get(name, name), value)
    for name in _NEEDED:
        required(fields, name)
    for name, expected in _MUST_BE.items():
        found = fields.get(name, expected)
        if found.lower() != expected:
            raise InvalidInput(f"The header has {name} = {found[:40]!r}, expected {expected!r}.")
    return fields, memoryview(data)[position:]


def _name_and_value(line: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in line.partition("="))
    if not _LINE.fullmatch(line) or len(value) > _LONGEST_TEXT[not name.isalpha()]:
        raise InvalidInput(f"The header has a strange or too long line: {line[:40]!r}.")
    return name, value


def _sizes(fields: Fields) -> list[int]:
    n_axes = whole_numbers("NDims", required(fields, "NDims"), 1)[0]
    if not 2 <= n_axes <= 4:
        raise InvalidInput(f"The file has {n_axes} axes, expected 2 to 4.")
    return whole_numbers("DimSize", required(fields, "DimSize"), n_axes)


def _check_other_numbers(fields: Fields, n_axes: int) -> None:
    """MetaIO would read on in the next line for a number that is missing."""
    for name, count in _OTHER_NUMBERS.items():
        if name in fields:
            real_numbers(name, fields[name], count or n_axes)


def _flag(fields: Fields, name: str) -> bool:
    value = fields.get(name, "False").lower()
    if value not in {"true", "false", "1", "0"}:
        raise InvalidInput(f"The header has {name} = {value[:40]!r}, expected True or False.")
    return value in {"true", "1"}


def _is_oriented(fields: Fields) -> bool:
    """Whether the header says how the axes lie in the patient.

    A plane of two axes lies nowhere; MetaIO's word for unknown is "???" (of a series it writes
    "????" in any case).
    """
    is_plane = fields["NDims"].strip() == "2"
    told = fields.get(_ANATOMY, "") != UNKNOWN_ANATOMY
    return "TransformMatrix" in fields and told and not is_plane


def _geometry(fields: Fields, n_axes: int) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """LPS affine of (x, y, z); of a series, the time axis must stand alone."""
    notes: tuple[str, ...] = ()
    spacing = _numbers(
        fields, "ElementSpacing" if "ElementSpacing" in fields else "ElementSize", n_axes
    )
    check_spacing(spacing[:3])
    if "TransformMatrix" in fields:
        # One row of the matrix is the direction of one axis.
        axes = np.reshape(_numbers(fields, "TransformMatrix", n_axes**2), (n_axes, n_axes)).T
    else:
        axes = np.eye(n_axes)
    origin = _numbers(fields, "Offset", n_axes) if "Offset" in fields else [0.0] * n_axes
    if n_axes == 4 and (axes[3, :3].any() or axes[:3, 3].any()):
        raise InvalidInput("The time axis is mixed with the axes of space.")
    if n_axes == 2:
        axes, origin = embed_plane(axes, origin)
        spacing = [*spacing, 1.0]
        notes = (*notes, ASSUMED_THICKNESS)
    axes = axes[:3, :3]
    if np.abs(np.linalg.norm(axes, axis=0) - 1).max() > 1e-3:
        raise InvalidInput("The directions in TransformMatrix don't have the length 1.")
    return make_affine(axes * spacing[:3], origin[:3]), notes


def _numbers(fields: Fields, name: str, count: int) -> list[float]:
    return real_numbers(name, required(fields, name), count)


def _check_voxels(
    fields: Fields, body: memoryview, path: Path, size: int, file_size: int
) -> tuple[str, ...]:
    name = fields[_LAST]
    if name.upper() != "LOCAL":
        if any(body.tobytes().strip(b"\0 \r\n")):
            raise InvalidInput(f"Voxels are in {name[:60]!r}, but bytes follow the header.")
        body = memoryview(strict.detached(path, name))
        file_size = len(body)
    if not _flag(fields, "CompressedData"):
        return strict.exact_voxels(body, size, file_size)[1]
    # Without this number MetaIO unpacks nothing and gives what happened to be in the memory.
    told = whole_numbers("CompressedDataSize", required(fields, "CompressedDataSize"), 1)[0]
    if len(body) != told:
        raise InvalidInput(f"{len(body)} bytes of compressed voxels, expected {told}.")
    return strict.exact_voxels(strict.unpack(body, size, strict.GZIP_OR_ZLIB), size)[1]
