"""Labels put on the grid of an image, by where they lie in the patient."""

from __future__ import annotations

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume

SAME_VOXELS = 0.01
"""Grids closer than this, in voxels, are the same one: headers are rounded."""
_NEARBY_VOXELS = 0.5
"""Up to this many voxels apart every voxel still has one nearest partner."""


def put_on_grid(labels: Volume, grid: Grid, name: str) -> tuple[Array, tuple[str, ...]]:
    """Labels in the voxel order of a grid, by position in the patient, and what was noticed.

    Voxels are only reordered, never interpolated: axes may be permuted and flipped, and the
    grids may be up to half a voxel apart (above 0.01 voxel with a note).

    Args:
        labels: integers with their own geometry.
        grid: the geometry they belong to, as a rule the image's.
        name: what the labels are, for sentences ("The scribbles of case A").

    Returns:
        The array (z, y, x) of the grid's shape, dtype kept, and the notes.

    Raises:
        InvalidInput: the labels cover another region or have another resolution, or lie elsewhere
            and only one of both grids is known to lie in the patient.
    """
    offset = grid.offset_from(labels.grid)
    if offset <= SAME_VOXELS:
        return labels.array, labels.notes
    notes = list(labels.notes)
    array = labels.array
    if offset > _NEARBY_VOXELS:
        if labels.grid.oriented != grid.oriented:
            raise InvalidInput(
                f"{name}: they lie elsewhere than the image, and only one of both files says where "
                f"left and right are, so they can't be put in place: "
                f"{_got_and_expected(labels.grid, grid)}. "
                "Choose the file that belongs to it, or give both one geometry."
            )
        array, moved = _reordered(labels, grid)
        offset = grid.offset_from(moved)
        if offset > _NEARBY_VOXELS:
            raise InvalidInput(
                f"{name}: stored on another grid than expected ({_apart(offset)}): "
                f"{_got_and_expected(labels.grid, grid)}. "
                "Resample them onto that grid or choose the file that belongs to it."
            )
        notes.append(
            f"{name}: stored with other axes, put in place by position; should they look mirrored "
            "on the image, one of the two headers is wrong."
        )
    if offset > SAME_VOXELS:
        notes.append(f"{name}: {offset:.2g} voxels beside the expected place, taken as equal.")
    return array, tuple(notes)


def _reordered(labels: Volume, grid: Grid) -> tuple[Array, Grid]:
    """Labels with axes permuted and flipped to point like the grid's; their new geometry."""
    # Column k: how the index on the image grid changes with one step along label axis k.
    steps = np.linalg.solve(grid.affine[:3, :3], labels.grid.affine[:3, :3])
    image_axes = np.abs(steps).argmax(axis=0)
    if sorted(image_axes) != [0, 1, 2]:
        return labels.array, labels.grid
    order = np.argsort(image_axes)
    array = labels.array.transpose(order)
    affine = labels.grid.affine[:, [*order, 3]]
    flipped = [axis for axis in range(3) if steps[axis, order[axis]] < 0]
    for axis in flipped:
        affine[:3, 3] += (array.shape[axis] - 1) * affine[:3, axis]
        affine[:3, axis] *= -1
    array = np.ascontiguousarray(np.flip(array, tuple(flipped)))
    shape = (array.shape[0], array.shape[1], array.shape[2])
    return array, Grid(shape, affine, labels.grid.oriented)


def _apart(offset: float) -> str:
    return f"{offset:.3g} voxels apart" if np.isfinite(offset) else "different sizes"


def _got_and_expected(got: Grid, expected: Grid) -> str:
    """Both grids in words, with where they lie in the patient if nothing else tells them apart."""
    if str(got) != str(expected):
        return f"got {got}, expected {expected}"
    return f"got {got}, {_extent(got)}, expected the same {_extent(expected)}"


def _extent(grid: Grid) -> str:
    ends = (grid.position((0, 0, 0)), grid.position(np.subtract(grid.shape, 1)))
    first, last = ("(" + ", ".join(f"{mm:.4g}" for mm in end) + ")" for end in ends)
    return f"from {first} to {last} mm"
