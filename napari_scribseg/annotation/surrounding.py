"""Whether strokes of background go all around something."""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_scribseg.core.types import Mask

_WIDEST_GAP: Final = np.pi / 2
"""Of the ring, as an angle seen from the middle of what it surrounds. Experts leave 15 degrees at
most, people who were not asked for a ring 31 degrees where their strokes enclose."""


def surrounds(background: Mask, inner: Mask) -> bool:
    """Whether background (y, x) goes around other pixels (y, x); both have some."""
    y, x = np.subtract(np.nonzero(background), np.mean(np.nonzero(inner), 1, keepdims=True))
    angles = np.sort(np.arctan2(y, x))
    gap = float(np.diff(angles, append=angles[0] + 2 * np.pi).max())
    return gap <= _WIDEST_GAP
