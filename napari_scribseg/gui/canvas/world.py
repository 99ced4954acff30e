"""How a grid is laid out on the screen: scale and translate, and where that puts its voxels.

The world is in millimetres and its axes are those of the grid, turned around where that gives the
view a radiologist expects.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.volume import Grid

_TWIN_TOLERANCE = 1e-4
"""Largest difference, in voxels, between where a layer lies and where its metadata put it."""


def placement(grid: Grid) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and translate, (z, y, x) in mm, that show a grid the way it is usually looked at."""
    signs = axis_signs(grid)
    scale = signs * np.asarray(grid.spacing)
    translate = signs * (grid.directions.T @ grid.affine[:3, 3])
    return tuple(map(float, scale)), tuple(map(float, translate + 0.0))


def axis_signs(grid: Grid) -> npt.NDArray[np.float64]:
    """+1 or -1 per axis (z, y, x): which way round it is shown.

    Right on the screen is the patient's left, or posterior; down is posterior, or inferior; the
    slider climbs to superior, or posterior, or left.
    """
    dominant = np.abs(grid.directions).argmax(axis=0)
    signs = np.sign(grid.directions[dominant, range(3)])
    superior = 2
    for axis in (1, 2):
        if dominant[axis] == superior:
            signs[axis] = -signs[axis]
    return signs


def shown_affine(grid: Grid) -> npt.NDArray[np.float64]:
    """Array index (z, y, x, 1) to world (x, y, z, 1) of a grid placed by `placement`."""
    scale, translate = placement(grid)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(scale)[::-1]
    affine[:3, 3] = translate[::-1]
    return affine


def same_place(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], shape: tuple[int, ...]
) -> bool:
    """Whether two affines put an array of this shape into the same place."""
    far = np.asarray(shape) - 1
    corners = np.array(np.meshgrid(*[[0, n] for n in far], indexing="ij")).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    smallest = float(np.linalg.norm(other[:3, :3], axis=0).min())
    return bool(np.abs((one - other) @ corners).max() <= _TWIN_TOLERANCE * smallest)
