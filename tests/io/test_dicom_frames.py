"""Cine and enhanced DICOM: frames in their order, every slice in its place, scaled by its own."""

from __future__ import annotations

import re

import numpy as np
import pydicom
import pytest
from dicom_files import (
    AXES,
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

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io import (
    frame_count,
    list_series,
    read_frames,
    read_series,
    read_volume,
)

PHASES = 3


def write_cine(folder, attributes, skip=()):
    """Slices of three phases, of voxels + 1000 per phase; attributes(phase, k) tells them apart."""
    for phase in range(PHASES):
        for k in range(SHAPE[0]):
            if (phase, k) not in skip:
                name = f"{(phase * 7 + k * 5) % 29:03d}_{phase}{k}"
                write_slice(
                    folder, k, name, voxels=VOXELS[k] + 1000 * phase, **attributes(phase, k)
                )


@pytest.mark.parametrize(
    ("attributes", "noted"),
    [
        (lambda p, k: {"TriggerTime": f"{40 * p + k % 2}"}, ""),
        (lambda p, k: {"TemporalPositionIdentifier": p + 1}, ""),
        (lambda p, k: {"TriggerTime": "0", "TemporalPositionIdentifier": p + 1}, ""),
        (lambda p, k: {"AcquisitionTime": f"2359{10 + p}.5"}, "order of AcquisitionTime"),
        (lambda p, k: {"InstanceNumber": 100 - 10 * k + p}, "order of InstanceNumber"),
        (lambda p, k: {"EchoTime": f"{2.5 * (p + 1)}"}, "differ by EchoTime.*2.5, 5, 7.5"),
    ],
)
def test_a_cine_is_a_time_series(tmp_path, attributes, noted):
    write_cine(tmp_path, attributes)
    assert frame_count(tmp_path) == PHASES
    with pytest.raises(InvalidInput, match="3 frames; choose one, 0 to 2"):
        read_volume(tmp_path)
    with pytest.raises(InvalidInput, match="no frame 3"):
        read_volume(tmp_path, frame=3)
    for phase, found in enumerate(read_frames(tmp_path).volumes):
        again = read_volume(tmp_path, frame=phase)
        for volume in (found, again):
            assert np.array_equal(volume.array, VOXELS + 1000 * phase)
            assert volume.frame == phase
            assert np.allclose(volume.grid.position((2, 0, 0)), place(2), atol=1e-4)
            assert re.search(noted, " ".join(volume.notes))
            assert bool(volume.notes) == bool(noted)
    (info,) = list_series(tmp_path)
    assert (info.shape, info.n_frames, info.n_files) == (SHAPE, 3, 18)


def test_magnitude_and_phase_of_a_cine_are_told_apart_and_said(tmp_path):
    for kind, sign in (("M", 1), ("P", -1)):
        for phase in range(2):
            for k in range(SHAPE[0]):
                write_slice(
                    tmp_path, k, f"{kind}{phase}{k}", voxels=sign * (VOXELS[k] + 500 * phase),
                    ImageType=["ORIGINAL", "PRIMARY", kind], TriggerTime=str(30 * phase),
                )  # fmt: skip
    frames = read_frames(tmp_path).volumes
    assert [int(f.array[0, 0, 1]) for f in frames] == [1, 501, -1, -501]
    assert any("ImageType" in note and "\\M" in note for note in frames[0].notes)


def test_a_cine_that_was_exported_twice_is_read_once(tmp_path):
    for copy in "ab":
        for phase in range(2):
            for k in range(SHAPE[0]):
                write_slice(
                    tmp_path, k, f"{copy}{phase}{k}", voxels=VOXELS[k] - phase,
                    TemporalPositionIdentifier=phase + 1, InstanceNumber=k,
                )  # fmt: skip
    frames = read_frames(tmp_path).volumes
    assert [int(f.array[0, 0, 1]) for f in frames] == [1, 0]
    assert any("12 identical copies" in note for note in frames[0].notes)


def test_a_cine_with_a_hole_is_refused(tmp_path):
    write_cine(tmp_path, lambda p, k: {"TriggerTime": str(40 * p)}, skip={(1, 3)})
    with pytest.raises(InvalidInput, match="3 phases of which slices are missing"):
        read_volume(tmp_path, frame=0)
    with pytest.raises(InvalidInput, match="missing"):
        frame_count(tmp_path)


def enhanced_stack(path, order, **changes):
    return write_enhanced(path, [frame_group(k) for k in order], VOXELS[list(order)], **changes)


def test_an_enhanced_file_is_put_in_place_whatever_the_order_of_its_frames(tmp_path):
    enhanced_stack(tmp_path / "IM1", (4, 0, 5, 2, 1, 3))
    found = read_volume(tmp_path)
    assert np.array_equal(found.array, VOXELS)
    assert found.notes == ()
    assert np.allclose(found.spacing, (STEP, 1.5, 1.25))  # not the thickness of 8 mm
    expected = place(2) + 3 * 1.5 * np.array(AXES[1]) + 4 * 1.25 * np.array(AXES[0])
    assert np.allclose(found.grid.position((2, 3, 4)), expected, atol=1e-4)
    assert "DOE" not in repr(list_series(tmp_path))


def test_a_group_of_a_frame_wins_over_the_shared_one_and_scales_its_own_frame(tmp_path):
    groups = [frame_group(k, scaling=(k + 0.5, -10.0), axes=AXES) for k in range(SHAPE[0])]
    write_enhanced(tmp_path / "a.dcm", groups, VOXELS, orientation=False)
    slopes = np.arange(SHAPE[0])[:, None, None] + 0.5
    assert np.allclose(read_volume(tmp_path).array, VOXELS * slopes - 10)


@pytest.mark.parametrize("tag", ["time", "trigger", "echo"])
def test_frames_of_an_enhanced_file_are_ordered(tmp_path, tag):
    pairs = [(k, t) for k in range(SHAPE[0]) for t in (2, 0, 1)]
    groups = [frame_group(k, **{tag: t + 1}) for k, t in pairs]
    write_enhanced(tmp_path / "a.dcm", groups, [VOXELS[k] + 1000 * t for k, t in pairs])
    frames = read_frames(tmp_path).volumes
    assert [f.frame for f in frames] == [0, 1, 2]
    for t, found in enumerate(frames):
        assert np.array_equal(found.array, VOXELS + 1000 * t)
    assert any("EffectiveEchoTime" in n for n in frames[0].notes) == (tag == "echo")


def test_one_enhanced_file_per_phase_is_one_series(tmp_path):
    for t in (1, 0):
        groups = [frame_group(k, time=t + 1) for k in range(SHAPE[0])]
        write_enhanced(tmp_path / f"{1 - t}.dcm", groups, VOXELS + 1000 * t)
    assert [int(f.array[0, 0, 0]) for f in read_frames(tmp_path).volumes] == [0, 1000]


def test_a_large_file_is_unpacked_once_for_all_frames(tmp_path, monkeypatch):
    from napari_scribseg.io import dicom

    pairs = [(k, t) for t in range(4) for k in range(SHAPE[0])]
    groups = [frame_group(k, time=t + 1) for k, t in pairs]
    write_enhanced(tmp_path / "a.dcm", groups, [VOXELS[k] + t for k, t in pairs])
    unpacked = []
    real = dicom.stored_pixels
    monkeypatch.setattr(dicom, "stored_pixels", lambda path: unpacked.append(1) or real(path))
    assert len(read_frames(tmp_path).volumes) == 4
    assert len(unpacked) == 1


def test_stacks_of_different_planes_are_chosen_one_by_one(tmp_path):
    other = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
    groups = [frame_group(k, axes=AXES) for k in range(3)]
    for k in range(4):
        group = frame_group(k, stack="2", axes=other)
        group.PlanePositionSequence[0].ImagePositionPatient = rounded((-3.0 * k, 5, 6))
        groups.append(group)
    voxels = np.concatenate([VOXELS[:3], -VOXELS[:4]])
    write_enhanced(tmp_path / "a.dcm", groups, voxels, orientation=False)
    infos = {info.uid[-2:]: info for info in list_series(tmp_path)}
    assert {name: info.shape[0] for name, info in infos.items()} == {"#1": 3, "#2": 4}
    with pytest.raises(InvalidInput, match="2 series, choose one"):
        read_volume(tmp_path)
    first, second = (read_series(tmp_path, infos[name].uid) for name in ("#1", "#2"))
    assert np.array_equal(first.array, VOXELS[:3])
    # Its normal is -x, the way in which its slices were numbered.
    assert np.array_equal(second.array, -VOXELS[:4])
    assert np.allclose(second.grid.position((1, 0, 0)), (-3, 5, 6), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"NumberOfFrames": 5}, "5 frames, but tells of 6"),
        ({"PerFrameFunctionalGroupsSequence": None}, "6 frames without saying"),
        ({"orientation": False}, "ImageOrientationPatient"),
        ({"SharedFunctionalGroupsSequence": None}, "PixelSpacing"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "mosaic.*dcm2niix"),
    ],
)
def test_an_enhanced_file_without_a_place_is_refused(tmp_path, change, words):
    enhanced_stack(tmp_path / "a.dcm", range(6), **change)
    with pytest.raises(InvalidInput, match=words):
        read_volume(tmp_path)


def test_an_enhanced_file_that_lacks_a_slice_is_refused(tmp_path):
    enhanced_stack(tmp_path / "a.dcm", (0, 1, 3, 4, 5))
    with pytest.raises(InvalidInput, match=r"1 slice\(s\) are missing"):
        read_volume(tmp_path)


def test_random_damage_of_an_enhanced_file_ends_in_a_sentence_or_frames(tmp_path):
    groups = [frame_group(k, time=1) for k in range(SHAPE[0])]
    path = write_enhanced(tmp_path / "a.dcm", groups, VOXELS)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(80):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[rng.integers(132, len(damaged) - VOXELS.nbytes)] = rng.integers(256)
        path.write_bytes(damaged)
        for read in (read_frames, list_series, frame_count):
            try:
                read(tmp_path)
            except InvalidInput:
                refused += 1
    assert refused


def test_a_classic_stack_may_be_read_by_its_frame(tmp_path):
    write_stack(tmp_path)
    found = read_volume(tmp_path, frame=0)
    assert (found.frame, frame_count(tmp_path)) == (None, 1)
    assert pydicom.dcmread(next(tmp_path.iterdir())).Rows == SHAPE[1]


def test_stacks_that_number_their_slices_are_one(tmp_path):
    groups = [frame_group(k, stack=str(k)) for k in range(SHAPE[0])]
    write_enhanced(tmp_path / "a.dcm", groups, VOXELS)
    assert np.array_equal(read_volume(tmp_path).array, VOXELS)


def test_a_damaged_number_that_decides_nothing_does_not_refuse(tmp_path):
    write_stack(tmp_path, EchoTime="2.5", SliceThickness="8.25")
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert content.count(b"2.5 ") == 1
        path.write_bytes(content.replace(b"2.5 ", b"x.5 ").replace(b"8.25", b"8?25"))
    assert np.array_equal(read_volume(tmp_path).array, VOXELS)
