"""One slice grown at once: right, quick, and silent where it can't know."""

from __future__ import annotations

import time

import numpy as np
from phantoms import two_ball_case

from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.propagate.instant import grow_slice

CASE = two_ball_case((2, 96, 96))
IMAGE, SPACING = CASE.image.array[0], CASE.image.spacing[1:]
TARGETS = targets_of(CASE.scribbles[0])


def dice(grown, reference, k):
    a, b = grown == k, reference == k
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_strokes_grow_into_their_structures():
    grown = grow_slice(IMAGE, TARGETS, SPACING)
    assert dice(grown, CASE.reference[0], 1) > 0.9
    assert dice(grown, CASE.reference[0], 2) > 0.9
    drawn = TARGETS != IGNORE
    np.testing.assert_array_equal(grown[drawn], TARGETS[drawn])


def test_cutting_off_the_far_field_changes_next_to_nothing():
    whole = grow_slice(IMAGE, TARGETS, SPACING, margin_mm=1000)
    assert (whole == grow_slice(IMAGE, TARGETS, SPACING)).mean() > 0.995


def test_one_class_alone_says_nothing():
    assert grow_slice(IMAGE, np.where(TARGETS == 1, 1, IGNORE), SPACING) is None
    assert grow_slice(IMAGE, np.full_like(TARGETS, IGNORE), SPACING) is None


def test_two_structures_share_a_slice_without_background():
    grown = grow_slice(IMAGE, np.where(TARGETS > 0, TARGETS, IGNORE), SPACING)
    assert set(np.unique(grown)) == {1, 2}


def test_background_far_away_is_reached():
    targets = np.full_like(TARGETS, IGNORE)
    targets[48, 48], targets[2, 2] = 1, 0
    grown = grow_slice(np.zeros_like(IMAGE), targets, SPACING, margin_mm=3)
    assert grown[48, 48] == 1
    assert grown[2, 2] == 0
    assert 0 < (grown == 1).sum() < grown.size


def test_a_large_slice_takes_well_under_a_second():
    case = two_ball_case((1, 256, 256))
    start = time.process_time()
    assert grow_slice(case.image.array[0], targets_of(case.scribbles[0]), (1.5, 1.5)) is not None
    assert time.process_time() - start < 3, "0.5 s on a quiet machine: balls larger than a heart"
