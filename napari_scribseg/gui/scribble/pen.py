"""KeyboardPen: drawing without a mouse. Arrow keys move a cross, Return presses the tool on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Layer, Points
from qtpy.QtCore import QObject

from napari_scribseg.gui.canvas import brush
from napari_scribseg.gui.canvas.slices import Plane, shown_plane
from napari_scribseg.gui.session import Session

if TYPE_CHECKING:
    from napari_scribseg.core.types import Array

_NAME = "keyboard pen"
_FAR = 10
"""Voxels of one step with Shift."""
_SIZE = 5
_DIRECTIONS = {"Up": (-1, 0), "Down": (1, 0), "Left": (0, -1), "Right": (0, 1)}


class KeyboardPen(QObject):
    """A cross on the shown slice that keys move and press, in the canvas of the window.

    Without a mouse nothing says that another canvas is meant; napari's key for the next plane
    (Ctrl+E) brings any of them into that of the window.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._layer: Layer | None = None
        self._cross: Layer | None = None
        self._place = (0, 0)
        self._is_down = False
        self._keys = self._actions()
        session.selected_changed.connect(self._other_layers)
        session.viewer.dims.events.current_step.connect(self._show)
        session.viewer.layers.events.removed.connect(self._removed)

    @property
    def is_on(self) -> bool:
        """Whether there is a cross."""
        return self._cross is not None

    @property
    def place(self) -> tuple[int, int]:
        """The pixel under the cross: down and right on the shown plane, (y, x) of a slice."""
        return self._place

    def switch(self) -> None:
        """Take the pen, or put it away."""
        if self.is_on:
            self.put_away()
        else:
            self._take()

    def put_away(self) -> None:
        """Remove the cross and give the arrow keys back to napari."""
        if self._layer is not None:
            brush.unbind(self._layer, self._keys)
        cross, self._cross, self._layer, self._is_down = self._cross, None, None, False
        if cross is not None and cross in self._session.viewer.layers:
            self._session.viewer.layers.remove(cross)

    def end(self) -> None:
        """Follow nothing any more."""
        self._session.viewer.dims.events.current_step.disconnect(self._show)
        self._session.viewer.layers.events.removed.disconnect(self._removed)

    def _take(self) -> None:
        layer = self._session.selected.scribbles
        plane = shown_plane(self._session.viewer, layer)
        if layer is None or plane is None:
            self._session.say("The keyboard pen needs a scribbles layer: press New.", "warning")
            return
        self._layer = layer
        down, right = plane.of(layer.data).shape
        self._place = (down // 2, right // 2)
        self._cross = Points(
            self._points(),
            name=_NAME,
            symbol="cross",
            size=_SIZE,
            face_color="white",
            border_color="black",
            scale=layer.scale,
            translate=layer.translate,
            units=layer.units,
        )
        self._session.viewer.add_layer(self._cross)
        self._session.viewer.layers.selection.active = layer
        if brush.tool_of(layer) is None:
            brush.take_tool(layer, "paint")
        brush.bind(layer, self._keys)
        self._session.say(
            "Keyboard pen: arrows move it (Shift: far), Return presses, Q holds it down, the "
            "same key as before puts it away. It draws in the main canvas; Ctrl+E shows the next "
            "plane there."
        )

    def _actions(self) -> dict[str, Callable[[], None]]:
        actions: dict[str, Callable[[], None]] = {"Enter": self._press, "Q": self._hold}
        for key, direction in _DIRECTIONS.items():
            actions[key] = partial(self._move, direction, 1)
            actions[f"Shift-{key}"] = partial(self._move, direction, _FAR)
        return actions

    def _move(self, direction: tuple[int, int], steps: int) -> None:
        layer = self._layer
        plane = shown_plane(self._session.viewer, layer)
        if layer is None or plane is None:
            return
        # A mirrored axis runs the other way on the screen.
        signs = np.delete(np.sign(np.asarray(layer.scale)), plane.axis).astype(int)
        limits = np.asarray(plane.of(layer.data).shape) - 1
        for _ in range(steps):
            down, right = np.clip(np.add(self._place, direction * signs), 0, limits)
            self._place = (int(down), int(right))
            if self._is_down:
                self._press()
        self._show()

    def _press(self) -> None:
        layer = self._layer
        plane = shown_plane(self._session.viewer, layer)
        if layer is not None and plane is not None:
            brush.paint_at(layer, self._voxel(plane))

    def _hold(self) -> None:
        self._is_down = not self._is_down
        self._session.say("The pen is down." if self._is_down else "The pen is up.")
        if self._is_down:
            self._press()

    def _points(self) -> Array:
        plane = shown_plane(self._session.viewer, self._layer) or Plane(0, 0)
        return np.array([self._voxel(plane)], dtype=np.float64)

    def _voxel(self, plane: Plane) -> tuple[int, int, int]:
        limits = (1, 1) if self._layer is None else plane.of(self._layer.data).shape
        down, right = np.minimum(self._place, np.subtract(limits, 1))
        z, y, x = np.insert([down, right], plane.axis, plane.index)
        return int(z), int(y), int(x)

    def _show(self, _event: object = None) -> None:
        if self._cross is not None:
            self._cross.data = self._points()

    def _other_layers(self) -> None:
        if self._layer is not self._session.selected.scribbles:
            self.put_away()

    def _removed(self, _event: object = None) -> None:
        if self._cross is not None and self._cross not in self._session.viewer.layers:
            self.put_away()
