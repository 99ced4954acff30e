"""Reading and writing volumes: one table of formats, one way in, one way out.

Everything that is read was checked to its last byte; everything that is written was read back
before it took the old file's place. Importing this loads no imaging library.
"""

from __future__ import annotations

from napari_scribseg.io.series import SeriesInfo, list_series, read_series
from napari_scribseg.io.volumes import (
    EXTENSIONS,
    extension_of,
    frame_count,
    read_labels,
    read_volume,
    write_volume,
)

__all__ = [
    "EXTENSIONS",
    "SeriesInfo",
    "extension_of",
    "frame_count",
    "list_series",
    "read_labels",
    "read_series",
    "read_volume",
    "write_volume",
]
