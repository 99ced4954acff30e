"""Random walker: seeds that grow from strokes and stop at edges."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.propagate.random_walker import (
    random_walker_probabilities,
    random_walker_seeds,
)

HALVES = np.where(np.arange(8) < 4, 10.0, 90.0) * np.ones((3, 8, 1))
"""Three slices, dark left half and bright right half."""


def _targets() -> np.ndarray:
    """One background pixel on the left, one pixel of class 2 on the right, of slice 0 only."""
    targets = np.full(HALVES.shape, IGNORE, np.int16)
    targets[0, 3, 0] = 0
    targets[0, 5, 7] = 2
    return targets


def _noisy() -> tuple[np.ndarray, np.ndarray]:
    """Two slices of halves with noise, and strokes of three classes."""
    rng = np.random.default_rng(0)
    image = HALVES[:2] + rng.normal(0, 15, (2, 8, 8))
    targets = np.full((2, 8, 8), IGNORE, np.int16)
    targets[:, 1, 0:3] = 0
    targets[:, 2:5, 6] = 1
    targets[:, 7, 4] = 2
    return image, targets


def test_two_pixels_fill_two_regions() -> None:
    seeds = random_walker_seeds(HALVES, _targets(), tau=0.99, beta=130)
    np.testing.assert_array_equal(seeds[0], [[0] * 4 + [2] * 4] * 8)
    assert seeds.dtype == np.int16


def test_on_a_flat_line_the_walker_is_a_gambler() -> None:
    """From pixel i of 0..4 it reaches the end of the line first with probability i / 4."""
    targets = np.array([[0, IGNORE, IGNORE, IGNORE, 1]])
    probabilities = random_walker_probabilities(np.zeros((1, 5)), targets, beta=130)
    np.testing.assert_allclose(probabilities[1, 0], [0, 0.25, 0.5, 0.75, 1], atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-6)


@pytest.mark.parametrize(("tau", "seeds"), [(0.7, [0, 0, -1, 1, 1]), (0.8, [0, -1, -1, -1, 1])])
def test_tau_is_the_probability_that_a_seed_must_exceed(tau, seeds) -> None:
    targets = np.array([[[0, IGNORE, IGNORE, IGNORE, 1]]])
    grown = random_walker_seeds(np.zeros((1, 1, 5)), targets, tau=tau, beta=130)
    assert grown[0, 0].tolist() == seeds


def test_a_larger_tau_gives_fewer_of_the_same_seeds() -> None:
    image, targets = _noisy()
    few, many = (random_walker_seeds(image, targets, tau=t, beta=130) for t in (0.99, 0.6))
    assert (few != IGNORE).sum() < (many != IGNORE).sum()
    np.testing.assert_array_equal(few[few != IGNORE], many[few != IGNORE])


def test_a_slice_nobody_drew_on_stays_unlabelled() -> None:
    seeds = random_walker_seeds(HALVES, _targets(), tau=0.9, beta=130)
    assert (seeds[1:] == IGNORE).all()


def test_a_slice_with_one_class_is_filled_with_it() -> None:
    targets = _targets()
    targets[1, 0, 0] = 2
    seeds = random_walker_seeds(HALVES, targets, tau=0.9, beta=130)
    assert (seeds[1] == 2).all()


def test_a_slice_that_is_drawn_completely_stays_as_it_is() -> None:
    targets = np.tile(np.array([0, 0, 1, 1, 1, 3, 3, 3], np.int16), (3, 8, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seeds = random_walker_seeds(HALVES, targets, tau=0.9, beta=130)
    np.testing.assert_array_equal(seeds, targets)


def test_scribbled_pixels_keep_their_class_and_the_input_is_not_modified() -> None:
    image, targets = _noisy()
    targets[0, 2, 6] = 0  # a slip of the pen, in the middle of class 1
    before = targets.copy()
    seeds = random_walker_seeds(image, targets, tau=0.6, beta=130)
    drawn = before != IGNORE
    np.testing.assert_array_equal(seeds[drawn], before[drawn])
    np.testing.assert_array_equal(targets, before)


def test_a_mirrored_image_gives_mirrored_seeds() -> None:
    image, targets = _noisy()
    seeds = random_walker_seeds(image, targets, tau=0.9, beta=130)
    for axis in (0, 1, 2):
        mirrored = random_walker_seeds(
            np.flip(image, axis), np.flip(targets, axis), tau=0.9, beta=130
        )
        np.testing.assert_array_equal(np.flip(mirrored, axis), seeds)


def test_brightness_and_contrast_of_the_scanner_do_not_matter() -> None:
    image, targets = _noisy()
    first = random_walker_probabilities(image[0], targets[0], beta=130)
    second = random_walker_probabilities(1000 - 30 * image[0], targets[0], beta=130)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_pixels_that_are_not_finite_do_not_stop_the_growing() -> None:
    image = HALVES.copy()
    image[0, 0, 0], image[0, 7, 0] = np.nan, -np.inf
    seeds = random_walker_seeds(image, _targets(), tau=0.9, beta=130)
    np.testing.assert_array_equal(seeds[0], [[0] * 4 + [2] * 4] * 8)


def test_cancelled_between_slices_it_gives_what_is_done() -> None:
    image, targets = _noisy()
    answers = iter([False, True])
    seeds = random_walker_seeds(image, targets, tau=0.6, beta=130, cancelled=lambda: next(answers))
    assert (seeds[0] != IGNORE).sum() > (targets[0] != IGNORE).sum()
    np.testing.assert_array_equal(seeds[1], targets[1])
