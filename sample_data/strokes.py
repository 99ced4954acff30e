"""Strokes as a hand would draw them, slice by slice, made from the reference alone.

This is deliberately not `napari_scribseg.annotation.simulate`: the sample data must not depend on
the package whose tests use it.
"""

from __future__ import annotations

import numpy as np
from drawing import Mask, smooth_noise
from scipy import ndimage
from skimage.morphology import skeletonize

BACKGROUND = 255
CLEARANCE = 2
"""Pixels that a background stroke stays away from every structure."""


def draw_strokes(reference: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scribbles (z, y, x): 0 unlabelled, 1..C the class, 255 background; none leaves its class."""
    scribbles = np.zeros_like(reference)
    for plane, drawn in zip(reference, scribbles, strict=True):
        for value in np.unique(plane[plane > 0]):
            drawn[_inside(plane == value, rng)] = value
        drawn[_background(plane > 0, rng)] = BACKGROUND
    return scribbles


def _inside(structure: Mask, rng: np.random.Generator) -> Mask:
    """One stroke in a structure: along a band, across a blob, a dab in something tiny."""
    core = ndimage.binary_erosion(structure)
    if core.sum() < 8:
        core = structure
    if structure.sum() < 12:
        return core
    filled = ndimage.binary_fill_holes(structure)
    if _is_band(structure, filled):
        line = _midline(structure) & _arc(structure, rng.uniform(0.55, 0.75), rng)
    else:
        line = _wave(structure, rng)
    stroke = _two_pixels(_shake(line, rng)) & core
    return stroke if stroke.sum() >= 4 else core


def _is_band(structure: Mask, filled: Mask) -> bool:
    """Whether it is a ring or a crescent rather than a blob."""
    if filled.sum() > 1.15 * structure.sum():
        return True
    half_width = ndimage.distance_transform_edt(structure).max()
    return structure.sum() > 2.2 * np.pi * half_width**2


def _midline(structure: Mask) -> Mask:
    """Its skeleton without the side branches that end in corners."""
    depth = ndimage.distance_transform_edt(structure)
    line = skeletonize(structure)
    return line & (depth > 0.55 * np.median(depth[line]))


def _wave(structure: Mask, rng: np.random.Generator) -> Mask:
    """A wavy line along the longer axis of a blob."""
    points = np.argwhere(structure).astype(float)
    centre = points.mean(0)
    _, spread, axes = np.linalg.svd(points - centre, full_matrices=False)
    long, short = 2 * spread / np.sqrt(len(points))
    along = np.linspace(-0.65, 0.65, 400)
    swing = 0.38 * short * np.sin(2 * np.pi * (0.8 * along + rng.uniform()))
    path = centre + np.outer(along * long, axes[0]) + np.outer(swing, axes[1])
    line = np.zeros_like(structure)
    rows, columns = np.round(path).astype(int).T
    line[rows.clip(0, line.shape[0] - 1), columns.clip(0, line.shape[1] - 1)] = True
    return line


def _background(structures: Mask, rng: np.random.Generator) -> Mask:
    """A loop around the structures and lines across the whole field of view."""
    strokes = np.zeros_like(structures)
    allowed = np.ones_like(structures)
    if structures.any():
        allowed = ~ndimage.binary_dilation(structures, iterations=CLEARANCE)
        strokes |= _loop(structures, rng)
    for share in (0.27, 0.73):
        strokes |= _crossing(structures.shape, share, rng)
        strokes |= _crossing(structures.shape[::-1], share, rng).T
    return strokes & allowed & ~_rim(structures.shape)


def _loop(structures: Mask, rng: np.random.Generator) -> Mask:
    """A loop some 8 pixels outside the structures, not quite closed."""
    distance = ndimage.distance_transform_edt(~structures)
    distance = distance + 1.8 * smooth_noise(rng, structures.shape, 9)
    loop = _two_pixels(skeletonize(np.abs(distance - 8) < 1.0))
    return loop & _arc(structures, rng.uniform(0.85, 0.97), rng)


def _arc(structures: Mask, share: float, rng: np.random.Generator) -> Mask:
    """This share of all directions seen from the middle of the structures."""
    y, x = np.indices(structures.shape)
    middle_y, middle_x = ndimage.center_of_mass(structures)
    angle = np.arctan2(y - middle_y, x - middle_x) - rng.uniform(0, 2 * np.pi)
    return angle % (2 * np.pi) < share * 2 * np.pi


def _crossing(shape: tuple[int, int], share: float, rng: np.random.Generator) -> Mask:
    """A wavy stroke from left to right, with a gap where the hand was lifted."""
    height, width = shape
    wander = smooth_noise(rng, (width,), width / 9)
    rows = np.round((share + rng.uniform(-0.2, 0.2)) * height + 3 * wander).astype(int)
    line = np.zeros(shape, bool)
    line[rows.clip(0, height - 1), np.arange(width)] = True
    start = rng.integers(0, width - width // 3)
    line[:, start : start + width // 3] = False
    return _two_pixels(line)


def _shake(line: Mask, rng: np.random.Generator) -> Mask:
    """The line as an unsteady hand would follow it, off by about a pixel."""
    points = np.argwhere(line)
    moved = np.zeros_like(line)
    shift = np.stack([0.8 * smooth_noise(rng, line.shape, 6) for _ in range(2)], axis=-1)
    rows, columns = np.round(points + shift[tuple(points.T)]).astype(int).T
    moved[rows.clip(0, line.shape[0] - 1), columns.clip(0, line.shape[1] - 1)] = True
    return moved


def _two_pixels(line: Mask) -> Mask:
    """The line, 2 pixels thick."""
    return ndimage.binary_dilation(line, np.ones((2, 2), bool))


def _rim(shape: tuple[int, int]) -> Mask:
    """The outermost two pixels, where nobody draws."""
    rim = np.ones(shape, bool)
    rim[2:-2, 2:-2] = False
    return rim
