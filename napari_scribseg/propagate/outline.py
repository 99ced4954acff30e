"""Outlines of a mask whose sure and unsure parts can be told apart."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_scribseg.core.types import Array

UNSURE: Final = 100
"""Added to the class of a piece of outline that is not sure."""
SURE: Final = 0.8
"""A pixel whose likeliest class has this probability is sure."""
NEAR_MM: Final = 4.0
"""A piece of outline is sure when its class is sure within this distance on one side, and another
class on the other."""
_DASH: Final = 3
"""Pixels of a dash and of a gap."""


def outline(labels: Array, sureness: Array, spacing: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """The outermost pixels of every structure on a slice (y, x); dashed where they are not sure.

    Args:
        labels: (y, x) class indices, 0 = background.
        sureness: (y, x), probability of that class.
        spacing: mm (y, x).

    Returns:
        (y, x): class index, class index + UNSURE, or 0.
    """
    edge = np.zeros(labels.shape, dtype=bool)
    for axis in (0, 1):
        one, other = (slice(None),) * axis, (slice(None),) * axis
        one, other = (*one, slice(1, None)), (*other, slice(None, -1))
        steps = labels[one] != labels[other]
        edge[one] |= steps
        edge[other] |= steps
    edge &= labels > 0
    lines = np.zeros(labels.shape, np.uint8)
    if not edge.any():
        return lines
    lines[edge] = labels[edge]
    sure = sureness >= SURE
    size = [2 * max(1, round(NEAR_MM / s)) + 1 for s in spacing]
    rows, columns = np.indices(labels.shape)
    dashes = (rows + columns) // _DASH % 2 == 0
    for index in np.unique(labels[edge]):
        own = np.asarray(ndimage.maximum_filter(sure & (labels == index), size), dtype=bool)
        others = np.asarray(ndimage.maximum_filter(sure & (labels != index), size), dtype=bool)
        unsure = edge & (labels == index) & ~(own & others)
        lines[unsure] = np.where(dashes[unsure], index + UNSURE, 0)
    return lines


def outlines(
    labels: Array, sureness: Array, spacing: tuple[float, float, float]
) -> npt.NDArray[np.uint8]:
    """`outline` of every slice of a volume (z, y, x)."""
    pairs = zip(labels, sureness, strict=True)
    return np.stack([outline(plane, sure, spacing[1:]) for plane, sure in pairs])
