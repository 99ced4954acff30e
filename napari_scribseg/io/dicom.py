"""Single DICOM files: what geometry, order and values need of their headers, and the pixels."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.dicom_attributes import attributes_of, finite_numbers
from napari_scribseg.io.dicom_kinds import image_type, other_kind, picture_kind
from napari_scribseg.io.geometry import check_spacing
from napari_scribseg.io.regular_file import MAX_VOLUME_BYTES, opened, read_regular, reason, shown

_MARK_AT: Final = 128
_MARK: Final = b"DICM"
_GROUPS_WITHOUT_MARK: Final = (b"\x08\x00", b"\x02\x00")
DICOM_EXTENSIONS: Final = (".dcm", ".ima", ".dicom")
"""Of files that are DICOM by their name; many have none."""
_ORIENTATION_TOLERANCE: Final = 1e-3
_MAX_INTERCEPT: Final = 2**30
_MOSAIC: Final = (
    "is a Siemens mosaic: the slices of a volume are tiles of one picture, and how they lie in the "
    "patient isn't told in a public way. Convert the series to NIfTI, for example with dcm2niix."
)


@dataclass(frozen=True, eq=False)
class Slice:
    """The header of one slice: a file, or one frame of a multi-frame file.

    Args:
        path: the file; pixels are read later.
        frame: index in a multi-frame file, else None.
        series: SeriesInstanceUID.
        stack: StackID of an enhanced file, else "".
        patient: PatientID, or the name where that tells nobody; only compared, never shown.
        description: SeriesDescription.
        modality: "MR", ...
        image_type: ImageType, in capitals.
        photometric: MONOCHROME1 or MONOCHROME2.
        rows: voxels along y.
        columns: voxels along x.
        spacing: mm along (y, x).
        axes: (2, 3) LPS unit vectors along x (first row) and y.
        position: LPS mm of the first voxel.
        thickness: SliceThickness in mm, if told; the distance of positions counts, not this.
        scaling: slope and intercept from stored to real values.
        attributes: what slices in one place may differ by (see `dicom_attributes`).
    """

    path: Path
    frame: int | None
    series: str
    stack: str
    patient: str
    description: str
    modality: str
    image_type: tuple[str, ...]
    photometric: str
    rows: int
    columns: int
    spacing: tuple[float, float]
    axes: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]
    thickness: float | None
    scaling: tuple[float, float]
    attributes: dict[str, float | str]

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """LPS unit vector through the plane, right-handed with x and y."""
        return np.cross(self.axes[0], self.axes[1])


@dataclass(frozen=True)
class LeftOut:
    """A DICOM file that gives no slices.

    Args:
        path: the file.
        kind: what it is, in words.
        series: its SeriesInstanceUID; None when that can't be read.
        problem: why it can't be read, a sentence, when it could be a part of its series; empty
            when it decides nothing about any volume.
    """

    path: Path
    kind: str
    series: str | None
    problem: str = ""


def read_headers(path: Path) -> list[Slice] | LeftOut | None:
    """The slices of a file, or what it is instead; None when it isn't DICOM.

    Raises:
        InvalidInput: the file can't be opened.
    """
    with opened(path) as file:
        start = file.read(_MARK_AT + len(_MARK))
        named = path.suffix.lower() in DICOM_EXTENSIONS
        if start[_MARK_AT:] != _MARK:
            unmarked = start[:2] in _GROUPS_WITHOUT_MARK and len(start) > _MARK_AT
            dataset = _without_mark(file) if unmarked else None
            if dataset is None:
                problem = (
                    f"{shown(path.name)} is not a DICOM file, or is cut off or damaged; remove "
                    "or restore it."
                )
                return LeftOut(path, "damaged file", None, problem) if named else None
        else:
            file.seek(0)
            try:
                dataset = _parsed(file, header_only=True)
            except InvalidInput as error:
                return LeftOut(path, "damaged file", None, f"{shown(path.name)} {error}")
    return _slices_or_kind(path, dataset)


def header_of(path: Path) -> Any:
    """All of a file's header but the pixels, as pydicom holds it, for a file that gave slices.

    Raises:
        InvalidInput: the file can't be opened or is damaged.
    """
    with opened(path) as file:
        try:
            return _parsed(file, header_only=True, force=True)
        except InvalidInput as error:
            raise InvalidInput(f"{shown(path.name)} {error}") from error


def pixels(items: Sequence[Slice]) -> list[npt.NDArray[Any]]:
    """The real values of slices, each (y, x): int32 when scaling keeps them whole, else float32.

    A file with several frames is unpacked once.

    Raises:
        InvalidInput: the pixels are cut, damaged or packed in a way that can't be unpacked here.
    """
    found: dict[int, npt.NDArray[Any]] = {}
    by_path: dict[Path, list[int]] = {}
    for index, item in enumerate(items):
        by_path.setdefault(item.path, []).append(index)
    for path, indices in by_path.items():
        stored = stored_pixels(path)
        for index in indices:
            found[index] = _real(items[index], stored)
    return [found[index] for index in range(len(items))]


def stored_pixels(path: Path) -> npt.NDArray[Any]:
    """The pixels of a file as they are stored, (y, x) or (frames, y, x).

    Raises:
        InvalidInput: they are cut, damaged or packed in a way that can't be unpacked here.
    """
    data = read_regular(path, MAX_VOLUME_BYTES)
    marked = data[_MARK_AT : _MARK_AT + len(_MARK)] == _MARK
    try:
        dataset = _parsed(io.BytesIO(data), header_only=False, force=not marked)
    except InvalidInput as error:
        raise InvalidInput(f"{shown(path.name)} {error}") from error
    try:
        with quiet():
            if not marked:
                _tell_encoding(dataset)
            return np.asarray(dataset.pixel_array)
    except Exception as error:  # pydicom and its decoders raise nearly everything
        raise InvalidInput(
            f"The pixels of {shown(path.name)} can't be read ({reason(error)}); the file is "
            "damaged or packed in an unknown way."
        ) from error


def _tell_encoding(dataset: Any) -> None:
    """Say how the pixels of a file without meta information are stored: plainly, as its header."""
    from pydicom import uid

    implicit, little = dataset.original_encoding
    plain = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else plain


def _real(item: Slice, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if item.frame is not None and stored.ndim == 3 and item.frame < len(stored):
        stored = stored[item.frame]
    if stored.shape != (item.rows, item.columns):
        raise InvalidInput(
            f"{shown(item.path.name)} has pixels of shape {stored.shape}, expected "
            f"{(item.rows, item.columns)}."
        )
    slope, intercept = item.scaling
    is_short = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
    if is_short and slope == 1 and intercept.is_integer() and abs(intercept) < _MAX_INTERCEPT:
        return stored.astype(np.int32) + np.int32(intercept)
    return (stored * slope + intercept).astype(np.float32)


def _slices_or_kind(path: Path, dataset: Any) -> list[Slice] | LeftOut:
    series: str | None = None
    try:
        with quiet():
            series = str(dataset.get("SeriesInstanceUID") or "")
            kind = other_kind(dataset) or picture_kind(dataset)
            if kind is not None:
                return LeftOut(path, kind, series)
            if "MOSAIC" in image_type(dataset):
                return LeftOut(path, "Siemens mosaic", series, f"{shown(path.name)} {_MOSAIC}")
            return _checked(path, dataset)
    except InvalidInput as error:
        problem = f"{shown(path.name)}: {error}"
    except Exception as error:  # noqa: BLE001 -- decoding a value may raise nearly everything
        problem = f"{shown(path.name)} has a damaged header: {reason(error)}."
    return LeftOut(path, "image that can't be read", series, problem)


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Keeps pydicom from printing values it doesn't like: a patient's name may be among them."""
    from pydicom import config

    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _parsed(file: BinaryIO | io.BytesIO, *, header_only: bool, force: bool = False) -> Any:
    import pydicom

    try:
        with quiet():
            return pydicom.dcmread(file, stop_before_pixels=header_only, force=force)
    except Exception as error:  # a damaged file makes pydicom raise nearly everything
        raise InvalidInput(f"is cut off or damaged: {reason(error)}.") from error


def _without_mark(file: BinaryIO) -> Any:
    """The header of a file that some programs write without preamble and mark, or None."""
    file.seek(0)
    try:
        dataset = _parsed(file, header_only=True, force=True)
        with quiet():
            known = str(dataset.get("SOPClassUID") or "").startswith("1.2.840.10008.")
    except Exception:  # noqa: BLE001 -- any other kind of file comes here, too
        return None
    return dataset if known else None


def _checked(path: Path, dataset: Any) -> list[Slice]:
    if "Rows" not in dataset:
        raise InvalidInput("The header ends before the image; it is cut off or damaged.")
    photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or not photometric.startswith("MONOCHROME"):
        raise InvalidInput(f"The pixels are colours ({photometric}), expected one value each.")
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    grouped = dataset.get("PerFrameFunctionalGroupsSequence")
    if not grouped:
        if n_frames > 1:
            raise InvalidInput(
                f"The file holds {n_frames} frames without saying where each lies; convert it to "
                "NIfTI with the program that made it."
            )
        return [_slice(path, dataset, None, [dataset])]
    if len(grouped) != n_frames:
        raise InvalidInput(f"The file holds {n_frames} frames, but tells of {len(grouped)}.")
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    return [
        _slice(path, dataset, index, items_of([group, *shared]))
        for index, group in enumerate(grouped)
    ]


def items_of(groups: Sequence[Any]) -> list[Any]:
    """The items of functional groups, the frame's own before those that all frames share."""
    elements = [element for group in groups for element in group]
    public = [one.value for one in elements if one.VR == "SQ" and not one.tag.is_private]
    return [sequence[0] for sequence in public if sequence]


_NOBODY: Final = re.compile(
    r"|anon(ym\w*)?|de-?identified|removed|redacted|unknown|none|null|n/?a|[0x. -]+", re.IGNORECASE
)
"""What stands in headers in place of a number or a name, alike for all patients."""


def _patient(dataset: Any) -> str:
    """Whose a slice is: by the number, as names are spelt differently from one day to the next."""
    number = str(dataset.get("PatientID") or "").strip()
    name = " ".join(str(dataset.get("PatientName") or "").replace("^", " ").split()).casefold()
    return next((told for told in (number, name) if not _NOBODY.fullmatch(told)), "")


def _slice(path: Path, dataset: Any, frame: int | None, levels: list[Any]) -> Slice:
    y_mm, x_mm = finite_numbers(levels, "PixelSpacing", 2)
    check_spacing([x_mm, y_mm])
    axes = np.reshape(finite_numbers(levels, "ImageOrientationPatient", 6), (2, 3))
    if np.abs(axes @ axes.T - np.eye(2)).max() > _ORIENTATION_TOLERANCE:
        raise InvalidInput("ImageOrientationPatient doesn't hold two perpendicular unit vectors.")
    attributes, thickness, scaling, stack = attributes_of(levels, image_type(dataset))
    photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    return Slice(
        path=path,
        frame=frame,
        series=str(dataset.get("SeriesInstanceUID") or ""),
        stack=stack,
        patient=_patient(dataset),
        description=str(dataset.get("SeriesDescription") or ""),
        modality=str(dataset.get("Modality") or ""),
        image_type=image_type(dataset),
        photometric=photometric,
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        spacing=(y_mm, x_mm),
        axes=axes,
        position=np.array(finite_numbers(levels, "ImagePositionPatient", 3)),
        thickness=thickness,
        scaling=scaling,
        attributes=attributes,
    )
