"""Pieces of a mask hang together over faces, not over corners."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.evaluation.pieces import grown, labelled, largest, sizes

MASK = np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]], bool)


def test_a_corner_does_not_connect() -> None:
    assert labelled(MASK).tolist() == [[1, 0, 2, 2], [0, 3, 0, 2], [0, 0, 0, 0]]
    assert sizes(MASK) == [1, 3, 1]


def test_the_largest_piece_stays_and_the_first_of_two_as_large() -> None:
    assert np.array_equal(largest(MASK), labelled(MASK) == 2)
    assert largest(np.array([1, 0, 1], bool)).tolist() == [True, False, False]


@pytest.mark.parametrize("mask", [np.zeros((2, 3), bool), np.ones((2, 3), bool)])
def test_an_empty_and_a_full_mask_stay(mask) -> None:
    assert np.array_equal(largest(mask), mask)
    assert sizes(mask) == ([6] if mask.any() else [])


def test_a_mask_grows_by_its_faces_in_every_axis() -> None:
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    assert grown(mask).sum() == 7
