"""One segmentation as a file for other programs: NIfTI, DICOM SEG, or a .seg.nrrd for 3D Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import numpy as np

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.io.decoded import Segment
from napari_scribseg.io.dicom import Slice
from napari_scribseg.io.dicom_seg import Origin, require_highdicom, write_seg
from napari_scribseg.io.nrrd_writing import write_segments
from napari_scribseg.io.series import slices_of_series

SegmentationFormat = Literal["nifti", "dicom-seg", "seg.nrrd"]
SEGMENTATION_FORMATS: Final[dict[SegmentationFormat, tuple[str, tuple[str, ...]]]] = {
    "nifti": ("NIfTI: numbers of the structures", (".nii.gz", ".nii")),
    "dicom-seg": ("DICOM SEG: for an archive (PACS)", (".dcm",)),
    "seg.nrrd": ("3D Slicer: names and colours", (".seg.nrrd",)),
}
"""Formats, each in words, and the endings its files may have; the first is added where none is."""


def export_segmentation(
    path: str | Path,
    ids: Array,
    grid: Grid,
    schema: LabelSchema,
    *,
    file_format: SegmentationFormat,
    source: Path | None = None,
    frame: int | None = None,
    origin: Origin | None = None,
) -> Path:
    """Write a segmentation for other programs; an old file of that name is replaced.

    Args:
        path: the file; the ending of the format is added when it has another.
        ids: (z, y, x), class indices.
        grid: of the segmentation.
        schema: names and colours of the structures.
        file_format: one of SEGMENTATION_FORMATS. A NIfTI file holds numbers only; a DICOM SEG
            holds the patient and the study of its series.
        source: for DICOM SEG, the folder (or the enhanced file) with the series that the
            segmentation belongs to.
        frame: for DICOM SEG, the frame of a time series that was segmented.
        origin: for DICOM SEG, who made it.

    Returns:
        The file that was written.

    Raises:
        InvalidInput: values that are no classes, no or another series, highdicom is missing, or
            the file could not be written; what was there before is untouched.

    Example:
        >>> from napari_scribseg import export_segmentation, read_dataset, sample_folder
        >>> dataset = read_dataset(sample_folder("cardiac"))
        >>> case = dataset.cases[0].load(dataset.schema)
        >>> ids, grid = case.reference, case.image.grid
        >>> path = export_segmentation("heart", ids, grid, dataset.schema, file_format="seg.nrrd")
        >>> path.name
        'heart.seg.nrrd'
    """
    schema.check_segmentation(ids)
    array = ids.astype(np.uint8)
    path = with_ending(path, file_format)
    segments = tuple(
        Segment(name, value, 0, schema.segmentation_colors[value])
        for value, name in enumerate(schema.names[1:], start=1)
    )
    if file_format == "nifti":
        io.write_volume(path, Volume(array, grid))
    elif file_format == "seg.nrrd":
        if array.shape != grid.shape:
            raise InvalidInput(f"The array {array.shape} does not fit a grid of {grid}.")
        write_segments(path, array, grid, segments)
    else:
        require_highdicom()
        slices, stored = _on_series(Volume(array, grid), source, frame)
        write_seg(path, stored, slices, segments, origin)
    return path


def with_ending(path: str | Path, file_format: SegmentationFormat) -> Path:
    """The path with an ending of the format, added when it has none of them.

    Raises:
        InvalidInput: no such format.
    """
    if file_format not in SEGMENTATION_FORMATS:
        raise InvalidInput(
            f"There is no format {file_format!r}; expected one of "
            f"{', '.join(SEGMENTATION_FORMATS)}."
        )
    path = Path(path)
    endings = SEGMENTATION_FORMATS[file_format][1]
    if path.name.lower().endswith(endings):
        return path
    return path.with_name(path.name + endings[0])


def _on_series(volume: Volume, source: Path | None, frame: int | None) -> tuple[list[Slice], Array]:
    """The slices that a segmentation lies on, and its array in their order."""
    if source is None or not (source.is_dir() or source.suffix.lower() == ".dcm"):
        what = "none was given" if source is None else f"{source.name} is not DICOM"
        raise InvalidInput(
            f"A DICOM SEG belongs to a DICOM series, and {what}: give the folder of the series "
            "that the image was made from, or export .seg.nrrd or .nii.gz."
        )
    problems: list[str] = []
    fitting: list[tuple[list[Slice], Array]] = []
    for series in slices_of_series(source):
        try:
            array, _ = put_on_grid(volume, series.grid, "The segmentation")
        except InvalidInput as error:
            problems.append(str(error))
        else:
            fitting.append((_frame_of(series.frames, frame), array))
    if not fitting:
        raise InvalidInput(
            f"{source.name}: the series is another one than was segmented. {problems[0]}"
        )
    if len(fitting) > 1:
        raise InvalidInput(
            f"{source.name} holds {len(fitting)} series with the geometry of the segmentation; "
            "give a folder with the one that was segmented."
        )
    return fitting[0]


def _frame_of(frames: list[list[Slice]], frame: int | None) -> list[Slice]:
    if frame is None and len(frames) > 1:
        raise InvalidInput(
            f"The series has {len(frames)} frames; say which one was segmented (0 to "
            f"{len(frames) - 1})."
        )
    if frame is not None and not 0 <= frame < len(frames):
        raise InvalidInput(f"There is no frame {frame}; the series has {len(frames)}.")
    return frames[frame or 0]
