"""NRRD (.nrrd, .nhdr) headers, with every field checked that voxels and geometry depend on.

Source: https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io import strict
from napari_scribseg.io.decoded import Segment, overlapping_segments
from napari_scribseg.io.geometry import between_lps_and, in_millimetres, to_grid
from napari_scribseg.io.itk import Header
from napari_scribseg.io.nrrd_geometry import is_las, nrrd_affine, split_axes
from napari_scribseg.io.nrrd_segments import segments_of
from napari_scribseg.io.text_header import (
    MAX_HEADER_BYTES,
    Fields,
    add_field,
    real_numbers,
    required,
    whole_numbers,
)

_NAMES: Final = {
    "i1": ("int8", "int8_t", "signed char"),
    "u1": ("uint8", "uint8_t", "uchar", "unsigned char"),
    "i2": ("int16", "int16_t", "short", "short int", "signed short", "signed short int"),
    "u2": ("uint16", "uint16_t", "ushort", "unsigned short", "unsigned short int"),
    "i4": ("int32", "int32_t", "int", "signed int"),
    "u4": ("uint32", "uint32_t", "uint", "unsigned int"),
    "i8": (
        "int64",
        "int64_t",
        "longlong",
        "long long",
        "long long int",
        "signed long long",
        "signed long long int",
    ),
    "u8": ("uint64", "uint64_t", "ulonglong", "unsigned long long", "unsigned long long int"),
    "f4": ("float",),
    "f8": ("double",),
}
_TYPES: Final = {name: code for code, names in _NAMES.items() for name in names}
_MAGIC: Final = re.compile(rb"NRRD000[1-5]\r?\n")
_LONGEST_FIELD: Final = 400
"""Characters; a field of some 1500 that it doesn't understand ends a process that runs ITK."""
_SEGMENT: Final = re.compile(r"Segment[0-9]{1,6}_ID")
_SYNONYMS: Final = {"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip"}


def check(data: bytes, path: Path) -> Header:
    """What the header of an NRRD file tells, when it and the voxels' container are whole.

    Args:
        data: all bytes of the .nrrd or .nhdr file.
        path: its name; detached voxels are looked for beside it.

    Raises:
        InvalidInput: cut, damaged, contradictory, or a kind of NRRD that isn't a scalar volume.
    """
    fields, body = _header(data)
    sizes = _sizes(fields)
    dtype = _dtype(fields)
    space_axes, frame_axis = split_axes(fields, sizes)
    affine, unit, oriented, notes = nrrd_affine(fields, len(sizes), space_axes)
    size = strict.check_size(math.prod(sizes), dtype.itemsize)
    notes += _check_voxels(fields, body, path, size, len(data))
    x, y, z = (*[sizes[axis] for axis in space_axes], 1)[:3]
    n_frames = 1 if frame_axis is None else sizes[frame_axis]
    affine, unit_notes = in_millimetres(affine, unit)
    grid = to_grid((z, y, x), affine, oriented=oriented)
    mistaken = None
    if is_las(fields):  # until 2.5.2 SimpleITK turned the wrong axis of these
        mistaken = to_grid((z, y, x), between_lps_and("RAS", affine), oriented=oriented)
    segments = segments_of(data[: len(data) - len(body)])
    return Header((n_frames, z, y, x), dtype, grid, (*notes, *unit_notes), unit, segments, mistaken)


def n_frames(data: bytes) -> int:
    """Number of frames the header tells of; voxels are not looked at.

    Raises:
        InvalidInput: not an NRRD header of a scalar volume.
    """
    fields, _ = _header(data)
    sizes = _sizes(fields)
    _, frame_axis = split_axes(fields, sizes)
    n_segments = sum(_SEGMENT.fullmatch(name) is not None for name in fields)
    n = 1 if frame_axis is None else sizes[frame_axis]
    if n_segments and n > 1:
        raise InvalidInput(overlapping_segments(n_segments, n))
    return n


def told_grid(start: bytes) -> tuple[Grid, int, tuple[Segment, ...]]:
    """Grid, number of frames and named structures, by the header alone.

    Args:
        start: the first bytes of the file, the whole header among them.

    Raises:
        InvalidInput: not an NRRD header of a scalar volume, or its geometry can't be trusted.
    """
    fields, body = _header(start)
    sizes = _sizes(fields)
    _dtype(fields)
    space_axes, frame_axis = split_axes(fields, sizes)
    affine, unit, oriented, _ = nrrd_affine(fields, len(sizes), space_axes)
    x, y, z = (*[sizes[axis] for axis in space_axes], 1)[:3]
    grid = to_grid((z, y, x), in_millimetres(affine, unit)[0], oriented=oriented)
    n = 1 if frame_axis is None else sizes[frame_axis]
    return grid, n, segments_of(start[: len(start) - len(body)])


def _header(data: bytes) -> tuple[Fields, memoryview]:
    """The fields, and what follows the empty line behind them (nothing, when there is none)."""
    match = _MAGIC.match(data)
    if match is None:
        raise InvalidInput("This is not an NRRD file, or its header is cut off or damaged.")
    fields: Fields = {}
    position = match.end()
    while True:
        end = data.find(b"\n", position, MAX_HEADER_BYTES)
        if end < 0:
            end = len(data)
            if not {"data file", "datafile"} & set(fields) or end > MAX_HEADER_BYTES:
                raise InvalidInput("The header is cut off or damaged: no empty line ends it.")
        line = data[position:end].decode("latin-1").rstrip("\r")
        position = min(end + 1, len(data))
        if not line:
            break
        _add_line(fields, line)
    return fields, memoryview(data)[position:]


def _add_line(fields: Fields, line: str) -> None:
    if line.startswith("#"):
        return
    name, colon, value = line.partition(":")
    is_field = not value.startswith("=")
    if not colon or (is_field and (len(line) > _LONGEST_FIELD or not line.isprintable())):
        raise InvalidInput(f"The header has a strange or too long line: {line[:40]!r}.")
    if is_field:
        name = name.strip().lower()
        add_field(fields, _SYNONYMS.get(name, name), value.strip())
    elif _SEGMENT.fullmatch(name.strip()):  # of the remarks of other programs only these matter
        fields[name.strip()] = value[1:]


def _sizes(fields: Fields) -> list[int]:
    n_axes = whole_numbers("dimension", required(fields, "dimension"), 1)[0]
    if not 2 <= n_axes <= 4:
        raise InvalidInput(f"The file has {n_axes} axes, expected 2 to 4.")
    return whole_numbers("sizes", required(fields, "sizes"), n_axes)


def _dtype(fields: Fields) -> np.dtype[Any]:
    name = required(fields, "type")
    if name.lower() not in _TYPES:
        raise InvalidInput(f"Voxels have the type {name[:40]!r}, expected one number each.")
    dtype = np.dtype(_TYPES[name.lower()])
    if dtype.itemsize > 1 and required(fields, "endian").lower() not in {"little", "big"}:
        raise InvalidInput(
            f"The header has endian = {fields['endian'][:40]!r}, expected little or big."
        )
    return dtype


def _check_voxels(
    fields: Fields, body: memoryview, path: Path, size: int, file_size: int
) -> tuple[str, ...]:
    if "data file" in fields:
        if len(body):
            raise InvalidInput("Voxels are in another file, but bytes follow the header.")
        body = memoryview(strict.detached(path, fields["data file"]))
        file_size = len(body)
    for name in ("byte skip", "line skip"):
        if real_numbers(name, fields.get(name, "0"), 1) != [0.0]:
            raise InvalidInput(f"The header has {name} = {fields[name]!r}, expected 0.")
    encoding = required(fields, "encoding").lower()
    if encoding not in {"raw", "gzip", "gz"}:
        raise InvalidInput(f"The encoding is {encoding[:40]!r}, expected raw or gzip.")
    if encoding == "raw":
        return strict.exact_voxels(body, size, file_size)[1]
    return strict.exact_voxels(strict.unpack(body, size), size)[1]
