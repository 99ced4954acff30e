"""Strokes grown through a volume at once: right, quick, and silent where it can't know."""

from __future__ import annotations

import numpy as np
from phantoms import two_ball_case

from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.propagate.quick_walk import quick_walk
from napari_scribseg.propagate.random_walker import random_walker_probabilities
from napari_scribseg.propagate.volume_walk import walk_volume

CASE = two_ball_case((6, 96, 96))
IMAGE, SPACING = CASE.image.array, CASE.image.spacing
TARGETS = targets_of(CASE.scribbles)


def dice(grown, reference, k):
    a, b = grown == k, reference == k
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_strokes_grow_into_their_structures():
    grown = walk_volume(IMAGE, TARGETS, SPACING)
    assert dice(grown.labels, CASE.reference, 1) > 0.9
    assert dice(grown.labels, CASE.reference, 2) > 0.9
    drawn = TARGETS != IGNORE
    np.testing.assert_array_equal(grown.labels[drawn], TARGETS[drawn])
    assert grown.sureness[drawn].min() == 1.0


def test_slices_without_strokes_get_theirs_from_their_neighbours():
    some = np.full_like(TARGETS, IGNORE)
    some[1::2] = TARGETS[1::2]
    grown = walk_volume(IMAGE, some, SPACING)
    assert dice(grown.labels[2], CASE.reference[2], 1) > 0.8


def test_one_class_alone_says_nothing():
    assert walk_volume(IMAGE, np.where(TARGETS == 1, 1, IGNORE), SPACING) is None
    assert walk_volume(IMAGE, np.where(TARGETS == 0, 0, IGNORE), SPACING) is None
    assert walk_volume(IMAGE, np.full_like(TARGETS, IGNORE), SPACING) is None


def test_two_structures_share_a_volume_without_background():
    grown = walk_volume(IMAGE, np.where(TARGETS > 0, TARGETS, IGNORE), SPACING)
    z = int(np.flatnonzero((TARGETS == 1).any(axis=(1, 2)))[0])
    assert {1, 2} <= set(np.unique(grown.labels[z]))


def test_it_can_be_cancelled():
    assert walk_volume(IMAGE, TARGETS, SPACING, cancelled=lambda: True) is None


def test_the_quick_walk_agrees_with_the_exact_one():
    """Only where two classes are about as likely may they differ."""
    grey = (IMAGE[2] - IMAGE[2].min()) / np.ptp(IMAGE[2])
    exact = random_walker_probabilities(IMAGE[2], TARGETS[2], 130.0)
    quick = quick_walk(grey[None], TARGETS[2][None], 3, 130.0)[:, 0]
    sure = exact.max(0) > 0.7
    assert (quick.argmax(0) == exact.argmax(0))[sure].mean() > 0.98
    np.testing.assert_allclose(quick.sum(0), 1.0, atol=1e-3)
