"""Edge maps of volumes, slice by slice: the static boundaries of Scribble2D5.

The paper takes the network HED, whose weights can't be shipped. The default here is a multi-scale
gradient. Whoever has another detector makes a package of it with an entry point, and chooses it by
name:

    [project.entry-points."napari_scribseg.edges"]
    hed = "my_package.hed:edges"

The function takes a slice (y, x) float32 between 0 and 1 and its spacing (y, x) in mm, and gives
edge strengths (y, x).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array, Channels, channels_of

EdgeFunction = Callable[[Array, tuple[float, float]], Array]
"""Slice (y, x) between 0 and 1 and its spacing (y, x) in mm -> edge strength (y, x)."""

GROUP: Final = "napari_scribseg.edges"
GRADIENT: Final = "gradient"

_SIGMAS_MM = (1.1, 2.2, 4.4)
"""0.7, 1.4 and 2.8 pixels of a heart at 1.56 mm, where they came nearest to true borders."""
_STRONGEST = 99.5
"""Percentile of the gradient that counts as a full edge."""
_PERCENTILES = (1.0, 99.0)


def multi_scale_gradient(plane: Array, spacing: tuple[float, float]) -> Array:
    """Edge strength (y, x) between 0 and 1: mean of Gaussian gradients at three scales.

    Args:
        plane: (y, x).
        spacing: mm (y, x).
    """
    total = np.zeros(plane.shape, np.float64)
    values = plane.astype(np.float64)
    for sigma in _SIGMAS_MM:
        blurred = ndimage.gaussian_filter(values, [sigma / s for s in spacing], mode="nearest")
        gradient = np.hypot(*(_slope(blurred, axis, s) for axis, s in enumerate(spacing)))
        strongest = float(np.percentile(gradient, _STRONGEST)) or float(gradient.max())
        # Below this it is rounding, not an edge.
        if strongest > 1e-9:
            total += np.clip(gradient / strongest, 0, 1)
    return (total / len(_SIGMAS_MM)).astype(np.float32)


def edge_function(name: str) -> EdgeFunction:
    """The edge detector of this name: the gradient, or one that an installed package offers.

    Raises:
        InvalidInput: there is none; the message lists those that there are.
    """
    if name == GRADIENT:
        return multi_scale_gradient
    offered = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in offered:
        known = ", ".join([GRADIENT, *sorted(offered)])
        raise InvalidInput(
            f"There is no edge detector '{name}'. Choose one of: {known}; packages offer more "
            f"through entry points of the group {GROUP}."
        )
    return offered[name].load()


def edge_map(
    image: Channels,
    spacing: tuple[float, float, float],
    function: EdgeFunction = multi_scale_gradient,
) -> npt.NDArray[np.float32]:
    """Edge strengths (z, y, x) of a volume, slice by slice, its weakest 0 and its strongest 1.

    Args:
        image: (z, y, x), any scale; what is not finite counts as the lowest grey level. Of several
            sequences the strongest edge counts.
        spacing: mm (z, y, x).
        function: see `EdgeFunction`.

    Raises:
        InvalidInput: the function gives another shape or numbers that are not finite.
    """
    maps = [_edges_of(channel, spacing, function) for channel in channels_of(image)]
    return maps[0] if len(maps) == 1 else np.maximum.reduce(maps)


def _edges_of(
    image: Array, spacing: tuple[float, float, float], function: EdgeFunction
) -> npt.NDArray[np.float32]:
    """Edge strengths (z, y, x) of one sequence."""
    values = image.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(image.shape, np.float32)
    low, high = np.percentile(values[finite], _PERCENTILES)
    scaled = np.clip((np.where(finite, values, low) - low) / (high - low or 1.0), 0, 1)
    planes = [np.asarray(function(p.astype(np.float32), spacing[1:])) for p in scaled]
    if any(p.shape != image.shape[1:] or not np.isfinite(p).all() for p in planes):
        raise InvalidInput(
            f"The edge detector gave other than finite numbers of the shape {image.shape[1:]} for "
            "a slice; correct it, or choose the built-in gradient."
        )
    edges = np.stack(planes).astype(np.float64)
    edges -= edges.min()
    return (edges / (edges.max() or 1.0)).astype(np.float32)


def _slope(values: Array, axis: int, spacing: float) -> Array:
    """Derivative along an axis per mm; 0 along an axis of a single pixel."""
    if values.shape[axis] == 1:
        return np.zeros_like(values)
    return np.gradient(values, spacing, axis=axis)
