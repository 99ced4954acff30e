"""Supervoxels: they follow the image in 3D, and a stroke gives one its class unless two quarrel."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import two_ball_case
from scipy import ndimage

from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.propagate.supervoxels import grown_labels, supervoxels

SPACING = (8.0, 1.5, 1.5)


def test_the_unique_label_rule_by_hand() -> None:
    """Supervoxel 0 touched by class 1, 1 by nobody, 2 by classes 0 and 2, 3 by background twice."""
    segments = np.array([[[0, 0, 0, 1, 1], [2, 2, 2, 3, 3]]])
    targets = np.array([[[-1, 1, -1, -1, -1], [0, -1, 2, 0, 0]]])
    expected = [[[1, 1, 1, -1, -1], [0, -1, 2, 0, 0]]]
    grown = grown_labels(segments, targets)
    assert grown.tolist() == expected
    assert grown.dtype == np.int16


def test_without_strokes_nothing_is_labelled() -> None:
    segments = np.zeros((1, 2, 2), np.int32)
    assert (grown_labels(segments, np.full((1, 2, 2), IGNORE)) == IGNORE).all()


def test_the_rule_is_that_of_a_loop_over_supervoxels() -> None:
    rng = np.random.default_rng(0)
    segments = rng.integers(0, 40, (3, 12, 12))
    targets = np.where(rng.random((3, 12, 12)) < 0.1, rng.integers(0, 3, (3, 12, 12)), IGNORE)
    expected = targets.copy()
    for segment in range(40):
        drawn = set(targets[segments == segment].tolist()) - {IGNORE}
        if len(drawn) == 1:
            expected[segments == segment] = drawn.pop()
    np.testing.assert_array_equal(grown_labels(segments, targets), expected)


def test_supervoxels_are_counted_from_0_hang_together_and_have_about_the_size_asked_for() -> None:
    case = two_ball_case(shape=(6, 48, 48), spacing=SPACING)
    for size in (1000.0, 4000.0):
        segments = supervoxels(case.image.array, SPACING, size, 0.1)
        names = np.unique(segments)
        assert names.tolist() == list(range(len(names)))
        wanted = segments.size * np.prod(SPACING) / size
        assert 0.3 < len(names) / wanted < 3
        for name in names:
            assert ndimage.label(segments == name)[1] == 1


def test_they_do_not_cross_the_border_of_what_is_bright() -> None:
    case = two_ball_case(shape=(6, 48, 48), spacing=SPACING, noise=0.0)
    segments = supervoxels(case.image.array, SPACING, 1000.0, 0.1)
    purity = [
        np.bincount(case.reference[segments == name]).max() / (segments == name).sum()
        for name in np.unique(segments)
    ]
    assert np.mean(purity) > 0.97


def test_grown_labels_are_mostly_right_on_the_phantom() -> None:
    case = two_ball_case(shape=(6, 48, 48), spacing=SPACING)
    targets = targets_of(case.scribbles)
    segments = supervoxels(case.image.array, SPACING, 1000.0, 0.1)
    grown = grown_labels(segments, targets)
    drawn = targets != IGNORE
    np.testing.assert_array_equal(grown[drawn], targets[drawn])
    assert (grown != IGNORE).sum() > 1.5 * drawn.sum()
    assert (grown == case.reference)[grown != IGNORE].mean() > 0.97


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_image_without_contrast_or_numbers_is_cut_all_the_same(value) -> None:
    image = np.full((2, 16, 16), value)
    segments = supervoxels(image, SPACING, 500.0, 0.1)
    assert segments.shape == image.shape
    assert segments.min() == 0


def test_holes_in_the_image_are_no_obstacle_and_it_is_not_modified() -> None:
    image = two_ball_case(shape=(3, 32, 32)).image.array.copy()
    image[0, :4] = np.nan
    before = image.copy()
    assert supervoxels(image, SPACING, 1000.0, 0.1).max() > 3
    np.testing.assert_array_equal(image, before)
