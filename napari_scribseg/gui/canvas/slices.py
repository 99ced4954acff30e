"""Which slice of a layer a viewer shows, across whichever axis, and how to show another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_scribseg.core.types import Array

if TYPE_CHECKING:
    import napari.viewer

_SPATIAL_AXES = 3


@dataclass(frozen=True)
class Plane:
    """A slice of a volume (z, y, x).

    Args:
        axis: that it lies across; 0 = a slice as it was acquired.
        index: which one along that axis.
    """

    axis: int
    index: int

    @property
    def is_acquired(self) -> bool:
        """Whether it is a slice as it was acquired."""
        return self.axis == 0

    def of(self, volume: Array) -> Array:
        """Its part (2D) of a volume (z, y, x); a view, not a copy."""
        return np.moveaxis(volume, self.axis, 0)[self.index]


def plane_axis(viewer: Any) -> int:
    """The axis of (z, y, x) that the planes of a viewer lie across."""
    dims = viewer.dims
    if dims.ndim < _SPATIAL_AXES:
        return 0
    return max(int(dims.order[-_SPATIAL_AXES]) - (dims.ndim - _SPATIAL_AXES), 0)


def shown_plane(viewer: Any, layer: Layer | None) -> Plane | None:
    """The plane of a layer (z, y, x) that a viewer shows; None beyond its ends."""
    if layer is None or viewer.dims.ndim < _SPATIAL_AXES:
        return None
    axis = plane_axis(viewer)
    place = layer.world_to_data(viewer.dims.point[-_SPATIAL_AXES:])[-_SPATIAL_AXES:]
    index = round(float(place[axis]))
    size = layer.data.shape[-_SPATIAL_AXES:][axis]
    return Plane(axis, index) if 0 <= index < size else None


def show_plane(viewer: Any, layer: Layer, plane: Plane) -> None:
    """Show a plane of a layer, the nearest one where it has no such plane.

    Seen is it only in a viewer whose planes lie across the same axis.
    """
    last = layer.data.shape[-_SPATIAL_AXES:][plane.axis] - 1
    there = np.zeros(layer.ndim)
    there[plane.axis - _SPATIAL_AXES] = min(max(plane.index, 0), last)
    where = float(layer.data_to_world(there)[plane.axis - _SPATIAL_AXES])
    viewer.dims.set_point(viewer.dims.ndim - _SPATIAL_AXES + plane.axis, where)


def step_plane(viewer: Any, layer: Layer, by: int) -> None:
    """Show the plane that is `by` further on; brush and tool stay as they are."""
    plane = shown_plane(viewer, layer)
    if plane is not None:
        show_plane(viewer, layer, replace(plane, index=plane.index + by))


def shown_slice(viewer: napari.viewer.Viewer, layer: Layer | None) -> int | None:
    """Index along z of the slice of a layer (z, y, x) that is shown; None beyond its ends."""
    if layer is None or viewer.dims.ndim < _SPATIAL_AXES:
        return None
    z = round(float(layer.world_to_data(viewer.dims.point[-_SPATIAL_AXES:])[-_SPATIAL_AXES]))
    return z if 0 <= z < layer.data.shape[-_SPATIAL_AXES] else None


def show_slice(viewer: napari.viewer.Viewer, layer: Layer, z: int) -> None:
    """Show a slice of a layer; the nearest one where it has no such slice."""
    show_plane(viewer, layer, Plane(0, z))


def fit_to(viewer: napari.viewer.Viewer, layers: Sequence[Layer]) -> None:
    """Show these layers as large as the canvas allows, whatever else lies elsewhere."""
    try:
        viewer.reset_view(layers=list(layers))
    except TypeError:  # before napari 0.9: all layers together
        viewer.reset_view()
