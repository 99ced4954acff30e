"""Series are written whole, and what lies between their frames comes back."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from segmentations import slicer_file

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io import FrameAxis, frame_count, read_frames, read_volume, write_frames

GRID = Grid(
    (3, 5, 7),
    np.array([[0, 0, -1.1, 40.0], [0, -1.3, 0, 25.0], [8.0, 0, 0, -12.5], [0, 0, 0, 1.0]]),
)
SERIES = np.arange(4 * 3 * 5 * 7, dtype=np.int16).reshape(4, 3, 5, 7)


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "axis", [FrameAxis(0.05, 0.4, "s"), FrameAxis(), FrameAxis(2.5), FrameAxis(1.5, 0.0, "ppm")]
)
def test_a_series_comes_back_with_its_times(tmp_path, extension, axis):
    path = tmp_path / f"cine{extension}"
    write_frames(path, SERIES, GRID, axis)
    back = read_frames(path)
    assert np.array_equal(np.stack([one.array for one in back.volumes]), SERIES)
    assert [one.frame for one in back.volumes] == [0, 1, 2, 3]
    assert back.first.grid.offset_from(GRID) < 1e-4
    assert (back.axis.step, back.axis.start) == pytest.approx((axis.step, axis.start))
    assert back.axis.unit == axis.unit
    assert np.array_equal(read_volume(path, frame=2).array, SERIES[2])


def test_others_read_the_same_series(tmp_path):
    path = tmp_path / "cine.nii.gz"
    write_frames(path, SERIES, GRID, FrameAxis(0.05, 0.0, "s"))
    image = nibabel.load(path)
    assert image.shape == (7, 5, 3, 4)
    assert image.header.get_zooms() == pytest.approx((1.1, 1.3, 8.0, 0.05))
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert np.array_equal(np.asarray(image.dataobj).T, SERIES)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), SERIES)


def test_milliseconds_become_seconds(tmp_path):
    image = nibabel.Nifti1Image(SERIES.T, np.eye(4))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 40
    nibabel.save(image, tmp_path / "a.nii")
    assert read_frames(tmp_path / "a.nii").axis == FrameAxis(pytest.approx(0.04), 0.0, "s")


def test_a_series_of_one_frame_keeps_its_time(tmp_path):
    write_frames(tmp_path / "a.nii", SERIES[:1], GRID, FrameAxis(0.05, 0.4, "s"))
    assert frame_count(tmp_path / "a.nii") == 1
    assert read_frames(tmp_path / "a.nii").axis.start == pytest.approx(0.4)


@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
def test_formats_that_know_no_time_are_refused_and_the_old_file_stays(tmp_path, extension):
    path = tmp_path / f"cine{extension}"
    path.write_bytes(b"old")
    with pytest.raises(InvalidInput, match=r"series of 4 frames is saved as NIfTI only"):
        write_frames(path, SERIES, GRID, FrameAxis())
    assert path.read_bytes() == b"old"


def test_frames_that_run_backwards_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="backwards"):
        write_frames(tmp_path / "a.nii", SERIES, GRID, FrameAxis(-0.05, 0.4, "s"))


def test_the_intent_of_labels_is_told(tmp_path):
    image = nibabel.Nifti1Image(SERIES[0].T, np.eye(4))
    image.header.set_intent("label")
    nibabel.save(image, tmp_path / "a.nii")
    assert read_frames(tmp_path / "a.nii").says_labels


def test_segments_of_slicer_are_told_by_name_value_and_layer(tmp_path):
    first, second = slicer_file(tmp_path / "a.seg.nrrd", overlapping=True)
    frames = read_frames(tmp_path / "a.seg.nrrd")
    assert frames.says_labels
    told = [(one.name, one.value, one.layer, one.color) for one in frames.segments]
    assert told == [("left ventricle", 1, 0, "#ff8000"), ("scar", 1, 1, "#0000ff")]
    assert np.array_equal(frames.volumes[0].array, first)
    assert np.array_equal(frames.volumes[1].array, second)
    assert frames.axis.unit == "unknown"
