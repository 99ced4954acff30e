"""Grey levels as a network is shown them, computed in pieces so that little memory is taken.

The numbers are those of `np.percentile`, `np.mean` and `np.std` over the whole volume in float64,
bit for bit: sums are taken pairwise in the order in which numpy takes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array

_PERCENTILES: Final = (0.5, 99.5)
"""Grey levels beyond these percentiles of the volume are clipped (as nnU-Net does for CT)."""
_AT_ONCE: Final = 1 << 20
"""Voxels that are in memory as float64 at a time."""
_FLATTEST: Final = 1e-7
"""A deviation below this share of the largest grey level is rounding, not contrast."""
_UNROLLED: Final = 8
"""numpy's pairwise sums halve their range at a multiple of this."""


def normalise(array: Array) -> npt.NDArray[np.float32]:
    """Grey levels clipped at robust percentiles, then z-scored over the volume.

    NaN and infinite voxels stay out of the statistics and become the lowest grey level. A constant
    image becomes zeros.

    Args:
        array: (z, y, x), any real type; not modified.

    Raises:
        InvalidInput: no voxel is finite.
    """
    finite = np.isfinite(array) if array.dtype.kind == "f" else None
    known = array.ravel() if finite is None or finite.all() else array[finite]
    if not known.size:
        raise InvalidInput("The image has no finite voxel, so there is nothing to learn from.")
    low, high = _percentiles(known)

    def clipped(start: int, stop: int) -> Array:
        return np.clip(known[start:stop].astype(np.float64), low, high)

    mean = _sum(clipped, 0, known.size) / known.size

    def squares(start: int, stop: int) -> Array:
        apart = clipped(start, stop) - mean
        return np.multiply(apart, apart, out=apart)

    least = max(_FLATTEST * max(abs(float(low)), abs(float(high))), np.finfo(np.float64).tiny)
    deviation = max(float(np.sqrt(_sum(squares, 0, known.size) / known.size)), least)
    result = np.empty(array.shape, np.float32)
    for z, plane in enumerate(array):
        values = plane.astype(np.float64)
        if finite is not None:
            values = np.where(finite[z], values, low)
        result[z] = (np.clip(values, low, high) - mean) / deviation
    return result


def _percentiles(values: Array) -> tuple[np.float64, np.float64]:
    """The two percentiles, interpolated linearly as `np.percentile` does."""
    last = len(values) - 1
    places = [last * (percent / 100) for percent in _PERCENTILES]
    wanted = {min(math.floor(place) + step, last) for place in places for step in (0, 1)}
    ordered = np.partition(values, sorted(wanted))
    low, high = (_between(ordered, place, last) for place in places)
    return low, high


def _between(ordered: Array, place: float, last: int) -> np.float64:
    index = math.floor(place)
    before, after = np.float64(ordered[index]), np.float64(ordered[min(index + 1, last)])
    share = place - index
    step = after - before
    return before + step * share if share < 0.5 else after - step * (1 - share)


def _sum(part: Callable[[int, int], Array], start: int, n: int) -> float:
    """The sum of n float64 values from `start` on, halved like numpy's own pairwise sums."""
    if n <= _AT_ONCE:
        return float(np.add.reduce(part(start, start + n)))
    half = n // 2
    half -= half % _UNROLLED
    return _sum(part, start, half) + _sum(part, start + half, n - half)
