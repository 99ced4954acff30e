"""Clean-up of segmentations: largest component, holes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.evaluation.post_processing import (
    PostProcessing,
    holes_filled,
    largest_components,
)

RING_WITH_HOLES = np.array(
    [
        [
            [0, 0, 0, 0, 0, 0, 0],
            [0, 2, 2, 2, 2, 2, 0],
            [0, 2, 3, 3, 3, 2, 0],
            [0, 2, 3, 0, 3, 2, 0],
            [0, 2, 3, 3, 3, 2, 0],
            [0, 2, 2, 0, 2, 2, 0],
            [0, 0, 2, 2, 2, 0, 0],
        ]
    ],
    np.uint8,
)


def test_each_class_keeps_its_largest_piece() -> None:
    segmentation = np.zeros((3, 6, 6), np.uint8)
    segmentation[:2, :2, :2] = 1  # eight voxels over two slices
    segmentation[2, 3:5, 3:5] = 1  # four
    segmentation[0, 5, 5] = 2
    kept = largest_components(segmentation)
    assert (kept == 1).sum() == 8
    assert kept[2].sum() == 0
    assert kept[0, 5, 5] == 2


def test_pieces_that_touch_only_at_a_corner_are_two() -> None:
    segmentation = np.zeros((1, 4, 4), np.uint8)
    segmentation[0, 0, 0] = 1
    segmentation[0, 1, 1:3] = 1
    assert largest_components(segmentation)[0, 0, 0] == 0


def test_a_hole_goes_to_the_class_around_it_and_a_cavity_stays() -> None:
    filled = holes_filled(RING_WITH_HOLES)[0]
    assert filled[3, 3] == 3
    assert filled[5, 3] == 2
    changed = filled != RING_WITH_HOLES[0]
    assert changed.sum() == 2


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("fill", [False, True])
def test_nothing_happens_unasked_and_the_input_is_left_alone(largest: bool, fill: bool) -> None:
    given = RING_WITH_HOLES.copy()
    given[0, 0, 0] = 2
    before = given.copy()
    after = PostProcessing(largest_component=largest, fill_holes=fill).applied(given)
    assert np.array_equal(given, before)
    assert (after[0, 0, 0] == 0) == largest
    assert (after[0, 3, 3] == 3) == fill


def test_an_empty_segmentation_stays_empty() -> None:
    empty = np.zeros((2, 4, 4), np.uint8)
    both = PostProcessing(largest_component=True, fill_holes=True)
    assert not both.applied(empty).any()
