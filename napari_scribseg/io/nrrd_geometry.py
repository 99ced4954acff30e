"""Which axes of an NRRD file are space, which one counts frames, and where they lie."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.geometry import (
    ASSUMED_THICKNESS,
    Affine,
    between_lps_and,
    check_spacing,
    embed_plane,
    make_affine,
)
from napari_scribseg.io.text_header import Fields, real_numbers, required, whole_numbers

_SPACES: Final = {
    "left-posterior-superior": "LPS",
    "lps": "LPS",
    "right-anterior-superior": "RAS",
    "ras": "RAS",
    "left-anterior-superior": "LAS",
    "las": "LAS",
}
_VECTOR: Final = re.compile(r"none|\([^()]*\)")
_FRAME_KINDS: Final = {"list", "time", "domain", "space", "none", "???"}


def split_axes(fields: Fields, sizes: list[int]) -> tuple[list[int], int | None]:
    """The axes of space, fastest first, and the axis that counts frames (None without one).

    Raises:
        InvalidInput: more axes than that, or several values per voxel.
    """
    n_axes = len(sizes)
    kinds = fields.get("kinds", " ".join(["???"] * n_axes)).split()
    if len(kinds) != n_axes:
        raise InvalidInput(f"The header tells {len(kinds)} kinds for {n_axes} axes.")
    other = _axes_outside_space(fields, n_axes, kinds)
    for axis in other:
        if kinds[axis].lower() not in _FRAME_KINDS and sizes[axis] > 1:
            raise InvalidInput(
                f"The file has {sizes[axis]} values per voxel ({kinds[axis]}), expected one."
            )
    space = [axis for axis in range(n_axes) if axis not in other]
    if len(other) > 1 or not 2 <= len(space) <= 3:
        raise InvalidInput(f"{len(space)} of {n_axes} axes lie in space, expected 2 or 3.")
    return space, other[0] if other else None


def _axes_outside_space(fields: Fields, n_axes: int, kinds: list[str]) -> list[int]:
    if "space directions" in fields:
        vectors = _VECTOR.findall(fields["space directions"])
        if len(vectors) != n_axes:
            raise InvalidInput(f"The header tells {len(vectors)} directions for {n_axes} axes.")
        outside = [axis for axis, vector in enumerate(vectors) if vector == "none"]
    else:
        outside = [axis for axis, kind in enumerate(kinds) if kind.lower() in {"list", "time"}]
    # ITK writes a series as a space of four dimensions, time last.
    return outside or ([3] if n_axes == 4 else [])


def nrrd_affine(
    fields: Fields, n_axes: int, space: list[int]
) -> tuple[Affine, str, bool, tuple[str, ...]]:
    """LPS affine of (x, y, z), the unit of its lengths, whether sides are known, and notes.

    Raises:
        InvalidInput: the geometry is missing, contradictory, not finite or not positive.
    """
    convention = _convention(fields)
    notes: tuple[str, ...] = ()
    if "space directions" in fields:
        dimension = _space_dimension(fields, convention)
        axes, origin = _vectors(fields, space, dimension)
        unit = _unit(fields)
    else:
        spacing = _spacings(fields, n_axes, space)
        axes, origin, unit = np.diag(spacing), np.zeros(len(space)), "mm"
        convention = None
    if len(space) == 2:
        if len(axes) != 2:
            raise InvalidInput("A single slice lies in a space of 3 dimensions, expected 2 axes.")
        axes, origin = embed_plane(axes, origin)
        notes = (*notes, ASSUMED_THICKNESS)
    affine = make_affine(axes, origin)
    if convention in {"RAS", "LAS"}:
        affine = between_lps_and(convention, affine)
    return affine, unit, convention is not None, notes


def is_las(fields: Fields) -> bool:
    """Whether the space is left-anterior-superior."""
    return _convention(fields) == "LAS"


def _convention(fields: Fields) -> str | None:
    return _SPACES.get(fields.get("space", "").lower().removesuffix("-time"))


def _space_dimension(fields: Fields, convention: str | None) -> int:
    if "space dimension" in fields:
        return whole_numbers("space dimension", fields["space dimension"], 1)[0]
    if "space" not in fields:
        raise InvalidInput("The header tells directions, but neither 'space' nor its dimension.")
    is_series = fields["space"].lower().endswith("-time")
    return 4 if convention and is_series else 3


def _vectors(
    fields: Fields, space: list[int], dimension: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Axis vectors as columns, and the origin, without the dimension of time."""
    texts = _VECTOR.findall(fields["space directions"])
    if dimension not in {2, 3, 4}:
        raise InvalidInput(f"The space has {dimension} dimensions, expected 2 to 4.")
    columns = [real_numbers("space directions", texts[a].strip("()"), dimension) for a in space]
    if "space origin" in fields:
        origin = real_numbers("space origin", fields["space origin"].strip("()"), dimension)
    else:
        origin = [0.0] * dimension
    axes = np.array(columns).T
    if dimension == 4:
        if axes[3].any():
            raise InvalidInput("The time axis is mixed with the axes of space.")
        axes, origin = axes[:3], origin[:3]
    check_spacing(np.linalg.norm(axes, axis=0))
    return axes, np.array(origin)


def _spacings(fields: Fields, n_axes: int, space: list[int]) -> list[float]:
    words = required(fields, "spacings").split()
    if len(words) != n_axes:
        raise InvalidInput(f"The header tells {len(words)} spacings for {n_axes} axes.")
    spacing = real_numbers("spacings", " ".join(words[a] for a in space), len(space))
    check_spacing(spacing)
    return spacing


def _unit(fields: Fields) -> str:
    units = {unit.lower() for unit in re.findall(r'"([^"]*)"', fields.get("space units", ""))}
    lengths = {unit for unit in units if unit not in {"", "s", "ms"}} or {"mm"}
    if len(lengths) > 1:
        raise InvalidInput(f"The axes have different units: {', '.join(sorted(lengths))}.")
    return lengths.pop()
