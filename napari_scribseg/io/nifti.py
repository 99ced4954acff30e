"""NIfTI: header by nibabel, voxels raw from the whole, checked content of the file."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io import strict
from napari_scribseg.io.decoded import Decoded, FrameAxis
from napari_scribseg.io.geometry import between_lps_and, from_grid
from napari_scribseg.io.nifti_frames import INTENT_LABEL, frame_axis, tell_frames
from napari_scribseg.io.nifti_geometry import OUR_DOUBT, nifti_grid

_LONGEST_HEADER: Final = 540
_TYPES: Final = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_OTHER_TYPES: Final = {
    1: "single bits",
    32: "complex numbers",
    128: "colours (RGB)",
    1536: "128-bit numbers",
    1792: "complex numbers",
    2048: "complex numbers",
    2304: "colours (RGBA)",
}


def parse(data: bytes, path: Path) -> Decoded:
    """What a NIfTI file stores.

    Args:
        data: all bytes of the file, packed when its name ends in .gz.
        path: its name.

    Raises:
        InvalidInput: cut, damaged, contradictory, or a kind of NIfTI that isn't a scalar volume.
    """
    packed = _is_packed(data, path)
    start = strict.unpack_start(data, _LONGEST_HEADER) if packed else data
    header, shape = _header(start)
    dtype = _dtype(header)
    offset = _voxel_offset(header)
    size = strict.check_size(int(np.prod(shape, dtype=object)), dtype.itemsize)
    content = strict.unpack(data, offset + size + strict.MOST_PADDING) if packed else data
    voxels, padding = strict.exact_voxels(memoryview(content)[offset:], size, len(content))
    grid, notes = nifti_grid(header, shape[1:])
    slope, intercept = _scaling(header)
    frames = np.frombuffer(voxels, dtype).reshape(shape)
    return Decoded(
        frames,
        grid,
        (*notes, *padding),
        slope,
        intercept,
        axis=frame_axis(header),
        says_labels=int(header["intent_code"]) == INTENT_LABEL,
    )


def n_frames(data: bytes, path: Path) -> int:
    """Number of frames the header tells of.

    Raises:
        InvalidInput: not a NIfTI header of a scalar volume.
    """
    start = strict.unpack_start(data, _LONGEST_HEADER) if _is_packed(data, path) else data
    return _header(start)[1][0]


def told_grid(start: bytes, path: Path) -> tuple[Grid, int, bool]:
    """Grid, number of frames and whether the values are labels, by the header alone.

    Args:
        start: the first bytes of the file, at least 1 kB of them if there are as many.
        path: its name.

    Raises:
        InvalidInput: not a NIfTI header of a scalar volume, or its geometry can't be trusted.
    """
    start = strict.unpack_start(start, _LONGEST_HEADER) if _is_packed(start, path) else start
    header, shape = _header(start)
    _dtype(header)
    grid, _ = nifti_grid(header, shape[1:])
    return grid, shape[0], int(header["intent_code"]) == INTENT_LABEL


def build(
    array: npt.NDArray[Any], grid: Grid, *, packed: bool, axis: FrameAxis | None = None
) -> bytes:
    """All bytes of a NIfTI-1 file with this array: geometry and voxels, nothing else.

    Args:
        array: (z, y, x), or (t, z, y, x).
        grid: of every frame.
        packed: with gzip.
        axis: what lies between the frames of a series.

    When left and right are unknown both codes are 0 and the description says so; the affine is
    kept in the sform, for this program only.

    Raises:
        InvalidInput: an axis is too long.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.spatialimages import HeaderDataError

    header = Nifti1Header(endianness="<")
    affine = between_lps_and("RAS", from_grid(grid))
    try:
        header.set_data_dtype(array.dtype)
        header.set_data_shape(array.shape[::-1])
    except HeaderDataError as error:
        raise InvalidInput(f"NIfTI can't store a volume of {grid}.") from error
    header.set_xyzt_units("mm")
    code = 1 if grid.oriented else 0
    header.set_qform(affine, code=code)
    header.set_sform(affine, code=code)
    if not grid.oriented:
        header["descrip"] = OUR_DOUBT
    if axis is not None:
        tell_frames(header, axis)
    header.set_slope_inter(1.0, 0.0)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    voxels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    content = header.binaryblock + b"\0\0\0\0" + voxels
    return gzip.compress(content, strict.PACK_LEVEL, mtime=0) if packed else content


def _is_packed(data: bytes, path: Path) -> bool:
    named = path.name.lower().endswith(".gz")
    if named != strict.is_gzip(data):
        found, expected = ("not packed", ".nii") if named else ("packed with gzip", ".nii.gz")
        raise InvalidInput(
            f"The content is {found}, which the name does not tell; is it a whole {expected} file?"
        )
    return named


def _header(start: bytes) -> tuple[Any, tuple[int, int, int, int]]:
    """Header object of nibabel, and the shape (frames, z, y, x)."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")}
    kind = Nifti1Header if 348 in sizes else Nifti2Header if 540 in sizes else None
    if kind is None or len(start) < max(sizes & {348, 540}):
        raise InvalidInput("This is not a NIfTI file, or its header is cut off or damaged.")
    little = int.from_bytes(start[:4], "little") in {348, 540}
    header = kind(start[: kind.template_dtype.itemsize], "<" if little else ">", check=False)
    magic = bytes(header["magic"].tobytes())[:3]
    if magic in {b"ni1", b"ni2"}:
        raise InvalidInput("Header and voxels are in two files (.hdr, .img); convert to .nii.gz.")
    if magic not in {b"n+1", b"n+2"}:
        raise InvalidInput("The NIfTI mark is missing (Analyze files can't tell left from right).")
    return header, _shape(header)


def _shape(header: Any) -> tuple[int, int, int, int]:
    dim = [int(n) for n in header["dim"]]
    sizes = dim[1 : dim[0] + 1]
    if not 2 <= dim[0] <= 7 or min(sizes) < 1:
        raise InvalidInput(f"The header tells of impossible dimensions: {dim}.")
    if any(n != 1 for n in sizes[4:]):
        raise InvalidInput(
            f"The file has the dimensions {' x '.join(map(str, sizes))}, expected a volume or a "
            "series of volumes with one value per voxel."
        )
    x, y, z, t = (*sizes, 1, 1)[:4]
    return t, z, y, x


def _dtype(header: Any) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code not in _TYPES:
        found = _OTHER_TYPES.get(code, f"the unknown type {code}")
        raise InvalidInput(f"Voxels hold {found}, expected one integer or real number each.")
    dtype = np.dtype(header.endianness + _TYPES[code])
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        raise InvalidInput(
            f"The header contradicts itself: type {dtype.name}, but {int(header['bitpix'])} bits."
        )
    return dtype


def _voxel_offset(header: Any) -> int:
    offset = float(header["vox_offset"])
    if not (offset >= header.single_vox_offset and offset.is_integer() and offset < 2**31):
        raise InvalidInput(
            f"The header puts the voxels at byte {offset:g}, expected at least "
            f"{header.single_vox_offset}."
        )
    return int(offset)


def _scaling(header: Any) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0
    if not np.isfinite([slope, intercept]).all():
        raise InvalidInput(f"The scaling is not finite: slope {slope:g}, intercept {intercept:g}.")
    return slope, intercept
