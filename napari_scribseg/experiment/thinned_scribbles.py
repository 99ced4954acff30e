"""Thinned scribbles: a share of somebody's strokes, for learning curves.

A stroke is what touches, edges and corners alike, within one slice and one class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage import measure

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNLABELLED
from napari_scribseg.core.types import Array


def thinned(scribbles: Array, share: float, rng: np.random.Generator) -> Array:
    """Scribbles with a share of the strokes of every class, at least one of each.

    The strokes of a smaller share are among those of a larger one drawn with an equal generator.

    Args:
        scribbles: (z, y, x) scribble values; not modified.
        share: above 0 to 1.
        rng: which strokes are kept.

    Raises:
        InvalidInput: the share is out of range.
    """
    if not 0 < share <= 1:
        raise InvalidInput(f"A share of the strokes must be above 0 and at most 1, got {share}.")
    kept = np.full_like(scribbles, UNLABELLED)
    for value in np.unique(scribbles[scribbles != UNLABELLED]):
        strokes = list(_strokes(scribbles == value))
        order = rng.permutation(len(strokes))
        for index in order[: max(1, round(share * len(strokes)))]:
            kept[strokes[index]] = value
    return kept


def _strokes(drawn: npt.NDArray[np.bool_]) -> Iterator[tuple[Array, ...]]:
    """Array indices (z, y, x) of the voxels of every stroke, slice by slice."""
    for z, plane in enumerate(drawn):
        labels: Any = measure.label(plane, connectivity=2)
        for number in range(1, int(labels.max()) + 1):
            y, x = np.nonzero(labels == number)
            yield np.full_like(y, z), y, x
