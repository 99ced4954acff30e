"""A prostate between bladder, rectum and pelvic muscles, as T2-weighted MR would show it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from drawing import LAYERS, Image, Mask, Plane, acquire, smooth_noise

PIXELS = 128
SPACING_MM = 0.8
SLICES = 16
SLICE_MM = 3.0
PZ, CG = 1, 2

CORTEX, MUSCLE, GLAND, MARROW, FAT, ZONE, URINE = 0.05, 0.14, 0.34, 0.42, 0.62, 0.74, 0.98


@dataclass(frozen=True)
class Anatomy:
    """What tells one patient from another; lengths in mm.

    Args:
        radii: of the prostate along x, y and z.
        gland: size of the central gland relative to the prostate.
        nodules: how many round nodules the central gland has.
        lesion: whether the peripheral zone has a dark spot.
    """

    radii: tuple[float, float, float]
    gland: float
    nodules: int
    lesion: bool


@dataclass(frozen=True)
class _Patient:
    """Everything about one patient that is drawn by lot."""

    anatomy: Anatomy
    centre: tuple[float, float, float]
    phases: Image
    nodules: Image
    grain: tuple[Image, ...]


def scan(anatomy: Anatomy, seed: int) -> tuple[Image, Image]:
    """Image and class indices (z, y, x); the first slice is the lowest."""
    rng = np.random.default_rng([seed, 7])
    size = (2 * PIXELS, 2 * PIXELS)
    patient = _Patient(
        anatomy=anatomy,
        centre=(rng.uniform(-2, 2), rng.uniform(-2, 2), rng.uniform(21, 24)),
        phases=rng.uniform(0, 2 * np.pi, 12),
        nodules=rng.uniform(-1, 1, (anatomy.nodules, 5)),
        grain=tuple(smooth_noise(rng, size, sigma) for sigma in (1.2, 2.5, 6.0)),
    )
    gain = rng.uniform(200, 280)
    layers = [
        [
            _layer(patient, (index + 0.5 + part) * SLICE_MM)
            for part in np.linspace(-0.4, 0.4, LAYERS)
        ]
        for index in range(SLICES)
    ]
    image, labels = acquire(layers, rng, noise=0.02, bias=0.14, blur=0.55)
    return np.round(image * gain), labels


def _layer(patient: _Patient, height: float) -> Plane:
    """The phantom `height` mm above the lowest slice."""
    plane = Plane(PIXELS, SPACING_MM)
    fine, middle, coarse = patient.grain
    plane.signal[:] = FAT * (1 + 0.1 * coarse + 0.06 * middle)
    strands = np.clip(middle - 1.1, 0, 0.6)
    plane.signal -= 0.3 * strands
    _draw_walls(plane, patient, height)
    _draw_rectum(plane, patient, height)
    _draw_bladder(plane, patient, height)
    _draw_seminal_vesicles(plane, patient, height)
    _draw_prostate(plane, patient, height)
    if height < 12:
        bulb = plane.blob((0, 6), (9, 7), wobble=0.04)
        outside = plane.labels == 0
        plane.paint((bulb < 1.35) & outside, MUSCLE)
        plane.paint((bulb < 1) & outside, 0.66)
    plane.signal *= 1 + 0.04 * fine
    return plane


def _draw_walls(plane: Plane, patient: _Patient, height: float) -> None:
    """Bones and muscles of both sides, pubic bones in front, coccyx behind."""
    p = patient.phases
    _, middle, coarse = patient.grain
    texture = 1 + 0.12 * middle + 0.1 * coarse
    for side in (-1, 1):
        hip = plane.blob((side * 56, -8 - 0.2 * height), (20, 24), wobble=0.04, phase=p[0] + side)
        plane.paint(hip < 1.06, CORTEX)
        plane.paint(hip < 0.97, MARROW * texture)
        obturator = plane.blob(
            (side * (36.5 - 0.05 * height), -1),
            (6.5, 26),
            turn=side * 0.16,
            wobble=0.05,
            phase=p[1],
        )
        plane.paint(obturator < 1, MUSCLE * texture)
        levator = plane.blob(
            (side * (20 + 0.14 * height), 9), (1.7, 19), turn=side * (0.2 + 0.002 * height)
        )
        plane.paint(levator < 1, MUSCLE * texture)
        vessel = plane.blob((side * 31, -36), (4, 3.2), turn=side * 0.4)
        plane.paint(vessel < 1, CORTEX)
        gluteal = plane.blob((side * 40, 48), (24, 12), turn=side * 0.45, wobble=0.05, phase=p[2])
        plane.paint(gluteal < 1, MUSCLE * texture)
        if height < 30:
            pubis = plane.blob(
                (side * 14, -41), (15, 9 * min(1, (34 - height) / 20)), turn=side * 0.5
            )
            plane.paint(pubis < 1, CORTEX)
            plane.paint(pubis < 0.85, MARROW * 0.85 * texture)
    if height < 30:
        plane.paint(plane.blob((0, -42), (2.2, 8)) < 1, MUSCLE)
    plane.paint(plane.blob((0, 52), (6, 5)) < 1, CORTEX)
    plane.paint(plane.blob((0, 52), (4.4, 3.6)) < 1, MARROW)


def _draw_rectum(plane: Plane, patient: _Patient, height: float) -> None:
    p = patient.phases
    width = 8.5 + 4.5 * np.sin(np.clip((height - 8) / 36, 0, 1) * np.pi)
    centre = (1.5 * np.sin(p[3] + height / 15), 26 + 2.0 * np.sin(height / 12))
    outer = plane.blob(centre, (width, width * 0.85), wobble=0.03, phase=p[3])
    plane.paint(outer < 1, 0.22)
    plane.paint(outer < 0.72, 0.5 * (1 + 0.15 * patient.grain[1]))
    if height > 14:
        gas = plane.blob((centre[0], centre[1] - 1.5), (width * 0.5, width * 0.34))
        plane.paint(gas < 1, 0.02)


def _draw_bladder(plane: Plane, patient: _Patient, height: float) -> None:
    top = height - patient.centre[2] - patient.anatomy.radii[2] * 0.45
    if top < 0:
        return
    size = np.sqrt(min(1.0, top / 22))
    bladder = plane.blob(
        (1, -16 + 3 * size), (29 * size, 18 * size), wobble=0.03, phase=patient.phases[4], power=2.3
    )
    plane.paint(bladder * size * 20 < size * 20 + 2.8, 0.2)
    plane.paint(bladder < 1, URINE)


def _draw_seminal_vesicles(plane: Plane, patient: _Patient, height: float) -> None:
    above = height - patient.centre[2] - patient.anatomy.radii[2] * 0.75
    if not 0 < above < 16:
        return
    _, middle, _ = patient.grain
    for side in (-1, 1):
        vesicle = plane.blob((side * 11, 11), (13, 5), turn=side * -0.2, wobble=0.07)
        where = (vesicle < 1) & (plane.signal > 0.15)
        plane.paint(where, np.where(np.abs(middle) < 0.45, 0.25, 0.85))


def _draw_prostate(plane: Plane, patient: _Patient, height: float) -> None:
    p = patient.phases
    rx, ry, rz = patient.anatomy.radii
    x, y, z = patient.centre
    above = (height - z) / rz
    if abs(above) >= 1:
        return
    size = float((1 - abs(above) ** 2.4) ** 0.5)
    gland_size = patient.anatomy.gland * float(np.clip(0.62 + 0.55 * (above + 0.35), 0.35, 1.08))
    whole = plane.blob((x, y), (rx * size, ry * size), wobble=0.02, phase=p[5], power=2.25)
    thickness_mm = min(rx, ry) * size
    plane.paint(whole * thickness_mm < thickness_mm + 2.2, 0.5)
    plane.paint(whole * thickness_mm < thickness_mm + 0.9, 0.12)
    inside = whole < 1
    _, middle, coarse = patient.grain
    septa = np.clip(np.abs(middle) - 1.5, 0, 1)
    plane.paint(inside, ZONE * (1 + 0.07 * middle + 0.05 * coarse) - 0.25 * septa)
    plane.labels[inside] = PZ
    if patient.anatomy.lesion and abs(above) < 0.4:
        spot = plane.blob((x - rx * 0.55, y + ry * 0.55), (4.2, 3.2), wobble=0.06)
        plane.paint(inside & (spot < 1), 0.3)
    centre = (x, y - ry * size * 0.30 * (1.25 - gland_size * 0.4))
    radii = (rx * size * gland_size, ry * size * gland_size * 0.95)
    gland = plane.blob(centre, radii, wobble=0.04, phase=p[6], power=2.2)
    in_gland = inside & (gland < 1)
    plane.paint(inside & (gland < 1.07), 0.14)
    plane.paint(in_gland, GLAND * (1 + 0.22 * middle + 0.18 * coarse))
    _draw_nodules(plane, patient, in_gland, (centre, radii), above)
    stroma = plane.blob((x, y - ry * size * 0.86), (rx * size * 0.42, ry * size * 0.26))
    plane.paint(inside & (stroma < 1), 0.12)
    urethra = plane.blob((x, y + ry * size * 0.05), (2.4, 2.2))
    plane.paint(in_gland & (urethra < 1), 0.62)
    plane.labels[in_gland | (inside & (stroma < 1))] = CG


def _draw_nodules(
    plane: Plane,
    patient: _Patient,
    in_gland: Mask,
    gland: tuple[tuple[float, float], tuple[float, float]],
    above: float,
) -> None:
    """Round nodules with a dark rim, some bright, some dark, as in benign hyperplasia."""
    (x, y), (rx, ry) = gland
    _, middle, _ = patient.grain
    for dx, dy, dz, thick, bright in patient.nodules:
        size = (4.2 + 2.2 * thick) * np.sqrt(max(0.0, 1 - ((above - 0.6 * dz) / 0.5) ** 2))
        if size < 1:
            continue
        nodule = plane.blob((x + 0.7 * dx * rx, y + 0.6 * dy * ry), (size, size * 0.9), wobble=0.05)
        plane.paint(in_gland & (nodule < 1.15), 0.12)
        plane.paint(in_gland & (nodule < 0.95), (0.42 + 0.2 * bright) * (1 + 0.15 * middle))
