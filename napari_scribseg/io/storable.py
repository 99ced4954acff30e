"""Volumes in a type that every format can hold."""

from __future__ import annotations

import numpy as np

from napari_scribseg.core.volume import Volume


def storable(volume: Volume) -> Volume:
    """The volume in a type that every format can hold."""
    kind = volume.array.dtype
    if kind.kind in "iuf" and kind.itemsize <= 4 and kind != np.float16:
        return volume
    return Volume(volume.array.astype(np.float32), volume.grid)
