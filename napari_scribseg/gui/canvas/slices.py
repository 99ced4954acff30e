"""Which slice of a layer the viewer shows, and how to show another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Layer

if TYPE_CHECKING:
    import napari.viewer

_SPATIAL_AXES = 3


def shown_slice(viewer: napari.viewer.Viewer, layer: Layer | None) -> int | None:
    """Index along z of the slice of a layer (z, y, x) that is shown; None beyond its ends."""
    if layer is None or viewer.dims.ndim < _SPATIAL_AXES:
        return None
    z = round(float(layer.world_to_data(viewer.dims.point[-_SPATIAL_AXES:])[-_SPATIAL_AXES]))
    return z if 0 <= z < layer.data.shape[-_SPATIAL_AXES] else None


def show_slice(viewer: napari.viewer.Viewer, layer: Layer, z: int) -> None:
    """Show a slice of a layer; the nearest one where it has no such slice."""
    last = layer.data.shape[-_SPATIAL_AXES] - 1
    there = np.zeros(layer.ndim)
    there[-_SPATIAL_AXES] = min(max(z, 0), last)
    axis = viewer.dims.ndim - _SPATIAL_AXES
    viewer.dims.set_point(axis, float(layer.data_to_world(there)[-_SPATIAL_AXES]))


def fit_to(viewer: napari.viewer.Viewer, layers: Sequence[Layer]) -> None:
    """Show these layers as large as the canvas allows, whatever else lies elsewhere."""
    try:
        viewer.reset_view(layers=list(layers))
    except TypeError:  # before napari 0.9: all layers together
        viewer.reset_view()


def step_slice(viewer: napari.viewer.Viewer, layer: Layer, by: int) -> None:
    """Show the slice that is `by` further on; brush and tool stay as they are."""
    z = shown_slice(viewer, layer)
    if z is not None:
        show_slice(viewer, layer, z + by)
