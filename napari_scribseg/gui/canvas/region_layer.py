"""The region of interest on the canvas: a rectangle on every slice of it, that can be dragged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer, Shapes

from napari_scribseg.core.region import Region
from napari_scribseg.gui.canvas import layers

if TYPE_CHECKING:
    import napari.viewer

_NAME = "region of interest"
_COLOR = "#f0e442"


class RegionLayer:
    """Shows a region over a layer, and tells where its rectangle was dragged to.

    Args:
        viewer: napari's viewer.
        changed: is given the new region.
    """

    def __init__(self, viewer: napari.viewer.Viewer, changed: Callable[[Region], None]) -> None:
        self._viewer, self._changed = viewer, changed
        self._layer: Any = None
        self._region: Region | None = None
        self._over: Layer | None = None
        self._is_ours = False

    def show(self, region: Region | None, over: Layer | None) -> None:
        """Show a region of a layer (z, y, x); None takes the rectangle away."""
        self._region, self._over = region, over
        if region is None or over is None:
            self.remove()
            return
        (y0, y1), (x0, x1) = region.y, region.x
        corners = np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]) - 0.5
        self._is_ours = True
        try:
            if self._layer is None or self._layer not in self._viewer.layers:
                self._layer = self._add(corners, over)
            elif not np.allclose(self._layer.data[0], corners):
                self._layer.data = [corners]
        finally:
            self._is_ours = False

    def remove(self) -> None:
        """Take the rectangle away."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _add(self, corners: Any, over: Layer) -> Any:
        active = self._viewer.layers.selection.active
        layer = Shapes(
            [corners],
            shape_type="rectangle",
            name=_NAME,
            face_color="transparent",
            edge_color=_COLOR,
            edge_width=1,
            scale=over.scale[-2:],
            translate=over.translate[-2:],
            units=over.units[-2:],
        )
        layers.note(layer, role="region")
        self._viewer.add_layer(layer)
        layer.events.data.connect(self._dragged)
        if active is not None:
            self._viewer.layers.selection.active = active
        return layer

    def _dragged(self, _event: object) -> None:
        layer, region, over = self._layer, self._region, self._over
        if self._is_ours or layer is None or region is None or over is None or not len(layer.data):
            return
        limits = over.data.shape[-2:]
        low = np.clip(np.rint(layer.data[0].min(0) + 0.5), 0, np.subtract(limits, 1)).astype(int)
        high = np.clip(np.rint(layer.data[0].max(0) + 0.5), low + 1, limits).astype(int)
        moved = Region(z=region.z, y=(int(low[0]), int(high[0])), x=(int(low[1]), int(high[1])))
        if moved != region:
            self._region = moved
            self._changed(moved)
