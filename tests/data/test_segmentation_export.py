"""Segmentations for other programs, each read back by a library that did not write it."""

from __future__ import annotations

import json

import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import AXES, NORMAL, SHAPE, STEP, frame_group, place, write_enhanced, write_stack
from pydicom.uid import generate_uid

from napari_scribseg.cli import main
from napari_scribseg.cli.exporting import _SEGMENTATIONS
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS, LabelSchema
from napari_scribseg.data.segmentation_export import SEGMENTATION_FORMATS, export_segmentation
from napari_scribseg.data.segmentation_import import import_segmentation
from napari_scribseg.io import read_frames, read_labels, read_series, read_volume
from napari_scribseg.io.dicom_seg import Origin
from napari_scribseg.io.documents import save_document

HEART = PRESETS["cardiac"]
STUDY = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}


def balls() -> np.ndarray:
    ids = np.zeros(SHAPE, np.uint8)
    ids[1, 1, 2:5] = 1
    ids[2:4, 2:4, 1] = 3
    ids[4, 0, 6] = 2
    return ids


@pytest.fixture
def series(tmp_path):
    (tmp_path / "series").mkdir()
    return write_stack(tmp_path / "series", **STUDY)


def by_pydicom(path):
    """Positions (x, y, z), pixel by pixel, of each segment label: decoded without our code."""
    dataset = pydicom.dcmread(path)
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    size = dataset.Rows * dataset.Columns
    names = {s.SegmentNumber: s.SegmentLabel for s in dataset.SegmentSequence}
    shared = dataset.SharedFunctionalGroupsSequence[0]
    y_mm, x_mm = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    found = {}
    for k, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame = bits[k * size : (k + 1) * size].reshape(dataset.Rows, dataset.Columns)
        origin = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        label = names[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        for y, x in np.argwhere(frame):
            spot = origin + axes[:3] * x * x_mm + axes[3:] * y * y_mm
            found.setdefault(label, set()).add(tuple(np.round(spot, 2)))
    return dataset, found


def spots(ids, value):
    """The same by hand, from how the test's series lies in space."""
    return {
        tuple(np.round(place(z) + np.array(AXES[0]) * 1.25 * x + np.array(AXES[1]) * 1.5 * y, 2))
        for z, y, x in np.argwhere(ids == value)
    }


def test_dicom_seg_has_every_voxel_in_its_place(series, tmp_path):
    grid = read_series(series).grid
    ids = balls()
    path = export_segmentation(
        tmp_path / "seg", ids, grid, HEART, file_format="dicom-seg", source=series,
        origin=Origin("ustm", by_hand=True),
    )  # fmt: skip
    assert path == tmp_path / "seg.dcm"
    dataset, found = by_pydicom(path)
    assert found == {name: spots(ids, k) for k, name in enumerate(HEART.names[1:], start=1)}
    assert dataset.Modality == "SEG"
    assert dataset.StudyInstanceUID == STUDY["StudyInstanceUID"]
    assert dataset.FrameOfReferenceUID == STUDY["FrameOfReferenceUID"]
    assert dataset.PatientName == "DOE^JANE"
    first = dataset.SegmentSequence[0]
    assert first.SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "53085002"
    assert len(dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == SHAPE[0]
    # Beside its series it is no slice of it.
    path.rename(series / "seg.dcm")
    assert read_series(series).shape == SHAPE


def test_a_structure_on_one_slice_only_is_written_too(series, tmp_path):
    ids = np.where(np.arange(SHAPE[0])[:, None, None] == 2, balls(), 0)
    schema, ids = LabelSchema.of("ventricle"), (ids == 3).astype(np.uint8)
    grid = read_series(series).grid
    path = export_segmentation(
        tmp_path / "s.dcm", ids, grid, schema, file_format="dicom-seg", source=series
    )
    found = import_segmentation(path, series)
    assert np.array_equal(found.volume.array, ids)


def test_a_segmentation_with_other_axes_is_put_on_the_series(series, tmp_path):
    from napari_scribseg.core.volume import Grid

    grid = read_series(series).grid
    ids = balls()
    affine = grid.affine.copy()
    affine[:3, 3] = grid.position((SHAPE[0] - 1, 0, 0))
    affine[:3, 0] *= -1
    turned = Grid(SHAPE, affine)
    path = export_segmentation(
        tmp_path / "s.dcm", ids[::-1], turned, HEART, file_format="dicom-seg", source=series
    )
    assert by_pydicom(path)[1]["LV"] == spots(ids, 3)


def test_dicom_seg_of_an_enhanced_file(tmp_path):
    voxels = np.zeros((SHAPE[0], *SHAPE[1:]), np.int16)
    order = [3, 1, 0, 2, 5, 4]
    path = write_enhanced(tmp_path / "e.dcm", [frame_group(k) for k in order], voxels, **STUDY)
    grid = read_series(path).grid
    ids = balls()
    out = export_segmentation(
        tmp_path / "s.dcm", ids, grid, HEART, file_format="dicom-seg", source=path
    )
    assert by_pydicom(out)[1]["LV"] == spots(ids, 3)
    assert by_pydicom(out)[1]["RV"] == spots(ids, 1)


def test_dicom_seg_says_what_it_needs(series, tmp_path, monkeypatch):
    grid = read_series(series).grid
    ids = balls()
    out = tmp_path / "s.dcm"

    def export(source, **other):
        what = {"ids": ids, "grid": grid} | other
        export_segmentation(out, schema=HEART, file_format="dicom-seg", source=source, **what)

    with pytest.raises(InvalidInput, match="none was given: give the folder of the series"):
        export(None)
    with pytest.raises(InvalidInput, match="image.nii.gz is not DICOM"):
        export(tmp_path / "image.nii.gz")
    with pytest.raises(InvalidInput, match="another one than was segmented"):
        export(series, ids=ids[1:], grid=type(grid)(ids[1:].shape, grid.affine))
    with pytest.raises(InvalidInput, match="segmentation is empty"):
        export(series, ids=np.zeros_like(ids))
    (tmp_path / "bare").mkdir()
    with pytest.raises(InvalidInput, match="has no StudyInstanceUID, FrameOfReferenceUID"):
        export(write_stack(tmp_path / "bare"))
    monkeypatch.setattr("napari_scribseg.io.dicom_seg.find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="pip install 'napari-scribseg\\[dicom-seg\\]'"):
        export(series)
    assert not out.exists()


def test_slicer_file_has_names_colours_and_places(series, tmp_path):
    grid = read_series(series).grid
    ids = balls()
    ids[ids == 2] = 0
    path = export_segmentation(tmp_path / "s", ids, grid, HEART, file_format="seg.nrrd")
    assert path.name == "s.seg.nrrd"
    array, header = nrrd.read(str(path))
    np.testing.assert_array_equal(array.T, ids)
    assert header["Segment0_Name"] == "RV"
    assert header["Segment2_LabelValue"] == "3"
    assert header["Segment2_Extent"] == "1 1 2 3 2 3"
    assert header["Segment1_Extent"] == "0 -1 0 -1 0 -1"
    color = [round(255 * float(part)) for part in header["Segment0_Color"].split()]
    assert "#{:02x}{:02x}{:02x}".format(*color) == HEART.segmentation_colors[1]
    image = sitk.ReadImage(str(path))
    spot = image.TransformIndexToPhysicalPoint((3, 2, 4))
    np.testing.assert_allclose(
        spot, place(4) + np.array(AXES[0]) * 3.75 + np.array(AXES[1]) * 3.0, atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.norm(STEP * NORMAL), image.GetSpacing()[2])
    again = read_frames(path)
    assert [s.name for s in again.segments] == ["RV", "MYO", "LV"]
    np.testing.assert_array_equal(read_labels(path).array, ids)


def test_nifti_and_strange_values(series, tmp_path):
    grid = read_volume(series).grid
    path = export_segmentation(tmp_path / "s", balls(), grid, HEART, file_format="nifti")
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), balls())
    with pytest.raises(InvalidInput, match="4 \\(1 voxels\\)"):
        export_segmentation(
            path, np.full((1, 1, 1), 4), grid, HEART, file_format="seg.nrrd"
        )  # fmt: skip
    with pytest.raises(InvalidInput, match="no format 'rtstruct'"):
        export_segmentation(path, balls(), grid, HEART, file_format="rtstruct")


def test_the_command(series, tmp_path, capsys):
    grid = read_series(series).grid
    predicted = tmp_path / "predicted/case1.nii.gz"
    predicted.parent.mkdir()
    export_segmentation(predicted, balls(), grid, HEART, file_format="nifti")
    command = ["export-segmentation", str(predicted), "--format", "dicom-seg", "--json"]
    command += ["--out", str(tmp_path / "case1"), "--series", str(series)]
    assert main(command) == 2
    assert "labels.json is not there" in capsys.readouterr().err
    save_document(predicted.parent / "labels.json", HEART)
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["out"] == str(tmp_path / "case1.dcm")
    assert by_pydicom(tmp_path / "case1.dcm")[1]["LV"] == spots(balls(), 3)
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
    assert tuple(SEGMENTATION_FORMATS) == _SEGMENTATIONS
