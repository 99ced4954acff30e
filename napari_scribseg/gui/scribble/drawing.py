"""Drawing: the tools on the chosen scribbles layer - widths, keys, contours, history, slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer

from napari_scribseg.annotation.outer_background import hatching
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED
from napari_scribseg.core.types import Array
from napari_scribseg.gui.canvas import brush, painting
from napari_scribseg.gui.canvas.slices import Plane, plane_axis, show_plane, step_plane
from napari_scribseg.gui.canvas.tools import Tool, Widths
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.scribble import keys
from napari_scribseg.gui.scribble.presenter import (
    KeyAction,
    changed_along,
    outward,
    plane_facts,
    why_not_empty,
)
from napari_scribseg.gui.scribble.stroke_scan import StrokeScan
from napari_scribseg.gui.session import Session
from napari_scribseg.propagate.contour_fill import enclosed, newly_enclosed


class Drawing(QObject):
    """Follows the chosen scribbles layer and gives it our keys and tools.

    Args:
        session: what the window works on.
        scan: knows how a slice was before the last stroke.
        key_actions: what keys do besides drawing.
    """

    tool_changed = Signal()
    """Tool, width or protection is another one."""

    def __init__(
        self,
        session: Session,
        scan: StrokeScan,
        key_actions: Mapping[KeyAction, Callable[[], None]],
    ) -> None:
        super().__init__()
        self.widths = Widths()
        self.fills_contours = False
        self._session = session
        self._scan = scan
        self._layer: Layer | None = None
        self._ends: list[Callable[[], None]] = []
        self._actions = self._keys({**self._own_key_actions(), **key_actions})
        session.selected_changed.connect(self._follow)
        self._follow()

    @property
    def layer(self) -> Layer | None:
        """The layer that is drawn on."""
        return self._layer

    @property
    def actions(self) -> Mapping[str, Callable[[], None]]:
        """What our keys do besides choosing a class, by napari's names of the keys."""
        return self._actions

    def set_widths(self, widths: Widths) -> None:
        """Give brush and eraser these widths."""
        self.widths = widths
        if self._layer is not None:
            brush.set_width(self._layer, widths)

    def take_tool(self, tool: Tool) -> None:
        """Paint or erase from now on."""
        if self._has_layer():
            self._session.viewer.layers.selection.active = self._layer
            brush.take_tool(self._chosen(), tool)

    def protect(self, others: bool) -> None:
        """Leave the strokes of other classes alone from now on, or paint over them."""
        if self._layer is not None:
            brush.protect(self._layer, others=others)

    def take_up(self) -> None:
        """Take the brush, unless another tool is in the hand."""
        if self._layer is not None and brush.is_idle(self._layer):
            self.take_tool("paint")

    def undo(self) -> None:
        """Take back the last step, and show where."""
        self._step_in_history(brush.undo, "Undo")

    def redo(self) -> None:
        """Do again what was taken back, and show where."""
        self._step_in_history(brush.redo, "Redo")

    def _step_in_history(self, step: Callable[[Layer], None], name: str) -> None:
        if not self._has_layer():
            return
        layer, look = self._chosen(), self._session.look
        known = None if look is None or self._session.has_new_strokes else look.planes
        step(layer)
        self._session.touch_strokes()
        if known is None or known.shape != layer.data.shape:
            return  # the stroke is so new that it is on the shown slice
        viewer, axis = self._session.front, plane_axis(self._session.front)
        changed = changed_along(known.slices, np.asarray(layer.data), axis)
        plane = self._session.plane
        if changed and (plane is None or plane.index not in changed):
            show_plane(viewer, layer, Plane(axis, changed[0]))
            self._session.say(f"{name} changed {_called(axis)} {changed[0]}, which is shown now.")

    def fill_contour(self) -> None:
        """Fill what the chosen class encloses on the shown plane."""
        if not self._has_layer():
            return
        layer = self._chosen()
        value, plane = painting.selected_value(layer), self._session.plane
        if plane is None or value == UNLABELLED:
            self._session.say("Choose a class and a slice first.", "warning")
            return
        inside = enclosed(plane.of(np.asarray(layer.data)), value)
        n = brush.write(layer, inside * np.uint8(value), plane)
        if not n:
            self._session.say("The chosen class encloses nothing here: close its contour first.")

    def nothing_here(self, *, beyond: bool = False) -> None:
        """Mark the shown plane as background as a whole, or also those beyond it."""
        layer, plane = self._layer, self._session.plane
        if layer is None or plane is None:
            self._session.say("Choose scribbles and a slice first.", "warning")
            return
        axis, index = plane.axis, plane.index
        drawn = np.asarray(layer.data)
        facts = self._scan.facts if plane.is_acquired else plane_facts(drawn, axis)
        slices = outward(facts, index) if beyond else range(index, index + 1)
        problem = why_not_empty(facts, slices, self._session.schema, _called(axis))
        if problem:
            self._session.say(problem, "warning")
            return
        marks = np.zeros(drawn.shape, np.uint8)
        across = np.moveaxis(marks, axis, 0)
        across[slices.start : slices.stop, hatching(across.shape[1:])] = BACKGROUND
        brush.write(layer, marks)
        called = _called(axis)
        which = (
            f"{called} {index}" if len(slices) == 1 else f"{called}s {slices[0]} to {slices[-1]}"
        )
        self._session.say(f"Nothing of any structure is on {which}. Undo takes the marks back.")

    def switch_sphere(self) -> None:
        """Draw with a ball through neighbouring slices from now on, or with a disc again."""
        if self._has_layer():
            self.set_sphere(not brush.is_sphere(self._chosen()))

    def set_sphere(self, sphere: bool) -> None:
        """Draw with a ball through neighbouring slices, or with a disc."""
        if self._layer is not None:
            brush.set_sphere(self._layer, sphere=sphere)

    def end(self) -> None:
        """Follow nothing any more."""
        for end in self._ends:
            end()
        self._ends = []
        if self._layer is not None:
            brush.unbind(self._layer, self._actions)
        self._layer = None

    def _follow(self) -> None:
        layer = self._session.selected.scribbles
        if layer is self._layer:
            return
        self.end()
        self._layer = layer
        if layer is not None:
            brush.set_width(layer, self.widths)
            brush.bind(layer, self._actions)
            self._ends = [
                brush.watch_tool(layer, self._tool_changed),
                brush.watch_press(layer, self._pressed_in_window),
                brush.watch_strokes(layer, self._stroke_finished),
            ]
        self.tool_changed.emit()

    def _tool_changed(self) -> None:
        layer = self._layer
        tool = None if layer is None else brush.tool_of(layer)
        if layer is not None and tool is not None:
            if tool == self._tool:
                self.widths = self.widths.with_width(tool, brush.width(layer))
            else:
                self._tool = tool
                brush.set_width(layer, self.widths)
        self.tool_changed.emit()

    _tool: Tool | None = None
    """The tool whose width the layer has now."""

    _before: tuple[Plane, Array] | None = None
    """The shown plane and what was drawn on it when the mouse was pressed."""

    def pressed(self) -> None:
        """The mouse was pressed on the shown plane, and has not drawn yet."""
        plane = self._session.plane
        if self.fills_contours and self._layer is not None and plane is not None:
            self._before = plane, np.array(plane.of(self._layer.data))

    def _pressed_in_window(self) -> None:
        self._session.use_canvas(self._session.viewer)
        self.pressed()

    def _stroke_finished(self) -> None:
        if self.fills_contours:
            # napari still has the history open: what is written now would be lost from it.
            QTimer.singleShot(0, self._fill_closed)

    def _fill_closed(self) -> None:
        layer = self._layer
        if layer is None or brush.tool_of(layer) == "erase":
            return
        value, plane = painting.selected_value(layer), self._session.plane
        if plane is None or value == UNLABELLED:
            return
        now = plane.of(np.asarray(layer.data))
        known, self._before = self._before, None
        before = known[1] if known is not None and known[0] == plane else self._scan.seen(plane)
        inside = enclosed(now, value) if before is None else newly_enclosed(before, now, value)
        brush.write(layer, inside * np.uint8(value), plane)

    def _own_key_actions(self) -> dict[KeyAction, Callable[[], None]]:
        return {
            "previous_slice": lambda: self._step(-1),
            "next_slice": lambda: self._step(1),
            "fill_contour": self.fill_contour,
            "nothing_here": self.nothing_here,
            "sphere": self.switch_sphere,
        }

    def _keys(
        self, key_actions: Mapping[KeyAction, Callable[[], None]]
    ) -> dict[str, Callable[[], None]]:
        actions = {key: key_actions[action] for action, key in keys.ALSO.items()}
        actions |= {
            key: key_actions[action]
            for action, key in keys.chosen_keys().items()
            if action in key_actions
        }
        chosen = keys.chosen_keys()
        actions[f"Shift-{chosen['nothing_here']}"] = lambda: self.nothing_here(beyond=True)
        return {**actions, "Control-Z": self.undo, "Control-Shift-Z": self.redo}

    def _step(self, by: int) -> None:
        if self._layer is not None:
            step_plane(self._session.front, self._layer, by)

    def _has_layer(self) -> bool:
        if self._layer is None:
            self._session.say(
                "There is no scribbles layer yet: press New in the Case tab.", "warning"
            )
        return self._layer is not None

    def _chosen(self) -> Layer:
        assert self._layer is not None
        return self._layer


def _called(axis: int) -> str:
    """What planes across an axis are called: slices as they were acquired are slices."""
    return "slice" if axis == 0 else "plane"
