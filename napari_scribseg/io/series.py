"""DICOM folders: which series they hold, and one series as a volume or as frames, if complete.

A single file is taken for a series when it is one: an enhanced file, or a slice that lies alone.

Native series readers stretch what doesn't fit (a missing slice, a copy, a localizer, the phases
of a cine); here the positions of the slices decide, and anything odd is refused with a list of
what was found. What decides nothing about a series is left out with a note. No patient's name
leaves this module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io.decoded import Decoded
from napari_scribseg.io.dicom import Slice, pixels
from napari_scribseg.io.dicom_folder import Found, scan
from napari_scribseg.io.phases import frames_of
from napari_scribseg.io.regular_file import shown
from napari_scribseg.io.stack import SAME_PLACE_MM, check_alike, grid_of, places_of

_MOST_LISTED: Final = 8


@dataclass(frozen=True)
class SeriesInfo:
    """One series of a folder, without anything that names the patient.

    Args:
        uid: for `read_series`: SeriesInstanceUID, with "#1", "#2", ... behind it for the stacks of
            a series that has several.
        description: SeriesDescription.
        modality: "MR", "CT", ...
        shape: (z, y, x); z counts places.
        spacing: mm (z, y, x); z is the median distance of neighbouring positions, NaN when all
            lie in one place.
        n_files: number of files.
        n_frames: most slices in one place: the frames of a time series, or copies.
        patient: 1, 2, ... in a folder with several patients, else 0.
        notes: what lies beside it and is left out, and why it can't be read if that is known.
    """

    uid: str
    description: str
    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    n_files: int
    n_frames: int = 1
    patient: int = 0
    notes: tuple[str, ...] = ()


def list_series(folder: str | Path) -> list[SeriesInfo]:
    """The series in a folder, largest first; the choice before `read_series`.

    The folders inside are looked into when the folder itself has no DICOM files.

    Raises:
        InvalidInput: the folder can't be read, or it has DICOM files and none of them can be
            read as a slice.
    """
    found = scan(Path(folder))
    if not found.series and found.left_out:
        raise InvalidInput(f"{shown(folder)}: {_nothing(found)}")
    return sorted(series_in(found), key=lambda info: (-info.n_files, info.uid))


def read_series(folder: str | Path, uid: str | None = None, *, frame: int | None = None) -> Volume:
    """One DICOM series as a volume in real values (rescaled slice by slice).

    Args:
        folder: the files of the series; other series may lie there too when `uid` is given. Or
            one file that is the whole series.
        uid: one of `list_series`; may be left out when there is only one.
        frame: index of the frame of a time series; such a series can't be read without.

    Raises:
        InvalidInput: no series, several to choose from, or one that isn't a complete stack of
            slices: the message lists what was found.
    """
    series = _open(folder, uid)
    n_frames = len(series.frames)
    if frame is None and n_frames > 1:
        raise InvalidInput(
            f"{shown(folder)}: The series has {n_frames} frames; choose one, 0 to {n_frames - 1}."
        )
    if frame is not None and not 0 <= frame < n_frames:
        raise InvalidInput(
            f"{shown(folder)}: There is no frame {frame}; the series has {n_frames}, counted from "
            "0."
        )
    return series.volumes([frame or 0])[0]


def read_series_frames(folder: str | Path, uid: str | None = None) -> list[Volume]:
    """All frames of a DICOM series, one for a single volume; each file is unpacked once.

    Raises:
        InvalidInput: see `read_series`.
    """
    series = _open(folder, uid)
    return series.volumes(range(len(series.frames)))


def count_series_frames(folder: str | Path) -> int:
    """Number of frames of a DICOM series.

    Raises:
        InvalidInput: see `read_series`.
    """
    return len(_open(folder, None).frames)


@dataclass(frozen=True, eq=False)
class SeriesSlices:
    """The headers of a series that is whole.

    Args:
        uid: as in `SeriesInfo`.
        frames: the slices of each frame, in the order of the volume's first axis.
        grid: of every frame.
    """

    uid: str
    frames: list[list[Slice]]
    grid: Grid


def slices_of_series(source: str | Path) -> list[SeriesSlices]:
    """The slices of every series of a folder, or of one file, that forms a volume.

    Raises:
        InvalidInput: the source can't be read, or holds no such series.
    """
    source = Path(source)
    found: list[SeriesSlices] = []
    problems: list[str] = []
    for uid in (scanned := scan(source)).series:
        try:
            series = _opened(scanned, source, uid)
        except InvalidInput as error:
            problems.append(str(error))
        else:
            found.append(SeriesSlices(uid, series.frames, series.grid))
    if not found:
        raise InvalidInput(problems[0] if problems else f"{shown(source)}: {_nothing(scanned)}")
    return found


@dataclass(frozen=True, eq=False)
class _Series:
    """A series whose slices form frames on one grid; pixels are not read yet."""

    folder: Path
    frames: list[list[Slice]]
    grid: Grid
    notes: tuple[str, ...]

    def volumes(self, wanted: Any) -> list[Volume]:
        chosen = [self.frames[k] for k in wanted]
        try:
            arrays = iter(pixels([item for frame in chosen for item in frame]))
        except InvalidInput as error:
            raise InvalidInput(f"{shown(self.folder)}: {error}") from error
        stacks = [_stacked([next(arrays) for _ in frame]) for frame in chosen]
        volumes = [Decoded(stack[np.newaxis], self.grid, self.notes).image() for stack in stacks]
        if len(self.frames) == 1:
            return volumes
        return [replace(v, frame=k) for v, k in zip(volumes, wanted, strict=True)]


def _stacked(slices: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    stack = np.stack(slices)
    return stack.astype(np.float32) if stack.dtype.kind == "f" else stack


def _open(folder: str | Path, uid: str | None) -> _Series:
    folder = Path(folder)
    found = scan(folder)
    if folder.is_file():
        _refuse_part(folder, found)
    return _opened(found, folder, uid)


def _refuse_part(path: Path, found: Found) -> None:
    """Refuse a file that is one slice of many: the others would silently be missing."""
    slices = [item for items in found.series.values() for item in items]
    if len(slices) != 1 or slices[0].frame is not None:
        return
    beside = scan(path.parent).series
    uid = slices[0].series
    n = sum(len(items) for name, items in beside.items() if name.partition("#")[0] == uid)
    if n > 1:
        raise InvalidInput(
            f"{shown(path)} is one of {n} slices of a series in its folder; give the folder, or "
            "put the slice into a folder of its own if it shall stand alone."
        )


def _opened(found: Found, folder: Path, uid: str | None) -> _Series:
    try:
        uid = _choose(found, uid)
        slices = _whole(found, uid)
        check_alike(slices)
        frames, frame_notes = frames_of(places_of(slices))
        grid, grid_notes = grid_of(frames[0])
    except InvalidInput as error:
        raise InvalidInput(f"{shown(folder)}: {error}") from error
    bright = any(item.photometric == "MONOCHROME1" for item in slices)
    shades = ("Low values are meant to be shown bright (MONOCHROME1).",) if bright else ()
    notes = (*found.notes, *frame_notes, *shades, *grid_notes)
    return _Series(folder, frames, grid, notes)


def _choose(found: Found, uid: str | None) -> str:
    listing = "; ".join(
        f"{info.uid}: {info.modality} {info.description!r}, {info.n_files} files"
        for info in series_in(found)[:_MOST_LISTED]
    )
    if not found.series:
        raise InvalidInput(_nothing(found))
    if uid is None and len(found.series) > 1:
        whose = f" of {found.n_patients} patients" if found.n_patients > 1 else ""
        more = "; ..." if len(found.series) > _MOST_LISTED else ""
        raise InvalidInput(
            f"The folder holds {len(found.series)} series{whose}, choose one: {listing}{more}."
        )
    if uid is not None and uid not in found.series:
        own = [one.problem for one in found.left_out if one.series == uid and one.problem]
        raise InvalidInput(own[0] if own else f"There is no series {uid!r}, only: {listing}.")
    return uid if uid is not None else next(iter(found.series))


def _whole(found: Found, uid: str) -> list[Slice]:
    """The slices of a series to which no unreadable file could belong."""
    problems = found.problems_of(uid)
    if problems:
        raise InvalidInput(problems[0])
    return found.series[uid]


def _nothing(found: Found) -> str:
    """Why a folder without any slice holds no volume."""
    problems = [one.problem for one in found.left_out if one.problem]
    if problems:
        return problems[0]
    if found.left_out:
        note = found.notes[0]
        return f"The folder holds no DICOM images that are slices of a volume. {note}"
    return "The folder holds no DICOM images."


def series_in(found: Found) -> list[SeriesInfo]:
    """The series of a folder that was looked through already."""
    patients = list(dict.fromkeys(slices[0].patient for slices in found.series.values()))
    return [
        _info(found, uid, slices, 1 + patients.index(slices[0].patient) if len(patients) > 1 else 0)
        for uid, slices in found.series.items()
    ]


def _info(found: Found, uid: str, slices: list[Slice], patient: int) -> SeriesInfo:
    first = slices[0]
    places = np.sort([float(s.position @ first.normal) for s in slices])
    steps: npt.NDArray[Any] = np.diff(places)
    starts = np.concatenate([[0], np.flatnonzero(steps > SAME_PLACE_MM) + 1])
    counts = np.diff([*starts, len(slices)])
    steps = steps[steps > SAME_PLACE_MM]
    return SeriesInfo(
        uid=uid,
        description=first.description,
        modality=first.modality,
        shape=(len(starts), first.rows, first.columns),
        spacing=(float(np.median(steps)) if steps.size else float("nan"), *first.spacing),
        n_files=len({item.path for item in slices}),
        n_frames=int(counts.max()),
        patient=patient,
        notes=(*found.problems_of(uid), *found.notes),
    )
