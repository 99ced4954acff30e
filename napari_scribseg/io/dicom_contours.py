"""Outlines of an RTSTRUCT object as voxels of the series that they were drawn on.

A voxel belongs to a structure when its centre lies inside the outline. Of outlines in one slice,
one inside another is a hole (as most programs write them), one apart from the others is added.
Holes may also be cut by a channel from the outer outline ("keyhole").
Source: DICOM PS3.3, C.8.8.6 (ROI Contour Module).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid

_CLOSED: Final = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})
_OFF_SLICE: Final = 0.25
"""Up to this part of a slice distance an outline may lie beside its slice, with a note."""
_ROUNDING: Final = 0.05
"""As above, without."""
_FEWEST_POINTS: Final = 3

Mask = npt.NDArray[np.bool_]
Outline = tuple[int, Array, bool]
"""Slice, points (n, 2) as (y, x) in voxels, and whether the file itself says "XOR"."""


def mask_of(contours: Sequence[Any], grid: Grid, name: str) -> tuple[Mask, tuple[str, ...]]:
    """The voxels (z, y, x) of one structure, and what was noticed.

    Args:
        contours: items of its ContourSequence.
        grid: of the series.
        name: of the structure, for sentences.

    Raises:
        InvalidInput: points that are damaged, an outline that lies in no slice of the series.
    """
    mask = np.zeros(grid.shape, np.bool_)
    notes: list[str] = []
    by_slice: dict[int, list[Outline]] = defaultdict(list)
    n_beside, n_open = 0, 0
    for contour in contours:
        kind = str(contour.get("ContourGeometricType") or "")
        if kind not in _CLOSED:
            n_open += 1
            continue
        outline, is_beside = _outline(contour, grid, name)
        n_beside += is_beside
        by_slice[outline[0]].append(outline)
    if n_open:
        notes.append(f"{name}: {n_open} point(s) or open line(s) are no outline and were left out.")
    if n_beside:
        notes.append(
            f"{name}: {n_beside} outline(s) lie up to a quarter of a slice beside their slice."
        )
    n_crossing = sum(_fill(mask[z], found) for z, found in by_slice.items())
    if n_crossing:
        notes.append(
            f"{name}: {n_crossing} outline(s) cross another one of their slice; what either "
            "encloses was taken."
        )
    notes += _gaps(sorted(by_slice), name)
    return mask, tuple(notes)


def _outline(contour: Any, grid: Grid, name: str) -> tuple[Outline, bool]:
    """An outline in voxels, and whether it lies beside its slice by more than rounding."""
    points = _points(contour, name)
    places = grid.index(points)
    z = round(float(np.median(places[:, 0])))
    beside = float(np.abs(places[:, 0] - z).max())
    if beside > _OFF_SLICE or not 0 <= z < grid.shape[0]:
        raise InvalidInput(
            f"An outline of {name} lies in no slice of the series: it reaches from slice "
            f"{places[:, 0].min():.2f} to {places[:, 0].max():.2f}, expected one of 0 to "
            f"{grid.shape[0] - 1} (counted along the series). Give the series that it was drawn on."
        )
    is_xor = str(contour.get("ContourGeometricType")) == "CLOSEDPLANAR_XOR"
    return (z, places[:, 1:], is_xor), beside > _ROUNDING


def _points(contour: Any, name: str) -> Array:
    """Points (n, 3), LPS mm."""
    try:
        numbers = np.array([float(v) for v in contour.get("ContourData") or ()], np.float64)
        n_told = int(contour.get("NumberOfContourPoints") or numbers.size // 3)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"An outline of {name} holds something else than numbers.") from error
    if (
        numbers.size % 3
        or numbers.size < 3 * _FEWEST_POINTS
        or n_told != numbers.size // 3
        or not np.isfinite(numbers).all()
    ):
        raise InvalidInput(
            f"An outline of {name} holds {numbers.size} numbers for {n_told} points; expected "
            f"three finite numbers for each of {_FEWEST_POINTS} points or more. The file is "
            "damaged."
        )
    return numbers.reshape(-1, 3)


def _fill(plane: Mask, outlines: Sequence[Outline]) -> int:
    """Fill the outlines of a slice in; the number of those that cross another one."""
    filled = [(_inside(points, plane.shape), is_xor) for _, points, is_xor in outlines]
    # From the outside in: a hole comes after what it is cut out of.
    filled.sort(key=lambda one: -int(one[0].sum()))
    taken: list[Mask] = []
    n_crossing = 0
    for inside, is_xor in filled:
        if not is_xor and any(np.array_equal(inside, other) for other in taken):
            continue  # drawn twice
        taken.append(inside)
        n_shared = int((inside & plane).sum())
        if is_xor or n_shared in (0, int(inside.sum())):
            plane ^= inside
        else:
            plane |= inside
            n_crossing += 1
    return n_crossing


def _inside(points: Array, shape: tuple[int, ...]) -> Mask:
    """Pixels (y, x) whose centre lies inside an outline; what reaches out of the image is cut."""
    from skimage.draw import polygon

    rows, columns = polygon(points[:, 0], points[:, 1], (shape[0], shape[1]))
    inside = np.zeros(shape, np.bool_)
    inside[rows, columns] = True
    return inside


def _gaps(drawn: Sequence[int], name: str) -> list[str]:
    """A note about slices without outline between others with one."""
    missing = sorted(set(range(drawn[0], drawn[-1] + 1)) - set(drawn)) if drawn else []
    if not missing:
        return []
    return [
        f"{name}: {len(missing)} slice(s) between its first and last one have no outline and are "
        f"empty, the first of them is slice {missing[0]}."
    ]
