"""Reach: background far beyond all strokes, and never where strokes may be missing."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.annotation.outer_background import (
    outer_background_of,
    with_few_voxels_of_the_outside,
)
from napari_scribseg.annotation.reach import NEAREST_MM, Reach, beyond_reach, slices_beyond
from napari_scribseg.core.labels import BACKGROUND, UNSURE
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case

SPACING = (3.0, 1.0, 1.0)
TWO = Reach(structures=2, times=1.75)


def strokes(apart: int = 20, slices: int = 4) -> np.ndarray:
    """Two upright strokes, so many pixels apart, on every slice; no background."""
    drawn = np.zeros((slices, 120, 120), np.uint8)
    drawn[:, 50:70, 60 - apart // 2] = 1
    drawn[:, 50:70, 60 - apart // 2 + apart] = 2
    return drawn


def case(drawn: np.ndarray) -> Case:
    image = np.zeros(drawn.shape, np.float32)
    return Case("c", "p", Volume(image, Grid.from_spacing(image.shape, SPACING)), drawn)


@pytest.mark.parametrize(("apart", "reached"), [(20, 17.5), (40, 35.0), (4, NEAREST_MM)])
def test_structures_end_so_many_half_distances_beyond_their_strokes(apart, reached) -> None:
    row = np.flatnonzero(~beyond_reach(strokes(apart), SPACING, TWO)[1, 60])
    first, last = 60 - apart // 2, 60 - apart // 2 + apart
    assert first - row.min() == int(reached)
    assert row.max() - last == int(reached)


def test_distances_are_millimetres() -> None:
    fine = beyond_reach(strokes(40), (3.0, 0.5, 0.5), TWO)
    assert np.array_equal(fine, beyond_reach(strokes(40), (3.0, 1.0, 1.0), TWO))  # all scale alike
    near = beyond_reach(strokes(20), (3.0, 0.5, 0.5), TWO)[1, 60]
    assert 50 - np.flatnonzero(~near).min() == round(NEAREST_MM / 0.5)


def test_the_strokes_of_both_neighbours_count() -> None:
    drawn = strokes(slices=5)
    drawn[2, 15:20, 60] = 1  # higher up than anything else
    beyond = beyond_reach(drawn, SPACING, TWO)
    assert not beyond[1:4, 16, 60].any()
    assert beyond[[0, 4], 16, 60].all()


@pytest.mark.parametrize("structures", [1, 3])
def test_every_structure_must_be_drawn_and_one_alone_says_nothing(structures) -> None:
    drawn = strokes()
    if structures == 1:
        drawn[drawn == 2] = 0
    drawn[0, 0, 0] = BACKGROUND
    reach = Reach(structures=structures, times=1.75)
    assert not beyond_reach(drawn, SPACING, reach).any()
    assert not slices_beyond(drawn, reach).any()


def test_structures_that_never_share_a_slice_say_nothing() -> None:
    drawn = strokes()
    drawn[:2][drawn[:2] == 2] = 0
    drawn[2:][drawn[2:] == 1] = 0
    assert not beyond_reach(drawn, SPACING, TWO).any()


def test_where_strokes_are_missing_only_whole_slices_count() -> None:
    drawn = strokes(slices=5)
    drawn[2][drawn[2] == 2] = 0
    drawn[4] = 0
    drawn[4, 3, 3] = BACKGROUND
    beyond = beyond_reach(drawn, SPACING, TWO)
    assert beyond.any(axis=(1, 2)).tolist() == [True, True, False, True, False]
    assert not slices_beyond(drawn, TWO).any()


def test_a_slice_with_background_alone_is_all_background_and_seen_as_such() -> None:
    drawn = strokes(slices=5)
    drawn[3:] = 0
    drawn[3, 3, 3:5] = BACKGROUND
    drawn[4, 3, 3] = UNSURE
    assert slices_beyond(drawn, TWO).tolist() == [False, False, False, True, False]
    outside = outer_background_of(case(drawn), TWO)
    assert outside[3].all()
    assert not outside[4].any()
    seen = with_few_voxels_of_the_outside(case(drawn), TWO).scribbles
    assert 50 < (seen[3] == BACKGROUND).sum() < seen[3].size / 50
    assert np.array_equal(seen[:3], drawn[:3])
    assert np.array_equal(seen[4], drawn[4])


def test_a_slice_whose_background_leaves_room_for_structures_is_not_done() -> None:
    drawn = strokes(slices=5)
    drawn[3:] = 0
    drawn[3, [20, 100], 20:101] = drawn[3, 20:101, [20, 100]] = BACKGROUND  # around their place
    drawn[4, 20:101, 20] = BACKGROUND  # on one side of it
    assert slices_beyond(drawn, TWO).tolist() == [False, False, False, False, True]


def test_much_background_that_was_drawn_stays_what_it_is() -> None:
    drawn = strokes(slices=4)
    drawn[3] = 0
    drawn[3, 10:20] = BACKGROUND
    assert with_few_voxels_of_the_outside(case(drawn), TWO).scribbles is not None
    assert np.array_equal(with_few_voxels_of_the_outside(case(drawn), TWO).scribbles, drawn)


def test_where_much_of_what_lies_beyond_is_drawn_nothing_is_added() -> None:
    drawn = strokes(slices=3)
    drawn[0, :, :2] = BACKGROUND
    drawn[1, :, :12] = BACKGROUND
    share = (drawn[1] == BACKGROUND).sum() / beyond_reach(strokes(slices=3), SPACING, TWO)[1].sum()
    assert share > 0.05
    beyond = beyond_reach(drawn, SPACING, TWO)
    assert beyond.any(axis=(1, 2)).tolist() == [True, False, True]


def test_without_it_nothing_changes_and_what_is_unsure_stays_so() -> None:
    drawn = strokes()
    drawn[1, 2, 2] = UNSURE
    assert not outer_background_of(case(drawn)).any()
    outside = outer_background_of(case(drawn), TWO)
    assert outside[1].any()
    assert not outside[1, 2, 2]


def test_what_is_unsure_or_drawn_on_a_slice_with_background_alone_stays_so() -> None:
    drawn = strokes(slices=4)
    drawn[3] = 0
    drawn[3, 3, 3:5] = BACKGROUND
    drawn[3, 40:80, 40:80] = UNSURE
    seen = with_few_voxels_of_the_outside(case(drawn), TWO).scribbles
    assert np.array_equal(seen[drawn > 0], drawn[drawn > 0])
    assert (seen[3] == BACKGROUND).sum() > 50


def test_strokes_that_are_held_out_still_say_how_far_structures_reach() -> None:
    whole = strokes(slices=5)
    whole[4, 3, 3] = BACKGROUND
    held = np.zeros_like(whole)
    held[4] = np.where(whole[4] == BACKGROUND, 0, whole[4])
    learnt = np.where(held, 0, whole)
    assert outer_background_of(case(learnt), TWO)[4].all()  # as if nothing had been there
    outside = outer_background_of(case(learnt), TWO, held)
    assert np.array_equal(outside, outer_background_of(case(whole), TWO))
    assert not outside[4][held[4] > 0].any()
    seen = with_few_voxels_of_the_outside(case(learnt), TWO, held).scribbles
    assert np.array_equal(seen, learnt)


def test_held_out_background_is_not_taught_by_the_reach() -> None:
    whole = strokes(slices=4)
    whole[1, 3, 3:60] = BACKGROUND
    held = np.where(whole == BACKGROUND, whole, 0)
    outside = outer_background_of(case(np.where(held, 0, whole)), TWO, held)
    assert outside[1].any()
    assert not outside[held > 0].any()
