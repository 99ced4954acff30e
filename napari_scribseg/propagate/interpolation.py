"""Strokes between two scribbled slices, from the strokes on both.

The classic (Raya and Udupa 1990) averages signed distances, which makes nothing of two thin
strokes that do not overlap. Here every voxel of one stroke moves instead the shortest way, in mm,
towards the stroke on the other slice, as far as the slice between them lies on the way; the foot
points come from the distance transform. Shapes that overlap give what the classic gives, and
thickness changes evenly from one stroke to the other.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, cast

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_scribseg.core.labels import UNLABELLED, without_unsure
from napari_scribseg.core.types import Array, Mask

REACH_MM: Final = 20.0
"""A stroke without a partner this near on the other slice is not continued: it ends somewhere."""


def interpolate_strokes(
    scribbles: Array, spacing: tuple[float, float, float], *, reach_mm: float = REACH_MM
) -> npt.NDArray[np.uint8]:
    """New strokes on the slices between scribbled ones; 0 wherever nothing is proposed.

    Each class for itself, between the nearest slices below and above on which it is drawn; nothing
    below the first or above the last of them. Drawn voxels stay as they are, and a voxel that two
    classes claim goes to neither.

    Args:
        scribbles: (z, y, x), scribble values; not modified.
        spacing: mm (z, y, x).
        reach_mm: how far apart in the slice two strokes may be that belong together.

    Returns:
        (z, y, x) uint8 scribble values, only at voxels that are unlabelled so far.
    """
    proposed = np.zeros(scribbles.shape, np.uint8)
    claims = np.zeros(scribbles.shape, np.uint8)
    for value in np.unique(without_unsure(scribbles)[scribbles != UNLABELLED]):
        if value == UNLABELLED:
            continue
        stroke = scribbles == value
        drawn = [int(z) for z in np.flatnonzero(stroke.any(axis=(1, 2)))]
        for below, above in pairwise(drawn):
            if above - below < 2:
                continue
            between = _between(stroke[below], stroke[above], above - below, spacing[1:], reach_mm)
            proposed[below + 1 : above][between] = value
            claims[below + 1 : above] += between
    proposed[(claims > 1) | (scribbles != UNLABELLED)] = UNLABELLED
    return proposed


def _between(
    below: Mask, above: Mask, gap: int, spacing: tuple[float, float], reach_mm: float
) -> Mask:
    """The slices (gap - 1, y, x) between two strokes (y, x) that are `gap` slices apart."""
    planes = np.zeros((gap - 1, *below.shape), dtype=bool)
    ways = (_ways(below, above, spacing, reach_mm), _ways(above, below, spacing, reach_mm))
    for n in range(1, gap):
        plane = np.zeros(below.shape, dtype=bool)
        for (start, end), share in zip(ways, (n / gap, 1 - n / gap), strict=True):
            there = np.rint(start + share * (end - start)).astype(int)
            plane[tuple(there.T)] = True
        # A stroke that grows longer leaves single pixels open; those between drawn ones are its.
        closed = ndimage.binary_closing(np.pad(plane, 1), structure=np.ones((3, 3)))
        planes[n - 1] = plane | closed[1:-1, 1:-1]
    return planes


def _ways(
    stroke: Mask, other: Mask, spacing: tuple[float, float], reach_mm: float
) -> tuple[Array, Array]:
    """Start and end (n, 2), in pixels, of every pixel's shortest way to the other stroke."""
    distance, foot = cast(
        "tuple[Array, Array]",
        ndimage.distance_transform_edt(~other, sampling=spacing, return_indices=True),
    )
    start = np.argwhere(stroke & (distance <= reach_mm))
    return start, foot[(slice(None), *start.T)].T
