"""A beating short-axis heart in a chest, as bright-blood cine MR would show it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from drawing import LAYERS, Image, Mask, Plane, acquire, smooth_noise

PIXELS = 128
SPACING_MM = 1.8
RV, MYO, LV = 1, 2, 3

AIR, LUNG, MUSCLE, MYOCARDIUM, LIVER, SPLEEN = 0.0, 0.06, 0.26, 0.30, 0.36, 0.44
MARROW, BLOOD, FAT = 0.42, 0.86, 0.78


@dataclass(frozen=True)
class Anatomy:
    """What tells one patient from another; lengths in mm, at end-diastole.

    Args:
        group: what a cardiologist would call the heart.
        cavity: radius of the left cavity at the base.
        wall: thickness of the left wall at the base.
        right: width of the right ventricle, 1 = usual.
        emptying: by how much the radius of the cavity shrinks at end-systole.
        apex_slices: slices below the apex.
        base_slices: slices above the valves.
        heart_slices: slices through the ventricles.
        slice_mm: distance of slices.
    """

    group: str
    cavity: float
    wall: float
    right: float
    emptying: float
    heart_slices: int
    slice_mm: float
    apex_slices: int = 0
    base_slices: int = 0

    @property
    def levels(self) -> Image:
        """Level of every slice in the order of the file, from the apex (1) up to the base (0)."""
        inside = (np.arange(self.heart_slices) + 0.5) / self.heart_slices
        step = 1.0 / self.heart_slices
        above = inside[0] - step * np.arange(self.base_slices, 0, -1)
        below = inside[-1] + step * np.arange(1, self.apex_slices + 1)
        return np.concatenate([above, inside, below])[::-1]


def scan(anatomy: Anatomy, phase: str, seed: int) -> tuple[Image, Image]:
    """Image and class indices (z, y, x) of one phase, "ED" or "ES"."""
    body = np.random.default_rng([seed, 0])
    chest = _Chest.of(body)
    rng = np.random.default_rng([seed, 1 if phase == "ED" else 2])
    grain = [smooth_noise(body, (2 * PIXELS, 2 * PIXELS), sigma) for sigma in (2.0, 5.0)]
    layers = []
    for level in anatomy.levels:
        breath = rng.normal(0, 0.8, 2)
        thickness = 0.8 / anatomy.heart_slices
        layers.append(
            [
                _layer(anatomy, chest, phase, level + part * thickness, breath, grain)
                for part in np.linspace(-0.5, 0.5, LAYERS)
            ]
        )
    image, labels = acquire(layers, rng, noise=0.022, bias=0.16, blur=0.55)
    return np.round(image * chest.gain), labels


@dataclass(frozen=True)
class _Chest:
    """Where the other organs of one patient lie."""

    centre: tuple[float, float]
    drift: tuple[float, float]
    phases: Image
    girth: float
    fat: float
    septum: float
    gain: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> _Chest:
        return cls(
            centre=(rng.uniform(2, 16), rng.uniform(-22, -10)),
            drift=(rng.uniform(10, 18), rng.uniform(4, 10)),
            phases=rng.uniform(0, 2 * np.pi, 12),
            girth=rng.uniform(0.94, 1.04),
            fat=rng.uniform(7, 15),
            septum=np.pi + rng.uniform(-0.1, 0.5),
            gain=rng.uniform(190, 290),
        )


def _layer(
    anatomy: Anatomy,
    chest: _Chest,
    phase: str,
    level: float,
    breath: Image,
    grain: list[Image],
) -> Plane:
    plane = Plane(PIXELS, SPACING_MM)
    _draw_chest(plane, chest, level, grain)
    centre = (
        chest.centre[0] + chest.drift[0] * (level - 0.4) + breath[0],
        chest.centre[1] + chest.drift[1] * (level - 0.4) + breath[1],
    )
    if level < 0:
        _draw_great_vessels(plane, chest, centre)
    else:
        _draw_ventricles(plane, anatomy, chest, phase, level, centre, grain[0])
    plane.signal *= 1 + 0.05 * grain[0] + 0.05 * grain[1]
    return plane


def _draw_chest(plane: Plane, chest: _Chest, level: float, grain: list[Image]) -> None:
    p = chest.phases
    girth = chest.girth
    skin = plane.blob((0, 6), (108 * girth, 96 * girth), wobble=0.012, phase=p[0], power=2.5)
    plane.paint(skin < 1, FAT)
    muscle = plane.blob(
        (0, 8),
        (108 * girth - chest.fat, 95 * girth - chest.fat),
        wobble=0.015,
        phase=p[1],
        power=2.5,
    )
    plane.paint(muscle < 1, MUSCLE * (1 + 0.15 * grain[1]))
    cavity = plane.blob(
        (0, 4), (96 * girth - chest.fat, 81 * girth - chest.fat), wobble=0.02, phase=p[2], power=2.3
    )
    _draw_ribs(plane, chest, cavity)
    inside = cavity < 1
    vessels = np.clip(grain[0] - 1.9, 0, 1) * 0.5
    plane.paint(inside, LUNG + vessels)
    _draw_back(plane, chest)
    _draw_belly(plane, chest, level, inside, grain)


def _draw_ribs(plane: Plane, chest: _Chest, cavity: Image) -> None:
    for index, angle in enumerate(np.linspace(0, 2 * np.pi, 13)[:-1] + chest.phases[3]):
        radius = 1 + 0.055
        edge = (89 * chest.girth - chest.fat) * radius
        spot = plane.blob(
            (edge * np.cos(angle), 4 + edge * 0.85 * np.sin(angle)),
            (9, 3.2),
            turn=angle + np.pi / 2 + 0.2 * np.sin(index),
        )
        plane.paint((spot < 1) & (cavity > 1), 0.12)
        plane.paint((spot < 0.6) & (cavity > 1), MARROW)


def _draw_back(plane: Plane, chest: _Chest) -> None:
    """Spine, muscles beside it, descending aorta and gullet."""
    shift = 6 * np.sin(chest.phases[4])
    spine = (shift - 4.0, 66.0)
    plane.paint(plane.blob((spine[0], spine[1] + 4), (44, 24), power=2.4) < 1, MUSCLE)
    plane.paint(plane.blob(spine, (19, 15), wobble=0.05, phase=chest.phases[4]) < 1, 0.14)
    plane.paint(plane.blob(spine, (17.5, 13.5), wobble=0.05, phase=chest.phases[4]) < 1, MARROW)
    plane.paint(plane.blob((spine[0], spine[1] + 20), (8, 6)) < 1, 0.9)
    plane.paint(plane.blob((spine[0], spine[1] + 20), (4.2, 3.4)) < 1, 0.42)
    aorta = (spine[0] + 25, spine[1] - 14)
    plane.paint(plane.blob(aorta, (14, 14)) < 1, MUSCLE)
    plane.paint(plane.blob(aorta, (11.5, 11), wobble=0.02) < 1, BLOOD)
    plane.paint(plane.blob((spine[0] + 8, spine[1] - 18), (6, 5)) < 1, 0.35)


def _draw_belly(
    plane: Plane, chest: _Chest, level: float, inside: Mask, grain: list[Image]
) -> None:
    """Liver with its veins, vena cava, stomach and spleen; they come up towards the apex."""
    p = chest.phases
    rise = np.clip(level + 0.25, 0, 1.3)
    liver = plane.blob(
        (-50, 62 - 22 * rise), (30 + 26 * rise, 14 + 34 * rise), turn=0.35, wobble=0.05, phase=p[5]
    )
    in_liver = (liver < 1) & inside
    plane.paint((liver < 1.05) & inside, 0.14)
    veins = np.clip(1.6 * (grain[1] - 1.5), 0, 1) * 0.35
    plane.paint(in_liver, LIVER + veins)
    cava = (-20.0, 40.0 - 4 * rise)
    plane.paint(plane.blob(cava, (12.5, 9.5), turn=0.5) < 1, LIVER * 0.7)
    plane.paint(plane.blob(cava, (11, 8), turn=0.5) < 1, BLOOD * 0.92)
    if level > 0.1:
        stomach = (52 + 4 * np.sin(p[6]), 46 - 12 * rise)
        size = 12 + 14 * rise
        outer = plane.blob(stomach, (size, size * 0.7), turn=0.6, wobble=0.06, phase=p[7])
        plane.paint((outer < 1) & inside, MUSCLE)
        content = (outer < 0.82) & inside
        plane.paint(content, np.where(plane.y < stomach[1] - size * 0.15, 0.05, 0.8))
    spleen = plane.blob((76, 48), (16, 12 + 16 * rise), turn=-0.3, wobble=0.05, phase=p[8])
    plane.paint((spleen < 1) & inside, SPLEEN)
    fat = plane.blob((22, 38), (26, 9), turn=-0.25, wobble=0.12, phase=p[9])
    plane.paint((fat < 1) & inside & (plane.signal < 0.2), FAT)


def _draw_great_vessels(plane: Plane, chest: _Chest, centre: tuple[float, float]) -> None:
    """Above the valves: aortic root, left atrium, outflow tract; nobody labels them."""
    x, y = centre
    plane.paint(plane.blob(centre, (48, 42), wobble=0.05, phase=chest.phases[10]) < 1, FAT * 0.9)
    for spot, radii in (((x - 4, y - 3), (15, 15)), ((x - 30, y - 8), (20, 14))):
        plane.paint(plane.blob(spot, (radii[0] + 3, radii[1] + 3)) < 1, MYOCARDIUM)
        plane.paint(plane.blob(spot, radii, wobble=0.03) < 1, BLOOD)
    atrium = plane.blob((x + 6, y + 25), (30, 13), turn=-0.15, wobble=0.06)
    plane.paint(atrium < 1.12, MYOCARDIUM)
    plane.paint(atrium < 1, BLOOD * 0.95)


def _draw_ventricles(
    plane: Plane,
    anatomy: Anatomy,
    chest: _Chest,
    phase: str,
    level: float,
    centre: tuple[float, float],
    grain: Image,
) -> None:
    p = chest.phases
    systole = phase == "ES"
    squeeze = anatomy.emptying if systole else 1.0
    wall = anatomy.wall * (1 + 0.75 * (1 - anatomy.emptying) / 0.3 * 0.6 if systole else 1.0)
    shape = _profile(level, 1.08)
    outer = (anatomy.cavity * squeeze + wall) * shape
    inner = max(anatomy.cavity * squeeze * _profile(level, 0.97 if not systole else 0.9), 0.0)
    if outer < 3:
        fat = plane.blob(centre, (14, 10), wobble=0.1, phase=p[10])
        plane.paint(fat < 1, FAT)
        return
    epi = plane.blob(centre, (outer, outer * 0.97), wobble=0.012, phase=p[11])
    fullness = _profile(level, 0.84) * anatomy.right * (0.8 if systole else 1.0)
    reach = outer * (0.2 + 0.72 * fullness)
    size = outer * (0.66 + 0.36 * min(fullness, 1.1))
    right_centre = (
        centre[0] + reach * np.cos(chest.septum),
        centre[1] + reach * np.sin(chest.septum),
    )
    right = plane.blob(
        right_centre, (size, size * 1.02), turn=chest.septum, wobble=0.03, phase=p[10]
    )
    has_right = fullness > 0.12
    heart = np.minimum(epi * outer, right * size - size + outer if has_right else np.inf)
    ragged = 5.0 + 3.5 * np.sin(3 * np.arctan2(plane.y - centre[1], plane.x - centre[0]) + p[9])
    plane.paint(heart < outer + ragged + 3.5, FAT)
    plane.paint(heart < outer + 4.2, 0.16)
    plane.paint(heart < outer + 3.0, MYOCARDIUM)
    if has_right:
        crescent = (right < 1) & (epi >= 1)
        plane.paint(crescent, BLOOD * 0.93)
        _draw_trabeculae(plane, crescent, right, grain)
        plane.labels[crescent] = RV
    plane.paint(epi < 1, MYOCARDIUM)
    plane.labels[epi < 1] = MYO
    if inner < 1.5:
        return
    endo = plane.blob(centre, (inner, inner * 0.96), wobble=0.02, phase=p[8])
    plane.paint(endo < 1, BLOOD)
    plane.labels[endo < 1] = LV
    if 0.2 < level < 0.75:
        for angle in (0.75 + 0.3 * np.sin(p[7]), -1.15):
            distance = inner * 0.68
            muscle = (centre[0] + distance * np.cos(angle), centre[1] + distance * np.sin(angle))
            thick = inner * (0.2 if not systole else 0.26)
            plane.paint(plane.blob(muscle, (thick, thick * 0.8), turn=angle) < 1, 0.42)


def _draw_trabeculae(plane: Plane, crescent: Mask, right: Image, grain: Image) -> None:
    """Muscle strands along the free wall of the right ventricle; they count as its cavity."""
    plane.paint(crescent & (right > 0.8) & (grain > 0.7), 0.5)


def _profile(level: float, end: float) -> float:
    """Radius along the long axis, 1 at the base, 0 from `end` on: half of an egg."""
    return float(np.sqrt(max(0.0, 1 - (max(level, 0.0) / end) ** 2.3)))
