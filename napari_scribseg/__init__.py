"""Learning segmentation from scribbles, in napari or headless.

Importing it loads no torch and no Qt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.core.volume import Grid, Volume
    from napari_scribseg.data.case import Case, Dataset
    from napari_scribseg.io import read_volume, write_volume
    from napari_scribseg.project.folder import Project

__version__ = "0.1.0"

__all__ = [
    "Case",
    "Dataset",
    "Grid",
    "LabelSchema",
    "Project",
    "Volume",
    "__version__",
    "read_volume",
    "write_volume",
]

_HOMES = {
    "Case": "cases",
    "Dataset": "cases",
    "Grid": "volume",
    "LabelSchema": "labels",
    "Project": "project",
    "Volume": "volume",
    "read_volume": "io",
    "write_volume": "io",
}


def __getattr__(name: str) -> Any:
    """Public names are fetched on first use, so that napari starts without our dependencies."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
