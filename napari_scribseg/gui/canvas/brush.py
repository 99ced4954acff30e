"""The brush of a scribbles layer: widths, protection, history, whole changes in one step.

With `painting` and `layers` the only place that knows what napari's labels layer is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from napari.layers import Labels, Layer

from napari_scribseg.core.labels import UNLABELLED
from napari_scribseg.core.types import Array
from napari_scribseg.gui.canvas.slices import Plane
from napari_scribseg.gui.canvas.tools import Tool, Widths

_FLAT = 2


def tool_of(layer: Layer) -> Tool | None:
    """Which of our tools is in the hand."""
    mode = str(cast("Labels", layer).mode)
    return "paint" if mode == "paint" else "erase" if mode == "erase" else None


def uses_value(layer: Layer) -> bool:
    """Whether a click would draw the chosen value, rather than erase or move the view."""
    return str(cast("Labels", layer).mode) in ("paint", "fill", "polygon")


def is_idle(layer: Layer) -> bool:
    """Whether no tool at all is in the hand: a click moves the view."""
    return str(cast("Labels", layer).mode) == "pan_zoom"


def take_tool(layer: Layer, tool: Tool) -> None:
    """Paint or erase from now on."""
    cast("Labels", layer).mode = tool


def put_away(layer: Layer) -> None:
    """Take no tool: a click moves the view."""
    cast("Labels", layer).mode = "pan_zoom"


def width(layer: Layer) -> int:
    """Width of the present tool in voxels."""
    return int(cast("Labels", layer).brush_size)


def set_width(layer: Layer, widths: Widths) -> None:
    """Give the present tool its own width."""
    labels = cast("Labels", layer)
    wanted = widths.erase if tool_of(layer) == "erase" else widths.paint
    if int(labels.brush_size) != wanted:
        labels.brush_size = wanted


def is_protecting(layer: Layer) -> bool:
    """Whether painting leaves the strokes of other classes alone."""
    return bool(cast("Labels", layer).preserve_labels)


def protect(layer: Layer, *, others: bool) -> None:
    """Leave the strokes of other classes alone from now on, or paint over them."""
    cast("Labels", layer).preserve_labels = others


def is_sphere(layer: Layer) -> bool:
    """Whether the brush is a ball through neighbouring slices."""
    return int(cast("Labels", layer).n_edit_dimensions) > _FLAT


def set_sphere(layer: Layer, *, sphere: bool) -> None:
    """Give the brush the shape of a ball, round in mm, or of a disc."""
    cast("Labels", layer).n_edit_dimensions = layer.ndim if sphere else _FLAT


def undo(layer: Layer) -> None:
    """Take back the last step."""
    cast("Labels", layer).undo()


def redo(layer: Layer) -> None:
    """Do again what was taken back last."""
    cast("Labels", layer).redo()


def write(layer: Layer, values: Array, plane: Plane | None = None) -> int:
    """Write strokes where nothing is drawn yet, in one step of the history; gives how many voxels.

    Args:
        layer: the scribbles (z, y, x).
        values: scribble values (z, y, x), or of one plane (2D); 0 = leave this voxel.
        plane: which plane that is.
    """
    labels = cast("Labels", layer)
    places = np.nonzero(values)
    if not len(places[0]):
        return 0
    written = values[places].astype(np.uint8)
    if plane is not None:
        across = np.full(len(written), plane.index)
        places = (*places[: plane.axis], across, *places[plane.axis :])
    free = np.asarray(labels.data)[places] == UNLABELLED
    labels.data_setitem(tuple(axis[free] for axis in places), written[free])
    return int(free.sum())


def paint_at(layer: Layer, voxel: tuple[int, int, int]) -> None:
    """Press the present tool on a voxel."""
    labels = cast("Labels", layer)
    value = UNLABELLED if tool_of(layer) == "erase" else int(labels.selected_label)
    labels.paint(voxel, value)


def watch_tool(layer: Layer, changed: Callable[[], None]) -> Callable[[], None]:
    """Follow tool, width and protection of a layer; gives what ends that."""
    events = layer.events
    return _watch(
        (events.mode, events.brush_size, events.preserve_labels, events.n_edit_dimensions), changed
    )


def watch_strokes(layer: Layer, finished: Callable[[], None]) -> Callable[[], None]:
    """Have something called when a stroke is finished; gives what ends that."""
    return _watch((layer.events.paint,), finished)


def watch_press(layer: Layer, pressed: Callable[[], None]) -> Callable[[], None]:
    """Have something called when the mouse is pressed, before it draws; gives what ends that."""

    def react(_layer: Layer, _event: Any) -> None:
        pressed()

    callbacks = cast("Labels", layer).mouse_drag_callbacks
    callbacks.insert(0, react)

    def end() -> None:
        if react in callbacks:
            callbacks.remove(react)

    return end


def bind(layer: Layer, actions: Mapping[str, Callable[[], None]]) -> None:
    """Bind keys on a layer; they win over napari's own while it is the active one."""

    def on_layer(action: Callable[[], None]) -> Callable[[Layer], None]:
        def act(_layer: Layer) -> None:
            action()

        return act

    for key, action in actions.items():
        layer.bind_key(key, on_layer(action), overwrite=True)


def unbind(layer: Layer, keys: Mapping[str, Any]) -> None:
    """Take our keys back."""
    for key in keys:
        layer.bind_key(key, None, overwrite=True)


def _watch(events: tuple[Any, ...], call: Callable[[], None]) -> Callable[[], None]:
    def react(_event: Any) -> None:
        call()

    for event in events:
        event.connect(react)

    def end() -> None:
        for event in events:
            event.disconnect(react)

    return end
