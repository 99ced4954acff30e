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
class Stroke:
    """A piece of one value that hangs together on a slice.

    Args:
        z: its slice.
        value: its scribble value.
        index: its class index.
        places: of its voxels, (y, x).
        greys: of the image there.
    """

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
    pieces = [strokes_of(image[z], drawn, z) for z, drawn in enumerate(slices)]
    return suspicions_among([one for some in pieces for one in some], network)


def suspicions_among(
    strokes: Sequence[Stroke], network: Array | None = None
) -> tuple[Suspicion, ...]:
    """The suspicious ones of all strokes of a volume; see `suspicions`."""
    values = {s.value for s in strokes}
    greys = {v: [s.greys for s in strokes if s.value == v] for v in values}
    classes = _Classes.of(strokes, greys)
    found: dict[tuple[int, int, int], Suspicion] = {}
    for stroke in strokes:
        looks_like, by = _network_says(stroke, network), "network"
        if looks_like is None:
            looks_like, by = _greys_say(stroke, greys, classes), "grey levels"
        if looks_like is not None:
            place = stroke.z, stroke.value, looks_like
            found.setdefault(place, Suspicion(*place, by))
    return tuple(found.values())


def strokes_of(plane: Array, drawn: Array, z: int) -> tuple[Stroke, ...]:
    """The strokes of a slice that are long enough to be judged.

    Args:
        plane: (y, x) intensities.
        drawn: (y, x) scribbles.
        z: the number of the slice.
    """
    return tuple(_strokes(plane, drawn, z))


@dataclass(frozen=True, eq=False)
class _Classes:
    """What the grey levels of each class's strokes are like."""

    index: Mapping[int, int]
    """Class index by scribble value."""
    like: Mapping[int, tuple[float, float]]
    """Middle and spread by scribble value."""
    least: float
    """No spread is taken for less."""

    @classmethod
    def of(cls, strokes: Sequence[Stroke], greys: Mapping[int, Sequence[Array]]) -> _Classes:
        together = {value: np.concatenate(some) for value, some in greys.items()}
        low = min((float(one.min()) for one in together.values()), default=0.0)
        high = max((float(one.max()) for one in together.values()), default=0.0)
        return cls(
            {s.value: s.index for s in strokes},
            {value: _middle_and_spread(one) for value, one in together.items()},
            _LEAST_SPREAD * (high - low) or 1.0,
        )


def _strokes(plane: Array, drawn: Array, z: int) -> Iterator[Stroke]:
    """Pieces of one value that hang together on a slice, also at a corner."""
    for value in np.unique(drawn[(drawn != UNLABELLED) & (drawn != UNSURE)]):
        pieces = np.zeros(drawn.shape, np.int32)
        ndimage.label(drawn == value, structure=np.ones((3, 3)), output=pieces)
        for number in range(1, int(pieces.max()) + 1):
            y, x = np.nonzero(pieces == number)
            if len(y) >= _FEWEST_VOXELS:
                index = int(targets_of(np.array([value], np.uint8))[0])
                yield Stroke(z, int(value), index, (y, x), plane[y, x].astype(np.float64))


def _network_says(stroke: Stroke, network: Array | None) -> int | None:
    if network is None:
        return None
    said = network[stroke.z][stroke.places]
    other = said[said != stroke.index]
    if len(other) < CONTRADICTED * len(said):
        return None
    return int(np.bincount(other.astype(np.int64)).argmax())


def _greys_say(
    stroke: Stroke, greys: Mapping[int, Sequence[Array]], classes: _Classes
) -> int | None:
    """Which other structure a stroke's grey level fits, if it doesn't fit its own."""
    own = [one for one in greys[stroke.value] if one is not stroke.greys]
    if stroke.index == 0 or not own:
        return None
    grey, least = float(np.median(stroke.greys)), classes.least
    if _distance(grey, _middle_and_spread(np.concatenate(own)), least) < FAR:
        return None
    fits = {
        index: _distance(grey, classes.like[value], least)
        for value, index in classes.index.items()
        if index not in (0, stroke.index)
    }
    best = min(fits, key=lambda index: fits[index], default=None)
    return best if best is not None and fits[best] <= NEAR else None


def _middle_and_spread(greys: Array) -> tuple[float, float]:
    middle = float(np.median(greys))
    return middle, _NORMAL * float(np.median(np.abs(greys - middle)))


def _distance(grey: float, like: tuple[float, float], least: float) -> float:
    middle, spread = like
    return abs(grey - middle) / max(spread, least)
