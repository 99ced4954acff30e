"""Geometry as files tell it (x, y, z; RAS or LPS; several units) turned into a Grid, and back.

The only module that converts between RAS and LPS, and between the axis orders of files and arrays.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid

Affine = npt.NDArray[np.float64]

UNKNOWN_SIDES: Final = (
    "Left and right are unknown: the file doesn't say how its axes lie in the patient."
)
ONE_SLICE: Final = "There is only one slice, so nothing can be learned through the plane."
ASSUMED_THICKNESS: Final = "The thickness of the only slice is unknown, 1 mm is assumed."

_MILLIMETRES: Final = {
    "mm": 1.0,
    "millimeter": 1.0,
    "m": 1000.0,
    "metre": 1000.0,
    "um": 0.001,
    "µm": 0.001,
    "micron": 0.001,
}
_PLAUSIBLE_MM: Final = (0.05, 50.0)
_ORTHONORMAL_TOLERANCE: Final = 1e-3

_SIGNS: Final = {"LPS": (1.0, 1.0, 1.0), "RAS": (-1.0, -1.0, 1.0), "LAS": (1.0, -1.0, 1.0)}


def between_lps_and(space: str, affine: Affine) -> Affine:
    """An affine of the space "RAS" or "LAS" in LPS, or the other way round.

    Args:
        space: what the first three rows of the affine mean now (or shall mean).
        affine: (4, 4).
    """
    return np.diag([*_SIGNS[space], 1.0]) @ affine


def make_affine(axes: npt.ArrayLike, origin: npt.ArrayLike) -> Affine:
    """(4, 4) of three axis vectors in mm, given as the columns x, y, z, and an origin."""
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = origin
    return affine


def to_grid(shape: tuple[int, int, int], affine: Affine, *, oriented: bool = True) -> Grid:
    """The grid of an array (z, y, x).

    Args:
        shape: voxels along (z, y, x).
        affine: (4, 4), takes (x, y, z, 1) to LPS mm.
        oriented: whether the file says how its axes lie in the patient.

    Raises:
        InvalidInput: spacing not positive or not finite, or axes not perpendicular.
    """
    return Grid(shape, affine[:, [2, 1, 0, 3]], oriented)


def from_grid(grid: Grid) -> Affine:
    """(4, 4) that takes (x, y, z, 1) to LPS mm: the inverse of `to_grid`."""
    return grid.affine[:, [2, 1, 0, 3]]


def is_straight(affine: Affine) -> bool:
    """Whether the axes are finite, not zero and perpendicular within 1e-3."""
    axes = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(axes, axis=0)
    if (lengths <= 0).any():
        return False
    unit = axes / lengths
    return bool(np.abs(unit.T @ unit - np.eye(3)).max() <= _ORTHONORMAL_TOLERANCE)


def in_millimetres(affine: Affine, unit: str) -> tuple[Affine, tuple[str, ...]]:
    """The affine in mm, with a note when something was converted.

    Raises:
        InvalidInput: the unit is not one of lengths.
    """
    if unit not in _MILLIMETRES:
        raise InvalidInput(
            f"Lengths are given in {unit!r}, expected one of {', '.join(sorted(_MILLIMETRES))}."
        )
    factor = _MILLIMETRES[unit]
    if factor == 1.0:
        return affine, ()
    converted = affine.copy()
    converted[:3] *= factor
    return converted, (f"Lengths were given in {unit} and were converted to mm.",)


def orientation_notes(grid: Grid) -> tuple[str, ...]:
    """The note that left and right are unknown, when they are."""
    return () if grid.oriented else (UNKNOWN_SIDES,)


def plausibility_notes(grid: Grid) -> tuple[str, ...]:
    """Notes on a spacing that is hardly one of a patient, and on a single slice."""
    notes: list[str] = []
    low, high = _PLAUSIBLE_MM
    if min(grid.spacing) < low or max(grid.spacing) > high:
        spacing = " x ".join(f"{s:.4g}" for s in grid.spacing)
        notes.append(
            f"The spacing {spacing} mm (z, y, x) is implausible; check the units of the file."
        )
    if grid.shape[0] == 1:
        notes.append(ONE_SLICE)
    return tuple(notes)


def check_spacing(spacing: npt.ArrayLike) -> None:
    """Raises InvalidInput unless all lengths are finite and positive; they are never replaced."""
    lengths = np.asarray(spacing, dtype=np.float64)
    if not np.isfinite(lengths).all() or (lengths <= 0).any():
        raise InvalidInput(
            f"The spacing is {', '.join(f'{s:g}' for s in lengths)} (x, y, z), expected positive "
            "finite lengths; repair the header or export the volume again."
        )


def describe_axes(affine: Affine) -> str:
    """Where the axes x, y, z of an LPS affine point, in letters ("LPS"), and the origin."""
    axes = affine[:3, :3]
    letters = ""
    for column in axes.T:
        axis = int(np.abs(column).argmax())
        letters += ("LPS" if column[axis] > 0 else "RAI")[axis]
    origin = ", ".join(f"{o:.1f}" for o in affine[:3, 3])
    return f"{letters} from ({origin})"


def embed_plane(matrix: Any, origin: Any) -> tuple[npt.NDArray[np.float64], list[float]]:
    """A 2D geometry (2 axis columns, origin) as a plane with a third axis of 1 mm."""
    axes = np.eye(3)
    axes[:2, :2] = matrix
    return axes, [*map(float, origin), 0.0]
