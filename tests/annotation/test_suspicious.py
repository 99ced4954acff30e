"""Strokes that look like another class, by grey level or by what a network says."""

from __future__ import annotations

import numpy as np

from napari_scribseg.annotation.suspicious import Suspicion, suspicions
from napari_scribseg.core.labels import BACKGROUND

RNG = np.random.default_rng(0)
IMAGE = np.full((4, 30, 30), 50.0)
IMAGE[:, 5:15, 5:15], IMAGE[:, 18:28, 18:28] = 100.0, 200.0
IMAGE += RNG.normal(0, 2, IMAGE.shape)


def strokes() -> np.ndarray:
    drawn = np.zeros(IMAGE.shape, np.uint8)
    drawn[:3, 8:10, 6:14] = 1
    drawn[:3, 20:22, 19:27] = 2
    drawn[:3, 1, 2:28] = BACKGROUND
    return drawn


def test_right_strokes_are_not_suspicious():
    assert suspicions(IMAGE, tuple(strokes())) == ()


def test_a_stroke_on_another_structure_is_found():
    drawn = strokes()
    drawn[3, 23:25, 19:27] = 1
    assert suspicions(IMAGE, tuple(drawn)) == (Suspicion(3, 1, 2, "grey levels"),)


def test_a_stroke_that_the_network_contradicts_is_found():
    network = np.zeros(IMAGE.shape, np.uint8)
    network[:, 5:15, 5:15], network[:, 18:28, 18:28] = 1, 2
    drawn = strokes()
    drawn[3, 1, 2:28] = 2
    assert suspicions(IMAGE, tuple(drawn), network) == (Suspicion(3, 2, 0, "network"),)
    assert suspicions(IMAGE, tuple(strokes()), network) == ()
