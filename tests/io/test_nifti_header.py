"""NIfTI headers that contradict themselves: refused, or used with a note; never repaired."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io import read_labels, read_volume

SHAPE = (6, 5, 4)
RAS = np.array([[-1.0, 0, 0, 10], [0, 0, 3.0, -20], [0, 2.0, 0, 30], [0, 0, 0, 1]])


def nifti(path, array=None, qform=RAS, sform=RAS, **fields):
    """A file with these forms (None = code 0); fields overwrite the header afterwards."""
    array = np.arange(120, dtype=np.int16).reshape(SHAPE) if array is None else array
    header = nibabel.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_xyzt_units("mm")
    header.set_zooms((1.0, 2.0, 3.0, 1.0)[: array.ndim])
    if qform is not None:
        header.set_qform(qform, 1)
    if sform is not None:
        header.set_sform(sform, 1)
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + bytes(4) + array.tobytes("F"))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.nii"


def test_forms_that_agree_are_silent_in_every_combination(path):
    for qform, sform in ((RAS, RAS), (RAS, None), (None, RAS)):
        found = read_volume(nifti(path, qform=qform, sform=sform))
        assert found.notes == ()
        assert np.allclose(found.spacing, (3, 2, 1))
        assert np.allclose(found.grid.position((0, 0, 0)), (-10, 20, 30), atol=1e-4)
        assert np.allclose(found.grid.directions[:, 2], (1, 0, 0), atol=1e-6)


def test_other_axes_or_handedness_are_refused_naming_both(path):
    mirrored = RAS @ np.diag([-1, 1, 1, 1])
    turned = RAS[:, [0, 2, 1, 3]] * [1, 2 / 3, 3 / 2, 1]
    for sform in (mirrored, turned):
        with pytest.raises(InvalidInput, match=r"sform axes [A-Z]{3} .* qform axes [A-Z]{3}"):
            read_volume(nifti(path, sform=sform))


def test_a_shift_is_noted_and_rounding_is_not(path):
    moved = RAS.copy()
    moved[0, 3] += 5
    found = read_volume(nifti(path, sform=moved))
    assert len(found.notes) == 1
    assert "5.0 mm" in found.notes[0]
    assert np.allclose(found.grid.position((0, 0, 0))[0], -15, atol=1e-4)
    moved[0, 3] = RAS[0, 3] + 0.05
    assert read_volume(nifti(path, sform=moved)).notes == ()


def test_a_sheared_sform_gives_way_to_a_good_qform_only(path):
    sheared = RAS.copy()
    sheared[0, 1] = 0.5
    found = read_volume(nifti(path, sform=sheared))
    assert any("sheared" in note for note in found.notes)
    assert np.allclose(found.spacing, (3, 2, 1))
    with pytest.raises(InvalidInput, match="sheared"):
        read_volume(nifti(path, qform=None, sform=sheared))


def test_no_code_means_unknown_sides(path):
    found = read_volume(nifti(path, qform=None, sform=None))
    assert any("Left and right are unknown" in note for note in found.notes)
    assert np.allclose(found.spacing, (3, 2, 1))


def test_two_spacings_are_refused(path):
    wrong = RAS.copy()
    wrong[:3, 0] *= 1.5
    with pytest.raises(InvalidInput, match="two spacings"):
        read_volume(nifti(path, sform=wrong))
    wrong[:3, 0] = RAS[:3, 0] * 1.0005
    assert read_volume(nifti(path, qform=None, sform=wrong)).shape == SHAPE[::-1]


@pytest.mark.parametrize("value", [0, np.nan, np.inf, -2])
@pytest.mark.parametrize("forms", [(RAS, RAS), (RAS, None), (None, RAS), (None, None)])
def test_impossible_spacing_is_refused(path, value, forms):
    qform, sform = forms
    if value == 0 and sform is not None:
        pytest.skip("0 means not told, and the sform tells it")
    with pytest.raises(InvalidInput, match="spacing"):
        read_volume(nifti(path, qform=qform, sform=sform, pixdim=[1, 1, value, 3, 1, 1, 1, 1]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_form_that_is_not_finite_is_refused(path, value):
    with pytest.raises(InvalidInput, match="finite"):
        read_volume(nifti(path, qform=None, srow_x=[value, 0, 0, 0]))
    with pytest.raises(InvalidInput):
        read_volume(nifti(path, sform=None, quatern_b=value))


@pytest.mark.parametrize("missing", [(1,), (3,), (1, 2, 3)])
@pytest.mark.parametrize("qform", [RAS, None])
def test_a_spacing_that_is_not_told_is_the_good_sforms(path, missing, qform):
    pixdim = [0.0 if k in missing else float(k) for k in range(8)]
    pixdim[0] = float(nibabel.load(nifti(path)).header["pixdim"][0])
    found = read_volume(nifti(path, qform=qform, pixdim=pixdim))
    assert found.notes == ("The header tells no spacing beside its sform, so the sform's is used.",)
    assert np.allclose(found.spacing, (3, 2, 1))
    assert np.allclose(found.grid.position((0, 0, 0)), (-10, 20, 30), atol=1e-4)


def test_a_spacing_that_is_not_told_hides_no_contradiction(path):
    mirrored = RAS @ np.diag([-1, 1, 1, 1])
    pixdim = [1, 0, 0, 0, 1, 1, 1, 1]
    with pytest.raises(InvalidInput, match="contradict"):
        read_volume(nifti(path, sform=mirrored, pixdim=pixdim))
    wrong = RAS.copy()
    wrong[:3, 0] *= 1.5
    with pytest.raises(InvalidInput, match="two spacings"):
        read_volume(nifti(path, sform=wrong, pixdim=[1, 1, 0, 3, 1, 1, 1, 1]))


@pytest.mark.parametrize("sform", [RAS, None])
def test_a_qfac_of_0_is_1(path, sform):
    straight = np.diag([1.0, 2.0, 3.0, 1.0])
    form = None if sform is None else straight
    found = read_volume(nifti(path, qform=straight, sform=form, pixdim=[0, 1, 2, 3, 1, 1, 1, 1]))
    assert found.notes == ()
    assert np.allclose(found.grid.directions[:, 0], (0, 0, 1))
    turned = straight @ np.diag([1, 1, -1, 1])
    told = nifti(path, qform=turned, sform=None)
    assert np.allclose(read_volume(told).grid.directions[:, 0], (0, 0, -1))


def test_a_rounded_quaternion_is_a_rotation_all_the_same(path):
    """Half a turn about (1, 1, 1) has b = c = d = 0.57735; rounded, their squares exceed 1."""
    turn = np.array([[1, -2, -2], [-2, 1, -2], [-2, -2, 1]]) / -3.0  # half a turn
    form = np.eye(4)
    form[:3, :3] = turn * [1.0, 2.0, 3.0]
    rounded = {f"quatern_{k}": np.round(1 / np.sqrt(3), 4) for k in "bcd"}
    assert sum(float(np.float32(v)) ** 2 for v in rounded.values()) > 1.0001
    found = read_volume(nifti(path, qform=form, sform=form, **rounded))
    assert found.notes == ()
    assert np.allclose(found.grid.directions[:, ::-1], np.diag([-1, -1, 1]) @ turn, atol=1e-6)
    found = read_volume(nifti(path, qform=form, sform=None, **rounded))
    assert "rounded" in found.notes[0]
    assert np.allclose(found.grid.directions[:, ::-1], np.diag([-1, -1, 1]) @ turn, atol=1e-3)


@pytest.mark.parametrize("value", [0.9, np.nan, np.inf, -3.0])
def test_a_qform_that_is_no_rotation_gives_way_to_a_good_sform_only(path, value):
    bad = {"quatern_b": value, "quatern_c": 0.9}
    found = read_volume(nifti(path, **bad))
    assert any("qform is not" in note and "sform is used" in note for note in found.notes)
    assert np.allclose(found.grid.position((0, 0, 0)), (-10, 20, 30), atol=1e-4)
    sheared = RAS.copy()
    sheared[0, 1] = 0.5
    for sform in (None, sheared):
        with pytest.raises(InvalidInput, match="qform"):
            read_volume(nifti(path, sform=sform, **bad))


@pytest.mark.parametrize("block", [512, 4096])
@pytest.mark.parametrize("packed", [False, True])
def test_zeros_that_fill_the_last_block_are_noted(path, tmp_path, block, packed):
    content = nifti(path).read_bytes()
    content += bytes(-len(content) % block)
    path = tmp_path / ("b.nii.gz" if packed else "b.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    for read in (read_volume, read_labels):
        found = read(path)
        assert np.array_equal(found.array.ravel("F"), np.arange(120).reshape(SHAPE).ravel())
        assert f"{len(content) - 352 - 240} zeros" in found.notes[0]
    more = (content + bytes(block * 8), content[:-1], content[:-1] + b"x", content[:-1] + b"\0\0")
    for other in more:
        path.write_bytes(gzip.compress(other) if packed else other)
        with pytest.raises(InvalidInput, match="doesn't fit|more than"):
            read_volume(path)


def test_implausible_spacing_is_noted(path):
    for factor in (0.01, 100.0):
        scaled = RAS.copy()
        scaled[:3, :3] *= factor
        found = read_volume(nifti(path, qform=scaled, sform=scaled))
        assert any("implausible" in note for note in found.notes)


@pytest.mark.parametrize(("code", "factor"), [(1, 1000.0), (3, 0.001), (2, 1.0), (0, 1.0)])
def test_units_are_converted_once_with_a_note(path, code, factor):
    small = RAS.copy()
    small[:3] /= factor
    pixdim = [1.0, 1 / factor, 2 / factor, 3 / factor, 0, 0, 0, 0]
    path = nifti(path, qform=small, sform=small, xyzt_units=code, pixdim=pixdim)
    for read in (read_volume, read_labels):
        found = read(path)
        assert np.allclose(found.spacing, (3, 2, 1))
        assert np.allclose(found.grid.position((0, 0, 0)), (-10, 20, 30), atol=1e-4)
        assert len(found.notes) == (factor != 1)
        assert all("converted to mm" in note for note in found.notes)


def test_single_axes_of_length_one_are_dropped_quietly(path):
    array = np.zeros((*SHAPE, 1), np.int16)
    array[0, 0, 0] = 1
    found = read_volume(nifti(path, array))
    assert (found.shape, found.notes, found.frame) == (SHAPE[::-1], (), None)


def test_a_slice_without_thickness_is_one_slice(path):
    array = np.arange(30, dtype=np.int16).reshape(6, 5, 1)
    found = read_volume(nifti(path, array, qform=None, sform=None, pixdim=[1, 1, 2, 0, 0, 0, 0, 0]))
    assert found.spacing == (1, 2, 1)
    assert any("thickness" in note for note in found.notes)
    assert any("one slice" in note for note in found.notes)
    found = read_volume(nifti(path, array, qform=None, pixdim=[1, 1, 2, 0, 0, 0, 0, 0]))
    assert np.allclose(found.spacing, (3, 2, 1))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dim": [5, 6, 5, 2, 1, 2, 1, 1]}, "one value per voxel"),
        ({"dim": [3, 6, 5, 0, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [3, 6, -5, 4, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [9, 6, 5, 4, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [3, 6, 5, 3, 1, 1, 1, 1]}, "doesn't fit"),
        ({"dim": [3, 6, 5, 5, 1, 1, 1, 1]}, "cut off"),
        ({"datatype": 128, "bitpix": 24}, "colours"),
        ({"datatype": 32, "bitpix": 64}, "complex"),
        ({"bitpix": 8}, "contradicts"),
        ({"vox_offset": 100000}, "cut off"),
        ({"vox_offset": 0}, "byte 0"),
        ({"vox_offset": np.nan}, "byte nan"),
        ({"magic": b"ni1"}, "two files"),
        ({"magic": b""}, "left from right"),
        ({"scl_slope": np.inf}, "scaling"),
        ({"scl_slope": 2, "scl_inter": np.nan}, "scaling"),
    ],
)
def test_header_contradictions_are_refused(path, fields, words):
    with pytest.raises(InvalidInput, match=words):
        read_volume(nifti(path, **fields))


def test_scaling_is_applied_to_images_and_refused_for_labels(path):
    nifti(path, scl_slope=0.5, scl_inter=10)
    found = read_volume(path)
    assert found.array.dtype == np.float32
    assert np.array_equal(found.array.ravel("F"), np.arange(120).reshape(SHAPE).ravel() * 0.5 + 10)
    with pytest.raises(InvalidInput, match="slope 0.5"):
        read_labels(path)


def test_big_endian_and_nifti_2_are_read(path):
    array = np.arange(120, dtype=np.int16).reshape(SHAPE)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    big = nibabel.Nifti1Image(array, RAS, header)
    for image in (big, nibabel.Nifti2Image(array, RAS)):
        path.write_bytes(image.to_bytes())
        found = read_volume(path)
        assert np.array_equal(found.array, array.T)
        assert found.array.dtype == np.int16
        assert found.array.dtype.isnative


def test_voxels_that_are_no_numbers_are_counted(path):
    array = np.arange(120, dtype=np.float32).reshape(SHAPE)
    array[0, 0, :2] = np.nan
    array[1, 1, 1] = np.inf
    found = read_volume(nifti(path, array))
    assert found.notes == ("3 of 120 voxels are not numbers (2 NaN, 1 infinite).",)
    assert np.isnan(found.array).sum() == 2
    with pytest.raises(InvalidInput, match="No voxel"):
        read_volume(nifti(path, np.full(SHAPE, np.nan, np.float32)))
    assert "same value" in read_volume(nifti(path, np.full(SHAPE, 7, np.int16))).notes[0]


def test_nearly_whole_labels_are_rounded_not_cut(path):
    array = np.zeros(SHAPE, np.float64)
    array[0, 0, 0] = 1.9999999993
    found = read_labels(nifti(path, array))
    assert found.array.dtype == np.uint8
    assert found.array.max() == 2
    assert "rounded" in found.notes[0]
    assert read_labels(nifti(path, np.rint(array))).notes == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.5, "nearest neighbour"),
        (1.01, "nearest neighbour"),
        (np.nan, "NaN"),
        (-1, r"-1 \(1 voxels\)"),
        (65536, r"65536 \(1 voxels\)"),
        (1e30, "outside"),
    ],
)
def test_values_that_are_no_labels_are_refused(path, value, words):
    array = np.zeros(SHAPE, np.float64)
    array[2, 2, 2] = value
    with pytest.raises(InvalidInput, match=words):
        read_labels(nifti(path, array))
