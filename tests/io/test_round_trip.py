"""What is written is read back in the same place of the patient, by us and by other readers."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io import EXTENSIONS, frame_count, read_labels, read_volume, write_volume

WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")


def by_another(path):
    """A volume as a reader that we don't use for this format understands it."""
    if path.suffix in {".nrrd", ".mha"}:
        return by_hand(path)
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image)
    return Volume(array, Grid(array.shape, affine[:, [2, 1, 0, 3]]))


def by_hand(path):
    """A written .nrrd or .mha file, from the words of its header: 16-bit, LPS, packed."""
    is_nrrd = path.suffix == ".nrrd"
    mark = b"\n\n" if is_nrrd else b"ElementDataFile = LOCAL\n"
    head, _, body = path.read_bytes().partition(mark)
    lines = [line.partition(":" if is_nrrd else "=") for line in head.decode().splitlines()]
    fields = {name.strip(): value.strip() for name, _, value in lines}
    affine = np.eye(4)
    if is_nrrd:
        assert fields["space"] == "left-posterior-superior"
        vectors = fields["space directions"].strip("()").split(") (")
        affine[:3, :3] = np.array([v.split(",") for v in vectors], float).T
        affine[:3, 3] = fields["space origin"].strip("()").split(",")
    else:
        axes = np.array(fields["TransformMatrix"].split(), float).reshape(3, 3).T
        affine[:3, :3] = axes * np.array(fields["ElementSpacing"].split(), float)
        affine[:3, 3] = fields["Offset"].split()
    shape = [int(n) for n in fields["sizes" if is_nrrd else "DimSize"].split()][::-1]
    array = np.frombuffer(zlib.decompress(body, 47), "<i2").reshape(shape)
    return Volume(array, Grid(tuple(shape), affine[:, [2, 1, 0, 3]]))


def to_itk(volume):
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing[::-1])
    image.SetOrigin(volume.grid.affine[:3, 3].tolist())
    image.SetDirection(volume.grid.directions[:, ::-1].ravel().tolist())
    return image


@pytest.mark.parametrize("extension", WRITABLE)
def test_all_48_axis_orders_keep_the_balls_in_place(phantom, tmp_path, extension):
    reference = phantom.volume()
    path = tmp_path / f"a{extension}"
    for order in phantom.orders():
        stored = phantom.reordered(reference, order)
        write_volume(path, stored)
        found = read_volume(path)
        assert found.notes == ()
        assert np.array_equal(found.array, stored.array)
        assert np.abs(found.grid.affine - stored.grid.affine).max() < 1e-4
        phantom.assert_in_place(found, reference)
        phantom.assert_in_place(by_another(path), reference)


@pytest.mark.parametrize("extension", [*WRITABLE, ".mhd", ".nhdr"])
def test_files_written_by_itk_are_read_as_itk_reads_them(phantom, tmp_path, extension):
    reference = phantom.volume()
    path = tmp_path / f"a{extension}"
    for order in phantom.orders()[::5]:
        for compress in (False, True):
            stored = phantom.reordered(reference, order)
            sitk.WriteImage(to_itk(stored), str(path), useCompression=compress)
            found = read_volume(path)
            assert np.array_equal(found.array, stored.array)
            phantom.assert_in_place(found, reference)


@pytest.mark.parametrize("extension", WRITABLE)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f4", "f8", "?"])
def test_type_and_values_survive(tmp_path, extension, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / f"a{extension}"
    write_volume(path, Volume(array, Grid.from_spacing(array.shape, (3, 2, 1))))
    found = read_volume(path)
    assert found.array.dtype == (np.uint8 if dtype == "?" else np.dtype(dtype))
    assert np.array_equal(found.array, array)


@pytest.mark.parametrize("extension", WRITABLE)
def test_saving_again_changes_nothing(phantom, tmp_path, extension):
    first, second = tmp_path / f"a{extension}", tmp_path / f"b{extension}"
    write_volume(first, phantom.volume())
    write_volume(second, read_volume(first))
    a, b = read_volume(first), read_volume(second)
    assert np.allclose(a.grid.affine, b.grid.affine, rtol=1e-6, atol=1e-6)
    assert np.array_equal(a.array, b.array)


def test_patient_data_stay_behind(phantom, tmp_path):
    image = to_itk(phantom.volume())
    image.SetMetaData("0010|0010", "DOE^JANE")
    source = tmp_path / "source.nrrd"
    sitk.WriteImage(image, str(source))
    assert b"DOE" in source.read_bytes()
    for extension in (".nii", ".nrrd", ".mha"):
        path = tmp_path / f"copy{extension}"
        write_volume(path, read_volume(source))
        assert b"DOE" not in path.read_bytes()


def test_nifti_header_tells_both_forms_millimetres_and_nothing_else(phantom, tmp_path):
    import nibabel

    path = tmp_path / "a.nii.gz"
    write_volume(path, phantom.volume())
    header = nibabel.load(path).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header.get_xyzt_units()[0] == "mm"
    assert [bytes(header[n]).strip(b"\0") for n in ("descrip", "aux_file", "db_name")] == [b""] * 3
    assert np.allclose(header.get_sform(), header.get_qform(), atol=1e-3)


def test_ids_above_255_keep_two_bytes(tmp_path):
    array = np.array([0, 255, 256, 65535], np.uint16).reshape(1, 2, 2)
    path = tmp_path / "a.nii.gz"
    write_volume(path, Volume(array, Grid.from_spacing(array.shape, (1, 1, 1))))
    found = read_labels(path)
    assert found.array.dtype == np.uint16
    assert np.array_equal(found.array, array)


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr", "a.png", "a", ".nii.gz"])
def test_a_name_that_can_not_be_written_is_refused(phantom, tmp_path, name):
    with pytest.raises(InvalidInput):
        write_volume(tmp_path / name, phantom.volume())
    assert list(tmp_path.iterdir()) == []


def test_a_type_no_format_knows_is_refused(tmp_path):
    volume = Volume(np.zeros((1, 2, 2), np.complex64), Grid.from_spacing((1, 2, 2), (1, 1, 1)))
    for extension in WRITABLE:
        with pytest.raises(InvalidInput, match="complex64"):
            write_volume(tmp_path / f"a{extension}", volume)


def test_strange_names_work(phantom, tmp_path):
    for name in ("-rf.nii.gz", "Größe ä.nrrd", "A B;c.MHA"):
        write_volume(tmp_path / name, phantom.volume())
        assert read_volume(tmp_path / name).shape == phantom.volume().shape


def test_a_series_of_frames_needs_a_choice(tmp_path):
    array = np.arange(5 * 24, dtype=np.int16).reshape(5, 2, 3, 4)
    image = sitk.GetImageFromArray(array, isVector=False)
    image.SetSpacing((1.0, 2.0, 3.0, 40.0))
    for extension in (".nii.gz", ".nrrd", ".mha"):
        path = tmp_path / f"a{extension}"
        sitk.WriteImage(image, str(path))
        assert frame_count(path) == 5
        with pytest.raises(InvalidInput, match="5 frames"):
            read_volume(path)
        with pytest.raises(InvalidInput, match="frame 5"):
            read_volume(path, frame=5)
        found = read_volume(path, frame=3)
        assert found.frame == 3
        assert np.array_equal(found.array, array[3])
        assert np.allclose(found.spacing, (3, 2, 1))
        assert np.array_equal(read_labels(path, frame=1).array, array[1])


def test_a_plane_is_one_slice(tmp_path):
    image = sitk.GetImageFromArray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    image.SetSpacing((0.5, 0.7))
    for extension in (".nii.gz", ".nrrd", ".mha"):
        path = tmp_path / f"a{extension}"
        sitk.WriteImage(image, str(path))
        found = read_volume(path)
        assert found.shape == (1, 3, 4)
        assert np.allclose(found.spacing[1:], (0.7, 0.5))
        assert any("one slice" in note for note in found.notes)
        assert frame_count(path) == 1


def test_every_extension_has_a_reader(tmp_path):
    for extension in EXTENSIONS:
        path = tmp_path / f"a{extension}"
        path.write_bytes(b"nothing of the kind")
        with pytest.raises(InvalidInput, match=r"a\.n|a\.m"):
            read_volume(path)
