"""Image or labels: what the voxels of a file that doesn't say so look like.

Labels are areas: neighbours that are both labelled mostly have the same number. Images are shades:
neighbours mostly differ, or differ by one step. The rule is a guess, so whoever uses it says what
was taken and how to get the other reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.types import Array

HIGHEST_LABEL: Final = 65535
_WHOLE_TOLERANCE: Final = 1e-3
_MOST_SLICES: Final = 64
"""More slices tell nothing new."""
_SAME: Final = 0.7
"""Labels of the sample and of public hearts, prostates and livers have 0.94 to 1.0, scribbles 1.0,
their images 0.02 to 0.37."""
_COHERENT: Final = 0.5
_MOST_INCOHERENT: Final = 1 / 3
_FEWEST_SHADES: Final = 4
"""Three nested structures (1 around 2 around 3) are common, four and more are shades."""
_STEPS: Final = 0.98
_FEWEST_IDS: Final = 17
_SMALLEST_ID: Final = 0.25


def looks_like_labels(array: Array) -> bool:
    """Whether an array ((t,) z, y, x) holds labels rather than intensities.

    All values must be whole numbers from 0 to 65535, and one of these must hold:

    - areas: of all neighbours (left and right, above and below) that are both not 0, at least 70 %
      have the same value; this is so of most values by themselves; and where values differ they
      are not mere steps of one, as shades are;
    - a numbering: most voxels are 0, and every number from 1 to the last is there, about equally
      often (ids of small objects).
    """
    slices = array.reshape(-1, *array.shape[-2:])
    if not has_label_values(array):
        return False
    filled = np.flatnonzero(slices.any(axis=(1, 2)))
    if not len(filled):
        return array.dtype.kind != "f"
    chosen = filled[np.unique(np.linspace(0, len(filled) - 1, _MOST_SLICES).astype(int))]
    pairs = _Pairs.of(np.rint(slices[chosen]).astype(np.uint16))
    if np.count_nonzero(pairs.counts) < 2:
        return False  # one value everywhere: nothing is set apart
    zeros = 1.0 - float(np.count_nonzero(array)) / array.size
    return pairs.are_areas() or (zeros >= 0.5 and pairs.are_numbering())


def has_label_values(array: Array) -> bool:
    """Whether all values are whole numbers (within 1e-3) from 0 to 65535."""
    if array.dtype.kind == "b":
        return True
    if array.dtype.kind not in "iuf":
        return False
    low, high = array.min(), array.max()
    if not (np.isfinite([low, high]).all() and low >= -_WHOLE_TOLERANCE and high <= HIGHEST_LABEL):
        return False
    if array.dtype.kind != "f":
        return True
    return all(float(np.abs(one - np.rint(one)).max()) <= _WHOLE_TOLERANCE for one in array)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """How often values stand beside one another in the planes of a stack.

    Args:
        counts: voxels by value.
        beside: by value, how many of its neighbours are not 0.
        same: by value, how many of these have the same value.
        differing: neighbours that differ, 0 included.
        steps: how many of these differ by one.
    """

    counts: npt.NDArray[np.int64]
    beside: npt.NDArray[np.int64]
    same: npt.NDArray[np.int64]
    differing: int
    steps: int

    @classmethod
    def of(cls, stack: npt.NDArray[np.uint16]) -> _Pairs:
        """Of slices (n, y, x)."""
        n = int(stack.max()) + 1
        beside, same = np.zeros(n, np.int64), np.zeros(n, np.int64)
        differing = steps = 0
        for one, other in ((stack[:, 1:], stack[:, :-1]), (stack[:, :, 1:], stack[:, :, :-1])):
            both = (one != 0) & (other != 0)
            equal = one == other
            beside += np.bincount(one[both], minlength=n) + np.bincount(other[both], minlength=n)
            same += 2 * np.bincount(one[both & equal], minlength=n)
            apart = np.maximum(one, other)[~equal] - np.minimum(one, other)[~equal]
            differing += len(apart)
            steps += int(np.count_nonzero(apart == 1))
        return cls(np.bincount(stack.ravel(), minlength=n), beside, same, differing, steps)

    def are_areas(self) -> bool:
        """Whether values form areas that are not shades of one another."""
        values = np.flatnonzero(self.counts)
        values = values[values > 0]
        # Strokes one voxel wide touch so little that their crossings would decide.
        touching = values[self.beside[values] > self.counts[values]]
        if not len(touching):
            return True
        shares = self.same[touching] / self.beside[touching]
        overall = float(self.same[touching].sum() / self.beside[touching].sum())
        shaded = len(values) >= _FEWEST_SHADES and self.steps >= _STEPS * self.differing
        coherent = float(np.mean(shares < _COHERENT)) <= _MOST_INCOHERENT
        return overall >= _SAME and coherent and not shaded

    def are_numbering(self) -> bool:
        """Whether every number is there, from 1 to the last, about equally often."""
        ids = self.counts[1:]
        if len(ids) < _FEWEST_IDS:
            return False
        return bool(ids.min() >= max(1.0, _SMALLEST_ID * float(np.median(ids))))
