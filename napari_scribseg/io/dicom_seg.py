"""Segmentations as DICOM SEG objects, which belong to the series that they were drawn on.

highdicom builds the object; what was written is read back by pydicom alone and compared voxel by
voxel. The object carries the patient and the study of its series, as an archive (PACS) demands.
Source: DICOM PS3.3, A.51 (Segmentation IOD), and PS3.16, context groups 7150 and 7151.
"""

from __future__ import annotations

import errno
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg import __version__
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.atomic import replace_with
from napari_scribseg.io.decoded import Segment
from napari_scribseg.io.dicom import Slice, header_of, items_of
from napari_scribseg.io.dicom_attributes import finite_numbers
from napari_scribseg.io.regular_file import reason, shown

ENDING: Final = ".dcm"
_NEEDED: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
"""Of the series: without these a SEG can't say what it belongs to."""
_MAY_BE_EMPTY: Final = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_SAME_PLACE_MM: Final = 0.01
_SERIES_NUMBER: Final = 900
"""Behind those of a scanner."""
_INSTALL: Final = (
    "DICOM SEG needs highdicom, which is not installed: pip install 'napari-scribseg[dicom-seg]'."
)
_ORGAN: Final = ("91723000", "SCT", "Anatomical Structure")
_CODES: Final = {
    "lv": ("87878005", "SCT", "Left ventricle"),
    "rv": ("53085002", "SCT", "Right ventricle"),
    "myo": ("49848007", "SCT", "Left Ventricle Myocardium"),
    "pz": ("279706003", "SCT", "Peripheral zone of the prostate"),
    "tz": ("399384005", "SCT", "Transition zone of the prostate"),
    "prostate": ("41216001", "SCT", "Prostate"),
    "liver": ("10200004", "SCT", "Liver"),
    "spleen": ("78961009", "SCT", "Spleen"),
}
"""Terms of names that we know, in lower case; other structures are "Anatomical Structure"."""


@dataclass(frozen=True)
class Origin:
    """Who made a segmentation.

    Args:
        name: of the method or model.
        by_hand: whether somebody has corrected it.
    """

    name: str = "napari-scribseg"
    by_hand: bool = False


def require_highdicom() -> None:
    """Raises InvalidInput, with what to install, when highdicom is not there."""
    if find_spec("highdicom") is None:
        raise InvalidInput(_INSTALL)


def write_seg(
    path: str | Path,
    array: npt.NDArray[np.uint8],
    slices: Sequence[Slice],
    segments: Sequence[Segment],
    origin: Origin | None = None,
) -> None:
    """Write a segmentation as a DICOM SEG object, binary, one frame per structure and slice.

    Args:
        path: the file, which should end in .dcm.
        array: (z, y, x) with 0 and the values of the segments.
        slices: the slice of the series that each array[z] lies on.
        segments: every structure; its number in the object is its place in this list.
        origin: who made it.

    Raises:
        InvalidInput: highdicom is missing, the series lacks what a SEG needs, or the file could
            not be written; what was there before is untouched.
    """
    path = Path(path)
    require_highdicom()
    if not array.any():
        raise InvalidInput(
            "The segmentation is empty, and a DICOM SEG without any voxel can't be written."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values may be printed, a patient's name among them
            built = _build(array, slices, segments, origin or Origin())
    except InvalidInput:
        raise
    except Exception as error:  # highdicom and pydicom raise nearly everything
        raise InvalidInput(
            f"{shown(path)}: the series can't be described by a DICOM SEG ({reason(error)}); use "
            "the series as the scanner sent it, or export .seg.nrrd or .nii.gz."
        ) from error

    def verify(temp: Path) -> None:
        found = read_on_slices(temp, slices)
        if not np.array_equal(found, _numbered(array, segments)):
            raise OSError(errno.EIO, "what was read back is not what was written")

    replace_with(path, built.save_as, verify, ENDING)


def read_on_slices(path: str | Path, slices: Sequence[Slice]) -> npt.NDArray[np.uint8]:
    """The numbers of the segments (z, y, x) of a binary SEG, on the slices that it belongs to.

    Raises:
        InvalidInput: frames lie elsewhere, or are packed in a way that is not known.
    """
    import pydicom

    dataset = pydicom.dcmread(path)
    pixels = np.asarray(dataset.pixel_array).reshape(-1, dataset.Rows, dataset.Columns)
    places = np.array([item.position for item in slices])
    found = np.zeros((len(slices), dataset.Rows, dataset.Columns), np.uint8)
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    for frame, group in zip(pixels, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        levels = items_of([group, *shared])  # of a single frame, all is said as shared
        place = np.array(finite_numbers(levels, "ImagePositionPatient", 3))
        distances = np.linalg.norm(places - place, axis=1)
        k = int(distances.argmin())
        if distances[k] > _SAME_PLACE_MM:
            raise InvalidInput(f"{shown(path)}: a frame lies on no slice of the series.")
        told = next(item for item in levels if "ReferencedSegmentNumber" in item)
        found[k][frame > 0] = int(told.ReferencedSegmentNumber)
    return found


def _numbered(array: npt.NDArray[np.uint8], segments: Sequence[Segment]) -> npt.NDArray[np.uint8]:
    """Values of an array as places in the list of segments, counted from 1."""
    found = np.zeros_like(array)
    for number, segment in enumerate(segments, start=1):
        found[array == segment.value] = number
    return found


def _build(
    array: npt.NDArray[np.uint8],
    slices: Sequence[Slice],
    segments: Sequence[Segment],
    origin: Origin,
) -> Any:
    import highdicom
    from pydicom.uid import ExplicitVRLittleEndian

    sources, pixels = _sources(slices, _numbered(array, segments))
    described = [
        _description(number, segment, origin) for number, segment in enumerate(segments, start=1)
    ]
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="napari-scribseg",
        manufacturer_model_name="napari-scribseg",
        software_versions=__version__,
        device_serial_number="none",
        content_label="SEGMENTATION",
        content_description="Segmentation by napari-scribseg",
        series_description="Segmentation by napari-scribseg",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )


def _sources(
    slices: Sequence[Slice], numbered: npt.NDArray[np.uint8]
) -> tuple[list[Any], npt.NDArray[np.uint8]]:
    """The headers that the object belongs to, and its voxels (frames, y, x) in their order."""
    headers = {item.path: header_of(item.path) for item in slices}
    for path, header in headers.items():
        lacking = [name for name in _NEEDED if not header.get(name)]
        if lacking:
            raise InvalidInput(
                f"{shown(path.name)} has no {', '.join(lacking)}, which a DICOM SEG needs to say "
                "what it belongs to. Use the series as the scanner sent it, or export .seg.nrrd or "
                ".nii.gz."
            )
        for name in _MAY_BE_EMPTY:
            if name not in header:
                setattr(header, name, None)
    if slices[0].frame is None:
        return [headers[item.path] for item in slices], numbered
    if len(headers) > 1:
        raise InvalidInput(
            "The slices are spread over several enhanced DICOM files, which a DICOM SEG can't be "
            "written for here; export .seg.nrrd or .nii.gz."
        )
    header = headers[slices[0].path]
    pixels = np.zeros((int(header.NumberOfFrames), *numbered.shape[1:]), np.uint8)
    for item, plane in zip(slices, numbered, strict=True):
        pixels[item.frame] = plane
    return [header], pixels


def _description(number: int, segment: Segment, origin: Origin) -> Any:
    import highdicom
    from pydicom.sr.codedict import codes

    kinds = highdicom.seg.SegmentAlgorithmTypeValues
    code = _CODES.get(segment.name.strip().lower(), _ORGAN)
    color = (segment.color or "#808080").lstrip("#")
    rgb = tuple(int(color[at : at + 2], 16) for at in (0, 2, 4))
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name,
        segmented_property_category=highdicom.sr.CodedConcept(*_ORGAN),
        segmented_property_type=highdicom.sr.CodedConcept(*code),
        algorithm_type=kinds.SEMIAUTOMATIC if origin.by_hand else kinds.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=origin.name, version=__version__, family=codes.DCM.ArtificialIntelligence
        ),
        tracking_uid=highdicom.UID(),
        tracking_id=segment.name,
        display_color=highdicom.color.CIELabColor.from_rgb(*rgb),
    )
