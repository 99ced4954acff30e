"""What the header of a volume file tells, without its voxels: quick for hundreds of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io import metaimage, nifti, nrrd
from napari_scribseg.io.decoded import Segment
from napari_scribseg.io.regular_file import opened, shown
from napari_scribseg.io.text_header import MAX_HEADER_BYTES
from napari_scribseg.io.volumes import extension_of

_NIFTI_BYTES: Final = 65536
"""More than any header takes, packed or not."""


@dataclass(frozen=True)
class VolumeHeader:
    """What a header tells.

    Args:
        grid: of every frame.
        n_frames: 1 for a volume.
        says_labels: whether the values are labels, as far as the header says so.
        segments: the structures of a segmentation by 3D Slicer.
    """

    grid: Grid
    n_frames: int = 1
    says_labels: bool = False
    segments: tuple[Segment, ...] = ()


def read_header(path: Path) -> VolumeHeader:
    """The header of a volume file; whether its voxels are whole is not looked at.

    Raises:
        InvalidInput: it can't be read, or is no header of a scalar volume with a geometry.
    """
    extension = extension_of(path) or ""
    is_nifti = extension.startswith(".nii")
    with opened(path) as file:
        start = file.read(_NIFTI_BYTES if is_nifti else MAX_HEADER_BYTES)
    try:
        if is_nifti:
            return VolumeHeader(*nifti.told_grid(start, path))
        if extension in {".nrrd", ".nhdr"}:
            grid, n_frames, segments = nrrd.told_grid(start)
            # Layers of structures that overlap are no frames.
            return VolumeHeader(grid, 1 if segments else n_frames, bool(segments), segments)
        return VolumeHeader(*metaimage.told_grid(start))
    except InvalidInput as error:
        raise InvalidInput(f"{shown(path)}: {error}") from error
