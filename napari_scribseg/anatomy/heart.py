"""A chest with a heart in its short axis: a cavity in a ring of muscle, a crescent beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_scribseg.anatomy.canvas import Canvas, Mask, Scene
from napari_scribseg.anatomy.smoothing import Floats
from napari_scribseg.anatomy.tissues import Tissue

APEX_TO_BASE = (-0.04, 1.05)
"""Levels of the slices: 0 = tip of the heart, 1 = its valves."""


@dataclass(frozen=True, eq=False)
class _Heart:
    """The left ventricle, in whose coordinates everything else of a heart is described.

    Args:
        centre: x, y in mm.
        radius: of the outer border per slice (Z, 1, 1), 0 beyond the tip.
        towards: direction of the right ventricle, radians.
        outer: distance from the centre as a share of the outer border (Z, Y, X).
        angle: direction of every pixel, seen from the centre, relative to `towards`.
        height: 0 at the tip, 1 at the valves (Z, 1, 1).
        blood: region of the left cavity.
        muscle: region of the myocardium.
        right_blood: region of the right cavity.
    """

    centre: tuple[Floats, Floats]
    radius: Floats
    towards: float
    outer: Floats
    angle: Floats
    height: Floats
    blood: int
    muscle: int
    right_blood: int


def heart(c: Canvas) -> Scene:
    """Paint a chest and a heart; slices above the valves show atria and great vessels instead."""
    inside, lung = _chest(c)
    heart_ = _left_ventricle(c)
    vessels = _around(c, inside)
    below = (heart_.radius > 0.5) & (c.level <= 1.02)
    _fat(c, heart_, below)
    right = _right_ventricle(c, heart_, below)
    _ring(c, heart_, below)
    _atria(c, heart_, right, c.level > 1.02)
    return Scene(
        "heart",
        c.regions,
        c.tissues,
        blood=(heart_.blood, heart_.right_blood, *vessels),
        dark=(lung,),
        wall=heart_.muscle,
    )


def _chest(c: Canvas) -> tuple[Mask, int]:
    """Fat, muscle, ribs, lungs, what lies between them, and the spine."""
    size, fat = c.uniform(0.85, 1.15), c.uniform(3, 25)
    power = c.uniform(2.1, 3)
    c.paint(c.oval((0, 6), (135 * size, 105 * size), 0, 0.02, power) < 1)
    c.paint(c.oval((0, 7), (135 * size - fat, 105 * size - fat), 0, 0.02, power) < 1, Tissue.MUSCLE)
    cavity = c.oval((0, 4), (122 * size - fat, 92 * size - 0.9 * fat), 0, 0.04, c.uniform(2, 2.8))
    inside = cavity < 1
    lung = c.paint(inside, Tissue.LUNG)
    if c.chance(0.6):
        rib, reach, first = c.region(), 1.03 * (122 * size - fat), c.uniform(0, 1)
        for a in first + np.linspace(0, 2 * math.pi, int(c.rng.integers(8, 16))):
            place = (reach * math.cos(a), 4 + 0.78 * reach * math.sin(a))
            oval = c.oval(place, (c.uniform(5, 10), c.uniform(2, 4)), a + math.pi / 2, 0)
            c.paint((oval < 1) & ~inside, Tissue.BONE, rib)
    if c.chance(0.5):
        c.paint(inside & (c.noise(int(c.rng.integers(14, 30))) > 1.5), Tissue.LUNG)
    if c.chance(0.8):
        middle = c.oval(
            (c.uniform(-10, 10), c.uniform(0, 40)), (c.uniform(20, 55), c.uniform(40, 80)), 0, 0.1
        )
        c.paint((middle < 1) & inside)
    spine = (c.uniform(-12, 12), c.uniform(60, 82))
    c.paint(
        c.oval((spine[0], spine[1] + 4), (c.uniform(30, 50), c.uniform(15, 28))) < 1, Tissue.MUSCLE
    )
    c.paint(c.oval(spine, (c.uniform(14, 21), c.uniform(11, 17)), 0, 0.08) < 1, Tissue.BONE)
    return inside, lung


def _left_ventricle(c: Canvas) -> _Heart:
    """Where the heart lies and how large every slice of it is."""
    height = np.clip(c.level, 0, 1)
    widest = math.exp(c.uniform(math.log(20), math.log(46)))
    # Half an ellipsoid, blunt at the valves.
    radius = c.about(widest, 0.06) * np.sqrt(1 - (1 - height) ** 2 * c.uniform(0.75, 1))
    radius = np.where(c.level < 0, np.float32(0), radius).astype(np.float32)
    middle = (c.uniform(-10, 25), c.uniform(-30, 5))
    centre = (middle[0] + c.differing(3), middle[1] + c.differing(3))
    turn, squeezed = c.uniform(0, 3), c.uniform(0.86, 1.05)
    outer = c.oval(centre, (radius, radius * squeezed), turn, 0.035)
    towards = math.pi + c.uniform(-0.6, 0.9)
    angle = np.arctan2(c.y - centre[1], c.x - centre[0]) - np.float32(towards)
    angle = np.remainder(angle + np.float32(math.pi), np.float32(2 * math.pi)) - np.float32(math.pi)
    blood = c.region()
    right = blood if c.chance(0.55) else c.region()
    return _Heart(centre, radius, towards, outer, angle, height, blood, c.region(), right)


def _around(c: Canvas, inside: Mask) -> list[int]:
    """Liver, spleen, stomach and vessels: what else is round or bright."""
    rise = np.clip(1.2 - c.level, 0, 1.3)
    if c.chance(0.8):
        liver = c.oval(
            (c.uniform(-75, -30), 70 - c.uniform(8, 26) * rise),
            (35 + 28 * rise, 14 + 36 * rise),
            c.uniform(0.1, 0.6),
            0.08,
        )
        where = (liver < 1) & inside
        c.paint(where, Tissue.LIVER)
        if c.chance(0.6):
            c.paint(where & (c.noise(int(c.rng.integers(8, 20))) > 1.4), Tissue.LIVER)
    if c.chance(0.45):
        spleen = c.oval((c.uniform(65, 95), c.uniform(35, 62)), (18, 12 + 16 * rise), -0.3, 0.08)
        c.paint((spleen < 1) & inside, Tissue.SPLEEN)
    if c.chance(0.5):
        place = (c.uniform(35, 75), 52 - c.uniform(5, 20) * rise)
        stomach = c.oval(place, (c.uniform(14, 34), c.uniform(9, 22)), c.uniform(0, 1), 0.1)
        c.paint((stomach < 1) & inside, Tissue.MUSCLE)
        c.paint((stomach < c.uniform(0.6, 0.85)) & inside)
    return _vessels(c)


def _vessels(c: Canvas) -> list[int]:
    found: list[int] = []
    for x, y, radius, probability in (
        (c.uniform(10, 32), c.uniform(45, 62), c.uniform(8, 14), 0.9),  # aorta
        (c.uniform(-45, -12), c.uniform(20, 50), c.uniform(7, 14), 0.7),  # vena cava
        (c.uniform(-8, 14), c.uniform(40, 55), c.uniform(3, 6), 0.5),  # oesophagus
    ):
        if c.chance(probability):
            oval = c.oval((x, y), (c.about(1.2 * radius), c.about(1.1 * radius)), 0, 0.04)
            c.paint(oval < 1, Tissue.MUSCLE)
            found.append(c.paint(oval < 0.84, Tissue.VESSEL))
    return found


def _fat(c: Canvas, h: _Heart, below: Mask) -> None:
    """Fat and pericardium around both ventricles, uneven."""
    if not c.chance(0.85):
        return
    wide, side = c.uniform(2, 16), np.cos(h.angle)
    reach = h.radius * (1 + np.float32(c.uniform(0.2, 0.9)) * np.clip(side, 0, None)) + wide
    distance = h.outer * h.radius
    ragged = np.float32(3) * c.noise(6)
    c.paint((distance < reach + ragged) & below)
    if c.chance(0.4):
        c.paint((distance < reach + ragged) & (distance > reach + ragged - 1.8) & below)


def _right_ventricle(c: Canvas, h: _Heart, below: Mask) -> Mask:
    """A crescent on one side of the ring, thick in the middle and thin where it meets the ring."""
    if c.chance(0.05):
        return np.zeros_like(c.regions, bool)
    starts = c.uniform(0.02, 0.35)
    grown = np.clip((h.height - starts) / c.uniform(0.3, 0.9), 0, 1) ** np.float32(0.6)
    thick = c.about(math.exp(c.uniform(math.log(7), math.log(44))), 0.12) * grown
    half = np.float32(c.uniform(0.75, 1.5)) * (0.55 + 0.45 * grown)
    leaning = np.float32(c.uniform(-0.45, 0.45))
    around = h.angle - leaning * (1 - (h.angle / np.float32(math.pi)) ** 2)
    profile = np.clip(1 - (around / np.maximum(half, np.float32(0.1))) ** 2, 0, None)
    profile = profile ** np.float32(c.uniform(0.45, 1.1))
    beyond = (h.outer - 1) * h.radius
    border = thick * profile * (1 + np.float32(0.1) * c.noise(7))
    crescent = (beyond < border) & (beyond > -1) & (profile > 0) & (thick > 1) & below
    crescent &= border > 1.5
    if c.chance(0.45):  # wide: an oval that reaches beyond the crescent's ends
        reach = h.radius * np.float32(c.uniform(0.75, 1.0)) + thick * np.float32(0.5)
        place = (
            h.centre[0] + reach * np.float32(math.cos(h.towards)),
            h.centre[1] + reach * np.float32(math.sin(h.towards)),
        )
        long = h.radius * np.float32(c.uniform(0.6, 1.15)) * (0.5 + 0.5 * grown)
        oval = c.oval(place, (0.55 * thick + 2, long), h.towards, 0.06, c.uniform(1.8, 2.6))
        crescent |= (oval < 1) & below & (grown > 0.05)
    tissue_of_wall = h.muscle if c.chance(0.7) else c.region()
    wall = np.float32(c.uniform(1.2, 4.5))
    shell = (beyond < border + wall) & (border > 0.5) & (beyond > 0) & below & (thick > 1)
    c.paint(
        shell | _widened(crescent, float(wall) / c.view.pixel_mm), Tissue.MUSCLE, tissue_of_wall
    )
    cavity = crescent & (h.outer >= 1)
    c.paint(cavity, Tissue.RIGHT_VENTRICLE, h.right_blood)
    _trabeculae(c, h, cavity, beyond / np.maximum(border, np.float32(1)))
    return cavity


def _widened(where: Mask, pixels: float) -> Mask:
    """What lies within so many pixels of a mask, up, down, left and right."""
    result = where.copy()
    for _ in range(max(1, round(float(pixels)))):
        grown = result.copy()
        grown[:, 1:] |= result[:, :-1]
        grown[:, :-1] |= result[:, 1:]
        grown[:, :, 1:] |= result[:, :, :-1]
        grown[:, :, :-1] |= result[:, :, 1:]
        result = grown
    return result


def _trabeculae(c: Canvas, h: _Heart, cavity: Mask, depth: Floats) -> None:
    """Muscle that readers count to the cavity: ragged at the free wall, and a moderator band."""
    if c.chance(0.7):
        ragged = c.noise(int(c.rng.integers(18, 34))) > np.float32(c.uniform(0.7, 1.3))
        c.paint(cavity & ragged & (depth > c.uniform(0.5, 0.85)), Tissue.RIGHT_VENTRICLE, h.muscle)
    if c.chance(0.25):
        band = np.abs(h.angle - c.uniform(-0.6, 0.6)) * h.radius < c.uniform(1.2, 2.6)
        c.paint(cavity & band, Tissue.RIGHT_VENTRICLE, h.muscle)


def _ring(c: Canvas, h: _Heart, below: Mask) -> None:
    """Myocardium, cavity, papillary muscles and scars."""
    ring = (h.outer < 1) & below
    c.paint(ring, Tissue.MYOCARDIUM, h.muscle)
    wall = c.about(c.uniform(5, 17), 0.08)
    wall = np.minimum(wall, 0.75 * np.maximum(h.radius, 1))
    thinned = np.float32(1 - c.uniform(0, 0.3)) if c.chance(0.3) else np.float32(1)
    radius = np.maximum(h.radius - wall * (0.75 + 0.25 * h.height) * thinned, 0)
    centre = (
        h.centre[0] + np.float32(c.uniform(-0.1, 0.1)) * wall,
        h.centre[1] + np.float32(c.uniform(-0.1, 0.1)) * wall,
    )
    inner = c.oval(centre, (radius, radius * c.uniform(0.86, 1.05)), c.uniform(0, 3), 0.05)
    least = np.float32(1) - np.float32(1.2 * c.view.pixel_mm) / np.maximum(h.radius, np.float32(2))
    cavity = (inner < 1) & (h.outer < least) & below & (radius > 1.5)
    if c.chance(0.2):
        noise = c.noise(int(c.rng.integers(5, 12)))
        c.paint(ring & ~cavity & (noise > c.uniform(0.6, 1.4)), Tissue.MYOCARDIUM, h.blood)
    c.paint(cavity, Tissue.LEFT_VENTRICLE, h.blood)
    if c.chance(0.75):
        for a in (c.uniform(0, 1.6), c.uniform(-2.2, -0.5)):
            away = c.uniform(0.5, 0.8) * radius
            place = (
                centre[0] + away * np.float32(math.cos(a)),
                centre[1] + away * np.float32(math.sin(a)),
            )
            size = (c.uniform(0.12, 0.28) * radius, c.uniform(0.1, 0.25) * radius)
            papilla = (c.oval(place, size, a, 0) < 1) & cavity & (radius > 8)
            c.paint(papilla, Tissue.LEFT_VENTRICLE, h.muscle)
    if c.chance(0.3):
        ragged = cavity & (inner > 0.8) & (c.noise(int(c.rng.integers(18, 34))) > 0.9)
        c.paint(ragged, Tissue.LEFT_VENTRICLE, h.muscle)


def _atria(c: Canvas, h: _Heart, right: Mask, above: Mask) -> None:
    """Beside the ventricles near the valves, and instead of them above."""
    if c.chance(0.5):
        a = h.towards + c.uniform(1.1, 2.6) * (1 if c.chance(0.5) else -1)
        reach = 1.35 * h.radius
        place = (
            h.centre[0] + reach * np.float32(math.cos(a)),
            h.centre[1] + reach * np.float32(math.sin(a)),
        )
        oval = c.oval(place, (c.uniform(10, 24), c.uniform(6, 15)), a + math.pi / 2, 0.08)
        free = (h.outer > 1.04) & ~_widened(right, 1.0) & (c.level > 0.6) & (c.level <= 1.02)
        c.paint((oval < 1) & free, Tissue.VESSEL, h.blood if c.chance(0.6) else None)
    if not above.any():
        return
    sack = c.oval(h.centre, (c.uniform(35, 55), c.uniform(30, 45)), c.uniform(0, 3), 0.1) < 1
    c.paint(sack & above)
    for _ in range(int(c.rng.integers(2, 5))):
        place = (h.centre[0] + c.uniform(-28, 28), h.centre[1] + c.uniform(-28, 28))
        oval = c.oval(place, (c.uniform(10, 28), c.uniform(8, 18)), c.uniform(0, 3.1), 0.08)
        c.paint((oval < 1.15) & above, Tissue.MUSCLE)
        c.paint((oval < 1) & above, Tissue.VESSEL, h.blood if c.chance(0.7) else None)
