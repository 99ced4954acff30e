"""Thinned scribbles: whole strokes, every class, smaller shares inside larger ones."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import two_ball_case
from skimage import measure

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.experiment.thinned_scribbles import thinned


def ten_strokes() -> np.ndarray:
    scribbles = np.zeros((2, 20, 20), np.uint8)
    scribbles[:, ::4, 2:9] = 1  # 5 strokes on each of 2 slices
    scribbles[0, 2, 12:15] = 2
    scribbles[0, 3, 15] = 2  # touches by a corner: the same stroke
    scribbles[1, :, 18] = BACKGROUND
    return scribbles


def count(scribbles: np.ndarray, value: int) -> int:
    return sum(int(measure.label(plane == value, connectivity=2).max()) for plane in scribbles)


@pytest.mark.parametrize(("share", "kept"), [(0.2, 2), (0.5, 5), (1.0, 10), (0.01, 1)])
def test_a_share_of_whole_strokes_is_kept(share, kept):
    before = ten_strokes()
    after = thinned(before, share, np.random.default_rng(0))
    assert count(after, 1) == kept
    assert (after == 1).sum() == 7 * kept
    assert (after == 2).sum() == 4  # the only one of its class
    assert (after == BACKGROUND).sum() == 20
    assert set(after[after > 0]) == {1, 2, BACKGROUND}
    assert (before[after > 0] == after[after > 0]).all()
    assert count(before, 1) == 10  # not modified


def test_smaller_shares_are_inside_larger_ones_of_the_same_seed():
    scribbles = two_ball_case().scribbles
    quarter, half = (thinned(scribbles, s, np.random.default_rng(5)) for s in (0.25, 0.5))
    assert (half[quarter > 0] == quarter[quarter > 0]).all()
    assert (quarter > 0).sum() < (half > 0).sum() < (scribbles > 0).sum()


def test_a_share_out_of_range_is_refused():
    with pytest.raises(InvalidInput, match="above 0"):
        thinned(ten_strokes(), 0.0, np.random.default_rng(0))
