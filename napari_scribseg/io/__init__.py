"""Reading and writing volumes: one table of formats, one way in, one way out.

A file is checked to its last byte before a library gets it (SimpleITK for NRRD and MetaImage,
nibabel for NIfTI, pydicom for DICOM), and read back before it takes an old one's place. Importing
this loads none of them.
"""

from __future__ import annotations

from napari_scribseg.io.decoded import FrameAxis
from napari_scribseg.io.series import SeriesInfo, list_series, read_series
from napari_scribseg.io.volumes import (
    EXTENSIONS,
    IMAGE_EXTENSIONS,
    Frames,
    extension_of,
    frame_count,
    read_frames,
    read_labels,
    read_volume,
    write_frames,
    write_volume,
)

__all__ = [
    "EXTENSIONS",
    "IMAGE_EXTENSIONS",
    "FrameAxis",
    "Frames",
    "SeriesInfo",
    "extension_of",
    "frame_count",
    "list_series",
    "read_frames",
    "read_labels",
    "read_series",
    "read_volume",
    "write_frames",
    "write_volume",
]
