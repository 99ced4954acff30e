"""Reach: structures end near their strokes, so what lies much farther out is background.

People draw along the middle of a structure. Half of the distance between the strokes of two
structures is therefore about half of the width of one, and that is how far a structure goes beyond
the strokes that are outermost. Where background was hardly drawn, nothing else says where an organ
ends. The rule is used on volumes only where every structure is drawn, at least two of them; on one
with holes (a structure that is drawn on two slices and not on one between) strokes are missing, and
it looks at slices only on which all structures are drawn.

Measured on ACDC's training volumes and one prostate, see docs/decisions/0010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from napari_scribseg.annotation.surrounding import surrounds
from napari_scribseg.core.labels import BACKGROUND, is_structure
from napari_scribseg.core.types import Array, Mask

NEAREST_MM: Final = 10.0
"""What is nearer to the strokes than this is never called background."""
_TOLD: Final = 0.05
"""Share of what lies beyond that is drawn: then strokes say it, and more outweighs structures."""
_FEWEST: Final = 2
"""Structures that must be drawn: of one alone, no distance says how wide it is."""


@dataclass(frozen=True)
class Reach:
    """How far structures are believed to go beyond their strokes.

    Args:
        structures: how many there are; all must be drawn in a volume.
        times: of half of the distance between strokes of different structures.
    """

    structures: int
    times: float


def beyond_reach(scribbles: Array, spacing: tuple[float, float, float], reach: Reach) -> Mask:
    """Where a volume is background because all strokes of structures are far (z, y, x).

    In a slice, that is far from the convex hull of its strokes and of those of both neighbours.

    Args:
        scribbles: (z, y, x) scribble values.
        spacing: mm along (z, y, x).
        reach: says how far.
    """
    from skimage.morphology import convex_hull_image  # slow to load, and the window looks in here

    beyond = np.zeros(scribbles.shape, dtype=bool)
    drawn = _drawn(scribbles, reach)
    if drawn is None:
        return beyond
    strokes = is_structure(scribbles)
    distance = max(NEAREST_MM, reach.times * _half_distance(scribbles, spacing[1:]))
    wanted = drawn.all(axis=1) if _has_holes(drawn) else drawn.any(axis=1)
    for z in np.flatnonzero(wanted) if np.isfinite(distance) else ():
        hull = convex_hull_image(strokes[max(z - 1, 0) : z + 2].any(axis=0))
        away = np.asarray(ndimage.distance_transform_edt(~hull, sampling=spacing[1:]))
        beyond[z] = away > distance
    beyond[slices_beyond(scribbles, reach)] = True
    for z in np.flatnonzero(beyond.any(axis=(1, 2))):
        if (scribbles[z][beyond[z]] == BACKGROUND).mean() > _TOLD:
            beyond[z] = False
    return beyond


def slices_beyond(scribbles: Array, reach: Reach) -> Mask:
    """Which slices (z,) are background as a whole: only background is drawn there.

    None in a volume with holes, where strokes are missing; nor a slice whose background goes around
    the place where the nearest slice with structures has them: whoever draws so may not have come
    to the structures yet.

    Args:
        scribbles: (z, y, x) scribble values.
        reach: says how many structures there are.
    """
    beyond = np.zeros(len(scribbles), dtype=bool)
    drawn = _drawn(scribbles, reach)
    if drawn is None or _has_holes(drawn):
        return beyond
    inner, background = is_structure(scribbles), scribbles == BACKGROUND
    shown = np.flatnonzero(drawn.any(axis=1))
    for z in np.flatnonzero(background.any(axis=(1, 2)) & ~drawn.any(axis=1)):
        nearest = shown[np.abs(shown - z).argmin()]
        beyond[z] = not surrounds(background[z], inner[nearest])
    return beyond


def _drawn(scribbles: Array, reach: Reach) -> Mask | None:
    """Which structure is drawn on which slice (z, n); None where not all of them are."""
    values = np.unique(scribbles[is_structure(scribbles)])
    if len(values) < max(reach.structures, _FEWEST):
        return None
    return np.stack([(scribbles == value).any(axis=(1, 2)) for value in values], axis=1)


def _has_holes(drawn: Mask) -> bool:
    """Whether a structure is drawn on two slices and not on one between."""
    return any(np.diff(np.flatnonzero(column)).max(initial=1) > 1 for column in drawn.T)


def _half_distance(scribbles: Array, spacing: tuple[float, float]) -> float:
    """Half of the distance in mm from strokes to the nearest of another structure of the slice.

    The median over a structure's pixels, of the structure where it is largest; infinite where no
    slice shows two structures.
    """
    by_structure: dict[int, list[npt.NDArray[np.float64]]] = {}
    for drawn in scribbles:
        values = np.unique(drawn[is_structure(drawn)])
        if len(values) < _FEWEST:
            continue
        places = {int(v): np.argwhere(drawn == v) * np.asarray(spacing) for v in values}
        for value, own in places.items():
            others = np.concatenate([p for v, p in places.items() if v != value])
            by_structure.setdefault(value, []).append(KDTree(others).query(own)[0])
    if not by_structure:
        return float("inf")
    return max(float(np.median(np.concatenate(parts))) for parts in by_structure.values()) / 2
