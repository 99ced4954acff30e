"""Which of the patient's directions a viewer shows where, as far as the image tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from napari.layers import Layer

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.volume import Grid
from napari_scribseg.data.orientation import plane_of
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.orientation import BorderLetters, border_letters
from napari_scribseg.gui.canvas.side_by_side import camera_of
from napari_scribseg.gui.canvas.slices import plane_axis

_SAME_DIRECTION = 1e-6
_FLAT = 2
"""Axes on the screen when letters make sense."""
_UPPER: Final = ("S", "A")
"""What belongs to the top of the screen."""


def letters_on(viewer: Any, image: Layer | None) -> BorderLetters | None:
    """The letters at the borders of a viewer that shows an image.

    None when the orientation is not known or makes no sense.
    """
    dims, grid = viewer.dims, true_grid(image)
    if grid is None or dims.ndisplay != _FLAT:
        return None
    displayed = [axis - (dims.ndim - 3) for axis in dims.displayed]
    if min(displayed) < 0:
        return None
    seen = border_letters(grid, displayed)
    vertical, horizontal = (str(one) for one in camera_of(viewer).orientation2d)
    if vertical == "up":
        seen = replace(seen, top=seen.bottom, bottom=seen.top)
    if horizontal == "left":
        seen = replace(seen, left=seen.right, right=seen.left)
    return seen


def turn_upright(viewer: Any, image: Layer | None) -> None:
    """Let a viewer show superior, or anterior, at the top, as far as the image tells."""
    camera = camera_of(viewer)
    camera.orientation2d = ("down", "right")
    seen = letters_on(viewer, image)
    if seen is not None and seen.bottom[:1] in _UPPER:
        camera.orientation2d = ("up", "right")


def plane_name(viewer: Any, image: Layer | None) -> str:
    """What the plane is called that a viewer shows; "" where that is not known."""
    grid = true_grid(image)
    name = "" if grid is None else plane_of(grid.directions[:, plane_axis(viewer)])
    return "" if name == "oblique" else name


def true_grid(image: Layer | None) -> Grid | None:
    """The geometry of an image if its directions are known and the screen shows them."""
    if image is None or layers.notes(image).get("affine") is None:
        return None
    try:
        grid = layers.grid_of(image)
    except ScribsegError:
        return None
    if not layers.notes(image).get("oriented", True):
        return None
    # The screen shows what `placement` makes of the true axes, so they must still be these.
    true = Grid(grid.shape, np.asarray(layers.notes(image)["affine"], dtype=np.float64))
    known = np.allclose(grid.directions, true.directions, atol=_SAME_DIRECTION)
    return grid if known else None
