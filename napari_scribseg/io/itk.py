"""NRRD and MetaImage voxels through SimpleITK, which only gets files whose headers were checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io import strict
from napari_scribseg.io.atomic import fill
from napari_scribseg.io.decoded import Decoded, Segment
from napari_scribseg.io.geometry import (
    Affine,
    embed_plane,
    from_grid,
    in_millimetres,
    make_affine,
    to_grid,
)
from napari_scribseg.io.regular_file import read_regular

_MAX_OFFSET: Final = 0.01
"""Voxels between a corner by the header and by SimpleITK; both read the same digits."""
_SIDES: Final = {
    "NrrdImageIO": (rb"(?m)^space: left-posterior-superior$", b"space dimension: 3"),
    "MetaImageIO": (rb"(?m)^AnatomicalOrientation = .*$", b"AnatomicalOrientation = ???"),
}
"""How the two writers tell where the axes point, and how a header tells that it is unknown."""


@dataclass(frozen=True, eq=False)
class Header:
    """What a checked header tells.

    Args:
        shape: (frames, z, y, x).
        dtype: of one voxel, in native byte order.
        grid: geometry of every frame, in mm.
        notes: what was noticed.
        unit: in which the file tells its lengths; SimpleITK does not convert them.
        segments: the structures of a segmentation by 3D Slicer.
        mistaken: where a known mistake of older versions of SimpleITK puts the same voxels.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    grid: Grid
    notes: tuple[str, ...] = ()
    unit: str = "mm"
    segments: tuple[Segment, ...] = ()
    mistaken: Grid | None = None


def read(path: Path, header: Header, image_io: str) -> Decoded:
    """What SimpleITK finds in a file, when it agrees with the header that was checked before.

    Args:
        path: the file; its container was checked to its last byte.
        header: what is expected.
        image_io: ITK's reader, "NrrdImageIO" or "MetaImageIO"; the name's ending doesn't count.

    Raises:
        InvalidInput: SimpleITK can't read it, or understands it otherwise.
    """
    import SimpleITK as sitk  # noqa: N813

    check_name(path)
    try:
        image = sitk.ReadImage(str(path), imageIO=image_io)
    except RuntimeError as error:
        raise InvalidInput(f"SimpleITK can't read it: {_cause(error)}.") from error
    frames = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:  # NRRD frames along an axis outside space
        frames = np.moveaxis(frames, -1, 0)
    if frames.size != np.prod(header.shape) or frames.dtype != header.dtype:
        raise InvalidInput(
            f"SimpleITK finds {frames.dtype} voxels of shape {frames.shape}, but the header tells "
            f"{header.dtype}, {header.shape}."
        )
    frames = frames.reshape(header.shape)
    found = to_grid(header.grid.shape, in_millimetres(_affine(image), header.unit)[0])
    places = [header.grid] if header.mistaken is None else [header.grid, header.mistaken]
    if not min(found.offset_from(place) for place in places) <= _MAX_OFFSET:
        raise InvalidInput(
            f"SimpleITK puts the voxels elsewhere ({found}) than the header does ({header.grid}); "
            "convert the file to .nii.gz with the program that made it."
        )
    segments = header.segments
    return Decoded(frames, header.grid, header.notes, says_labels=bool(segments), segments=segments)


def write(path: Path, array: npt.NDArray[Any], grid: Grid, image_io: str) -> None:
    """Write array (z, y, x) and geometry into a fresh image: no other header field travels.

    SimpleITK doesn't notice a full disk: what it wrote has to be read again.

    Raises:
        InvalidInput: SimpleITK tells of an error.
    """
    import SimpleITK as sitk  # noqa: N813

    check_name(path)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
    affine = from_grid(grid)
    spacing = grid.spacing[::-1]
    image.SetSpacing(spacing)
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    try:
        sitk.WriteImage(
            image,
            str(path),
            useCompression=True,
            compressionLevel=strict.PACK_LEVEL,
            imageIO=image_io,
        )
    except RuntimeError as error:
        raise InvalidInput(f"SimpleITK can't write it: {_cause(error)}.") from error
    if not grid.oriented:
        _forget_sides(path, image_io)


def _forget_sides(path: Path, image_io: str) -> None:
    """Take out of a header what SimpleITK always writes: that the axes are the patient's."""
    pattern, instead = _SIDES[image_io]
    content = read_regular(path)
    changed, n_changes = re.subn(pattern, instead, content, count=1)
    if n_changes != 1:
        raise InvalidInput("That left and right are unknown could not be written.")
    fill(path, changed)


def check_name(path: Path) -> None:
    """Refuse a path that is not text: it ends the process when SimpleITK gets it.

    Raises:
        InvalidInput: a part of the path has bytes that are not UTF-8.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(
            "The path has a character that is not valid UTF-8; rename the file or its folder."
        ) from error


def _affine(image: Any) -> Affine:
    """LPS affine of (x, y, z) in the unit of the file, without an axis of time."""
    n = image.GetDimension()
    axes = np.reshape(image.GetDirection(), (n, n)) * image.GetSpacing()
    origin = image.GetOrigin()
    if n == 2:
        axes, origin = embed_plane(axes, origin)
    return make_affine(axes[:3, :3], origin[:3])


def _cause(error: RuntimeError) -> str:
    """The last line of ITK's message, without the address of an object."""
    line = str(error).strip().splitlines()[-1]
    return line.rpartition("): ")[2].rstrip(". ")
