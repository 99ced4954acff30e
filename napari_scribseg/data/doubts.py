"""Doubts about drawings: strokes that fit the image better mirrored, or that lie where it is empty.

A program that drops or rewrites the header of a label file leaves strokes that have the image's
shape and a wrong place. Nothing is changed here; the doubt is told in a sentence.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, without_unsure
from napari_scribseg.core.types import Array

_MOST_VOXELS: Final = 20_000
"""So many stroke voxels tell as much as all."""
_FEWEST_VOXELS: Final = 50
_LEAST_EXPLAINED: Final = 0.2
_LEAST_GAIN: Final = 0.12
"""Found by trying: strokes of ACDC and MSCMR as drawn gain at most 0.056 by mirroring."""
_EMPTY_SHARE: Final = 0.02
"""Of an image whose lowest grey level covers less than this, that level is no empty frame."""
_MOST_ON_EMPTY: Final = 0.5


def stroke_doubts(image: Array, scribbles: Array, name: str) -> tuple[str, ...]:
    """What is doubtful about strokes, in sentences.

    Args:
        image: (z, y, x) intensities.
        scribbles: (z, y, x) values of scribbles on the same grid.
        name: what they are, for the sentence ("The scribbles of case A").
    """
    scribbles = without_unsure(scribbles)
    places = np.argwhere(scribbles != UNLABELLED)
    if len(places) < _FEWEST_VOXELS:
        return ()
    places = places[:: -(-len(places) // _MOST_VOXELS)]
    values = scribbles[tuple(places.T)]
    doubts = [_mirrored(image, places, values, name), _on_empty(image, places, values, name)]
    return tuple(doubt for doubt in doubts if doubt)


def _mirrored(image: Array, places: Array, values: Array, name: str) -> str:
    """Whether the classes have clearly more different greys where mirrored strokes would lie."""
    own = _explained(image, places, values)
    better = {
        how: _explained(image, moved, values) for how, moved in _moved(places, image.shape).items()
    }
    how = max(better, key=lambda one: better[one])
    if better[how] < _LEAST_EXPLAINED or better[how] - own < _LEAST_GAIN:
        return ""
    return (
        f"{name} would fit the image much better {how}: look at them on the image. If they lie "
        "wrong, the program that wrote them has lost the geometry; export them again."
    )


def _moved(places: Array, shape: tuple[int, ...]) -> dict[str, Array]:
    """Where the strokes would lie after the usual mistakes, by the mistake's name."""
    far = np.asarray(shape) - 1
    moved: dict[str, Array] = {}
    for axes in ((2,), (1,), (1, 2), (0,)):
        mirrored = places.copy()
        for axis in axes:
            mirrored[:, axis] = far[axis] - mirrored[:, axis]
        moved[f"mirrored along {' and '.join('zyx'[axis] for axis in axes)}"] = mirrored
    if shape[1] == shape[2]:
        moved["with y and x exchanged"] = places[:, [0, 2, 1]]
    return moved


def _explained(image: Array, places: Array, values: Array) -> float:
    """Share of the variance of the greys under strokes that their classes explain, 0 to 1.

    Ranks instead of greys, so that a bright vessel or an implant decides nothing.
    """
    greys = image[tuple(places.T)].astype(np.float64)
    finite = np.isfinite(greys)
    if not finite.any():
        return 0.0
    _, ranks = np.unique(greys[finite], return_inverse=True)
    ranks = ranks.ravel().astype(np.float64)
    total = float(((ranks - ranks.mean()) ** 2).sum())
    if total <= 0:
        return 0.0
    classes, index = np.unique(values[finite], return_inverse=True)
    if len(classes) < 2:
        return 0.0
    counts = np.bincount(index.ravel())
    means = np.bincount(index.ravel(), ranks) / counts
    return float((counts * (means - ranks.mean()) ** 2).sum()) / total


def _on_empty(image: Array, places: Array, values: Array, name: str) -> str:
    """Whether most strokes of structures lie on the lowest grey level, which is a frame of air."""
    lowest = image.min()
    drawn = image[tuple(places[values != BACKGROUND].T)]
    if not len(drawn) or np.count_nonzero(image == lowest) < _EMPTY_SHARE * image.size:
        return ""
    share = float(np.count_nonzero(drawn == lowest)) / len(drawn)
    if share <= _MOST_ON_EMPTY or image.max() == lowest:
        return ""
    return (
        f"{name}: {share:.0%} of the strokes of structures lie where the image is empty. Look at "
        "them on the image: they may belong to another one, or lie mirrored."
    )
