"""Closed contours filled with their class."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_scribseg.core.labels import UNLABELLED
from napari_scribseg.core.types import Array, Mask


def enclosed(drawn: Array, value: int) -> Mask:
    """Unlabelled pixels (y, x) that the strokes of a class enclose; what else is drawn stays.

    A contour that touches itself at a corner is closed.

    Args:
        drawn: (y, x), scribble values; not modified.
        value: the class of the contour.
    """
    inside = np.zeros(drawn.shape, dtype=bool)
    stroke = drawn == value
    rows, columns = (np.flatnonzero(stroke.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return inside
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    # Neighbours share a side here, so the outside can't slip through a diagonal step.
    inside[box] = np.asarray(ndimage.binary_fill_holes(stroke[box]), dtype=bool)
    return inside & (drawn == UNLABELLED)


def newly_enclosed(before: Array, after: Array, value: int) -> Mask:
    """Pixels that strokes of a class enclose now and did not before: what the last one closed.

    So a ring that was left open inside on purpose stays open when something else is drawn.

    Args:
        before: (y, x), scribble values before the last stroke.
        after: (y, x), after it.
        value: the class of the stroke.
    """
    now = enclosed(after, value)
    return now & ~enclosed(before, value) if now.any() else now
