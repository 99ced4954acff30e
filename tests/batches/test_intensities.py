"""Normalised greys: numpy's own numbers, bit for bit, without its memory."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.batches import intensities
from napari_scribseg.batches.intensities import normalise


def at_once(array: np.ndarray) -> np.ndarray:
    """The definition, with whole volumes in memory."""
    values = array.astype(np.float64)
    finite = np.isfinite(values)
    low, high = np.percentile(values[finite], (0.5, 99.5))
    values = np.clip(np.where(finite, values, low), low, high)
    known = values[finite]
    return ((values - known.mean()) / max(known.std(), 1e-6)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["i2", "u1", "u2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 5), (5, 61, 67), (11, 130, 140)])
def test_pieces_give_the_bits_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, dtype: str, shape: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(intensities, "_AT_ONCE", 1024)
    array = np.random.default_rng(3).gamma(2, 100, shape).astype(dtype)
    np.testing.assert_array_equal(normalise(array), at_once(array))
    if array.dtype.kind == "f" and array.size > 1:
        array.flat[::7] = np.nan
        array.flat[1] = np.inf
        np.testing.assert_array_equal(normalise(array), at_once(array))


def test_a_turned_view_gives_the_same_and_is_not_modified() -> None:
    array = np.random.default_rng(0).integers(0, 900, (6, 40, 30)).astype(np.int16)
    before, view = array.copy(), array[::-1, :, ::-1].swapaxes(1, 2)
    np.testing.assert_array_equal(normalise(view), at_once(np.ascontiguousarray(view)))
    np.testing.assert_array_equal(array, before)
