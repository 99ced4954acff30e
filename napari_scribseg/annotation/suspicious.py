"""Strokes that may be drawn as another class than was meant.

A stroke is suspicious when its own grey levels fit those of another class's strokes and not those
of its own class, or when a network that has not been told otherwise says another class almost
everywhere along it. Neither proves anything: they are to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from napari_scribseg.core.labels import UNLABELLED, UNSURE, targets_of
from napari_scribseg.core.types import Array

FAR: Final = 4.0
"""Spreads between a stroke's grey level and its own class's, at least."""
NEAR: Final = 1.5
"""Spreads between it and another class's, at most."""
CONTRADICTED: Final = 0.8
"""Share of a stroke where the network says another class."""
_FEWEST_VOXELS: Final = 8
_NORMAL: Final = 1.4826
"""Median deviations in a standard deviation."""
_LEAST_SPREAD: Final = 0.03
"""Of the range of the strokes' grey levels: a class is never known more exactly than this."""


@dataclass(frozen=True)
class Suspicion:
    """A stroke to look at.

    Args:
        z: its slice.
        value: its scribble value.
        looks_like: the class index that it looks like.
        by: "grey levels" or "network".
    """

    z: int
    value: int
    looks_like: int
    by: str


@dataclass(frozen=True, eq=False)
class _Stroke:
    z: int
    value: int
    index: int
    places: tuple[Array, Array]
    greys: Array


def suspicions(
    image: Array, slices: Sequence[Array], network: Array | None = None
) -> tuple[Suspicion, ...]:
    """The suspicious strokes of a volume, by slice.

    Args:
        image: (z, y, x) intensities.
        slices: (y, x) scribbles of every slice.
        network: (z, y, x) class indices that a network says, None = there is none.
    """
    strokes = [one for z, drawn in enumerate(slices) for one in _strokes(image[z], drawn, z)]
    values = {s.value for s in strokes}
    greys = {v: [s.greys for s in strokes if s.value == v] for v in values}
    found: dict[tuple[int, int, int], Suspicion] = {}
    for stroke in strokes:
        looks_like, by = _network_says(stroke, network), "network"
        if looks_like is None:
            looks_like, by = _greys_say(stroke, strokes, greys), "grey levels"
        if looks_like is not None:
            place = stroke.z, stroke.value, looks_like
            found.setdefault(place, Suspicion(*place, by))
    return tuple(found.values())


def _strokes(plane: Array, drawn: Array, z: int) -> Iterator[_Stroke]:
    """Pieces of one value that hang together on a slice, also at a corner."""
    for value in np.unique(drawn[(drawn != UNLABELLED) & (drawn != UNSURE)]):
        pieces = np.zeros(drawn.shape, np.int32)
        ndimage.label(drawn == value, structure=np.ones((3, 3)), output=pieces)
        for number in range(1, int(pieces.max()) + 1):
            y, x = np.nonzero(pieces == number)
            if len(y) >= _FEWEST_VOXELS:
                index = int(targets_of(np.array([value], np.uint8))[0])
                yield _Stroke(z, int(value), index, (y, x), plane[y, x].astype(np.float64))


def _network_says(stroke: _Stroke, network: Array | None) -> int | None:
    if network is None:
        return None
    said = network[stroke.z][stroke.places]
    other = said[said != stroke.index]
    if len(other) < CONTRADICTED * len(said):
        return None
    return int(np.bincount(other.astype(np.int64)).argmax())


def _greys_say(
    stroke: _Stroke, strokes: Sequence[_Stroke], greys: Mapping[int, Sequence[Array]]
) -> int | None:
    """Which other structure a stroke's grey level fits, if it doesn't fit its own."""
    own = [one for one in greys[stroke.value] if one is not stroke.greys]
    if stroke.index == 0 or not own:
        return None
    everything = np.concatenate([one for some in greys.values() for one in some])
    least = _LEAST_SPREAD * float(np.ptp(everything)) or 1.0
    grey = float(np.median(stroke.greys))
    if _distance(grey, np.concatenate(own), least) < FAR:
        return None
    others = {s.value: s.index for s in strokes if s.index not in (0, stroke.index)}
    fits = {
        index: _distance(grey, np.concatenate(greys[value]), least)
        for value, index in others.items()
    }
    best = min(fits, key=lambda index: fits[index], default=None)
    return best if best is not None and fits[best] <= NEAR else None


def _distance(grey: float, greys: Array, least: float) -> float:
    middle = float(np.median(greys))
    spread = _NORMAL * float(np.median(np.abs(greys - middle)))
    return abs(grey - middle) / max(spread, least)
