"""Which DICOM files are slices of a volume, and what the others are, in words.

Source: DICOM PS3.4, table B.5-1 (storage SOP classes).
"""

from __future__ import annotations

from typing import Any, Final

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
SEGMENTATION: Final = "segmentation (SEG)"
STRUCTURES: Final = "radiotherapy structures"
"""Kinds that hold what somebody has outlined, see `dicom_structures`."""
_SECONDARY_CAPTURE: Final = f"{_STORAGE}7"
_WORDS: Final = {
    "481.2": "radiotherapy dose",
    "481.3": STRUCTURES,
    "481": "radiotherapy object",
    "66.4": SEGMENTATION,
    "66.7": SEGMENTATION,  # label maps, since 2024
    "66": "registration or raw data",
    "67": "table of values",
    "4.2": "spectroscopy",
    "11": "presentation state",
    "88": "report",
    "104": "document (PDF)",
    "9": "waveform",
}
_MODALITIES: Final = {
    "SEG": SEGMENTATION,
    "RTDOSE": "radiotherapy dose",
    "RTSTRUCT": STRUCTURES,
    "RTPLAN": "radiotherapy object",
    "PR": "presentation state",
    "SR": "report",
    "KO": "report",
    "DOC": "document (PDF)",
    "REG": "registration or raw data",
}
_DIRECTORY: Final = "1.2.840.10008.1.3.10"


def other_kind(dataset: Any) -> str | None:
    """What a DICOM object is when it can't be a slice, and None when it can.

    Args:
        dataset: a header of pydicom.
    """
    uid = str(dataset.get("SOPClassUID") or "")
    if uid == _DIRECTORY or "DirectoryRecordSequence" in dataset:
        return "directory (DICOMDIR)"
    tail = uid.removeprefix(_STORAGE)
    if tail != uid:
        for start, words in _WORDS.items():
            if tail == start or tail.startswith(f"{start}."):
                return words
    if not uid or tail != uid:
        modality = str(dataset.get("Modality") or "")
        return _MODALITIES.get(modality)
    return None if "Rows" in dataset else "object of a private kind"


def picture_kind(dataset: Any) -> str | None:
    """What an image is when it is a picture on a screen and no slice, else None.

    Only a picture that has no place in the patient, or says itself that it was captured, is one.
    """
    samples = int(dataset.get("SamplesPerPixel") or 1)
    photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    in_colours = samples != 1 or not photometric.startswith("MONOCHROME")
    has_place = "ImagePositionPatient" in dataset or "SharedFunctionalGroupsSequence" in dataset
    uid = str(dataset.get("SOPClassUID") or "")
    captured = uid == _SECONDARY_CAPTURE or uid.startswith(f"{_SECONDARY_CAPTURE}.")
    if in_colours and (captured or not has_place or "SECONDARY" in image_type(dataset)):
        return "colour picture or screenshot"
    if not has_place and (captured or "SECONDARY" in image_type(dataset)):
        return "picture or screenshot without a place"
    return None


def image_type(dataset: Any) -> tuple[str, ...]:
    """ImageType in capitals."""
    value = dataset.get("ImageType") or ()
    words = [value] if isinstance(value, str) else value
    return tuple(str(word).upper() for word in words)
