"""How well answers fit strokes that they have not seen, which decides between several of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.core.types import Array

FEWEST_VOXELS: Final = 30
"""Fewer held-out voxels decide nothing."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Strokes that may be used, and strokes that are asked for.

    Args:
        given: (z, y, x), class index or IGNORE.
        held: likewise; nothing that is given.
    """

    given: npt.NDArray[np.int16]
    held: npt.NDArray[np.int16]


def folds(targets: Array, learnt: Array | None = None) -> tuple[Fold, ...]:
    """How the strokes of a volume are held out; empty when they decide nothing.

    Where a network has learnt from strokes of this volume, what was drawn or changed since is held
    out, and others may use what it has learnt from. A network that knows the volume not at all is
    asked for all strokes; others are given every second of the slices with strokes and asked for
    the rest, then the other way round.

    Args:
        targets: (z, y, x) as they are drawn now, class index or IGNORE.
        learnt: those that the network has learnt from; None = it does not know this volume.
    """
    if learnt is not None and (learnt != IGNORE).any():
        is_new = (targets != IGNORE) & (targets != learnt)
        return _usable(Fold(_only(targets, ~is_new), _only(targets, is_new)))
    drawn = np.flatnonzero((targets != IGNORE).any(axis=(1, 2)))
    first = np.zeros(len(targets), dtype=bool)
    first[drawn[::2]] = True
    one, other = _only(targets, first[:, None, None]), _only(targets, ~first[:, None, None])
    return _usable(Fold(one, other), Fold(other, one))


def stroke_dice(labels: Array, held: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numerators and denominators of Dice at held-out voxels, by class of 0 to 255.

    Args:
        labels: (z, y, x) class indices.
        held: (z, y, x), class index or IGNORE.
    """
    where = held != IGNORE
    truth, found = held[where].astype(np.int64), labels[where].astype(np.int64)
    both = np.bincount(truth[truth == found], minlength=256)
    return 2 * both, np.bincount(truth, minlength=256) + np.bincount(found, minlength=256)


def mean_dice(parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]) -> float:
    """Dice over all parts, as the mean of the classes that occur in them."""
    above, below = (np.sum([part[i] for part in parts], axis=0) for i in (0, 1))
    return float(np.mean(above[below > 0] / below[below > 0]))


def _only(targets: Array, where: Array) -> npt.NDArray[np.int16]:
    return np.where(where, targets, IGNORE).astype(np.int16)


def _usable(*found: Fold) -> tuple[Fold, ...]:
    """Folds that leave something to learn from, and ask for enough."""
    usable = tuple(fold for fold in found if _classes(fold.given) > 1)
    n = sum(int((fold.held != IGNORE).sum()) for fold in usable)
    classes = max((_classes(fold.held) for fold in usable), default=0)
    return usable if n >= FEWEST_VOXELS and classes > 1 else ()


def _classes(targets: Array) -> int:
    return len(np.unique(targets[targets != IGNORE]))
