"""A pelvis across: prostate with its two zones, bladder, rectum, femoral heads and muscles."""

from __future__ import annotations

import math

import numpy as np

from napari_scribseg.anatomy.canvas import Canvas, Scene
from napari_scribseg.anatomy.tissues import Tissue

APEX_TO_BLADDER = (-0.2, 1.3)
"""Levels of the slices: 0 = apex of the prostate, 1 = its base."""


def pelvis(c: Canvas) -> Scene:
    """Paint a pelvis."""
    c.paint(c.oval((0, 0), (c.uniform(140, 190), c.uniform(95, 130)), 0, 0.02, 2.5) < 1)
    c.paint(
        c.oval((0, 2), (c.uniform(120, 160), c.uniform(80, 105)), 0, 0.03, 2.5) < 1, Tissue.MUSCLE
    )
    if c.chance(0.6):
        c.paint(c.oval((0, 5), (c.uniform(45, 70), c.uniform(45, 65)), 0, 0.05, 2.5) < 1)
    vessels = _sides(c)
    air = _rectum(c)
    _bladder(c)
    _prostate(c)
    return Scene("pelvis", c.regions, c.tissues, blood=tuple(vessels), dark=tuple(air))


def _sides(c: Canvas) -> list[int]:
    """Bones, muscles and vessels, the same on both sides."""
    cortex, marrow, obturator, levator, vein = (c.region() for _ in range(5))
    head = (c.uniform(62, 85), c.uniform(-20, 5), c.uniform(17, 26), c.uniform(19, 28))
    inner = (c.uniform(40, 52), c.uniform(-6, 4), c.uniform(6, 11), c.uniform(22, 34))
    lift = (c.uniform(20, 30), c.uniform(5, 16), c.uniform(1.5, 3.2), c.uniform(15, 24))
    glutaeus = (c.uniform(45, 65), c.uniform(50, 66), c.uniform(25, 40), c.uniform(12, 20))
    pubis, has_vein, has_pubis = c.uniform(5, 10), c.chance(0.6), c.chance(0.6)
    for side in (-1, 1):
        x, y, rx, ry = head
        bone = c.oval((side * x, y), (c.about(rx, 0.05), c.about(ry, 0.05)), 0, 0.06)
        c.paint(bone < 1.1, Tissue.BONE, cortex)
        c.paint(bone < 0.97, Tissue.BONE, marrow)
        for (x, y, rx, ry), tilt, number in (
            (inner, 0.16, obturator),
            (lift, 0.2, levator),
            (glutaeus, 0.45, obturator),
        ):
            oval = c.oval((side * x, y), (rx, ry), side * tilt, 0.06)
            c.paint(oval < 1, Tissue.MUSCLE, number)
        if has_vein:
            c.paint(c.oval((side * 38, -48), (5, 4), 0, 0.02) < 1, Tissue.VESSEL, vein)
        if has_pubis:
            bone = c.oval((side * 16, -52), (17, pubis), side * 0.5, 0.06)
            c.paint(bone < 1, Tissue.BONE, cortex)
            c.paint(bone < 0.82, Tissue.BONE, marrow)
    return [vein] if has_vein else []


def _rectum(c: Canvas) -> list[int]:
    radius = c.about(c.uniform(8, 20), 0.12)
    place = (c.uniform(-5, 5) + c.differing(2), c.uniform(24, 38) + c.differing(2))
    oval = c.oval(place, (radius, radius * c.uniform(0.6, 1)), 0, 0.08)
    c.paint(oval < 1, Tissue.RECTUM)
    filling = c.paint(oval < c.uniform(0.55, 0.85), Tissue.RECTUM)
    return [filling] if c.chance(0.5) else []


def _bladder(c: Canvas) -> None:
    """Grows from the base of the prostate upwards."""
    grown = np.clip((c.level - c.uniform(0.6, 1.0)) / 0.6, 0, 1) ** np.float32(0.5)
    if not c.chance(0.75):
        return
    oval = c.oval(
        (c.uniform(-5, 5), c.uniform(-30, -14)),
        (grown * c.uniform(22, 48), grown * c.uniform(14, 32)),
        0,
        0.05,
        2.3,
    )
    c.paint((oval < 1.12) & (grown > 0.05), Tissue.MUSCLE)
    c.paint((oval < 1) & (grown > 0.05), Tissue.BLADDER)


def _prostate(c: Canvas) -> None:
    """A gland within a rim that is thicker behind; the rim is the peripheral zone."""
    if c.chance(0.06):
        return
    height = np.clip(c.level, 0, 1)
    bulge = np.sqrt(
        np.clip(1 - (2 * height - c.uniform(0.85, 1.15)) ** 2 * c.uniform(0.5, 0.9), 0.02, 1)
    )
    there = (c.level > -0.02) & (c.level < 1.1)
    rx = c.about(c.uniform(17, 34), 0.08) * bulge
    ry = c.about(c.uniform(13, 27), 0.08) * bulge
    x, y = c.uniform(-4, 4), c.uniform(-8, 8)
    whole = c.oval((x, y), (rx, ry), 0, 0.04, c.uniform(2, 2.5))
    if c.chance(0.7):
        c.paint((whole < 1.12) & there)
    if c.chance(0.6):
        c.paint((whole < 1.05) & there, Tissue.MUSCLE)
    inside = (whole < 1) & there
    c.paint(inside, Tissue.PERIPHERAL_ZONE)
    share = c.uniform(0.35, 0.95) * np.clip(height * 1.8, 0.3, 1)
    inner = c.oval((x, y - ry * c.uniform(0.1, 0.35)), (rx * share, ry * share), 0, 0.06, 2.2)
    if c.chance(0.6):
        c.paint(inside & (inner < 1.08), Tissue.CENTRAL_GLAND)
    gland = c.paint(inside & (inner < 1), Tissue.CENTRAL_GLAND)
    for _ in range(int(c.rng.integers(0, 6))):  # nodules
        place = (
            x + c.uniform(-0.5, 0.5) * rx * share,
            y - 0.2 * ry + c.uniform(-0.5, 0.5) * ry * share,
        )
        nodule = c.oval(place, (c.uniform(2, 8), c.uniform(2, 8)), 0, 0.1)
        where = inside & (inner < 0.95) & (nodule < 1)
        c.paint(where & (nodule > 0.8), Tissue.CENTRAL_GLAND)
        c.paint(where & (nodule <= 0.8), Tissue.CENTRAL_GLAND)
    if c.chance(0.4):
        c.paint(inside & (inner < 1) & (c.noise(12) > 0.8), Tissue.CENTRAL_GLAND, gland)
    if c.chance(0.3):  # a lesion in the rim
        a = c.uniform(0.2, math.pi - 0.2)
        place = (x + 0.75 * rx * np.float32(math.cos(a)), y + 0.75 * ry * np.float32(math.sin(a)))
        lesion = c.oval(place, (c.uniform(2, 7), c.uniform(2, 5)), a, 0.1)
        c.paint(inside & (inner >= 1) & (lesion < 1), Tissue.PERIPHERAL_ZONE)
