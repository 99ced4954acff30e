"""Shapes without a name: blobs, rings, crescents, tubes, pairs, in and beside each other."""

from __future__ import annotations

import math

import numpy as np

from napari_scribseg.anatomy.canvas import Canvas, Mask, Scene
from napari_scribseg.anatomy.smoothing import Floats


def shapes(c: Canvas) -> Scene:
    """Paint shapes at random, so that features are learnt that serve structures of any kind."""
    if c.chance(0.4):
        _bands(c, np.ones(c.regions.shape, bool), int(c.rng.integers(3, 9)))
    if c.chance(0.75):
        place = (c.uniform(-12, 12), c.uniform(-12, 12))
        size = (c.uniform(80, 130), c.uniform(70, 120))
        body = c.oval(place, size, c.uniform(0, 3.14), 0.03, c.uniform(2, 3))
        c.paint(body < 1)
        for k in range(int(c.rng.integers(0, 4))):
            c.paint(body < 1 - 0.08 * (k + 1) * c.uniform(0.4, 1.2))
        if c.chance(0.5):
            _bands(c, body < 0.9, int(c.rng.integers(3, 12)))
    for _ in range(int(c.rng.integers(4, 15))):
        _one(c)
    return Scene("shapes", c.regions, c.tissues)


def _bands(c: Canvas, where: Mask, cells: int) -> None:
    field = c.noise(cells)
    for threshold in np.sort(c.rng.normal(0, 0.7, int(c.rng.integers(1, 4)))):
        c.paint(where & (field > np.float32(threshold)))


def _one(c: Canvas) -> None:
    spread = 100.0 if c.chance(0.6) else 40.0
    x, y = c.uniform(-spread, spread), c.uniform(-spread, spread)
    radius = math.exp(c.uniform(1.6, 4.0))
    place = (x + c.differing(0.15 * radius), y + c.differing(0.15 * radius))
    flat, turn = c.uniform(0.45, 1), c.uniform(0, 3.14)
    radii = (c.about(radius, 0.12), c.about(radius * flat, 0.12))
    distance = c.oval(place, radii, turn, c.uniform(0, 0.2), c.uniform(1.8, 3.2))
    kind = int(c.rng.integers(0, 8))
    if kind <= 1:
        c.paint(distance < 1)
    elif kind == 2:
        _nested(c, distance, 1)
    elif kind == 3:
        _nested(c, distance, 2)
    elif kind == 4:
        _crescent(c, distance, (x, y), radius, turn)
    elif kind == 5:
        c.paint(distance + np.float32(0.5) * c.noise(int(c.rng.integers(8, 20))) < 1)
    elif kind == 6:
        ends = [(c.uniform(-110, 110), c.uniform(-110, 110)) for _ in range(2)]
        tube, width = c.tube([(x, y), *ends]), c.uniform(2, 11)
        c.paint(tube < width)
        if c.chance(0.3):
            c.paint(tube < 0.55 * width)
    else:  # a pair of one tissue
        other = c.oval((-x, y), radii, -turn, 0.08, c.uniform(1.8, 3))
        both = c.paint(distance < 1)
        c.paint(other < 1, region=both)


def _nested(c: Canvas, distance: Floats, inner: int) -> None:
    c.paint(distance < 1)
    for share in np.sort(c.rng.uniform(0.3, 0.92, inner))[::-1]:
        c.paint(distance < share)


def _crescent(
    c: Canvas, distance: Floats, place: tuple[float, float], radius: float, turn: float
) -> None:
    a = c.uniform(0, 2 * math.pi)
    away = radius * c.uniform(0.4, 0.9)
    other = c.oval(
        (place[0] + away * math.cos(a), place[1] + away * math.sin(a)),
        (radius * c.uniform(0.7, 1.2), radius * c.uniform(0.6, 1)),
        turn,
        0.05,
    )
    c.paint((distance < 1) & (other > 1))
    if c.chance(0.5):
        c.paint(other < 1)
        if c.chance(0.6):
            c.paint(other < c.uniform(0.4, 0.85))
