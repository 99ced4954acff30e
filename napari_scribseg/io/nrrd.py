"""NRRD (.nrrd, .nhdr), read by ourselves with every field checked.

Source: https://teem.sourceforge.net/nrrd/format.html; compared with SimpleITK in the tests.
"""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.errors import InvalidInput
from napari_scribseg.io import strict
from napari_scribseg.io.fields import (
    MAX_HEADER_BYTES,
    Fields,
    add_field,
    real_numbers,
    required,
    whole_numbers,
)
from napari_scribseg.io.geometry import from_grid, to_grid
from napari_scribseg.io.nrrd_geometry import nrrd_affine, split_axes
from napari_scribseg.io.stored import Stored
from napari_scribseg.volume import Grid

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
_SYNONYMS: Final = {"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip"}


def parse(data: bytes, path: Path) -> Stored:
    """What an NRRD file stores.

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
    affine, notes = nrrd_affine(fields, len(sizes), space_axes)
    voxels = _voxels(fields, body, path, strict.check_size(math.prod(sizes), dtype.itemsize))
    # NRRD tells the fastest axis first, numpy the slowest.
    array = np.frombuffer(voxels, dtype).reshape(sizes[::-1]).T
    order = [frame_axis, *space_axes[::-1]] if frame_axis is not None else space_axes[::-1]
    x, y, z = (*[sizes[axis] for axis in space_axes], 1)[:3]
    n = sizes[frame_axis] if frame_axis is not None else 1
    frames = array.transpose(order).reshape(n, z, y, x)
    return Stored(frames, to_grid((z, y, x), affine), notes)


def n_frames(data: bytes, path: Path) -> int:  # noqa: ARG001  the same signature for all formats
    """Number of frames the header tells of.

    Raises:
        InvalidInput: not an NRRD header.
    """
    fields = _header(data)[0]
    sizes = _sizes(fields)
    frame_axis = split_axes(fields, sizes)[1]
    return 1 if frame_axis is None else sizes[frame_axis]


def build(array: npt.NDArray[Any], grid: Grid) -> bytes:
    """All bytes of an NRRD file with this array (z, y, x): geometry and voxels, nothing else.

    Raises:
        InvalidInput: NRRD has no such type of voxel.
    """
    if array.dtype.str[1:] not in _NAMES:
        raise InvalidInput(f"NRRD can't store voxels of type {array.dtype}.")
    affine = from_grid(grid)
    header = [
        "NRRD0004",
        f"type: {_NAMES[array.dtype.str[1:]][0]}",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: " + " ".join(str(n) for n in array.shape[::-1]),
        "space directions: " + " ".join(_vector(column) for column in affine[:3, :3].T),
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        "space origin: " + _vector(affine[:3, 3]),
    ]
    voxels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    return "\n".join(header).encode() + b"\n\n" + gzip.compress(voxels, strict.PACK_LEVEL, mtime=0)


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
    if not colon:
        raise InvalidInput(f"The header has a strange line: {line[:40]!r}.")
    if not value.startswith("="):  # "key:=value" is for remarks of other programs
        name = name.strip().lower()
        add_field(fields, _SYNONYMS.get(name, name), value.strip())


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
    if dtype.itemsize == 1:
        return dtype
    endian = required(fields, "endian").lower()
    if endian not in {"little", "big"}:
        raise InvalidInput(f"The header has endian = {endian[:40]!r}, expected little or big.")
    return dtype.newbyteorder("<" if endian == "little" else ">")


def _voxels(fields: Fields, body: memoryview, path: Path, size: int) -> bytes | memoryview:
    if "data file" in fields:
        if len(body):
            raise InvalidInput("Voxels are in another file, but bytes follow the header.")
        body = memoryview(strict.detached(path, fields["data file"]))
    for name in ("byte skip", "line skip"):
        if real_numbers(name, fields.get(name, "0"), 1) != [0.0]:
            raise InvalidInput(f"The header has {name} = {fields[name]!r}, expected 0.")
    encoding = required(fields, "encoding").lower()
    if encoding == "raw":
        return strict.exact_voxels(body, size)
    if encoding in {"gzip", "gz"}:
        return strict.exact_voxels(strict.unpack(body, size, strict.GZIP), size)
    raise InvalidInput(f"The encoding is {encoding[:40]!r}, expected raw or gzip.")


def _vector(numbers: Any) -> str:
    return "(" + ",".join(repr(float(n)) for n in numbers) + ")"
