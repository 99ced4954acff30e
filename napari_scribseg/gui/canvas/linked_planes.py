"""LinkedPlanes: two more viewers that show the other two planes of a case, in step with the window.

They show the volumes of the case by twins (see `layer_twin`), at the point that the window shows.
A stroke on any plane is a stroke on the same scribbles.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from qtpy.QtCore import QObject

from napari_scribseg.gui.canvas.layer_twin import LayerTwin, can_have_twin
from napari_scribseg.gui.canvas.slices import plane_axis
from napari_scribseg.gui.qt import Signal, single_shot

if TYPE_CHECKING:
    import napari.viewer

_AXES: Final = (0, 1, 2)
_SOONEST_MS: Final = 40
_LATEST_MS: Final = 400
"""Other planes follow a stroke this much later, so that drawing does not wait for them."""
_PAUSE: Final = 3
"""How many times longer than showing them took they wait: drawing by software is slow."""
_STILL: Final = 4
"""A mouse that has moved by fewer pixels has not moved."""
_LEFT: Final = 1


class LinkedPlanes(QObject):
    """Shows what the window shows across the other two axes, while it is awake.

    Args:
        viewer: napari's viewer.
        is_wanted: whether a layer of it is to be shown.
    """

    drawn = Signal()
    """Somebody draws on one of the two."""
    pressed = Signal(object)
    """The viewer on whose canvas the mouse was pressed; it has not drawn yet."""
    entered = Signal(object)
    """The viewer over whose canvas the mouse is now."""
    moved = Signal()
    """Another point is shown, or other planes."""

    def __init__(self, viewer: napari.viewer.Viewer, is_wanted: Callable[[Layer], bool]) -> None:
        super().__init__()
        self._viewer, self._is_wanted = viewer, is_wanted
        self.models = (ViewerModel(), ViewerModel())
        """The two other viewers."""
        self._twins: tuple[dict[Layer, LayerTwin], ...] = ({}, {})
        self._is_awake = self._is_linking = self._is_refreshing = False
        self._due: dict[Layer, set[int]] = {}
        """Layers of which something is not shown everywhere, and the ids of who shows it."""
        self._sliced: dict[Layer, tuple[Any, ...]] = {}
        self._shown: dict[Layer, Callable[[Any], None]] = {}
        self._syncing = single_shot(self, 0, self.sync)
        self._refreshing = single_shot(self, _SOONEST_MS, self._refresh)
        self._painted = single_shot(self, 0, self._pace)
        self._began = 0.0
        self._connections: list[tuple[Any, Callable[..., Any]]] = []
        self._connect()

    # What may be asked

    def wake(self) -> None:
        """Show the planes of now, and follow from now on."""
        self._is_awake = True
        self.sync()

    def sleep(self) -> None:
        """Show nothing, and let go of everything."""
        self._is_awake = False
        self._due.clear()
        self._drop(list(self._shown))

    def end(self) -> None:
        """Sleep for good."""
        self.sleep()
        self._syncing.stop()
        self._refreshing.stop()
        self._painted.stop()
        for emitter, react in self._connections:
            emitter.disconnect(react)
        self._connections = []
        for viewer in (self._viewer, *self.models):
            if self._mouse in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self._mouse)

    def sync_soon(self, _event: object = None) -> None:
        """Show what is there, once everybody has taken note of it."""
        if self._is_awake:
            self._syncing.start(0)

    def sync(self) -> None:
        """Show the layers of now, in their order."""
        if not self._is_awake:
            return
        wanted = [one for one in self._viewer.layers if can_have_twin(one) and self._is_wanted(one)]
        self._is_linking = True
        try:
            self._drop([one for one in self._shown if one not in wanted])
            for layer in wanted:
                self._follow(layer)
            for model, twins in zip(self.models, self._twins, strict=True):
                for place, layer in enumerate(wanted):
                    twin = twins[layer].twin
                    if twin not in model.layers:
                        model.layers.insert(place, twin)
                    elif model.layers.index(twin) != place:
                        model.layers.move(model.layers.index(twin), place)
        finally:
            self._is_linking = False
        self._show_order()
        self._show_active()

    def twin_of(self, layer: Layer, model: ViewerModel) -> Layer | None:
        """What shows a layer of the window in one of the two."""
        known = self._twins[self.models.index(model)].get(layer)
        return None if known is None else known.twin

    def go_to(self, position: Any) -> None:
        """Show a point (..., z, y, x) of the world on all planes, in the middle of its voxel."""
        if not self._shown:
            return
        layer = next(iter(self._shown))
        last = np.subtract(layer.data.shape[-3:], 1)
        voxel = np.clip(np.rint(layer.world_to_data(position[-3:])), 0, last)
        self._set_point(self._viewer, layer.data_to_world(voxel))

    # Inside

    def _connect(self) -> None:
        viewer = self._viewer
        for name in ("inserted", "removed", "reordered"):
            self._on(getattr(viewer.layers.events, name), self.sync_soon)
        self._on(viewer.layers.selection.events.active, self._show_active)
        self._on(viewer.dims.events.order, self._show_order)
        self._on(viewer.dims.events.point, self._show_point)
        self._on(viewer.events.theme, self._show_theme)
        for one in (viewer, *self.models):
            self._on(one.events.mouse_over_canvas, self._tell_entered)
            one.mouse_drag_callbacks.append(self._mouse)
        for model in self.models:
            self._on(model.dims.events.point, self._take_point)
            self._on(model.dims.events.order, self._tell_moved)
        self._show_theme()

    def _on(self, emitter: Any, react: Callable[..., Any]) -> None:
        emitter.connect(react)
        self._connections.append((emitter, react))

    def _follow(self, layer: Layer) -> None:
        if layer in self._shown:
            return

        def shown(_event: Any) -> None:
            self._layer_shown(layer)

        layer.events.set_data.connect(shown)
        self._shown[layer] = shown
        self._sliced[layer] = self._slicing()
        for twins in self._twins:
            twins[layer] = LayerTwin(
                layer,
                self.drawn.emit,
                lambda by: self._outdated(layer, by),
                lambda: self._renew(layer),
            )

    def _drop(self, gone: list[Layer]) -> None:
        for layer in gone:
            layer.events.set_data.disconnect(self._shown.pop(layer))
            self._sliced.pop(layer, None)
            self._due.pop(layer, None)
            for model, twins in zip(self.models, self._twins, strict=True):
                pair = twins.pop(layer)
                pair.end()
                if pair.twin in model.layers:
                    model.layers.remove(pair.twin)

    def _renew(self, layer: Layer) -> None:
        """A layer has other voxels or lies elsewhere: its twins are made anew."""
        if layer in self._shown:
            self._drop([layer])
            self.sync_soon()

    def _show_active(self, _event: object = None) -> None:
        """The layer that is drawn on in the window is drawn on on all planes."""
        active = self._viewer.layers.selection.active
        for model in self.models:
            twin = None if active is None else self.twin_of(active, model)
            model.layers.selection.active = twin

    def _show_order(self, _event: object = None) -> None:
        if not self._shown:
            return
        others = [axis for axis in _AXES if axis != plane_axis(self._viewer)]
        for model, axis in zip(self.models, others, strict=True):
            order = (axis, *(one for one in _AXES if one != axis))
            if model.dims.ndim == len(_AXES) and tuple(model.dims.order) != order:
                model.dims.order = order
        self._show_point()

    def _show_point(self, _event: object = None) -> None:
        if self._is_linking or not self._shown or self._viewer.dims.ndim < len(_AXES):
            return
        self._is_linking = True
        try:
            for model in self.models:
                if model.dims.ndim == len(_AXES):
                    self._set_point(model, self._viewer.dims.point[-3:])
        finally:
            self._is_linking = False
        self.moved.emit()

    def _take_point(self, event: Any) -> None:
        if not self._is_linking and self._shown:
            self._set_point(self._viewer, event.source.point[-3:])

    def _set_point(self, viewer: Any, point: Any) -> None:
        first = viewer.dims.ndim - len(_AXES)
        viewer.dims.set_point([first + axis for axis in _AXES], [float(one) for one in point])

    def _show_theme(self, _event: object = None) -> None:
        for model in self.models:
            model.theme = self._viewer.theme

    def _tell_entered(self, event: Any) -> None:
        if event.source.mouse_over_canvas:
            self.entered.emit(event.source)

    def _tell_moved(self, _event: object = None) -> None:
        self.moved.emit()

    def _mouse(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """A click, and the end of a stroke, are where all planes go."""
        if not self._is_awake or event.button != _LEFT or len(event.dims_displayed) != 2:
            return
        self.pressed.emit(viewer)
        start, is_drag = np.array(event.pos), False
        yield
        while event.type == "mouse_move":
            is_drag = is_drag or bool(np.abs(event.pos - start).max() >= _STILL)
            yield
        active = viewer.layers.selection.active
        draws = isinstance(active, Labels) and str(active.mode) not in ("pan_zoom", "transform")
        if draws or not is_drag:
            self.go_to(event.position)

    def _slicing(self) -> tuple[Any, ...]:
        """What decides which slice of the window's layers is shown."""
        dims = self._viewer.dims
        return (tuple(dims.order), *(dims.point[axis] for axis in dims.not_displayed))

    def _layer_shown(self, layer: Layer) -> None:
        """A layer was put on the canvas anew: because of another slice, or of other voxels."""
        before, now = self._sliced[layer], self._slicing()
        self._sliced[layer] = now
        if before == now and not self._is_refreshing:
            self._outdated(layer, layer)

    def _outdated(self, layer: Layer, by: Layer) -> None:
        if not self._is_refreshing:
            self._due.setdefault(layer, set()).add(id(by))
            if not self._refreshing.isActive():
                self._refreshing.start()

    def _refresh(self) -> None:
        due, self._due = self._due, {}
        self._began = time.perf_counter()
        self._painted.start(0)
        self._is_refreshing = True
        try:
            for layer, shown_by in due.items():
                for one in (layer, *(twins[layer].twin for twins in self._twins)):
                    if shown_by != {id(one)} and one.visible:
                        one.refresh(extent=False, thumbnail=one is layer)
        finally:
            self._is_refreshing = False

    def _pace(self) -> None:
        """The canvases were painted: wait the longer for the next time the longer that took."""
        took_ms = 1000 * (time.perf_counter() - self._began)
        self._refreshing.setInterval(round(min(max(_PAUSE * took_ms, _SOONEST_MS), _LATEST_MS)))
