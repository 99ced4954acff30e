"""Which strokes are kept from learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from phantoms import TWO_BALLS, two_ball_case

from napari_scribseg.annotation.held_out_strokes import HeldOut, hold_out_strokes
from napari_scribseg.annotation.outer_background import hatching
from napari_scribseg.core.labels import BACKGROUND

CASE = two_ball_case(shape=(6, 48, 48))
"""One stroke of every structure and one of background on each of six slices."""


def drawn(*strokes: tuple[int, int, slice, slice]) -> np.ndarray:
    scribbles = np.zeros(CASE.scribbles.shape, np.uint8)
    for value, z, rows, columns in strokes:
        scribbles[z, rows, columns] = value
    return scribbles


def strokes_of(parted: HeldOut) -> list[np.ndarray]:
    return [case.scribbles for case in parted.learnt]


def test_learnt_and_held_out_together_are_what_was_drawn() -> None:
    parted = hold_out_strokes([CASE], 0.3, TWO_BALLS, 0)
    (learnt,), (held,) = parted.learnt, parted.held
    assert not ((learnt.scribbles > 0) & (held.scribbles > 0)).any()
    assert np.array_equal(np.maximum(learnt.scribbles, held.scribbles), CASE.scribbles)
    assert held.reference is None, "the reference must not choose the weights"
    assert learnt.reference is not None


def test_whole_strokes_are_held_out_and_of_every_class_the_share() -> None:
    """Six strokes of a ball, 0.3 of them are 1.8: two."""
    (held,) = hold_out_strokes([CASE], 0.3, TWO_BALLS, 0).held
    for value in (1, 2):
        slices = np.flatnonzero((held.scribbles == value).any(axis=(1, 2)))
        assert len(slices) == 2
        for z in slices:
            assert np.array_equal(held.scribbles[z] == value, CASE.scribbles[z] == value)


def test_with_a_class_of_two_strokes_nothing_is_held_out_and_this_is_told() -> None:
    row = slice(4, 6)
    several = [(1, z, row, slice(4, 12)) for z in range(5)]
    case = replace(CASE, scribbles=drawn(*several, (2, 0, row, row), (2, 1, row, row)))
    parted = hold_out_strokes([case], 0.2, TWO_BALLS, 0)
    assert (parted.strokes, parted.held, parted.too_few) == (0, (), ("dim",))
    assert np.array_equal(parted.learnt[0].scribbles, case.scribbles)
    assert "No stroke is held out to validate on: too few of dim." in parted.sentence


def test_where_nothing_can_be_held_out_this_is_told() -> None:
    case = replace(CASE, scribbles=drawn((1, 0, slice(4, 6), slice(4, 9))))
    parted = hold_out_strokes([case], 0.2, TWO_BALLS, 0)
    assert parted.held == ()
    assert np.array_equal(parted.learnt[0].scribbles, case.scribbles)
    assert "too few of bright" in parted.sentence


def test_the_lines_that_mark_an_empty_slice_are_no_strokes() -> None:
    scribbles = CASE.scribbles.copy()
    lines = hatching(scribbles.shape[1:])
    scribbles[:3] = np.where(lines, BACKGROUND, 0)
    parted = hold_out_strokes([replace(CASE, scribbles=scribbles)], 0.34, TWO_BALLS, 0)
    assert np.array_equal(strokes_of(parted)[0][:3], scribbles[:3])
    scribbles[:3] = 0
    bare = hold_out_strokes([replace(CASE, scribbles=scribbles)], 0.34, TWO_BALLS, 0)
    assert parted.strokes == bare.strokes > 2


def test_pieces_that_touch_at_a_corner_are_one_stroke() -> None:
    corner = drawn((1, 0, slice(2, 4), slice(2, 4)), (1, 0, slice(4, 6), slice(4, 6)))
    assert hold_out_strokes([replace(CASE, scribbles=corner)], 0.5, TWO_BALLS, 0).strokes == 0


def test_cases_share_their_strokes_and_the_seed_chooses() -> None:
    cases = [two_ball_case(seed=i) for i in range(3)]
    first, again, other = (hold_out_strokes(cases, 0.25, TWO_BALLS, seed) for seed in (0, 0, 1))
    count = sum(
        int((case.scribbles == 1).any(axis=(1, 2)).sum()) for case in first.held
    )  # twelve strokes in three cases
    assert count == 3
    assert all(map(np.array_equal, strokes_of(first), strokes_of(again)))
    assert not all(map(np.array_equal, strokes_of(first), strokes_of(other)))


def test_most_strokes_stay_held_out_when_more_is_drawn() -> None:
    fewer = CASE.scribbles.copy()
    fewer[5] = 0
    (before,) = hold_out_strokes([replace(CASE, scribbles=fewer)], 0.4, TWO_BALLS, 0).held
    (after,) = hold_out_strokes([CASE], 0.4, TWO_BALLS, 0).held
    for value in (1, 2, BACKGROUND):
        was = set(np.flatnonzero((before.scribbles == value).any(axis=(1, 2))))
        now = set(np.flatnonzero((after.scribbles == value).any(axis=(1, 2))))
        assert len(was - now) <= 1
