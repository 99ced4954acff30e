"""Strokes between scribbled slices: where they lie, how thick they are, what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.propagate.interpolation import interpolate_strokes

SPACING = (8.0, 1.0, 1.0)


def stack(slices: int = 5, side: int = 40) -> np.ndarray:
    return np.zeros((slices, side, side), np.uint8)


def ring(radius: float, side: int = 64, thickness: float = 1.5) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - side // 2
    return np.abs(np.hypot(y, x) - radius) <= thickness


def test_parallel_strokes_that_do_not_overlap_move_evenly_and_keep_their_thickness():
    scribbles = stack()
    scribbles[0, 4:7, 10:30] = 1
    scribbles[4, 16:19, 10:30] = 1
    found = interpolate_strokes(scribbles, SPACING)
    for z, row in ((1, 7), (2, 10), (3, 13)):
        rows, columns = np.nonzero(found[z])
        assert sorted(set(rows)) == [row, row + 1, row + 2]
        assert (columns.min(), columns.max()) == (10, 29)


def test_thickness_changes_evenly():
    scribbles = stack()
    scribbles[0, 4:6, 10:30] = 1
    scribbles[4, 20:26, 10:30] = 1
    thickness = [int(p[:, 20].sum()) for p in interpolate_strokes(scribbles, SPACING)]
    assert thickness == [0, 3, 4, 5, 0]


def test_a_ring_between_two_rings_is_closed_and_lies_halfway():
    scribbles = stack(3, 64)
    scribbles[0][ring(10)] = 2
    scribbles[2][ring(20)] = 2
    found = interpolate_strokes(scribbles, SPACING)[1] == 2
    y, x = np.nonzero(found)
    radius = np.hypot(y - 32, x - 32)
    assert 12 < radius.min() < radius.max() < 18
    assert found[ring(15, thickness=0.6)].all()


def test_overlapping_shapes_give_the_shape_between():
    scribbles = stack(3)
    scribbles[0, 10:20, 10:20] = 1
    scribbles[2, 10:20, 10:30] = 1
    found = interpolate_strokes(scribbles, SPACING)[1] > 0
    assert found[10:20, 10:25].all()
    assert found.sum() == 150


def test_every_class_has_its_own_neighbours():
    scribbles = stack(5)
    scribbles[[0, 4], 5:7, 5:30] = 1
    scribbles[[1, 3], 20:22, 5:30] = BACKGROUND
    found = interpolate_strokes(scribbles, SPACING)
    values = [set(np.unique(plane)) - {0} for plane in found]
    assert values == [set(), {1}, {1, BACKGROUND}, {1}, set()]


def test_nothing_is_made_up_outside_the_outermost_slices():
    scribbles = stack(7)
    scribbles[[2, 4], 5:7, 5:30] = 1
    found = interpolate_strokes(scribbles, SPACING)
    assert [bool(plane.any()) for plane in found] == [
        False,
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    assert not interpolate_strokes(scribbles[:4], SPACING).any(), "a single slice says nothing"


def test_a_stroke_without_a_partner_near_by_is_not_continued():
    scribbles = stack(3)
    scribbles[0, 5:7, 5:15] = 1
    scribbles[0, 35:37, 5:15] = 1
    scribbles[2, 5:7, 5:15] = 1
    found = interpolate_strokes(scribbles, SPACING)[1]
    assert found[5:7, 5:15].all()
    assert not found[8:].any()
    assert interpolate_strokes(scribbles, SPACING, reach_mm=60)[1, 8:].any()


def test_nearest_is_meant_in_millimetres():
    """The stroke between two others, nearer to the upper in pixels, to the left one in mm."""
    scribbles = stack(3)
    scribbles[0, 20, 20] = 1
    scribbles[2, 14, 20] = 1
    scribbles[2, 20, 8] = 1
    upwards = interpolate_strokes(scribbles, (8.0, 1.0, 1.0))[1]
    leftwards = interpolate_strokes(scribbles, (8.0, 3.0, 1.0))[1]
    assert upwards[17, 20] == 1
    assert leftwards[20, 14] == 1
    assert leftwards[17, 20] == 1, "the way back from the upper one, which has 18 mm to go"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_drawn_voxels_are_never_touched_and_claims_of_two_classes_are_dropped(seed):
    rng = np.random.default_rng(seed)
    scribbles = stack(5, 24)
    for _ in range(12):
        z, y, x = rng.integers(0, (5, 20, 16))
        scribbles[z, y : y + 2, x : x + 8] = rng.choice([1, 2, BACKGROUND])
    before = scribbles.copy()
    found = interpolate_strokes(scribbles, SPACING)
    np.testing.assert_array_equal(scribbles, before)
    assert not found[scribbles > 0].any()
    for value in (1, 2, BACKGROUND):
        drawn = np.flatnonzero((scribbles == value).any(axis=(1, 2)))
        made = np.flatnonzero((found == value).any(axis=(1, 2)))
        assert set(made).isdisjoint(drawn)
        assert all(drawn.min() < z < drawn.max() for z in made)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_case_gives_mirrored_strokes(axis):
    scribbles = stack(3)
    scribbles[0, 4:7, 10:30] = 1
    scribbles[2, 14:17, 12:28] = 1
    found = interpolate_strokes(scribbles, SPACING)
    mirrored = interpolate_strokes(np.flip(scribbles, axis), SPACING)
    np.testing.assert_array_equal(np.flip(mirrored, axis), found)
