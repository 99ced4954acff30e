"""Layers as files: every voxel where it lies in the patient, or a sentence why not.

Nothing is dropped: a series is written with all its frames and the time between them, and what a
file can't hold (colours, five axes, sheared voxels, values beyond its type) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from napari.layers import Labels, Layer

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.gui.canvas import layer_grid, layers
from napari_scribseg.io import FrameAxis, extension_of, write_frames, write_volume
from napari_scribseg.io.label_rule import HIGHEST_LABEL

_FOLDER_EXTENSION: Final = ".nii.gz"
"""What layers are saved as when only a folder is named; the one that holds series, too."""


@dataclass(frozen=True, eq=False)
class _Ready:
    """A layer that can be written.

    Args:
        array: (z, y, x), or (t, z, y, x).
        axis: what lies between the frames, None for a volume.
        place: where it lies, and what had to be assumed.
    """

    array: Array
    axis: FrameAxis | None
    place: layer_grid.Located


def save_layer(path: Path, data: layers.LayerData, shown: Iterable[Layer] = ()) -> tuple[str, ...]:
    """Write one image or labels layer; gives what had to be assumed, a sentence each.

    Args:
        path: its extension tells the format.
        data: the layer, as napari hands it to writers.
        shown: the layers in the window, over which a layer from elsewhere lies.

    Raises:
        InvalidInput: the layer is no volume or series, can't be placed in the patient, has values
            that are no labels, or the file can't be written; an old file is then untouched.
    """
    ready = _prepare(data, _world_of(shown))
    _write(path, ready)
    return tuple(f"{path.name}: {note}" for note in ready.place.notes)


def save_layers(
    path: Path, data: Sequence[layers.LayerData], shown: Iterable[Layer] = ()
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write several layers into a folder, one file each, or none of them.

    Args:
        path: a folder, made when it is not there.
        data: the layers, as napari hands them to writers.
        shown: see `save_layer`.

    Returns:
        The files, and what had to be assumed.

    Raises:
        InvalidInput: see `save_layer`; or a file of that name is there already.
    """
    world = _world_of(shown)
    ready = [_prepare(one, world) for one in data]
    names = _file_names([str(one[1].get("name", "layer")) for one in data])
    files = [path / f"{name}{_FOLDER_EXTENSION}" for name in names]
    for file in files:
        if file.exists():
            raise InvalidInput(f"{file} is there already; choose another folder.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{path} can't be made a folder: {error.strerror}.") from error
    notes: list[str] = []
    for file, one in zip(files, ready, strict=True):
        _write(file, one)
        notes += [f"{file.name}: {note}" for note in one.place.notes]
    return tuple(files), tuple(notes)


def _world_of(shown: Iterable[Layer]) -> layer_grid.World | None:
    return layer_grid.world_of((layer, layers.notes(layer)) for layer in shown)


def _prepare(data: layers.LayerData, world: layer_grid.World | None) -> _Ready:
    layer = _plain(data)
    array = layer_grid.voxels_of(layer)
    noted = layers.notes(layer)
    place = layer_grid.locate(layer, noted, world)
    axis = layer_grid.frame_axis_of(layer, noted) if layers.is_series(layer) else None
    if isinstance(layer, Labels):
        array = _label_values(layer, array)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    return _Ready(array, axis, place)


def _plain(data: layers.LayerData) -> Layer:
    """The layer of layer data; of a pyramid its full resolution, which holds all the others."""
    voxels, settings, kind = data
    if settings.get("multiscale"):
        plain: dict[str, Any] = {**settings, "multiscale": False}
        plain.pop("locked_data_level", None)
        return layers.layer_of((voxels[0], plain, kind))
    return layers.layer_of(data)


def _label_values(layer: Layer, array: Array) -> Array:
    """The values of labels as uint8 when they fit, else as uint16."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > HIGHEST_LABEL:
        raise InvalidInput(
            f"The labels '{layer.name}' have values from {low} to {high}, expected 0 to "
            f"{HIGHEST_LABEL}; give the structures smaller numbers and save again."
        )
    return layers.as_labels(array)


def _write(path: Path, ready: _Ready) -> None:
    place = ready.place
    if ready.axis is None:
        write_volume(path, Volume(ready.array, place.grid))
    else:
        write_frames(path, ready.array, place.grid, ready.axis)


def _file_names(names: Sequence[str]) -> list[str]:
    """Names of files for layers, harmless and all different (also where case doesn't count)."""
    taken: set[str] = set()
    made: list[str] = []
    for name in names:
        plain = name.removesuffix(extension_of(name) or "")
        plain = re.sub(r"[^\w.-]+", "_", plain).strip("_.-")[:80] or "layer"
        chosen, number = plain, 2
        while chosen.lower() in taken:
            chosen, number = f"{plain}_{number}", number + 1
        taken.add(chosen.lower())
        made.append(chosen)
    return made
