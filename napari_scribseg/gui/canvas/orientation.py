"""Which letters stand at the borders of the canvas: A P, L R, S I, from the true affine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.volume import Grid
from napari_scribseg.gui.canvas.world import axis_signs

_LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))
"""Towards plus and minus of the LPS axes x, y, z."""
_SECOND = np.sin(np.pi / 8)
"""A direction that leans at least 22.5 degrees towards another one gets that letter too."""


@dataclass(frozen=True)
class BorderLetters:
    """What is where on the screen."""

    left: str
    right: str
    top: str
    bottom: str


def border_letters(grid: Grid, displayed: Sequence[int]) -> BorderLetters:
    """The letters for a grid laid out by `placement`, seen in two dimensions.

    Args:
        grid: the true geometry.
        displayed: the two axes of (z, y, x) that are shown: down and to the right.
    """
    directions = grid.directions * axis_signs(grid)
    down, right = (directions[:, axis] for axis in displayed)
    return BorderLetters(
        left=letters_of(-right),
        right=letters_of(right),
        top=letters_of(-down),
        bottom=letters_of(down),
    )


def letters_of(direction: npt.NDArray[np.float64]) -> str:
    """The one or two letters of a unit vector in LPS, the stronger one first."""
    strength = np.abs(direction)
    order = np.argsort(-strength, kind="stable")[:2]
    kept = [axis for n, axis in enumerate(order) if n == 0 or strength[axis] > _SECOND]
    return "".join(_LETTERS[axis][0 if direction[axis] > 0 else 1] for axis in kept)
