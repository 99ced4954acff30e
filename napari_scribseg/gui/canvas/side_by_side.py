"""Several runs side by side: a grid of linked fields, each with the image and one segmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_scribseg.gui.canvas import layers

if TYPE_CHECKING:
    import napari.viewer
    from napari.components import ViewerModel

Cell = tuple[str, "layers.LayerData"]
"""Title of a run, and its segmentation as layer data."""

_LAYERS_PER_FIELD = 2


class SideBySide:
    """Shows runs in a grid, and takes the grid back.

    The fields get layers of their own, so that nothing else has to move in the layer list. Layers
    of ours that come or are shown meanwhile, such as the preview of a training, wait until `back`:
    each would take a field.

    Args:
        viewer: napari's viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._made: list[Layer] = []
        self._hidden: list[Layer] = []
        self._before: tuple[bool, int, tuple[int, int]] | None = None
        self._seen: tuple[float, tuple[float, ...]] = (1.0, (0.0, 0.0, 0.0))
        self._watched: list[Layer] = []

    @property
    def is_on(self) -> bool:
        """Whether the grid is there."""
        return bool(self._made)

    def show(self, image: layers.LayerData, cells: Sequence[Cell]) -> None:
        """One field per run; what was visible before is hidden until `back`.

        Args:
            image: the image as layer data, shown in every field.
            cells: the runs, first field first.
        """
        self.back()
        known = self._viewer.layers
        active = known.selection.active
        self._hidden = [layer for layer in known if layer.visible]
        for layer in self._hidden:
            layer.visible = False
        # napari fills the fields from the bottom of the list, and counts hidden layers, too.
        for title, segmentation in cells:
            for data in (image, segmentation):
                layer = layers.layer_of(data)
                layer.name = f"{title} · {layer.name}"
                layers.note(layer, role="comparison")
                known.insert(len(self._made), layer)
                self._made.append(layer)
            _caption(self._made[-1], title)
        grid = _grid_of(self._viewer)
        self._before = (grid.enabled, grid.stride, tuple(grid.shape))
        columns = math.ceil(math.sqrt(len(cells)))
        grid.stride = _LAYERS_PER_FIELD
        grid.shape = (math.ceil(len(cells) / columns), columns)
        grid.enabled = True
        for layer in known:
            self._watch(layer)
        known.events.inserted.connect(self._came)
        camera = camera_of(self._viewer)
        self._seen = (camera.zoom, tuple(camera.center))
        self._viewer.reset_view()
        if active is not None and active in known:
            known.selection.active = active

    def back(self) -> None:
        """One field again, with what was visible before."""
        if not self._made:
            return
        known = self._viewer.layers
        known.events.inserted.disconnect(self._came)
        for layer in self._watched:
            layer.events.visible.disconnect(self._keep_hidden)
        self._watched = []
        for layer in self._made:
            if layer in known:
                known.remove(layer)
        self._made = []
        for layer in self._hidden:
            if layer in known:
                layer.visible = True
        self._hidden = []
        if self._before is not None:
            grid = _grid_of(self._viewer)
            grid.enabled, grid.stride, grid.shape = self._before
            self._before = None
        camera = camera_of(self._viewer)
        camera.zoom, camera.center = self._seen

    def _came(self, event: Any) -> None:
        self._watch(event.value)
        self._hide(event.value)

    def _watch(self, layer: Layer) -> None:
        if layer not in self._made:
            layer.events.visible.connect(self._keep_hidden)
            self._watched.append(layer)

    def _keep_hidden(self, event: Any) -> None:
        self._hide(event.source)

    def _hide(self, layer: Layer) -> None:
        """Take a layer of ours out of the fields, and remember that it wants to be seen."""
        if layer.visible and layers.role_of(layer) is not None:
            layer.visible = False
            if layer not in self._hidden:
                self._hidden.append(layer)


def _grid_of(viewer: napari.viewer.Viewer) -> Any:
    """The grid of the canvas, where napari 0.9 has it and where earlier ones had it."""
    owner: Any = getattr(viewer, "canvas", viewer)
    return owner.grid


def camera_of(viewer: ViewerModel) -> Any:
    """The camera, where napari 0.9 has it and where earlier ones had it."""
    owner: Any = getattr(viewer, "scene", viewer)
    return owner.camera


def _caption(layer: Layer, title: str) -> None:
    """Write the title into the field, where napari can."""
    overlay = getattr(layer, "name_overlay", None)
    if overlay is not None:
        # Not quite the name of the run's own layer: napari would number it.
        layer.name = f"{title}\N{NO-BREAK SPACE}"
        overlay.visible = True
