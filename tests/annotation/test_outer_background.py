"""Background beyond its strokes: only outside a ring around all structures, with a margin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_scribseg.annotation.checklist import scan_slice
from napari_scribseg.annotation.outer_background import (
    MARGIN_MM,
    empty_slices,
    hatching,
    outer_background_of,
    outside_of,
    with_few_voxels_of_the_outside,
)
from napari_scribseg.core.labels import BACKGROUND, UNSURE
from napari_scribseg.core.region import Region
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case

SPACING = (8.0, 2.0, 2.0)


def ring(shape: tuple[int, int] = (80, 80)) -> np.ndarray:
    """A structure's stroke in the middle, and a background stroke around it at 10 pixels."""
    drawn = np.zeros(shape, np.uint8)
    middle = shape[0] // 2
    drawn[middle - 2 : middle + 2, middle - 2 : middle + 2] = 1
    box = slice(middle - 10, middle + 11)
    drawn[box, [middle - 10, middle + 10]] = BACKGROUND
    drawn[[middle - 10, middle + 10], box] = BACKGROUND
    return drawn


def case(*slices: np.ndarray) -> Case:
    scribbles = np.stack(slices)
    image = np.zeros(scribbles.shape, np.float32)
    return Case("c", "p", Volume(image, Grid.from_spacing(image.shape, SPACING)), scribbles)


def test_outside_begins_a_margin_beyond_the_ring():
    outside = outside_of(ring(), SPACING[1:])
    pixels = round(MARGIN_MM / 2.0)
    row = np.flatnonzero(outside[40])
    assert row.min() == 0
    assert not outside[40, 30 - pixels : 51 + pixels].any()
    assert outside[40, 30 - pixels - 1]
    assert outside[40, 50 + pixels + 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda drawn: np.where(drawn == BACKGROUND, 0, drawn),
        lambda drawn: np.where(drawn == 1, 0, drawn),
        lambda drawn: np.where((drawn == BACKGROUND) & (np.arange(80)[:, None] < 36), 0, drawn),
        np.zeros_like,
    ],
    ids=["no background", "no structure", "open ring", "nothing"],
)
def test_without_a_ring_around_the_structures_nothing_follows(change):
    assert not outside_of(change(ring()).astype(np.uint8), SPACING[1:]).any()


def test_a_second_structure_outside_the_ring_forbids_it():
    drawn = ring()
    drawn[5:8, 5:8] = 2
    assert not outside_of(drawn, SPACING[1:]).any()


def test_a_case_is_asked_slice_by_slice():
    drawn = ring()
    outside = outer_background_of(case(drawn, np.zeros_like(drawn)))
    assert outside is not None
    assert (outside[0] == outside_of(drawn, SPACING[1:])).all()
    assert not outside[1].any()


def test_a_case_without_scribbles_says_nothing():
    assert outer_background_of(Case("c", "p", case(ring()).image)) is None


def hatched() -> np.ndarray:
    return np.where(hatching((80, 80)), BACKGROUND, 0).astype(np.uint8)


def test_a_hatched_slice_is_background_as_a_whole():
    drawn = case(ring(), hatched())
    assert empty_slices(drawn.scribbles).tolist() == [False, True]
    assert outer_background_of(drawn)[1].all()
    few = with_few_voxels_of_the_outside(drawn).scribbles
    assert (few[1] == BACKGROUND).sum() == 100, "4 pixels in each of 25 squares of 16 x 16"
    np.testing.assert_array_equal(few[0], drawn.scribbles[0])
    facts = scan_slice(hatched(), None, SPACING[1:])
    assert (facts.specks, facts.thin, facts.fields) == (0, frozenset(), 16)


@pytest.mark.parametrize("turn", [np.flipud, np.fliplr, np.rot90, np.transpose])
def test_a_slice_that_was_turned_keeps_its_mark(turn):
    """A network sees every case in one orientation, however it is stored."""
    drawn = turn(np.where(hatching((80, 88)), BACKGROUND, 0).astype(np.uint8))
    assert empty_slices(drawn[np.newaxis]).tolist() == [True]


def test_held_out_strokes_change_nothing_about_the_outside():
    """Neither does a ring enclose all at once, nor is held-out background taught."""
    drawn = ring()
    drawn[5:8, 5:8] = 2
    held = np.where(drawn == 2, drawn, 0)[np.newaxis]
    learnt = case(np.where(held[0], 0, drawn))
    assert outer_background_of(learnt)[0].any(), "as if nothing had been there"
    assert not outer_background_of(learnt, held=held)[0].any()
    whole = ring()
    whole[2, 10:20] = BACKGROUND
    whole[77, 60:70] = BACKGROUND
    held = np.where(hatching(whole.shape) & (whole == BACKGROUND), whole, 0)[np.newaxis]
    outside = outer_background_of(case(np.where(held[0], 0, whole)), held=held)
    assert not (outside & (held > 0)).any()


def test_unsure_voxels_of_an_empty_slice_stay_unsure():
    drawn = hatched()
    drawn[:40, :40] = UNSURE
    few = with_few_voxels_of_the_outside(case(drawn)).scribbles
    assert (few[0, :40, :40] == UNSURE).all()
    assert (few[0] == BACKGROUND).sum() > 50


def test_a_slice_with_a_structure_or_with_a_hole_in_its_marks_is_not_empty():
    with_stroke, erased = hatched(), hatched()
    with_stroke[40, 40:50] = 1
    erased[0, 0] = 0
    assert empty_slices(np.stack([with_stroke, erased])).tolist() == [False, False]


def test_outside_of_a_region_is_background():
    region = Region(z=(1, 2), y=(20, 60), x=(10, 70))
    drawn = replace(case(np.zeros((80, 80), np.uint8), ring(), hatched()), region=region)
    outside = outer_background_of(drawn)
    assert outside[0].all()
    assert outside[1, :20].all()
    assert not outside[1, 30:50, 30:50].any()
    few = with_few_voxels_of_the_outside(drawn).scribbles
    assert (few[0] == BACKGROUND).any(), "a slice beyond the region is learnt from"


def test_what_is_unsure_is_no_background_of_the_outside():
    drawn = ring()
    plain = outer_background_of(case(drawn))
    assert plain[0, 0, 0]
    drawn[0, :3] = UNSURE
    marked = outer_background_of(case(drawn))
    assert not marked[0, 0, :3].any()
    assert marked.sum() == plain.sum() - 3


def test_an_unsure_patch_leaves_the_rest_of_an_empty_slice_empty():
    drawn = hatched()
    drawn[30:40, 30:40] = UNSURE
    assert empty_slices(drawn[np.newaxis]).tolist() == [True]
    facts = scan_slice(drawn, None, SPACING[1:])
    assert (facts.specks, facts.thin, facts.unsure) == (0, frozenset(), 100)
    assert empty_slices(np.full((1, 80, 80), UNSURE, np.uint8)).tolist() == [False]
