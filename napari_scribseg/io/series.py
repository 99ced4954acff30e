"""DICOM folders: which series they hold, and one series as a volume, if it is complete.

Native series readers stretch what doesn't fit (a missing slice, a copy, a localizer, the phases
of a cine); here the positions of the slices decide, and anything odd is refused with a list of
what was found. No patient's name leaves this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io.dicom import Slice, pixels, scan_folder
from napari_scribseg.io.files import shown
from napari_scribseg.io.geometry import make_affine, to_grid
from napari_scribseg.io.stored import Stored

_SAME_PLACE_MM: Final = 0.01
_STEP_TOLERANCE: Final = 0.01
_ORIENTATION_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class SeriesInfo:
    """One series of a folder, without anything that names the patient.

    Args:
        uid: SeriesInstanceUID, for `read_series`.
        description: SeriesDescription.
        modality: "MR", "CT", ...
        shape: (z, y, x); z counts files.
        spacing: mm (z, y, x); z is the median distance of neighbouring positions, NaN when all
            lie in one place.
        n_files: number of files.
    """

    uid: str
    description: str
    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    n_files: int


def list_series(folder: str | Path) -> list[SeriesInfo]:
    """The series in a folder, largest first; the choice before `read_series`.

    Raises:
        InvalidInput: the folder can't be read, or a DICOM file in it is damaged.
    """
    series = _series(scan_folder(Path(folder))[0])
    infos = [_info(uid, slices) for uid, slices in series.items()]
    return sorted(infos, key=lambda info: (-info.n_files, info.uid))


def read_series(folder: str | Path, uid: str | None = None) -> Volume:
    """One DICOM series as a volume in real values (rescaled slice by slice).

    Args:
        folder: the files of the series; other series may lie there too when `uid` is given.
        uid: SeriesInstanceUID; may be left out when there is only one.

    Raises:
        InvalidInput: no series, several to choose from, or one that isn't a complete stack of
            slices: the message lists what was found.
    """
    folder = Path(folder)
    slices, n_other = scan_folder(folder)
    notes = [f"{n_other} other file(s) in the folder were not read."] if n_other else []
    try:
        chosen = _choose(_series(slices), uid)
        _check_alike(chosen)
        chosen, n_copies = _without_copies(_sorted(chosen))
        if n_copies:
            notes.append(f"{n_copies} identical copies of slices were left out.")
        grid, grid_notes = _grid(chosen)
        array = np.stack([pixels(s) for s in chosen])
    except InvalidInput as error:
        raise InvalidInput(f"{shown(folder)}: {error}") from error
    if any(s.photometric == "MONOCHROME1" for s in chosen):
        notes.append("Low values are meant to be shown bright (MONOCHROME1).")
    return Stored(array[np.newaxis], grid, (*notes, *grid_notes)).image()


def _series(slices: list[Slice]) -> dict[str, list[Slice]]:
    series: dict[str, list[Slice]] = {}
    for item in slices:
        series.setdefault(item.series, []).append(item)
    return series


def _choose(series: dict[str, list[Slice]], uid: str | None) -> list[Slice]:
    listing = "; ".join(
        f"{info.uid}: {info.modality} {info.description!r}, {info.n_files} files"
        for info in (_info(u, s) for u, s in list(series.items())[:8])
    )
    if not series:
        raise InvalidInput("The folder holds no DICOM images.")
    if uid is None and len(series) > 1:
        raise InvalidInput(f"The folder holds {len(series)} series, choose one: {listing}.")
    if uid is not None and uid not in series:
        raise InvalidInput(f"There is no series {uid!r}, only: {listing}.")
    return series[uid] if uid is not None else next(iter(series.values()))


def _check_alike(slices: list[Slice]) -> None:
    """Refuse a series whose files are not slices of one stack."""
    localizers = [s for s in slices if "LOCALIZER" in s.image_type]
    if localizers and len(localizers) < len(slices):
        raise InvalidInput(
            f"{len(localizers)} of {len(slices)} files are localizers; remove "
            f"{localizers[0].path.name!r}, ..."
        )
    _same(slices, "matrices (rows x columns)", lambda s: f"{s.rows} x {s.columns}")
    _same(slices, "pixel spacings", lambda s: " x ".join(f"{v:.4g}" for v in s.spacing) + " mm")
    first = slices[0]
    turned = [s for s in slices if np.abs(s.axes - first.axes).max() > _ORIENTATION_TOLERANCE]
    if turned:
        raise InvalidInput(
            f"The files have different orientations: {len(slices) - len(turned)} like "
            f"{first.path.name!r}, {len(turned)} others like {turned[0].path.name!r}."
        )


def _same(slices: list[Slice], what: str, value: Callable[[Slice], str]) -> None:
    counts = Counter(value(s) for s in slices)
    if len(counts) > 1:
        listing = ", ".join(f"{v} ({n} files)" for v, n in counts.most_common(6))
        raise InvalidInput(f"The files have different {what}: {listing}; expected one stack.")


def _sorted(slices: list[Slice]) -> list[Slice]:
    """By position along the normal only: names and instance numbers lie."""
    normal = slices[0].normal
    return sorted(slices, key=lambda s: float(s.position @ normal))


def _without_copies(slices: list[Slice]) -> tuple[list[Slice], int]:
    """One slice per place; refuses different slices in one place."""
    places: list[list[Slice]] = []
    normal = slices[0].normal
    for item in slices:
        if places and abs((item.position - places[-1][0].position) @ normal) < _SAME_PLACE_MM:
            places[-1].append(item)
        else:
            places.append([item])
    kept = [_distinct(place) for place in places]
    crowded = [place for place in kept if len(place) > 1]
    if crowded:
        counts = Counter(len(place) for place in kept)
        listing = ", ".join(f"{n} place(s) with {k} slice(s)" for k, n in sorted(counts.items()))
        phases = len(counts) == 1
        raise InvalidInput(
            f"{sum(len(p) for p in kept)} different slices share {len(kept)} places ({listing}): "
            + (
                f"a time series of {len(kept[0])} phases; export one phase."
                if phases
                else f"duplicates like {crowded[0][0].path.name!r} and "
                f"{crowded[0][1].path.name!r}; remove those that don't belong."
            )
        )
    return [place[0] for place in kept], len(slices) - len(kept)


def _distinct(place: list[Slice]) -> list[Slice]:
    kept: list[Slice] = []
    for item in place:
        array = pixels(item) if len(place) > 1 else None
        if not any(array is not None and np.array_equal(pixels(k), array) for k in kept):
            kept.append(item)
    return kept


def _grid(slices: list[Slice]) -> tuple[Grid, tuple[str, ...]]:
    first = slices[0]
    step, notes = _step(slices)
    y_mm, x_mm = first.spacing
    axes = np.column_stack([first.axes[0] * x_mm, first.axes[1] * y_mm, step])
    return to_grid(
        (len(slices), first.rows, first.columns), make_affine(axes, first.position)
    ), notes


def _step(slices: list[Slice]) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """The vector from one slice to the next, which all neighbours must share."""
    first, last = slices[0], slices[-1]
    if len(slices) == 1:
        thickness = first.thickness if first.thickness and first.thickness > 0 else None
        told = "is taken as the slice distance" if thickness else "is unknown, 1 mm is assumed"
        note = f"The thickness of the only slice {told}."
        return first.normal * (thickness or 1.0), (note,)
    distances = np.diff([float(s.position @ first.normal) for s in slices])
    step = (last.position - first.position) / (len(slices) - 1)
    typical = float(np.median(distances))
    odd = np.abs(distances - typical) > _STEP_TOLERANCE * (1.0 + typical)
    if odd.any():
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
    return step, ()


def _info(uid: str, slices: list[Slice]) -> SeriesInfo:
    first = slices[0]
    places = sorted(float(s.position @ first.normal) for s in slices)
    steps: npt.NDArray[Any] = np.diff(places)
    steps = steps[steps > _SAME_PLACE_MM]
    return SeriesInfo(
        uid=uid,
        description=first.description,
        modality=first.modality,
        shape=(len(slices), first.rows, first.columns),
        spacing=(float(np.median(steps)) if steps.size else float("nan"), *first.spacing),
        n_files=len(slices),
    )
