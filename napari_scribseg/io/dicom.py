"""Single DICOM files: the few attributes that geometry and intensities need, and the pixels."""

from __future__ import annotations

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.files import read_regular, reason, shown
from napari_scribseg.io.geometry import check_spacing

MAX_FILES: Final = 20_000
_MAX_SLICE_BYTES: Final = 512 * 1024**2
_MARK: Final = slice(128, 132)
_ORIENTATION_TOLERANCE: Final = 1e-3
_MAX_INTERCEPT: Final = 2**30


@dataclass(frozen=True, eq=False)
class Slice:
    """The header of one file.

    Args:
        path: the file; pixels are read later.
        series: SeriesInstanceUID.
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
    """

    path: Path
    series: str
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

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """LPS unit vector through the plane, right-handed with x and y."""
        return np.cross(self.axes[0], self.axes[1])


def scan_folder(folder: Path) -> tuple[list[Slice], int]:
    """The DICOM images in a folder (not in folders below), and how many files are none.

    Raises:
        InvalidInput: the folder can't be read, has too many files, or an image lacks what is
            needed or is damaged.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    except OSError as error:
        raise InvalidInput(f"{shown(folder)} can't be read: {reason(error)}.") from error
    if len(paths) > MAX_FILES:
        raise InvalidInput(f"{shown(folder)} has {len(paths)} files, more than {MAX_FILES}.")
    slices: list[Slice] = []
    for path in paths:
        if path.name.upper() == "DICOMDIR":
            continue
        found = _slice(path)
        if found is not None:
            slices.append(found)
    return slices, len(paths) - len(slices)


def pixels(item: Slice) -> npt.NDArray[Any]:
    """The real values of a slice (y, x): int32 when scaling keeps them whole, else float32.

    Raises:
        InvalidInput: the pixels are cut, damaged or packed in a way that can't be unpacked here.
    """
    dataset = _dataset(item.path, read_regular(item.path, _MAX_SLICE_BYTES), header_only=False)
    try:
        with _quiet():
            stored = np.asarray(dataset.pixel_array)
        slope = float(getattr(dataset, "RescaleSlope", None) or 1.0)
        intercept = float(getattr(dataset, "RescaleIntercept", None) or 0.0)
    except Exception as error:  # pydicom and its decoders raise nearly everything
        raise InvalidInput(
            f"The pixels of {shown(item.path.name)} can't be read ({reason(error)}); the file is "
            "damaged or packed in an unknown way."
        ) from error
    if stored.shape != (item.rows, item.columns):
        raise InvalidInput(
            f"{shown(item.path.name)} has pixels of shape {stored.shape}, expected "
            f"{(item.rows, item.columns)}."
        )
    if not np.isfinite([slope, intercept]).all():
        raise InvalidInput(f"{shown(item.path.name)} has a scaling that is not finite.")
    is_short = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
    if is_short and slope == 1 and intercept.is_integer() and abs(intercept) < _MAX_INTERCEPT:
        return stored.astype(np.int32) + np.int32(intercept)
    return (stored * slope + intercept).astype(np.float32)


def _slice(path: Path) -> Slice | None:
    """The header of an image, or None when the file isn't DICOM or holds no image."""
    data = read_regular(path, _MAX_SLICE_BYTES)
    if data[_MARK] != b"DICM":
        if path.suffix.lower() in {".dcm", ".ima", ".dicom"}:
            raise InvalidInput(
                f"{shown(path)} is not a DICOM file, or is cut off or damaged; remove or restore "
                "it."
            )
        return None
    dataset = _dataset(path, data, header_only=True)
    if "Rows" not in dataset:
        return None
    try:
        with _quiet():
            return _checked(path, dataset)
    except InvalidInput as error:
        raise InvalidInput(f"{shown(path)}: {error}") from error
    except Exception as error:  # values are decoded only now, and may raise nearly everything
        raise InvalidInput(f"{shown(path)} has a damaged header: {reason(error)}.") from error


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Keeps pydicom from printing values it doesn't like: a patient's name may be among them."""
    from pydicom import config

    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _dataset(path: Path, data: bytes, *, header_only: bool) -> Any:
    import pydicom

    try:
        with _quiet():
            return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=header_only)
    except Exception as error:  # a damaged file makes pydicom raise nearly everything
        raise InvalidInput(f"{shown(path)} is cut off or damaged: {reason(error)}.") from error


def _checked(path: Path, dataset: Any) -> Slice:
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise InvalidInput(
            f"The file holds {int(dataset.NumberOfFrames)} frames (enhanced DICOM); convert it to "
            "NIfTI first."
        )
    photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or not photometric.startswith("MONOCHROME"):
        raise InvalidInput(f"The pixels are colours ({photometric}), expected one value each.")
    y_mm, x_mm = _numbers(dataset, "PixelSpacing", 2)
    check_spacing([x_mm, y_mm])
    axes = np.reshape(_numbers(dataset, "ImageOrientationPatient", 6), (2, 3))
    if np.abs(axes @ axes.T - np.eye(2)).max() > _ORIENTATION_TOLERANCE:
        raise InvalidInput("ImageOrientationPatient doesn't hold two perpendicular unit vectors.")
    thickness = dataset.get("SliceThickness")
    return Slice(
        path=path,
        series=str(dataset.get("SeriesInstanceUID") or ""),
        description=str(dataset.get("SeriesDescription") or ""),
        modality=str(dataset.get("Modality") or ""),
        image_type=tuple(str(word).upper() for word in dataset.get("ImageType") or ()),
        photometric=photometric,
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        spacing=(y_mm, x_mm),
        axes=axes,
        position=np.array(_numbers(dataset, "ImagePositionPatient", 3)),
        thickness=None if thickness in (None, "") else float(thickness),
    )


def _numbers(dataset: Any, name: str, count: int) -> list[float]:
    value = dataset.get(name)
    numbers = [] if value is None or isinstance(value, str | float | int) else [*map(float, value)]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InvalidInput(
            f"{name} is missing or not {count} finite numbers, so the place of the slice is "
            "unknown."
        )
    return numbers
