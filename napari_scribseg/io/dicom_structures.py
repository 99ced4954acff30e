"""Structures that somebody has outlined on a DICOM series: DICOM SEG and RTSTRUCT objects.

Every structure becomes a mask on the grid of the series. What does not lie on its slices, voxel on
voxel, is refused: nothing is resampled.
Source: DICOM PS3.3, C.8.20 (Segmentation) and C.8.8 (Radiotherapy).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io.dicom import header_of, items_of, quiet, stored_pixels
from napari_scribseg.io.dicom_attributes import finite_numbers
from napari_scribseg.io.dicom_contours import Mask, mask_of
from napari_scribseg.io.dicom_kinds import SEGMENTATION, STRUCTURES, other_kind
from napari_scribseg.io.regular_file import reason, shown

_Read = TypeVar("_Read")
_LONGEST_NAME: Final = 40
_NEARBY_VOXELS: Final = 0.5
_SAME_VOXELS: Final = 0.01


@dataclass(frozen=True, eq=False)
class Structure:
    """One structure on the grid of its series.

    Args:
        name: as the file calls it, at most 40 letters.
        mask: (z, y, x).
        color: "#rrggbb", or None.
    """

    name: str
    mask: Mask
    color: str | None = None


@dataclass(frozen=True)
class Belonging:
    """What an object says that it was drawn on; only compared, never shown.

    Args:
        series: SeriesInstanceUID of every series that it names.
        frame_of_reference: FrameOfReferenceUID of every space that it names.
        patient: PatientID.
    """

    series: frozenset[str]
    frame_of_reference: frozenset[str]
    patient: str


class StructuresFile:
    """A DICOM SEG or RTSTRUCT file, opened.

    Args:
        path: the file. `is_outlines` says that it is an RTSTRUCT, `belonging` whose it is.

    Raises:
        InvalidInput: it is neither, cut off or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with quiet():
            self._dataset = header_of(self.path)
            kind = other_kind(self._dataset) or "image, or no DICOM file"
        if kind not in {SEGMENTATION, STRUCTURES}:
            raise InvalidInput(
                f"{shown(self.path)}: expected a DICOM SEG or RTSTRUCT file, got: {kind}."
            )
        self.is_outlines = kind == STRUCTURES
        self.belonging = self._understood(_belonging)

    def on(self, grid: Grid) -> tuple[tuple[Structure, ...], tuple[str, ...]]:
        """Its structures in the file's order, on the grid of the series, and what was noticed.

        Raises:
            InvalidInput: it lies elsewhere, or says what can't be understood.
        """
        read = _outlined if self.is_outlines else _segments
        return self._understood(partial(read, self.path, grid))

    def _understood(self, read: Callable[[Any], _Read]) -> _Read:
        try:
            with quiet():
                return read(self._dataset)
        except InvalidInput as error:
            text = str(error)
            said = text if self.path.name in text else f"{shown(self.path)}: {text}"
            raise InvalidInput(said) from error
        except Exception as error:  # a damaged header makes pydicom raise nearly everything
            raise InvalidInput(
                f"{shown(self.path)} has a damaged header: {reason(error)}."
            ) from error


def frame_of_reference_and_patient(path: Path) -> tuple[str, str]:
    """FrameOfReferenceUID and PatientID of a slice, "" where it doesn't tell.

    Raises:
        InvalidInput: the file can't be opened or is damaged.
    """
    with quiet():
        header = header_of(path)
        return str(header.get("FrameOfReferenceUID") or ""), str(header.get("PatientID") or "")


def _belonging(dataset: Any) -> Belonging:
    series = {str(one.get("SeriesInstanceUID") or "") for one in _all(dataset, _SERIES_AT)}
    spaces = {str(dataset.get("FrameOfReferenceUID") or "")}
    for name, key in _SPACES_AT:
        spaces |= {str(one.get(key) or "") for one in dataset.get(name) or ()}
    return Belonging(
        frozenset(series - {""}), frozenset(spaces - {""}), str(dataset.get("PatientID") or "")
    )


_SERIES_AT: Final = (
    ("ReferencedSeriesSequence",),
    (
        "ReferencedFrameOfReferenceSequence",
        "RTReferencedStudySequence",
        "RTReferencedSeriesSequence",
    ),
)
_SPACES_AT: Final = (
    ("ReferencedFrameOfReferenceSequence", "FrameOfReferenceUID"),
    ("StructureSetROISequence", "ReferencedFrameOfReferenceUID"),
)


def _all(dataset: Any, ways: Sequence[Sequence[str]]) -> list[Any]:
    """The items at the end of ways through sequences."""
    found: list[Any] = []
    for way in ways:
        here = [dataset]
        for name in way:
            here = [item for one in here for item in one.get(name) or ()]
        found += here
    return found


# RTSTRUCT


def _outlined(
    path: Path, grid: Grid, dataset: Any
) -> tuple[tuple[Structure, ...], tuple[str, ...]]:
    del path
    names = {
        int(one.ROINumber): str(one.get("ROIName") or "")
        for one in dataset.get("StructureSetROISequence") or ()
    }
    found: list[Structure] = []
    notes: list[str] = []
    for one in dataset.get("ROIContourSequence") or ():
        number = int(one.ReferencedROINumber)
        name = _name(names.get(number, ""), number)
        mask, noticed = mask_of(one.get("ContourSequence") or (), grid, name)
        notes += noticed
        rgb = one.get("ROIDisplayColor")
        color = None if rgb is None else "#" + "".join(f"{min(int(v), 255):02x}" for v in rgb)
        found.append(Structure(name, mask, color))
    return tuple(found), tuple(notes)


# SEG


def _segments(
    path: Path, grid: Grid, dataset: Any
) -> tuple[tuple[Structure, ...], tuple[str, ...]]:
    kind = str(dataset.get("SegmentationType") or "BINARY")
    if kind not in {"BINARY", "LABELMAP"}:
        raise InvalidInput(
            f"The segmentation holds parts of voxels ({kind}), expected whole ones (BINARY or "
            "LABELMAP): convert it with the program that made it."
        )
    # Label maps describe their background, too, as number 0.
    described = {
        int(one.SegmentNumber): one for one in dataset.SegmentSequence if one.SegmentNumber
    }
    masks = {number: np.zeros(grid.shape, np.bool_) for number in described}
    frames = stored_pixels(path).reshape(-1, int(dataset.Rows), int(dataset.Columns))
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    if len(groups) != len(frames):
        raise InvalidInput(f"The file holds {len(frames)} frames, but tells of {len(groups)}.")
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    furthest = 0.0
    seen: set[tuple[int, int]] = set()
    for frame, group in zip(frames, groups, strict=True):
        if not frame.any():
            continue
        levels = items_of([group, *shared])
        z, plane, offset = _on_slice(frame, levels, grid)
        furthest = max(furthest, offset)
        values = _values(levels, plane, kind)
        if strange := sorted(set(values) - set(masks)):
            raise InvalidInput(
                f"A frame belongs to segment {strange[0]}, which the file does not describe."
            )
        if again := sorted({(number, z) for number in values} & seen):
            raise InvalidInput(
                f"Several frames of segment {again[0][0]} lie on slice {again[0][1]}, as in a time "
                "series; expected one. Export one time of it with the program that made it."
            )
        seen |= {(number, z) for number in values}
        for number, voxels in values.items():
            masks[number][z] |= voxels
    notes: tuple[str, ...] = ()
    if furthest > _SAME_VOXELS:
        notes = (f"The segmentation lies {furthest:.2g} voxels beside the series.",)
    return tuple(
        Structure(_name(str(one.get("SegmentLabel") or ""), number), masks[number], _color_of(one))
        for number, one in described.items()
    ), notes


def _values(levels: Sequence[Any], plane: npt.NDArray[Any], kind: str) -> dict[int, Mask]:
    """The voxels of each segment in a frame."""
    if kind == "LABELMAP":
        numbers = np.unique(plane)
        return {int(n): plane == n for n in numbers if n}
    told = [item for item in levels if "ReferencedSegmentNumber" in item]
    if not told:
        raise InvalidInput("A frame does not say which segment it belongs to.")
    return {int(told[0].ReferencedSegmentNumber): plane > 0}


def _on_slice(
    frame: npt.NDArray[Any], levels: Sequence[Any], grid: Grid
) -> tuple[int, npt.NDArray[Any], float]:
    """The slice that a frame lies on, the frame in its order, and how far beside it, in voxels."""
    rows, columns = frame.shape
    y_mm, x_mm = finite_numbers(levels, "PixelSpacing", 2)
    axes = np.reshape(finite_numbers(levels, "ImageOrientationPatient", 6), (2, 3))
    origin = np.array(finite_numbers(levels, "ImagePositionPatient", 3))
    corners = np.array(
        [origin, origin + axes[1] * y_mm * (rows - 1), origin + axes[0] * x_mm * (columns - 1)]
    )
    places = grid.index(corners)
    whole = np.round(places).astype(int)
    first, down, right = whole
    offset = float(np.abs(places - whole).max())
    spans = (down - first, right - first)
    fits = (
        frame.shape == grid.shape[1:]
        and offset <= _NEARBY_VOXELS
        and np.array_equal(np.abs(spans[0]), (0, rows - 1, 0))
        and np.array_equal(np.abs(spans[1]), (0, 0, columns - 1))
        and {int(first[1]), int(down[1])} == {0, rows - 1}
        and {int(first[2]), int(right[2])} == {0, columns - 1}
        and 0 <= int(first[0]) < grid.shape[0]
    )
    if not fits:
        raise InvalidInput(
            f"A frame of {rows} x {columns} pixels of {y_mm:.4g} x {x_mm:.4g} mm does not lie on "
            f"the voxels of a slice of the series ({grid}). Give the series that was segmented; a "
            "segmentation of another resolution has to be resampled, for example in 3D Slicer."
        )
    plane = frame[:: -1 if spans[0][1] < 0 else 1, :: -1 if spans[1][2] < 0 else 1]
    return int(first[0]), plane, offset


def _color_of(segment: Any) -> str | None:
    """#rrggbb of RecommendedDisplayCIELabValue (DICOM PS3.3, C.10.7.1.1)."""
    value = segment.get("RecommendedDisplayCIELabValue")
    if value is None or len(value) != 3:
        return None
    from skimage.color import lab2rgb

    light, a, b = (float(part) / 65535 for part in value)
    rgb = lab2rgb(np.array([light * 100, a * 255 - 128, b * 255 - 128]))
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in np.clip(rgb, 0, 1))


def _name(text: str, number: int) -> str:
    printable = "".join(letter for letter in text if letter.isprintable()).strip()
    return printable[:_LONGEST_NAME].strip() or f"structure {number}"
