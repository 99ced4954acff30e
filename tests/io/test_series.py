"""DICOM series: whole stacks are read in place, everything odd is refused with what was found."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import AXES, NORMAL, ORIGIN, SERIES, SHAPE, STEP, VOXELS, write_slice, write_stack
from pydicom.uid import generate_uid

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io import frame_count, list_series, read_series, read_volume


def test_a_stack_is_sorted_by_position_and_put_in_place(tmp_path):
    found = read_volume(write_stack(tmp_path))
    assert np.array_equal(found.array, VOXELS)
    assert np.allclose(found.spacing, (STEP, 1.5, 1.25))
    assert found.notes == ()
    assert np.allclose(found.grid.position((2, 3, 4)),
                       ORIGIN + NORMAL * 2 * STEP + 3 * 1.5 * np.array(AXES[1])
                       + 4 * 1.25 * np.array(AXES[0]), atol=1e-4)  # fmt: skip
    assert frame_count(tmp_path) == 1


def test_it_lies_where_itk_puts_it(tmp_path):
    import SimpleITK as sitk

    write_stack(tmp_path)
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    found = read_volume(tmp_path)
    assert np.array_equal(sitk.GetArrayFromImage(image), found.array)
    point = image.TransformIndexToPhysicalPoint((4, 3, 2))
    assert np.allclose(found.grid.position((2, 3, 4)), point, atol=1e-4)


def test_scaling_is_applied_slice_by_slice(tmp_path):
    for k in range(SHAPE[0]):
        write_slice(tmp_path, k, RescaleSlope=f"{k + 1}.5", RescaleIntercept="-10")
    found = read_volume(tmp_path)
    slopes = np.arange(SHAPE[0])[:, None, None] + 1.5
    assert np.allclose(found.array, VOXELS * slopes - 10)


def test_the_list_names_every_series_but_no_patient(tmp_path):
    write_stack(tmp_path)
    other = generate_uid()
    for k in (0, 1):
        write_slice(tmp_path, k, f"other{k}.dcm", SeriesInstanceUID=other, SeriesDescription="cor")
    first, second = list_series(tmp_path)
    assert (first.uid, first.shape, first.n_files) == (SERIES, SHAPE, 6)
    assert first.modality == "MR"
    assert np.allclose(first.spacing, (STEP, 1.5, 1.25))
    assert (second.uid, second.description) == (other, "cor")
    assert "DOE" not in repr((first, second))
    with pytest.raises(InvalidInput, match="2 series") as error:
        read_volume(tmp_path)
    assert other in str(error.value)
    assert "DOE" not in str(error.value)
    assert read_series(tmp_path, other).shape == (2, 5, 7)
    with pytest.raises(InvalidInput, match="no series"):
        read_series(tmp_path, "1.2.3")


def test_an_identical_copy_is_left_out_with_a_note(tmp_path):
    write_stack(tmp_path)
    write_slice(tmp_path, 3, "copy.dcm")
    found = read_volume(tmp_path)
    assert found.shape == SHAPE
    assert any("1 identical" in note for note in found.notes)


def test_other_files_are_counted(tmp_path):
    write_stack(tmp_path)
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / ".hidden").write_text("hello")
    assert read_volume(tmp_path).notes == ("1 other file(s) in the folder were not read.",)


def missing(folder):
    write_stack(folder, skip=(2,))


def two_missing(folder):
    write_stack(folder, skip=(2, 3))


def duplicate(folder):
    write_stack(folder)
    write_slice(folder, 3, "dup.dcm", voxels=VOXELS[3] + 1)


def cine(folder):
    for phase in range(3):
        for k in range(SHAPE[0]):
            write_slice(folder, k, f"{phase}_{k}.dcm", voxels=VOXELS[k] + phase)


def mixed_spacing(folder):
    write_stack(folder, skip=(5,))
    write_slice(folder, 5, PixelSpacing=[1.5, 1.3])


def mixed_matrix(folder):
    write_stack(folder, skip=(5,))
    write_slice(folder, 5, voxels=np.zeros((5, 8), np.int16))


def turned(folder):
    write_stack(folder, skip=(5,))
    write_slice(folder, 5, ImageOrientationPatient=[1, 0, 0, 0, 1, 0])


def localizer(folder):
    write_stack(folder)
    write_slice(folder, 9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def tilted(folder):
    for k in range(SHAPE[0]):
        position = ORIGIN + (NORMAL * STEP + np.array(AXES[0]) * 0.5) * k
        write_slice(folder, k, ImagePositionPatient=[float(v) for v in np.round(position, 6)])


def no_position(folder):
    write_stack(folder, ImagePositionPatient=None)


def no_orientation(folder):
    write_stack(folder, ImageOrientationPatient=None)


def no_spacing(folder):
    write_stack(folder, PixelSpacing=None)


def zero_spacing(folder):
    write_stack(folder, PixelSpacing=[0, 1])


def bad_orientation(folder):
    write_stack(folder, ImageOrientationPatient=[1, 0, 0, 1, 0, 0])


def enhanced(folder):
    write_stack(folder, NumberOfFrames=6)


def colours(folder):
    write_stack(folder, SamplesPerPixel=3, PhotometricInterpretation="RGB")


def cut_pixels(folder):
    write_stack(folder)
    path = next(folder.iterdir())
    path.write_bytes(path.read_bytes()[:-10])


def cut_header(folder):
    write_stack(folder)
    path = next(folder.iterdir())
    path.write_bytes(path.read_bytes()[:100])


def empty(folder):
    (folder / "notes.txt").write_text("nothing")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (missing, r"8\.00 mm \(1 times\).*1 slice\(s\) are missing"),
        (two_missing, r"2 slice\(s\) are missing"),
        (duplicate, "dup.dcm"),
        (cine, "3 phases"),
        (mixed_spacing, "pixel spacings.*1.3 mm"),
        (mixed_matrix, r"5 x 8 \(1 files\)"),
        (turned, "orientations: 5 .* 1 others"),
        (localizer, "1 of 7 files are localizers"),
        (tilted, "not perpendicular"),
        (no_position, "ImagePositionPatient"),
        (no_orientation, "ImageOrientationPatient"),
        (no_spacing, "PixelSpacing"),
        (zero_spacing, "spacing"),
        (bad_orientation, "perpendicular"),
        (enhanced, "6 frames"),
        (colours, "colours"),
        (cut_pixels, "pixels|damaged"),
        (cut_header, "cut off"),
        (empty, "no DICOM"),
    ],
)
def test_what_is_not_one_whole_stack_is_refused(tmp_path, build, words):
    build(tmp_path)
    with pytest.raises(InvalidInput, match=words) as error:
        read_volume(tmp_path)
    assert "DOE" not in str(error.value)


def test_one_slice_is_one_slice(tmp_path):
    write_slice(tmp_path, 0)
    found = read_volume(tmp_path)
    assert found.shape == (1, 5, 7)
    assert found.spacing[0] == 8
    assert any("thickness" in note for note in found.notes)


def test_random_damage_ends_in_a_sentence_or_a_volume(tmp_path):
    write_stack(tmp_path)
    path = sorted(tmp_path.iterdir())[2]
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[rng.integers(128, len(damaged) - 80)] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert read_volume(tmp_path).shape == SHAPE
        except InvalidInput as error:
            refused = str(error)
    assert refused
