"""How much is drawn of every class."""

from __future__ import annotations

import numpy as np

from napari_scribseg.core.labels import UNLABELLED
from napari_scribseg.core.types import Array


def count_drawn(scribbles: Array) -> dict[int, int]:
    """Voxels by scribble value, without the unlabelled ones.

    Slice by slice, so that a painting GUI thread never waits long for the interpreter.
    """
    totals = np.zeros(256, np.int64)
    for piece in scribbles:
        inside = piece[(piece >= 0) & (piece <= 255)] if piece.dtype != np.uint8 else piece
        totals += np.bincount(inside.ravel(), minlength=256)
    return {int(v): int(totals[v]) for v in np.flatnonzero(totals) if v != UNLABELLED}
