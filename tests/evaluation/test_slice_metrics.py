"""Scores of single slices, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN, LabelSchema
from napari_scribseg.evaluation.slice_metrics import (
    EXTRA,
    MISSED,
    WRONG_CLASS,
    comparison_map,
    score_slices,
)

SCHEMA = LabelSchema.of("a", "b")
SPACING = (10.0, 2.0, 1.5)


def test_every_class_of_every_slice_is_scored_in_the_plane():
    segmentation = np.zeros((2, 6, 8), np.uint8)
    reference = segmentation.copy()
    segmentation[0, 1, 1:4] = 1
    reference[0, 1, 2:6] = 1
    scores = score_slices(segmentation, reference, SPACING, SCHEMA)
    assert [(s.z, s.name) for s in scores] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    first = scores[0]
    assert first.dice == pytest.approx(2 * 2 / 7)
    assert (first.area_mm2, first.reference_area_mm2) == (3 * 3.0, 4 * 3.0)
    # Reference voxels 2..5 are 0, 0, 1, 2 steps of 1.5 mm away: percentile 95 of (0, 0, 1.5, 3).
    assert first.hd95_mm == pytest.approx(np.percentile([0, 0, 1.5, 3.0], 95))
    assert scores[1].status == "not applicable"
    assert math.isnan(scores[1].dice)


def test_a_slice_where_the_structure_was_missed_or_invented_has_dice_0():
    segmentation = np.zeros((2, 4, 4), np.uint8)
    reference = segmentation.copy()
    segmentation[0, 0, 0] = 1
    reference[1, 0, 0] = 1
    invented, _, missed, _ = score_slices(segmentation, reference, SPACING, SCHEMA)
    assert (invented.dice, missed.dice) == (0, 0)
    assert math.isinf(invented.hd95_mm)
    assert math.isinf(missed.hd95_mm)


def test_neighbouring_slices_do_not_count_as_near():
    """In 3D the structure of the next slice would be 10 mm away; in the plane there is none."""
    segmentation = np.zeros((2, 4, 4), np.uint8)
    reference = segmentation.copy()
    segmentation[0, 0, 0] = reference[1, 0, 0] = 1
    assert all(
        math.isinf(s.hd95_mm) for s in score_slices(segmentation, reference, SPACING, SCHEMA)[::2]
    )


def test_without_a_reference_there_are_areas():
    segmentation = np.zeros((1, 4, 4), np.uint8)
    segmentation[0, :2, :2] = 2
    a, b = score_slices(segmentation, None, SPACING, SCHEMA)
    assert (a.area_mm2, b.area_mm2) == (0, 4 * 3.0)
    assert b.status == "not applicable"


def test_the_map_tells_missed_extra_and_wrong():
    segmentation = np.array([[[0, 1, 1, 2, 0]]], np.uint8)
    reference = np.array([[[0, 1, 0, 1, 2]]], np.uint8)
    assert comparison_map(segmentation, reference).ravel().tolist() == [
        0,
        0,
        EXTRA,
        WRONG_CLASS,
        MISSED,
    ]


def test_other_shapes_and_values_are_refused():
    plane = np.zeros((1, 2, 2), np.uint8)
    with pytest.raises(InvalidInput, match="one shape"):
        comparison_map(plane, np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(InvalidInput, match="not in the schema"):
        score_slices(plane + 7, plane, SPACING, SCHEMA)


def test_a_partial_reference_is_scored_on_what_it_labels():
    segmentation = np.zeros((2, 6, 6), np.uint8)
    segmentation[:, 1:4, 1:4] = 1
    reference = np.full((2, 6, 6), UNKNOWN, np.uint8)
    reference[0, 1:4, 2:6] = 1
    reference[0, 4:, :] = 0
    first, second = score_slices(segmentation, reference, (5.0, 1.0, 1.0), LabelSchema.of("a"))
    # 6 of the labelled 12 voxels of the structure are found, and nothing more is claimed.
    assert first.dice == pytest.approx(2 * 6 / (6 + 12))
    assert (first.area_mm2, np.isnan(first.reference_area_mm2)) == (9.0, True)
    assert second.status == "not applicable"
    assert set(np.unique(comparison_map(segmentation, reference))) == {0, MISSED}
