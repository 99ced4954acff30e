"""What is taken for labels and what for an image, on small made-up volumes of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.io.label_rule import looks_like_labels

Z, Y, X = np.mgrid[:4, :40, :40]
DISTANCE = np.hypot(Y - 20, X - 20)
BALL = DISTANCE < 15


def rng():
    return np.random.default_rng(0)


def cells(n: int):
    """Numbers 1 to n, each in the area nearest to a random point."""
    y, x = rng().uniform(0, 40, (2, n, 1, 1, 1))
    return ((Y - y) ** 2 + (X - x) ** 2).argmin(axis=0) + 1


def smooth():
    """A smooth field between 0 and 1, without noise."""
    wave = np.sin(X / 6) * np.cos(Y / 7 + Z / 3)
    return (wave - wave.min()) / np.ptp(wave)


LABELS = {
    "two structures": np.where(DISTANCE < 8, 2, BALL),
    "three nested structures": BALL * 1 + (DISTANCE < 11) + (DISTANCE < 6),
    "a mask of 255": BALL * 255,
    "ids 200, 500 and 600": np.choose(cells(3) - 1, (200, 500, 600)) * BALL,
    "sixty cells": cells(60) * BALL,
    "cells without background": cells(30),
    "supervoxels with ids above 255": cells(60) * 20,
    "strokes one voxel wide": np.where(X == Y, 1, 0) + np.where((Y == 35) & (X < 20), 255, 0),
    "ids of single voxels": np.where(BALL, (Y * 40 + X) % 100 + 1, 0),
    "nothing drawn": np.zeros((2, 5, 5)),
    "a series": np.stack([np.roll(BALL * 2, n, axis=2) for n in range(3)]),
}
IMAGES = {
    "few greys": np.clip(2 * BALL + 2 + rng().normal(0, 0.4, BALL.shape), 0, 5).round(),
    "few greys from 0": np.clip(BALL + rng().normal(0.5, 0.5, BALL.shape), 0, 5).round(),
    "few smooth shades": (smooth() * 8).round(),
    "many smooth shades": (smooth() * 4000).round(),
    "noise in a mask": rng().integers(0, 6, BALL.shape) * BALL,
    "8 bits, skull stripped": np.clip(rng().normal(120, 20, BALL.shape), 0, 255).round() * BALL,
    "a probability in 8 bits": (255 / (1 + np.exp(DISTANCE - 15))).round(),
    "one value": np.full((2, 5, 5), 7),
    "a series": rng().normal(100, 20, (3, *BALL.shape)).round(),
}


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("what", sorted(set(LABELS) - {"nothing drawn"}))
def test_labels_are_seen_whatever_their_numbers_and_type(what, dtype):
    assert looks_like_labels(LABELS[what].astype(dtype))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("what", IMAGES)
def test_images_are_seen_however_few_their_greys(what, dtype):
    assert not looks_like_labels(IMAGES[what].astype(dtype))


def test_an_empty_drawing_is_labels_and_an_empty_image_is_none():
    assert looks_like_labels(LABELS["nothing drawn"].astype(np.uint8))
    assert not looks_like_labels(LABELS["nothing drawn"].astype(np.float32))


@pytest.mark.parametrize("spoilt", [-1.0, 70_000.0, 0.5, np.nan, np.inf])
def test_one_value_that_is_no_label_makes_an_image(spoilt):
    array = LABELS["two structures"].astype(np.float64)
    array[0, 0, 0] = spoilt
    assert not looks_like_labels(array)


def test_values_that_are_whole_but_for_rounding_count_as_whole():
    assert looks_like_labels(LABELS["two structures"] + 1e-6)
