"""An abdomen across: liver, spleen, kidneys, stomach, bowels, spine and great vessels."""

from __future__ import annotations

import math

import numpy as np

from napari_scribseg.anatomy.canvas import Canvas, Mask, Scene
from napari_scribseg.anatomy.tissues import Tissue


def abdomen(c: Canvas) -> Scene:
    """Paint an abdomen; level 0 is below the liver, 1 the dome of the diaphragm."""
    inside, lung = _body(c)
    vessels = _spine_and_vessels(c)
    _kidneys(c, inside)
    air = _bowels(c, inside)
    _stomach_and_spleen(c, inside)
    _liver(c, inside)
    return Scene("abdomen", c.regions, c.tissues, blood=tuple(vessels), dark=(lung, *air))


def _body(c: Canvas) -> tuple[Mask, int]:
    size, fat = c.uniform(0.85, 1.2), c.uniform(4, 32)
    power = c.uniform(2.0, 2.8)
    c.paint(c.oval((0, 0), (165 * size, 118 * size), 0, 0.02, power) < 1)
    wall = c.oval((0, 0), (165 * size - fat, 118 * size - fat), 0, 0.02, power)
    c.paint(wall < 1, Tissue.MUSCLE)
    inside = wall < c.uniform(0.86, 0.94)
    c.paint(inside)  # fat between the organs
    lung = c.region()
    if c.chance(0.6):
        rib, first = c.region(), c.uniform(0, 1)
        for a in first + np.linspace(0, 2 * math.pi, int(c.rng.integers(8, 15))):
            reach = 0.93
            place = (
                reach * (165 * size - fat) * math.cos(a),
                reach * (118 * size - fat) * math.sin(a),
            )
            oval = c.oval(place, (c.uniform(6, 11), c.uniform(2.5, 5)), a + math.pi / 2, 0)
            c.paint((oval < 1) & (wall < 1), Tissue.BONE, rib)
    high = np.clip((c.level - 0.7) / 0.3, 0, 1)
    air = inside & (c.oval((0, 10), (150 * high, 110 * high), 0, 0.05) < 1) & (high > 0)
    c.paint(air, Tissue.LUNG, lung)
    return inside, lung


def _spine_and_vessels(c: Canvas) -> list[int]:
    x, y = c.uniform(-6, 6), c.uniform(52, 66)
    muscle = c.region()
    for side in (-1, 1):
        psoas = c.oval(
            (x + side * c.uniform(24, 34), y + 8), (c.uniform(10, 18), c.uniform(12, 24))
        )
        c.paint(psoas < 1, Tissue.MUSCLE, muscle)
    back = c.oval((x, y + 36), (c.uniform(45, 65), c.uniform(12, 22)), 0, 0.06)
    c.paint(back < 1, Tissue.MUSCLE, muscle)
    bone = c.oval((x, y), (c.uniform(18, 25), c.uniform(15, 20)), 0, 0.06)
    c.paint(bone < 1, Tissue.BONE)
    if c.chance(0.6):
        c.paint(bone < 0.86, Tissue.BONE)
    c.paint(c.oval((x, y + c.uniform(22, 28)), (c.uniform(7, 11), c.uniform(6, 9)), 0, 0) < 1)
    vessels: list[int] = []
    for side in (1, -1):
        r = c.about(c.uniform(8, 13))
        oval = c.oval((x + side * c.uniform(8, 22), y - c.uniform(22, 30)), (r, r), 0, 0.04)
        vessels.append(
            c.paint(oval < 1, Tissue.VESSEL, vessels[0] if vessels and c.chance(0.6) else None)
        )
    return vessels


def _kidneys(c: Canvas, inside: Mask) -> None:
    cortex, marrow, pelvis = c.region(), c.region(), c.region()
    both = c.chance(0.5)
    for side in (-1, 1):
        height = c.level - c.uniform(0.1, 0.4)
        size = np.sqrt(np.clip(1 - (height / c.uniform(0.3, 0.5)) ** 2, 0, 1))
        rx, ry = c.uniform(22, 32) * size, c.uniform(24, 36) * size
        place = (side * c.uniform(58, 78), c.uniform(38, 58))
        kidney = c.oval(place, (rx, ry), side * c.uniform(-0.5, 0.1), 0.06)
        where = (kidney < 1) & inside & (size > 0.15)
        c.paint(where, Tissue.KIDNEY, cortex)
        if both:
            c.paint(where & (kidney < 0.75) & (c.noise(14) > -0.3), Tissue.KIDNEY, marrow)
        hilum = c.oval((place[0] - side * 0.7 * rx, place[1]), (0.4 * rx, 0.35 * ry), 0, 0.1)
        c.paint(where & (hilum < 1), Tissue.OTHER, pelvis)


def _bowels(c: Canvas, inside: Mask) -> list[int]:
    walls, filling, air = c.region(), c.region(), c.region()
    for _ in range(int(c.rng.integers(2, 10))):
        r = c.uniform(9, 24)
        place = (c.uniform(-90, 100), c.uniform(-70, 30))
        gut = c.oval(place, (c.about(r), c.about(r * c.uniform(0.6, 1))), c.uniform(0, 3), 0.1)
        c.paint((gut < 1) & inside, Tissue.MUSCLE, walls)
        c.paint(
            (gut < c.uniform(0.65, 0.85)) & inside, Tissue.OTHER, air if c.chance(0.4) else filling
        )
    return [air]


def _stomach_and_spleen(c: Canvas, inside: Mask) -> None:
    high = np.clip(c.level * 1.4, 0, 1)
    if c.chance(0.7):
        place = (c.uniform(30, 75), c.uniform(-50, 0))
        stomach = c.oval(
            place, (high * c.uniform(24, 55), high * c.uniform(18, 40)), c.uniform(0, 1), 0.1
        )
        c.paint((stomach < 1) & inside & (high > 0.2), Tissue.MUSCLE)
        c.paint((stomach < c.uniform(0.75, 0.9)) & inside & (high > 0.2))
    height = c.level - c.uniform(0.45, 0.75)
    size = np.sqrt(np.clip(1 - (height / c.uniform(0.3, 0.5)) ** 2, 0, 1))
    place = (c.uniform(85, 115), c.uniform(15, 50))
    long, wide, tilt = c.uniform(35, 58), c.uniform(16, 26), c.uniform(-0.5, 0.3)
    spleen = c.oval(place, (wide * size, long * size), tilt, 0.07)
    bitten = c.oval((place[0] - 30, place[1] - 8), (22, 34), tilt, 0.05) > 1
    c.paint((spleen < 1) & bitten & inside & (size > 0.2), Tissue.SPLEEN)


def _liver(c: Canvas, inside: Mask) -> None:
    """A wide wedge on one side that tapers across the middle."""
    high = np.clip((c.level + c.uniform(0, 0.15)) / c.uniform(0.35, 0.7), 0, 1) ** np.float32(0.7)
    right = c.oval(
        (-c.uniform(60, 85), c.uniform(-15, 15)),
        (high * c.uniform(55, 85), high * c.uniform(60, 90)),
        c.uniform(-0.3, 0.3),
        0.09,
        c.uniform(1.9, 2.6),
    )
    left = c.oval(
        (c.uniform(-25, 15), -c.uniform(25, 50)),
        (high * c.uniform(40, 85), high * c.uniform(18, 42)),
        c.uniform(-0.1, 0.4),
        0.09,
    )
    lobe = left if c.chance(0.8) else right
    where = ((right < 1) | (lobe < 1)) & inside & (high > 0.15) & (c.tissues != Tissue.BONE)
    where &= (
        (c.tissues != Tissue.KIDNEY) & (c.tissues != Tissue.VESSEL) & (c.tissues != Tissue.LUNG)
    )
    c.paint(where, Tissue.LIVER)
    if c.chance(0.7):
        vein = c.region()
        for _ in range(int(c.rng.integers(1, 6))):
            ends = [(c.uniform(-130, 10), c.uniform(-70, 60)) for _ in range(3)]
            c.paint(where & (c.tube(ends) < c.uniform(1.5, 5)), Tissue.LIVER, vein)
    for _ in range(int(c.rng.integers(0, 4))):
        lesion = c.oval(
            (c.uniform(-130, 0), c.uniform(-60, 60)), (c.uniform(4, 18), c.uniform(4, 18)), 0, 0.1
        )
        c.paint(where & (lesion < 1), Tissue.LIVER)
    if c.chance(0.4):
        bladder = c.oval(
            (c.uniform(-55, -25), c.uniform(-35, 5)), (c.uniform(8, 16), c.uniform(12, 24)), 0.3
        )
        c.paint((bladder < 1) & inside & (c.level < 0.6))
