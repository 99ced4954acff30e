"""What napari.yaml points at. Importing it loads nothing else, since napari may do so early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]

_DICOM_MARK_AT = 128
_MOST_FILES_LOOKED_AT = 20


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader of volume files and DICOM folders; None for what is neither."""
    paths = [Path(p) for p in ([path] if isinstance(path, str) else path)]
    if any(p.is_dir() and not _has_dicom(p) for p in paths):
        return None
    return read


def read(path: str | list[str]) -> list[LayerData]:
    """The layers of one or several volume files or DICOM folders.

    Raises:
        InvalidInput: one can't be read.
    """
    from napari_scribseg.gui.canvas.opening import layers_of_path

    paths = [path] if isinstance(path, str) else path
    return [layer for p in paths for layer in layers_of_path(Path(p))]


def write_image(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write an image layer with its true geometry; gives the written paths.

    Raises:
        InvalidInput: the layer is no volume, or the file can't be written.
    """
    return _write(path, data, meta, "image")


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a labels layer with its true geometry, as uint8 or uint16; gives the written paths.

    Raises:
        InvalidInput: a value is outside 0 to 65535, or the file can't be written.
    """
    return _write(path, data, meta, "labels")


def open_cardiac_sample() -> list[LayerData]:
    """File > Open Sample: a synthetic short-axis heart with scribbles and reference."""
    from napari_scribseg.gui.canvas.opening import layers_of_sample

    return layers_of_sample("cardiac")


def open_prostate_sample() -> list[LayerData]:
    """File > Open Sample: a synthetic prostate with scribbles and reference."""
    from napari_scribseg.gui.canvas.opening import layers_of_sample

    return layers_of_sample("prostate")


def _write(path: str, data: Any, meta: dict[str, Any], kind: str) -> list[str]:
    import numpy as np

    from napari_scribseg.core.errors import InvalidInput
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.gui.canvas.layers import layer_of, volume_of
    from napari_scribseg.io import write_volume

    volume = volume_of(layer_of((data, meta, kind)))
    if kind == "labels":
        low, high = int(volume.array.min()), int(volume.array.max())
        if low < 0 or high > np.iinfo(np.uint16).max:
            raise InvalidInput(
                f"The labels have values from {low} to {high}, expected 0 to 65535; give the "
                "structures smaller numbers and save again."
            )
        small = high <= np.iinfo(np.uint8).max
        array = volume.array.astype(np.uint8 if small else np.uint16)
        volume = Volume(array, volume.grid)
    write_volume(Path(path), volume)
    return [path]


def _has_dicom(folder: Path) -> bool:
    """Whether one of the first files of a folder bears the mark of DICOM."""
    files = (file for file in folder.iterdir() if file.is_file())
    for _, file in zip(range(_MOST_FILES_LOOKED_AT), files, strict=False):
        with file.open("rb") as stream:
            stream.seek(_DICOM_MARK_AT)
            if stream.read(4) == b"DICM":
                return True
    return False
