"""Slices in space: sorted by place, and whether their places form one straight, even stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io.dicom import Slice
from napari_scribseg.io.geometry import make_affine, to_grid
from napari_scribseg.io.regular_file import shown

SAME_PLACE_MM: Final = 0.01
_STEP_TOLERANCE: Final = 0.01
_UNEVEN: Final = 0.1
"""Up to this part of a slice distance a slice may lie beside its even place, with a note."""
_ORIENTATION_TOLERANCE: Final = 1e-3
_JUMP_PIXELS: Final = 0.5
"""Further aside in the plane every pixel has another nearest partner."""
_ROUNDING_PIXELS: Final = 0.05


def check_alike(slices: Sequence[Slice]) -> None:
    """Refuse a series whose files are not slices of one stack.

    Raises:
        InvalidInput: localizers among slices, several matrices, pixel sizes or orientations.
    """
    localizers = [s for s in slices if "LOCALIZER" in s.image_type]
    if localizers and len(localizers) < len(slices):
        raise InvalidInput(
            f"{len(localizers)} of {len(slices)} files are localizers; remove "
            f"{shown(localizers[0].path.name)!r}, ..."
        )
    _same(slices, "matrices (rows x columns)", lambda s: f"{s.rows} x {s.columns}")
    _same(slices, "pixel spacings", lambda s: " x ".join(f"{v:.4g}" for v in s.spacing) + " mm")
    first = slices[0]
    turned = [s for s in slices if np.abs(s.axes - first.axes).max() > _ORIENTATION_TOLERANCE]
    if turned:
        raise InvalidInput(
            f"The files have different orientations: {len(slices) - len(turned)} like "
            f"{shown(first.path.name)!r}, {len(turned)} others like "
            f"{shown(turned[0].path.name)!r}."
        )


def _same(slices: Sequence[Slice], what: str, value: Callable[[Slice], str]) -> None:
    counts = Counter(value(s) for s in slices)
    if len(counts) > 1:
        listing = ", ".join(f"{v} ({n} files)" for v, n in counts.most_common(6))
        raise InvalidInput(f"The files have different {what}: {listing}; expected one stack.")


def places_of(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The slices of each place along the normal, in its direction: names and numbers lie.

    Raises:
        InvalidInput: slices at one height lie side by side.
    """
    normal = slices[0].normal
    places: list[list[Slice]] = []
    for item in sorted(slices, key=lambda s: float(s.position @ normal)):
        if places and abs((item.position - places[-1][0].position) @ normal) < SAME_PLACE_MM:
            places[-1].append(item)
        else:
            places.append([item])
    for place in places:
        aside = max(_pixels_aside(item, place[0]) for item in place)
        if aside > _JUMP_PIXELS:
            raise InvalidInput(
                f"Slices at one height lie up to {aside:.1f} pixels beside one another, expected "
                "one stack; export the stacks as series of their own."
            )
    return places


def _pixels_aside(item: Slice, other: Slice) -> float:
    y_mm, x_mm = item.spacing
    return float(np.abs(item.axes @ (item.position - other.position) / (x_mm, y_mm)).max())


def grid_of(slices: Sequence[Slice]) -> tuple[Grid, tuple[str, ...]]:
    """The grid of slices, one per place and sorted, and what was noticed.

    Raises:
        InvalidInput: distances differ, slices jump aside, or the stack is tilted.
    """
    first = slices[0]
    y_mm, x_mm = first.spacing
    origin, step, notes = _line(slices)
    axes = np.column_stack([first.axes[0] * x_mm, first.axes[1] * y_mm, step])
    return to_grid((len(slices), first.rows, first.columns), make_affine(axes, origin)), notes


def _line(
    slices: Sequence[Slice],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], tuple[str, ...]]:
    """The first position, the vector from one slice to the next, and what was noticed."""
    first = slices[0]
    if len(slices) == 1:
        thickness = first.thickness if first.thickness and first.thickness > 0 else None
        told = "is taken as the slice distance" if thickness else "is unknown, 1 mm is assumed"
        note = f"The thickness of the only slice {told}."
        return first.position, first.normal * (thickness or 1.0), (note,)
    notes = _check_distances(slices)
    positions = np.array([s.position for s in slices])
    heights = (positions - first.position) @ first.normal
    distance = float(heights[-1] / (len(slices) - 1))
    aside = (positions - first.position) @ first.axes.T
    pixel = np.array(first.spacing[::-1])
    k = np.arange(len(slices)) - (len(slices) - 1) / 2
    tilt = k @ aside / (k @ k)
    jumps = np.abs((aside - aside.mean(axis=0) - np.outer(k, tilt)) / pixel).max(axis=1)
    middle = np.median(aside, axis=0)
    off = np.abs((aside - middle) / pixel).max(axis=1)
    if off.max() <= _ROUNDING_PIXELS:
        return first.position + middle @ first.axes, first.normal * distance, notes
    if jumps.max() <= _ROUNDING_PIXELS:  # straight, perhaps tilted: the grid judges that
        return first.position, (positions[-1] - first.position) / (len(slices) - 1), notes
    if off.max() > _JUMP_PIXELS:
        n_off = int((off > _JUMP_PIXELS).sum())
        millimetres = float(np.linalg.norm(aside - middle, axis=1).max())
        raise InvalidInput(
            f"{n_off} of {len(slices)} slices jump aside in the plane, by up to {millimetres:.1f} "
            f"mm (the first is {shown(slices[int((off > _JUMP_PIXELS).argmax())].path.name)!r}), "
            "expected one straight stack; resample the series to a straight grid, or export the "
            "parts as series of their own."
        )
    note = (
        f"Slices lie up to {off.max():.2g} pixels beside the line of the stack and were taken as "
        "straight."
    )
    return first.position + middle @ first.axes, first.normal * distance, (*notes, note)


def _check_distances(slices: Sequence[Slice]) -> tuple[str, ...]:
    """Refuse distances along the normal that differ; note those that are rounded."""
    heights = np.array([float(s.position @ slices[0].normal) for s in slices])
    distances = np.diff(heights)
    typical = float(np.median(distances))
    odd = np.abs(distances - typical) > _STEP_TOLERANCE * (1.0 + typical)
    if not odd.any():
        return ()
    even = np.linspace(heights[0], heights[-1], len(heights))
    mean = float(distances.mean())
    uneven = float(np.abs(heights - even).max())
    if len(slices) > 2 and uneven <= _UNEVEN * mean:
        return (
            f"Slices lie up to {uneven:.2g} mm beside even distances of {mean:.4g} mm and were "
            "taken as even.",
        )
    counts = Counter(f"{d:.2f} mm" for d in distances)
    listing = ", ".join(f"{d} ({n} times)" for d, n in counts.most_common(6))
    missing = distances[odd] / typical
    advice = (
        f"about {int(np.rint(missing - 1).sum())} slice(s) are missing"
        if (missing > 1.5).all()
        else "the slices don't form one even stack"
    )
    raise InvalidInput(
        f"{len(slices)} slices have different distances: {listing}; {advice}. Export the "
        "whole series again."
    )
