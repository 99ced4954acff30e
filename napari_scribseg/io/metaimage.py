"""MetaImage (.mha, .mhd), read by ourselves: damaged headers kill the native readers.

Source: https://itk.org/Wiki/ITK/MetaIO/Documentation; compared with SimpleITK in the tests.
"""

from __future__ import annotations

import math
import zlib
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
from napari_scribseg.io.geometry import (
    ASSUMED_THICKNESS,
    UNKNOWN_SIDES,
    check_spacing,
    embed_plane,
    from_grid,
    make_affine,
    to_grid,
)
from napari_scribseg.io.stored import Stored
from napari_scribseg.volume import Grid

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
}
_LAST: Final = "ElementDataFile"


def parse(data: bytes, path: Path) -> Stored:
    """What a MetaImage stores.

    Args:
        data: all bytes of the .mha or .mhd file.
        path: its name; detached voxels are looked for beside it.

    Raises:
        InvalidInput: cut, damaged, contradictory, or a kind of MetaImage that isn't a scalar
            volume.
    """
    fields, body = _header(data)
    sizes = _sizes(fields)
    dtype = _dtype(fields)
    affine, notes = _geometry(fields, len(sizes))
    voxels = _voxels(fields, body, path, strict.check_size(math.prod(sizes), dtype.itemsize))
    x, y, z, t = (*sizes, 1, 1)[:4]
    frames = np.frombuffer(voxels, dtype).reshape(t, z, y, x)
    return Stored(frames, to_grid((z, y, x), affine), notes)


def n_frames(data: bytes, path: Path) -> int:  # noqa: ARG001  the same signature for all formats
    """Number of frames the header tells of.

    Raises:
        InvalidInput: not a MetaImage header.
    """
    sizes = _sizes(_header(data)[0])
    return sizes[3] if len(sizes) == 4 else 1


def build(array: npt.NDArray[Any], grid: Grid) -> bytes:
    """All bytes of a MetaImage with this array (z, y, x): geometry and voxels, nothing else.

    Raises:
        InvalidInput: MetaImage has no such type of voxel.
    """
    names = {code: name for name, code in _TYPES.items()}
    if array.dtype.str[1:] not in names:
        raise InvalidInput(f"MetaImage can't store voxels of type {array.dtype}.")
    voxels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    packed = zlib.compress(voxels, strict.PACK_LEVEL)
    affine = from_grid(grid)
    spacing = grid.spacing[::-1]
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "True",
        "CompressedDataSize": str(len(packed)),
        # One row of the matrix is the direction of one axis.
        "TransformMatrix": _words((affine[:3, :3] / spacing).T.ravel()),
        "Offset": _words(affine[:3, 3]),
        "CenterOfRotation": "0 0 0",
        "ElementSpacing": _words(spacing),
        "DimSize": " ".join(str(n) for n in array.shape[::-1]),
        "ElementType": names[array.dtype.str[1:]],
        _LAST: "LOCAL",
    }
    return "".join(f"{key} = {value}\n" for key, value in header.items()).encode() + packed


def _header(data: bytes) -> tuple[Fields, memoryview]:
    """The fields up to the one that names the data, and what follows it."""
    fields: Fields = {}
    position = 0
    while _LAST not in fields:
        end = data.find(b"\n", position, MAX_HEADER_BYTES)
        if end < 0:
            raise InvalidInput("This is not a MetaImage file, or its header is cut off or damaged.")
        name, equals, value = data[position:end].decode("latin-1").partition("=")
        position = end + 1
        if equals:
            name = name.strip()
            add_field(fields, _SYNONYMS.get(name, name), value.strip())
        elif name.strip():
            raise InvalidInput(f"The header has a strange line: {name[:40]!r}.")
    for name, expected in _MUST_BE.items():
        found = fields.get(name, expected)
        if found.lower() != expected:
            raise InvalidInput(f"The header has {name} = {found[:40]!r}, expected {expected!r}.")
    return fields, memoryview(data)[position:]


def _sizes(fields: Fields) -> list[int]:
    n_axes = whole_numbers("NDims", required(fields, "NDims"), 1)[0]
    if not 2 <= n_axes <= 4:
        raise InvalidInput(f"The file has {n_axes} axes, expected 2 to 4.")
    return whole_numbers("DimSize", required(fields, "DimSize"), n_axes)


def _dtype(fields: Fields) -> np.dtype[Any]:
    name = required(fields, "ElementType")
    if name not in _TYPES:
        raise InvalidInput(
            f"Voxels have the type {name[:40]!r}, expected one of {', '.join(_TYPES)}."
        )
    return np.dtype((">" if _flag(fields, "BinaryDataByteOrderMSB") else "<") + _TYPES[name])


def _flag(fields: Fields, name: str) -> bool:
    value = fields.get(name, "False").lower()
    if value not in {"true", "false", "1", "0"}:
        raise InvalidInput(f"The header has {name} = {value[:40]!r}, expected True or False.")
    return value in {"true", "1"}


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
        axes, notes = np.eye(n_axes), (UNKNOWN_SIDES,)
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


def _voxels(fields: Fields, body: memoryview, path: Path, size: int) -> bytes | memoryview:
    name = fields[_LAST]
    if name.upper() != "LOCAL":
        if any(body.tobytes().strip(b"\0 \r\n")):
            raise InvalidInput(f"Voxels are in {name[:60]!r}, but bytes follow the header.")
        body = memoryview(strict.detached(path, name))
    skip = whole_numbers("HeaderSize", fields.get("HeaderSize", "0"), 1, low=-1)[0]
    if not _flag(fields, "CompressedData"):
        return strict.exact_voxels(body[max(skip, len(body) - size if skip < 0 else 0) :], size)
    if skip:
        raise InvalidInput(f"The header has HeaderSize = {skip} for compressed data, expected 0.")
    if "CompressedDataSize" in fields:
        told = whole_numbers("CompressedDataSize", fields["CompressedDataSize"], 1)[0]
        if len(body) != told:
            raise InvalidInput(f"{len(body)} bytes of compressed voxels, expected {told}.")
    return strict.exact_voxels(strict.unpack(body, size, strict.GZIP_OR_ZLIB), size)


def _words(numbers: Any) -> str:
    return " ".join(repr(float(n)) for n in numbers)
