"""Closed contours: what is filled, and what is not."""

from __future__ import annotations

import numpy as np

from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.propagate.contour_fill import enclosed, newly_enclosed


def square() -> np.ndarray:
    drawn = np.zeros((20, 20), np.uint8)
    drawn[4:15, [4, 14]] = 2
    drawn[[4, 14], 4:15] = 2
    return drawn


def test_the_inside_of_a_closed_contour():
    found = enclosed(square(), 2)
    assert found.sum() == 81
    assert found[5:14, 5:14].all()
    assert not enclosed(square(), 1).any(), "it is another class's contour"


def test_an_open_contour_encloses_nothing():
    drawn = square()
    drawn[9, 4] = 0
    assert not enclosed(drawn, 2).any()


def test_a_contour_that_touches_at_corners_is_closed():
    drawn = np.zeros((9, 9), np.uint8)
    y, x = np.mgrid[:9, :9] - 4
    drawn[np.abs(y) + np.abs(x) == 3] = 1
    assert enclosed(drawn, 1).sum() == (np.abs(y) + np.abs(x) < 3).sum()


def test_what_is_drawn_inside_stays():
    drawn = square()
    drawn[8:10, 8:10] = BACKGROUND
    before = drawn.copy()
    assert enclosed(drawn, 2).sum() == 77
    np.testing.assert_array_equal(drawn, before)


def test_only_what_the_last_stroke_closed_is_new():
    before = square()
    after = before.copy()
    after[16:19, [16, 18]] = 2
    after[[16, 18], 16:19] = 2
    assert np.argwhere(newly_enclosed(before, after, 2)).tolist() == [[17, 17]]
    assert not newly_enclosed(before, before, 2).any()
