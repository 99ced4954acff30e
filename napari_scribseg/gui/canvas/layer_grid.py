"""Where the voxels of a napari layer lie in the patient, also after it was moved or cropped.

What we show lies in a world of our own (see `placement`), and the true affine travels with the
layer. Whatever somebody does to a layer happens in that world; so the voxels lie at

    true affine x inverse of what was shown x what is shown now.

What this can't answer is refused: sheared axes, axes that are mixed with time, axes of time taken
for one of space, a layer that lost its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid
from napari_scribseg.gui.canvas.world import same_place, shown_affine
from napari_scribseg.io import FrameAxis
from napari_scribseg.io.geometry import UNKNOWN_SIDES, is_straight

SERIES_AXES: Final = 4
"""Axes of a time series (t, z, y, x)."""
ASSUMED_AXES: Final = (
    "Nothing says where this layer lies in the patient: its axes (z, y, x) are taken as superior, "
    "posterior and left"
)
TAKEN_PLACE: Final = (
    "The layer has lost its place in the window; since it has the shape of the volume that it came "
    "from, it is taken to lie there."
)
CUT_SHORT: Final = (
    "The layer has another shape than the volume that it came from, but starts in the same place "
    "with voxels of the same size: it is taken to be cut or padded at its far ends."
)
_MIXED: Final = 1e-6
_SAME_WORLD: Final = 1e-3

_read_once: WeakKeyDictionary[Layer, tuple[Any, int | None, Array]] = WeakKeyDictionary()
"""What was read of an image that is stored elsewhere: what it holds, the frame, the voxels."""


@dataclass(frozen=True)
class Located:
    """Where a layer lies.

    Args:
        grid: of its last three axes.
        notes: what had to be assumed, one sentence each.
    """

    grid: Grid
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class World:
    """What the axes of the window mean, by a layer whose true place is known.

    Args:
        to_patient: (4, 4), world (x, y, z, 1) to LPS, both in mm; a rotation.
        name: of the layer.
        knows_sides: whether its left and right are known.
    """

    to_patient: npt.NDArray[np.float64]
    name: str
    knows_sides: bool


def world_of(layers: Iterable[tuple[Layer, Mapping[str, Any]]]) -> World | None:
    """What the axes of the window mean, by the layers in it with what we noted about each.

    None when nobody knows, or when volumes of different directions are shown over each other.
    """
    found: World | None = None
    for layer, noted in layers:
        if noted.get("affine") is None:
            continue
        true = Grid((1, 1, 1), np.asarray(noted["affine"], dtype=np.float64))
        matrix = true.affine @ np.linalg.inv(shown_affine(true))
        if found is not None and not np.allclose(matrix, found.to_patient, atol=_SAME_WORLD):
            return None
        sides = bool(noted.get("oriented", True)) and (found is None or found.knows_sides)
        found = World(matrix, layer.name, sides)
    return found


def locate(layer: Layer, noted: Mapping[str, Any], world: World | None = None) -> Located:
    """Where the voxels of a layer (z, y, x) or (t, z, y, x) lie.

    Args:
        layer: as it is shown.
        noted: what we noted about it ("affine", "shape", "oriented", "frames"); empty for a layer
            that came from elsewhere.
        world: what the axes of the window mean for such a layer; without it they (z, y, x) are
            taken as the patient's S, P, L axes. Pixels count as mm.

    Raises:
        InvalidInput: no volume, or what is shown can't be expressed as a grid of the patient.
    """
    shape = cast("tuple[int, int, int]", tuple(_stored(layer).shape[-3:]))
    shown = _world_affine(layer)
    stored = noted.get("affine")
    if stored is None and world is not None:
        over = f"Taken to lie in the patient as it is shown over '{world.name}'."
        grid = _grid(layer, shape, world.to_patient @ shown, oriented=world.knows_sides)
        return Located(grid, (over,))
    if stored is None:
        notes = (f"{ASSUMED_AXES}, {_told_units(layer)}.",)
        return Located(_grid(layer, shape, shown, oriented=False), notes)
    knows_sides = bool(noted.get("oriented", True))
    rows = tuple(tuple(float(v) for v in row) for row in stored)
    true, was_shown = _as_noted(shape, rows, oriented=knows_sides)
    sides = () if knows_sides else (UNKNOWN_SIDES,)
    first_shape = tuple(noted.get("shape") or shape)
    if noted.get("frames") is not None and layer.ndim < SERIES_AXES:
        _check_is_frame(layer, shape == first_shape, shown, was_shown)
    if same_place(shown, was_shown, shape):
        cut = (CUT_SHORT,) if first_shape != shape else ()
        return Located(true, (*sides, *cut))
    if _lost_its_place(layer, shown):
        if first_shape != shape:
            raise InvalidInput(
                f"The layer '{layer.name}' has lost its place, and has {_times(shape)} voxels "
                f"where the volume that it came from had {_times(first_shape)}; give it the scale "
                "and translate of where it belongs, in mm."
            )
        return Located(true, (*sides, TAKEN_PLACE))
    moved = true.affine @ np.linalg.inv(was_shown) @ shown
    return Located(_grid(layer, shape, moved, oriented=knows_sides), sides)


@lru_cache(maxsize=64)
def _as_noted(
    shape: tuple[int, int, int], affine: tuple[tuple[float, ...], ...], *, oriented: bool
) -> tuple[Grid, npt.NDArray[np.float64]]:
    """The grid that was noted on a layer, and where it was shown; asked for at every stroke."""
    true = Grid(shape, np.asarray(affine, dtype=np.float64), oriented)
    return true, shown_affine(true)


def voxels_of(layer: Layer) -> Array:
    """The voxels of an image or labels layer, (z, y, x) or (t, z, y, x).

    Of an image in several resolutions (multiscale), the finest one. An image that is read when it
    is looked at (dask, OME-Zarr) is read here once, and kept as long as its layer.

    Raises:
        InvalidInput: it is no such layer, or labels in several resolutions.
    """
    return _read(layer, _stored(layer))


def frame_of(layer: Layer, frame: int | None) -> Array:
    """The voxels (z, y, x) of a volume, or of one frame of a series.

    Raises:
        InvalidInput: no volume; of a series: no frame, or one that doesn't exist, was chosen.
    """
    data = _stored(layer)
    if data.ndim < SERIES_AXES:
        return _read(layer, data)
    if frame is None:
        raise InvalidInput(series_problem(layer))
    if not 0 <= frame < len(data):
        raise InvalidInput(
            f"The layer '{layer.name}' has no frame {frame + 1}; it has {len(data)}."
        )
    return _read(layer, data, frame)


def _stored(layer: Layer) -> Any:
    """What a layer holds: an array, or something that is read when it is looked at."""
    if not isinstance(layer, Image | Labels):
        raise InvalidInput(
            f"The layer '{layer.name}' is no plain image or labels layer; choose another one."
        )
    if layer.multiscale and isinstance(layer, Labels):
        raise InvalidInput(
            f"The labels '{layer.name}' hold several resolutions (multiscale), expected plain "
            "ones: save them as .nii.gz with File > Save Selected Layers, which keeps the finest "
            "one, and open that file."
        )
    data = layer.data[0] if layer.multiscale else layer.data
    rgb = isinstance(layer, Image) and layer.rgb
    if rgb or data.ndim not in (3, SERIES_AXES):
        raise InvalidInput(
            f"The layer '{layer.name}' has the shape {data.shape}{' in colour' if rgb else ''}; "
            "a volume has three axes (z, y, x) and one value per voxel."
        )
    return data


def _read(layer: Layer, data: Any, frame: int | None = None) -> Array:
    """The voxels of what a layer holds, or of one frame of it."""
    if isinstance(data, np.ndarray) or not isinstance(layer, Image):  # labels may be drawn on
        return np.asarray(data if frame is None else data[frame])
    known = _read_once.get(layer)
    if known is None or known[0] is not data or known[1] != frame:
        known = data, frame, np.asarray(data if frame is None else data[frame])
        _read_once[layer] = known
    return known[2]


def series_problem(layer: Layer) -> str:
    """Why a time series can't be used as it is, in a sentence that says what to do."""
    return (
        f"'{layer.name}' is a time series of {layer.data.shape[0]} frames: go to the frame to work "
        "on, press Work on this frame."
    )


def frame_axis_of(layer: Layer, noted: Mapping[str, Any]) -> FrameAxis:
    """What lies between the frames of a series, as it is shown.

    Args:
        layer: (t, z, y, x).
        noted: see `locate`; "frames" is what its file told.

    Raises:
        InvalidInput: the axis of time is mixed with those of space.
    """
    world = _world(layer)
    unit = _quantity(layer.units[0])
    is_time = bool(unit.check("[time]"))
    factor = float(unit.to("s").magnitude) if is_time else 1.0
    step, start = float(world.axes[0, 0]) * factor, float(world.origin[0]) * factor
    told = FrameAxis(**noted["frames"]) if noted.get("frames") else FrameAxis()
    if told.step == 0:  # an unknown step was shown as 1, so only another one says something
        step = 0.0 if np.isclose(step, 1.0) and not is_time else step
    elif np.isclose(step, told.step, rtol=1e-9):
        step = told.step
    return FrameAxis(step, start, "s" if is_time else told.unit)


@dataclass(frozen=True)
class _World:
    """Vectors of the axes (columns) and place of the first voxel, in the world's units."""

    axes: npt.NDArray[np.float64]
    origin: npt.NDArray[np.float64]


def _world(layer: Layer) -> _World:
    ndim = layer.ndim
    points = np.vstack([np.zeros(ndim), np.eye(ndim)])
    places = np.array([layer.data_to_world(point) for point in points], dtype=np.float64)
    axes = (places[1:] - places[0]).T
    outside = ndim - 3
    mixed = np.abs(axes[:outside, outside:]).max(initial=0.0) + np.abs(
        axes[outside:, :outside]
    ).max(initial=0.0)
    if mixed > _MIXED:
        raise InvalidInput(
            f"The axes of time and space of the layer '{layer.name}' are mixed with each other; "
            "set its affine to one that leaves time alone."
        )
    return _World(axes, places[0])


def _world_affine(layer: Layer) -> npt.NDArray[np.float64]:
    """Array index (z, y, x, 1) to world (x, y, z, 1) in mm of a layer as it is shown."""
    world = _world(layer)
    factors = np.array([_millimetres(layer, unit) for unit in layer.units[-3:]])
    affine = np.eye(4)
    affine[:3, :3] = (world.axes[-3:, -3:] * factors[:, np.newaxis])[::-1]
    affine[:3, 3] = (world.origin[-3:] * factors)[::-1]
    return affine


def _millimetres(layer: Layer, unit: Any) -> float:
    """How many mm a pint unit is; 1 for pixels.

    Raises:
        InvalidInput: it is no length.
    """
    known = _factor(unit)
    if known is not None:
        return known
    raise InvalidInput(
        f"The layer '{layer.name}' has an axis in {unit} among its last three, which are taken for "
        "those of space; give these axes units of length, or choose another layer."
    )


@lru_cache(maxsize=64)
def _factor(unit: Any) -> float | None:
    """How many mm a pint unit is; None = it is no length. Pint takes longer than all else here."""
    quantity = _quantity(unit)
    if quantity.check("[length]"):
        return float(quantity.to("mm").magnitude)
    return 1.0 if _is_pixel(unit) else None


def _quantity(unit: Any) -> Any:
    """One of a pint unit, whose types are not told."""
    return 1.0 * unit


def _is_pixel(unit: Any) -> bool:
    return str(unit) in ("pixel", "dimensionless", "")


def _told_units(layer: Layer) -> str:
    """How the lengths of a strange layer are understood."""
    pixels = [_is_pixel(unit) for unit in layer.units[-3:]]
    return "one pixel of its world as 1 mm" if any(pixels) else "its lengths as they are"


def _lost_its_place(layer: Layer, shown: npt.NDArray[np.float64]) -> bool:
    """Whether a layer lies where napari puts what nobody has placed.

    What we show is in mm, so a layer in pixels at the origin got our notes but not our placement.
    """
    unplaced = np.eye(4)[:, [2, 1, 0, 3]]
    return all(map(_is_pixel, layer.units[-3:])) and np.array_equal(shown, unplaced)


def _check_is_frame(
    layer: Layer,
    has_shape: bool,
    shown: npt.NDArray[np.float64],
    was_shown: npt.NDArray[np.float64],
) -> None:
    """Refuse three axes of a series among which there may be the one of time."""
    if not has_shape or not np.allclose(shown[:3, :3], was_shown[:3, :3], rtol=1e-6):
        raise InvalidInput(
            f"The layer '{layer.name}' came out of a time series, and it can't be told whether its "
            "axes are z, y, x; split the series along its first axis (t), and change nothing else."
        )


def _grid(
    layer: Layer,
    shape: tuple[int, int, int],
    affine: npt.NDArray[np.float64],
    *,
    oriented: bool,
) -> Grid:
    if not is_straight(affine):
        raise InvalidInput(
            f"The layer '{layer.name}' is shown sheared, flattened, or stretched across its axes, "
            "which no volume of straight voxels can tell; undo that, or resample the layer."
        )
    return Grid(shape, affine, oriented)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
