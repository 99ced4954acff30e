"""Outlines: one pixel wide, dashed where the mask is not sure."""

from __future__ import annotations

import numpy as np

from napari_scribseg.propagate.outline import UNSURE, outline, outlines

SQUARE = np.zeros((40, 40), np.uint8)
SQUARE[10:30, 10:30] = 2


def test_the_outermost_pixels_of_a_structure_are_drawn():
    lines = outline(SQUARE, np.ones(SQUARE.shape), (1.0, 1.0))
    assert lines[10, 10:30].tolist() == [2] * 20
    assert not lines[11:29, 11:29].any()
    assert not lines[SQUARE == 0].any()
    assert (lines == 2).sum() == 4 * 20 - 4


def test_a_side_without_certainty_is_dashed():
    sureness = np.ones(SQUARE.shape)
    sureness[:, 20:] = 0.5
    lines = outline(SQUARE, sureness, (1.0, 1.0))
    assert lines[15, 10] == 2
    right = lines[10:30, 29]
    assert set(right.tolist()) == {0, 2 + UNSURE}


def test_a_volume_is_outlined_slice_by_slice():
    volume = np.stack([SQUARE, np.zeros_like(SQUARE)])
    lines = outlines(volume, np.ones(volume.shape), (8.0, 1.0, 1.0))
    np.testing.assert_array_equal(lines[0], outline(SQUARE, np.ones(SQUARE.shape), (1.0, 1.0)))
    assert not lines[1].any()
