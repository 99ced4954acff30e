"""Small DICOM files for tests: one oblique stack, as slices or as one enhanced file."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

SERIES = generate_uid()
AXES = ((0.8, 0.6, 0.0), (0.0, 0.0, -1.0))
NORMAL = np.cross(*AXES)
ORIGIN = np.array([10.0, -20.0, 30.0])
STEP = 4.0
SHAPE = (6, 5, 7)
VOXELS = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)


def write_slice(folder, k, name=None, voxels=None, **changes):
    """Slice k of the stack; changes overwrite attributes, None removes one."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / (name or f"{97 * k % 101:03d}.dcm")
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    voxels = VOXELS[k % len(VOXELS)] if voxels is None else voxels
    dataset.PatientName = "DOE^JANE"
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.SOPClassUID = MRImageStorage
    dataset.SeriesInstanceUID = SERIES
    dataset.SeriesDescription = "short axis"
    dataset.Modality = "MR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.InstanceNumber = (k * 31) % 17
    dataset.Rows, dataset.Columns = voxels.shape
    dataset.PixelSpacing = [1.5, 1.25]
    dataset.SliceThickness = 8
    dataset.ImageOrientationPatient = [*AXES[0], *AXES[1]]
    dataset.ImagePositionPatient = [float(v) for v in np.round(ORIGIN + NORMAL * STEP * k, 6)]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.PixelData = np.ascontiguousarray(voxels, np.int16).tobytes()
    for key, value in changes.items():
        if value is None:
            delattr(dataset, key)
        else:
            setattr(dataset, key, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_stack(folder, skip=(), **changes):
    for k in range(SHAPE[0]):
        if k not in skip:
            write_slice(folder, k, **changes)
    return folder


def place(k, aside=(0.0, 0.0)):
    """LPS mm of the first voxel of slice k, moved along (x, y) of the plane."""
    return ORIGIN + NORMAL * STEP * k + aside[0] * np.array(AXES[0]) + aside[1] * np.array(AXES[1])


def rounded(position, digits=6):
    """A position as an attribute holds it."""
    return [float(v) for v in np.round(position, digits)]


def item(**attributes):
    """A sequence of one item."""
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return Sequence([dataset])


def frame_group(k, *, stack="1", time=None, trigger=None, echo=None, scaling=None, axes=None):
    """The functional groups of one frame that shows slice k."""
    group = Dataset()
    group.PlanePositionSequence = item(ImagePositionPatient=rounded(place(k)))
    content = {"StackID": stack, "InStackPositionNumber": k + 1, "DimensionIndexValues": [1, k + 1]}
    if time is not None:
        content["TemporalPositionIndex"] = time
    group.FrameContentSequence = item(**content)
    if trigger is not None:
        group.CardiacSynchronizationSequence = item(NominalCardiacTriggerDelayTime=float(trigger))
    if echo is not None:
        group.MREchoSequence = item(EffectiveEchoTime=float(echo))
    if scaling is not None:
        slope, intercept = scaling
        group.PixelValueTransformationSequence = item(
            RescaleSlope=slope, RescaleIntercept=intercept
        )
    if axes is not None:
        group.PlaneOrientationSequence = item(ImageOrientationPatient=[*axes[0], *axes[1]])
    return group


def write_enhanced(path, groups, voxels, *, orientation=True, **changes):
    """An enhanced MR file: groups[n] says what frame n is, voxels[n] are its pixels."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID = SERIES
    dataset.SeriesDescription = "enhanced"
    dataset.Modality = "MR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    dataset.PatientName = "DOE^JANE"
    dataset.NumberOfFrames = len(groups)
    voxels = np.ascontiguousarray(voxels, np.int16)
    dataset.Rows, dataset.Columns = voxels.shape[1:]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    shared = Dataset()
    shared.PixelMeasuresSequence = item(PixelSpacing=[1.5, 1.25], SliceThickness=8.0)
    if orientation:
        shared.PlaneOrientationSequence = item(ImageOrientationPatient=[*AXES[0], *AXES[1]])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.PixelData = voxels.tobytes()
    for key, value in changes.items():
        if value is None:
            delattr(dataset, key)
        else:
            setattr(dataset, key, value)
    dataset.save_as(path, enforce_file_format=True)
    return path
