"""The table of formats, and reading and writing a volume through it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io import itk, metaimage, nifti, nrrd
from napari_scribseg.io.atomic import fill, replace_with
from napari_scribseg.io.decoded import NO_AXIS, Decoded, FrameAxis, Segment
from napari_scribseg.io.dicom import DICOM_EXTENSIONS
from napari_scribseg.io.regular_file import read_regular, shown
from napari_scribseg.io.series import count_series_frames, read_series, read_series_frames

_GEOMETRY_TOLERANCE: Final = 1e-6
"""NIfTI stores its affine as float32."""
_SERIES_EXTENSIONS: Final = {".nii", ".nii.gz"}
_STORABLE: Final = {"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"}
_HEADER_ROOM: Final = 65536


@dataclass(frozen=True)
class _Format:
    """How a kind of file is read (content, name), its frames counted, and a file filled."""

    parse: Callable[[bytes, Path], Decoded]
    n_frames: Callable[[bytes, Path], int]
    write: Callable[[Path, Array, Grid], None] | None


def _nifti(*, packed: bool) -> _Format:
    def write(temp: Path, array: Array, grid: Grid) -> None:
        fill(temp, nifti.build(array, grid, packed=packed))

    return _Format(nifti.parse, nifti.n_frames, write)


def _by_itk(
    check: Callable[[bytes, Path], itk.Header],
    count: Callable[[bytes], int],
    image_io: str,
    *,
    writable: bool,
) -> _Format:
    def parse(data: bytes, path: Path) -> Decoded:
        return itk.read(path, check(data, path), image_io)

    def n_frames(data: bytes, path: Path) -> int:
        del path
        return count(data)

    def write(temp: Path, array: Array, grid: Grid) -> None:
        itk.write(temp, array, grid, image_io)

    return _Format(parse, n_frames, write if writable else None)


_FORMATS: Final[dict[str, _Format]] = {
    ".nii.gz": _nifti(packed=True),
    ".nii": _nifti(packed=False),
    ".nrrd": _by_itk(nrrd.check, nrrd.n_frames, "NrrdImageIO", writable=True),
    ".nhdr": _by_itk(nrrd.check, nrrd.n_frames, "NrrdImageIO", writable=False),
    ".mha": _by_itk(metaimage.check, metaimage.n_frames, "MetaImageIO", writable=True),
    ".mhd": _by_itk(metaimage.check, metaimage.n_frames, "MetaImageIO", writable=False),
}
EXTENSIONS: Final = tuple(_FORMATS)
"""Extensions of volume files, in lower case, with their dot; DICOM series are folders."""
IMAGE_EXTENSIONS: Final = (*EXTENSIONS, *DICOM_EXTENSIONS)
"""Those of every file that `read_volume` reads: a DICOM file may be a whole series."""


def extension_of(path: str | Path) -> str | None:
    """The extension of a file as in IMAGE_EXTENSIONS, or None for another kind of name."""
    name = Path(path).name.lower()
    return next((e for e in IMAGE_EXTENSIONS if name.endswith(e) and name != e), None)


def is_dicom(path: Path) -> bool:
    """Whether a path is that of a DICOM series: a folder, or a file that is called so."""
    return path.is_dir() or extension_of(path) in DICOM_EXTENSIONS


def read_volume(path: str | Path, *, frame: int | None = None) -> Volume:
    """The intensities in a file, or in a folder with one DICOM series.

    Args:
        path: a file with one of IMAGE_EXTENSIONS, or a folder.
        frame: index of the frame to take from a file that is a time series; such a file can't be
            read without.

    Returns:
        A volume in the stored type (float when the file tells a scaling), with notes on everything
        that was unusual.

    Raises:
        InvalidInput: not readable, not complete, contradictory, or its geometry can't be trusted.

    Example:
        >>> from napari_scribseg import read_dataset, read_volume, sample_folder
        >>> case = read_dataset(sample_folder("cardiac")).cases[0]
        >>> volume = read_volume(case.image)
        >>> volume.array.ndim, volume.grid.spacing[0]
        (3, 9.0)
    """
    path = Path(path)
    if is_dicom(path):
        return read_series(path, frame=frame)
    data = read_regular(path)
    with _named(path):
        return _format(path).parse(data, path).image(frame)


def read_labels(path: str | Path, *, frame: int | None = None) -> Volume:
    """The whole numbers in a file of scribbles or segmentations, as uint8 or uint16.

    Raises:
        InvalidInput: see `read_volume`; or values are scaled, not whole, negative or above 65535.

    Example:
        >>> from napari_scribseg import read_dataset, read_labels, sample_folder
        >>> case = read_dataset(sample_folder("cardiac")).cases[0]
        >>> read_labels(case.scribbles).array.dtype.name
        'uint8'
    """
    path = Path(path)
    data = read_regular(path)
    with _named(path):
        return _format(path).parse(data, path).labels(frame)


@dataclass(frozen=True, eq=False)
class Frames:
    """Everything that a file holds, read once.

    Args:
        volumes: the frames as intensities; one for a volume.
        axis: what lies between them.
        says_labels: whether the header says that the values are labels.
        segments: the structures of a segmentation by 3D Slicer; their layers are the frames.
    """

    volumes: tuple[Volume, ...]
    axis: FrameAxis = NO_AXIS
    says_labels: bool = False
    segments: tuple[Segment, ...] = ()

    @property
    def first(self) -> Volume:
        """The first frame, which is all of a volume."""
        return self.volumes[0]

    @property
    def is_series(self) -> bool:
        """Whether there are several frames."""
        return len(self.volumes) > 1


def read_frames(path: str | Path) -> Frames:
    """All frames of a file, or of a DICOM folder; unpacked once.

    Raises:
        InvalidInput: see `read_volume`.
    """
    path = Path(path)
    if is_dicom(path):
        return Frames(tuple(read_series_frames(path)))
    data = read_regular(path)
    with _named(path):
        stored = _format(path).parse(data, path)
        volumes = tuple(stored.image(frame, is_layer=True) for frame in range(len(stored.frames)))
    return Frames(volumes, stored.axis, stored.says_labels, stored.segments)


def frame_count(path: str | Path) -> int:
    """Number of frames of a file or a DICOM folder, from the headers; 1 for a volume.

    Raises:
        InvalidInput: the file or its header can't be read, or the folder isn't one whole series.
    """
    path = Path(path)
    if is_dicom(path):
        return count_series_frames(path)
    data = read_regular(path)
    with _named(path):
        return _format(path).n_frames(data, path)


def write_volume(path: str | Path, volume: Volume) -> None:
    """Write array and geometry, and nothing else, in the format of the extension.

    The type of the array is kept (bool becomes uint8). The file is read back and compared before
    it replaces an old one.

    Raises:
        InvalidInput: the format can't hold the volume, or the file could not be written; what was
            there before is untouched.

    Example:
        >>> import numpy as np
        >>> from napari_scribseg import Grid, Volume, read_volume, write_volume
        >>> volume = Volume(np.ones((3, 64, 64), np.uint8), Grid((3, 64, 64), np.eye(4)))
        >>> write_volume("mask.nii.gz", volume)
        >>> int(read_volume("mask.nii.gz").array.sum())
        12288
    """
    path = Path(path)
    array = _storable(path, volume.array)
    with _named(path):
        write = _format(path).write
        if write is None:
            raise InvalidInput("This format keeps its voxels in a second file; use .nrrd or .mha.")
        itk.check_name(path)
    _replace(path, array[np.newaxis], volume.grid, lambda temp: write(temp, array, volume.grid))


def write_frames(path: str | Path, array: Array, grid: Grid, axis: FrameAxis) -> None:
    """Write a series of frames, as NIfTI: the other formats can't say what lies between them.

    Args:
        path: ends in .nii or .nii.gz.
        array: (t, z, y, x); its type is kept as in `write_volume`.
        grid: of every frame.
        axis: what lies between the frames; single precision is kept.

    Raises:
        InvalidInput: another format, an axis that runs backwards, or see `write_volume`.
    """
    path = Path(path)
    array = _storable(path, array)
    extension = extension_of(path)
    with _named(path):
        if extension not in _SERIES_EXTENSIONS:
            raise InvalidInput(
                f"A series of {len(array)} frames is saved as NIfTI only; let the name end in "
                ".nii.gz."
            )
        if axis.step < 0:
            raise InvalidInput("The frames run backwards; turn them round before saving.")
        content = nifti.build(array, grid, packed=extension == ".nii.gz", axis=axis)
    _replace(path, array, grid, lambda temp: fill(temp, content), axis)


def _storable(path: Path, array: Array) -> Array:
    """The array as it is stored."""
    array = array.astype(np.uint8) if array.dtype == bool else array
    with _named(path):
        _format(path)
        if array.dtype.str[1:] not in _STORABLE:
            raise InvalidInput(f"Voxels of type {array.dtype} can't be stored.")
    return array


def _replace(
    path: Path,
    frames: Array,
    grid: Grid,
    write: Callable[[Path], None],
    axis: FrameAxis | None = None,
) -> None:
    """Replace a file by one that holds these frames (t, z, y, x) when it is read back."""

    def write_temp(temp: Path) -> None:
        with _failure_explained(temp, frames.nbytes):
            write(temp)

    def verify(temp: Path) -> None:
        with _failure_explained(temp, frames.nbytes):
            stored = _format(path).parse(read_regular(temp), temp)
            _check_equal(stored, frames, grid)
            if axis is not None:
                _check_axis(stored.axis, axis)

    replace_with(path, write_temp, verify, extension_of(path) or "")


@contextmanager
def _failure_explained(temp: Path, size: int) -> Generator[None, None, None]:
    """Makes an OSError of what is wrong with a temporary file of `size` bytes of voxels.

    SimpleITK doesn't tell that a disk is full; writing as many bytes once more does.
    """
    try:
        yield
    except InvalidInput as error:
        fill(temp, bytes(size + _HEADER_ROOM))
        raise OSError(errno.EIO, str(error)) from error


def _format(path: Path) -> _Format:
    extension = extension_of(path)
    if extension in _FORMATS:
        return _FORMATS[extension]
    advice = " DICOM files are read as images only." if extension else ""
    raise InvalidInput(
        f"The name must end in one of {', '.join(EXTENSIONS)} to tell the format.{advice}"
    )


@contextmanager
def _named(path: Path) -> Generator[None, None, None]:
    """Puts the file's name in front of what is said about its content."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{shown(path)}: {error}") from error
    except MemoryError as error:
        raise InvalidInput(f"{shown(path)} doesn't fit into memory.") from error


def _check_equal(stored: Decoded, frames: Array, grid: Grid) -> None:
    found = stored.frames
    size = np.abs(grid.affine).max()
    same = (
        not stored.is_scaled
        and stored.grid.oriented == grid.oriented
        and found.dtype.newbyteorder("=") == frames.dtype.newbyteorder("=")
        and np.array_equal(found, frames, equal_nan=frames.dtype.kind == "f")
        and np.abs(stored.grid.affine - grid.affine).max() <= _GEOMETRY_TOLERANCE * size
    )
    if not same:
        raise InvalidInput("What was read back is not the volume that was written.")


def _check_axis(found: FrameAxis, axis: FrameAxis) -> None:
    """NIfTI stores times as float32."""
    times = np.array([[one.step, one.start] for one in (found, axis)], np.float32)
    if found.unit != axis.unit or not np.array_equal(*times):
        raise InvalidInput("What was read back are not the times that were written.")
