"""What lies in a DICOM folder beside the slices: left out where it decides nothing, else told."""

from __future__ import annotations

import re

import numpy as np
import pydicom
import pytest
from dicom_files import (
    AXES,
    NORMAL,
    SERIES,
    SHAPE,
    STEP,
    VOXELS,
    frame_group,
    place,
    rounded,
    write_enhanced,
    write_slice,
    write_stack,
)
from pydicom.uid import generate_uid

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io import (
    frame_count,
    list_series,
    read_frames,
    read_labels,
    read_series,
    read_volume,
)

OTHER = generate_uid()
STORAGE = "1.2.840.10008.5.1.4.1.1."


def no_pixels(folder, uid, modality, **changes):
    """An object without an image."""
    path = write_slice(
        folder, 0, f"other_{modality}", Modality=modality, SOPClassUID=uid, **changes
    )
    dataset = pydicom.dcmread(path)
    for name in ("Rows", "Columns", "PixelData", "ImagePositionPatient"):
        delattr(dataset, name)
    dataset.file_meta.MediaStorageSOPClassUID = uid
    dataset.save_as(path)


def screenshot(folder, **changes):
    write_slice(
        folder, 0, "shot.dcm", voxels=np.zeros((5, 21), np.int16),
        **{
            "SeriesInstanceUID": OTHER, "SamplesPerPixel": 3, "Columns": 7,
            "PhotometricInterpretation": "RGB", "BitsAllocated": 8, "ImagePositionPatient": None,
            **changes,
        },
    )  # fmt: skip


ODD = {
    "colours": (screenshot, "colour picture"),
    "colours in the series": (
        lambda f: screenshot(f, SeriesInstanceUID=SERIES), "colour picture"),
    "captured colours": (
        lambda f: screenshot(
            f, SeriesInstanceUID=SERIES, SOPClassUID=f"{STORAGE}7.4",
            ImagePositionPatient=[0, 0, 0]),
        "colour picture"),
    "grey capture": (
        lambda f: write_slice(
            f, 0, "sc", SOPClassUID=f"{STORAGE}7", ImagePositionPatient=None, PixelSpacing=None),
        "screenshot without a place"),
    "segmentation": (
        lambda f: write_slice(
            f, 0, "seg", SOPClassUID=f"{STORAGE}66.4", Modality="SEG", NumberOfFrames=3),
        r"segmentation \(SEG\)"),
    "dose": (
        lambda f: write_slice(f, 0, "d", SOPClassUID=f"{STORAGE}481.2", Modality="RTDOSE"),
        "radiotherapy dose"),
    "structures": (lambda f: no_pixels(f, f"{STORAGE}481.3", "RTSTRUCT"), "radiotherapy str"),
    "pdf": (lambda f: no_pixels(f, f"{STORAGE}104.1", "DOC"), "document"),
    "presentation state": (lambda f: no_pixels(f, f"{STORAGE}11.1", "PR"), "presentation state"),
    "report": (lambda f: no_pixels(f, f"{STORAGE}88.33", "SR"), "report"),
    "private": (lambda f: no_pixels(f, "1.3.12.2.1107.5.9.1", "MR"), "private kind"),
    "other series without place": (
        lambda f: write_slice(f, 0, "x", SeriesInstanceUID=OTHER, ImageOrientationPatient=None),
        "image that can't be read"),
    "mosaic of another series": (
        lambda f: write_slice(
            f, 0, "m", SeriesInstanceUID=OTHER, ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"]),
        "mosaic"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_decides_nothing_is_left_out_with_a_note(tmp_path, name):
    build, words = ODD[name]
    write_stack(tmp_path)
    build(tmp_path)
    found = read_volume(tmp_path)
    assert np.array_equal(found.array, VOXELS)
    (note,) = found.notes
    (info,) = list_series(tmp_path)
    assert info.notes == found.notes
    assert note.startswith("1 DICOM file(s) in the folder were left out: ")
    assert re.search(words, note)


DECIDES = {
    "colours with a place": lambda f: screenshot(
        f, SeriesInstanceUID=SERIES, ImagePositionPatient=rounded(place(6))
    ),
    "no place": lambda f: write_slice(f, 6, "x", ImagePositionPatient=None),
    "no orientation": lambda f: write_slice(f, 6, "x", ImageOrientationPatient=None),
    "cut header": lambda f: (f / "x").write_bytes((f / "000.dcm").read_bytes()[:500]),
    "no DICOM by that name": lambda f: (f / "x.dcm").write_bytes(b"hello"),
    "nothing by that name": lambda f: (f / "x.dcm").write_bytes(b""),
}


@pytest.mark.parametrize("name", DECIDES)
def test_what_could_be_a_slice_of_the_series_refuses_it_but_not_the_list(tmp_path, name):
    write_stack(tmp_path)
    DECIDES[name](tmp_path)
    with pytest.raises(InvalidInput, match="missing|damaged|colours"):
        read_volume(tmp_path)
    (info,) = list_series(tmp_path)
    assert (info.uid, info.shape) == (SERIES, SHAPE)
    assert len(info.notes) == 2


def test_only_odd_files_are_named_in_the_refusal(tmp_path):
    ODD["pdf"][0](tmp_path)
    ODD["segmentation"][0](tmp_path)
    for read in (read_volume, list_series, frame_count):
        with pytest.raises(
            InvalidInput, match=r"document \(PDF\) \(1\), segmentation \(SEG\) \(1\)"
        ):
            read(tmp_path)


def test_a_mosaic_is_refused_with_advice(tmp_path):
    write_slice(tmp_path, 0, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    for read in (read_volume, list_series):
        with pytest.raises(InvalidInput, match="Siemens mosaic.*dcm2niix"):
            read(tmp_path)


def test_an_export_of_several_patients_is_listed(tmp_path):
    (tmp_path / "DICOMDIR").write_bytes(b"any directory")
    uids = []
    for patient in ("A", "B"):
        for part in range(2):
            folder = tmp_path / "DICOM" / f"PA{patient}" / f"SE{part}"
            folder.mkdir(parents=True)
            uids.append(generate_uid())
            write_stack(folder, SeriesInstanceUID=uids[-1], PatientID=patient)
    infos = list_series(tmp_path)
    assert {info.uid for info in infos} == set(uids)
    assert [i.patient for i in sorted(infos, key=lambda i: uids.index(i.uid))] == [1, 1, 2, 2]
    with pytest.raises(InvalidInput, match="4 series of 2 patients, choose one") as error:
        read_volume(tmp_path)
    assert "DOE" not in str(error.value)
    assert np.array_equal(read_series(tmp_path, uids[2]).array, VOXELS)


def test_one_series_may_be_spread_over_folders_and_have_no_endings(tmp_path):
    for k in range(SHAPE[0]):
        folder = tmp_path / f"D{k % 2}"
        folder.mkdir(exist_ok=True)
        write_slice(folder, k, f"IM{k}")
    found = read_volume(tmp_path)
    assert np.array_equal(found.array, VOXELS)
    assert found.notes == ()


def test_a_damaged_file_elsewhere_does_not_refuse_a_series(tmp_path):
    good, bad = tmp_path / "a", tmp_path / "b"
    good.mkdir()
    bad.mkdir()
    write_stack(good)
    (bad / "x.dcm").write_bytes(b"hello")
    assert np.array_equal(read_volume(tmp_path).array, VOXELS)


def test_folders_inside_are_not_read_beside_slices(tmp_path):
    write_stack(tmp_path)
    inside = tmp_path / "old"
    inside.mkdir()
    write_stack(inside, SeriesInstanceUID=OTHER)
    assert read_volume(tmp_path).notes == ()


def test_a_file_without_preamble_is_read(tmp_path):
    write_stack(tmp_path)
    for path in list(tmp_path.iterdir()):
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.preamble = None
        with path.open("wb") as file:
            pydicom.dcmwrite(
                file, dataset, implicit_vr=True, little_endian=True, enforce_file_format=False
            )
    assert path.read_bytes()[128:132] != b"DICM"
    assert np.array_equal(read_volume(tmp_path).array, VOXELS)


def test_a_missing_thickness_is_no_fault_and_a_wrong_one_no_matter(tmp_path):
    write_stack(tmp_path, SliceThickness=None)
    assert np.allclose(read_volume(tmp_path).spacing, (STEP, 1.5, 1.25))


def stack_at(folder, positions):
    for k, position in enumerate(positions):
        write_slice(folder, k, ImagePositionPatient=rounded(position, 4))
    return folder


@pytest.mark.parametrize("jumping", [(0,), (2,), (5,), (1, 4)])
@pytest.mark.parametrize("aside", [(10.0, 0.0), (0.0, -1.0), (-0.7, 0.1)])
def test_slices_that_jump_aside_are_refused_with_their_number(tmp_path, jumping, aside):
    """The pixels are 1.25 x 1.5 mm: all are further than half a pixel."""
    stack_at(tmp_path, [place(k, aside if k in jumping else (0, 0)) for k in range(6)])
    with pytest.raises(InvalidInput, match="jump aside in the plane") as error:
        read_volume(tmp_path)
    assert f"{len(jumping)} of 6 slices" in str(error.value)
    assert f"{np.hypot(*aside):.1f} mm" in str(error.value)


def test_half_a_stack_aside_is_refused(tmp_path):
    stack_at(tmp_path, [place(k, (3.0 if k > 2 else 0, 0)) for k in range(6)])
    with pytest.raises(InvalidInput, match="jump aside in the plane, by up to 1.5 mm"):
        read_volume(tmp_path)


@pytest.mark.parametrize("jumping", [0, 2, 5])
def test_slices_a_little_aside_are_taken_as_straight_with_a_note(tmp_path, jumping):
    stack_at(tmp_path, [place(k, (0.5, 0) if k == jumping else (0, 0)) for k in range(6)])
    found = read_volume(tmp_path)
    assert found.notes == (
        "Slices lie up to 0.4 pixels beside the line of the stack and were taken as straight.",
    )
    for k in (0, 5):  # the others decide, also when the first or last one is aside
        assert np.allclose(found.grid.position((k, 0, 0)), place(k), atol=1e-3)


def test_rounded_positions_are_even_and_straight(tmp_path):
    stack_at(tmp_path, [np.round(place(k * 0.83), 1) for k in range(6)])
    found = read_volume(tmp_path)
    assert np.allclose(found.spacing, (3.32, 1.5, 1.25), atol=0.02)
    assert all("even" in note or "straight" in note for note in found.notes)
    assert found.notes


def test_stacks_side_by_side_are_refused(tmp_path):
    for k in range(SHAPE[0]):
        for side in (0, 1):
            aside = rounded(place(k, (80.0 * side, 0)))
            write_slice(
                tmp_path, k, f"{k}{side}", ImagePositionPatient=aside, InstanceNumber=10 * side + k
            )
    with pytest.raises(InvalidInput, match="beside one another"):
        read_volume(tmp_path)
    assert np.allclose(np.cross(*AXES), NORMAL)


def test_one_file_is_a_volume_when_it_is_the_whole_series(tmp_path):
    (tmp_path / "lone").mkdir()
    lone = write_slice(tmp_path / "lone", 2)
    volume = read_volume(lone)
    assert volume.shape == (1, *SHAPE[1:])
    np.testing.assert_array_equal(volume.array[0], VOXELS[2])
    groups = [frame_group(k) for k in range(SHAPE[0])]
    file = write_enhanced(tmp_path / "lone/enhanced.dcm", groups, VOXELS)
    np.testing.assert_array_equal(read_volume(file).array, VOXELS)
    assert frame_count(file) == 1
    assert len(read_frames(file).volumes) == 1


def test_one_slice_of_many_is_refused_as_a_volume(tmp_path):
    write_stack(tmp_path)
    file = min(tmp_path.iterdir())
    with pytest.raises(InvalidInput, match="one of 6 slices of a series in its folder"):
        read_volume(file)
    with pytest.raises(InvalidInput, match="DICOM files are read as images only"):
        read_labels(file)
