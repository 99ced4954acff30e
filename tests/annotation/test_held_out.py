"""Strokes held out from candidates: what was drawn since, or every second slice."""

from __future__ import annotations

import numpy as np

from napari_scribseg.annotation.held_out import folds, mean_dice, stroke_dice
from napari_scribseg.core.labels import IGNORE


def strokes(*slices):
    targets = np.full((6, 10, 10), IGNORE, np.int16)
    for z in slices:
        targets[z, :2], targets[z, 5:7] = 0, 1
    return targets


def test_what_was_drawn_since_the_training_is_held_out():
    (fold,) = folds(strokes(1, 2, 4), strokes(1, 2))
    assert np.flatnonzero((fold.held != IGNORE).any(axis=(1, 2))).tolist() == [4]
    np.testing.assert_array_equal(fold.given, strokes(1, 2))


def test_a_volume_that_a_network_does_not_know_is_halved_by_slices():
    one, other = folds(strokes(1, 2, 4))
    assert np.flatnonzero((one.given != IGNORE).any(axis=(1, 2))).tolist() == [1, 4]
    assert np.flatnonzero((one.held != IGNORE).any(axis=(1, 2))).tolist() == [2]
    np.testing.assert_array_equal(one.given, other.held)


def test_too_few_strokes_decide_nothing():
    assert folds(strokes(1, 2), strokes(1, 2)) == ()
    assert folds(strokes(1)) == ()
    corrected = strokes(1, 2)
    corrected[2, 5, 0] = 0
    assert folds(corrected, strokes(1, 2)) == ()


def test_dice_at_strokes():
    held = np.full((1, 1, 8), IGNORE, np.int16)
    held[0, 0, :6] = (0, 0, 0, 1, 1, 1)
    labels = np.array([[[0, 0, 1, 1, 1, 0, 5, 5]]])
    # Background: 2 right of 3 and 3; structure likewise: 2 * 2 / (3 + 3).
    assert mean_dice([stroke_dice(labels, held)]) == 2 / 3
