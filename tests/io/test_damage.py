"""Cut, flipped and made-up files are refused with a sentence; nothing is made up or crashes."""

from __future__ import annotations

import contextlib
import gzip
import os
import random

import numpy as np
import pytest
import SimpleITK as sitk

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io import frame_count, read_labels, read_volume, write_volume

FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")


@pytest.fixture
def good(tmp_path):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 1000, (5, 12, 14)).astype(np.int16)
    return Volume(array, Grid.from_spacing(array.shape, (3, 1.5, 1.2), (-10, 20, 30)))


@pytest.mark.parametrize("extension", [*FORMATS, "raw.nrrd", "raw.mha"])
def test_cut_files_are_refused(good, tmp_path, extension):
    path = tmp_path / f"a{extension}"
    if extension.startswith("raw"):
        sitk.WriteImage(sitk.GetImageFromArray(good.array), str(path), useCompression=False)
    else:
        write_volume(path, good)
    whole = path.read_bytes()
    rng = random.Random(1)
    for size in {0, 1, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(60))}:
        path.write_bytes(whole[:size])
        for read in (read_volume, read_labels):
            with pytest.raises(InvalidInput):
                read(path)


@pytest.mark.parametrize("extension", FORMATS)
def test_a_flipped_byte_never_changes_packed_voxels_unseen(good, tmp_path, extension):
    path = tmp_path / f"a{extension}"
    write_volume(path, good)
    whole = bytearray(path.read_bytes())
    rng = random.Random(2)
    start = 400 if extension == ".nii" else 0
    refused = 0
    for position in (rng.randrange(start, len(whole)) for _ in range(120)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            found = read_volume(path)
        except InvalidInput:
            refused += 1
        else:  # only a header may differ, or raw voxels, which carry no sum
            assert extension == ".nii" or np.array_equal(found.array, good.array)
    assert extension == ".nii" or refused > 60


def test_a_file_that_is_only_a_header_is_refused(good, tmp_path):
    path = tmp_path / "a.nii"
    write_volume(path, good)
    path.write_bytes(path.read_bytes()[:352])
    with pytest.raises(InvalidInput, match="cut off"):
        read_volume(path)


def test_the_name_and_the_packing_must_fit(good, tmp_path):
    packed, plain = tmp_path / "a.nii.gz", tmp_path / "a.nii"
    write_volume(packed, good)
    write_volume(plain, good)
    packed_bytes = packed.read_bytes()
    packed.write_bytes(plain.read_bytes())
    plain.write_bytes(packed_bytes)
    for path in (packed, plain):
        with pytest.raises(InvalidInput, match="name"):
            read_volume(path)


def test_bytes_behind_the_voxels_are_refused(good, tmp_path):
    for extension in FORMATS:
        path = tmp_path / f"a{extension}"
        write_volume(path, good)
        path.write_bytes(path.read_bytes() + b"more")
        with pytest.raises(InvalidInput):
            read_volume(path)


def test_a_packed_bomb_is_not_unpacked(good, tmp_path):
    path = tmp_path / "a.nii.gz"
    write_volume(path, good)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content + bytes(50_000_000), 1))
    with pytest.raises(InvalidInput, match="more than"):
        read_volume(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(20)
def test_pipes_folders_devices_and_nothing_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii.gz")
    (tmp_path / "folder.nii.gz").mkdir()
    (tmp_path / "device.nii").symlink_to("/dev/zero")
    for name in ("pipe.nii.gz", "folder.nii.gz", "device.nii", "absent.nii.gz", "a\0b.nii"):
        for read in (read_volume, read_labels):
            with pytest.raises(InvalidInput):
                read(tmp_path / name)


def test_a_name_that_is_not_text_is_shown_escaped(tmp_path):
    with pytest.raises(InvalidInput) as error:
        read_volume(os.fsdecode(bytes(tmp_path) + b"/\xff\x1b[31m.nii.gz"))
    assert str(error.value).isprintable()


METAIMAGE = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "0 0 0",
    "ElementSpacing": "1 2 3",
    "DimSize": "4 3 2",
    "ElementType": "MET_UCHAR",
    "ElementDataFile": "LOCAL",
}


def metaimage(path, voxels=bytes(24), **changes):
    fields = {**METAIMAGE, **changes}
    fields["ElementDataFile"] = fields.pop("ElementDataFile")  # ends a header
    lines = [f"{name} = {value}\n" for name, value in fields.items() if value is not None]
    path.write_bytes("".join(lines).encode() + voxels)
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"NDims": "-1"},
        {"NDims": "99999999999"},
        {"NDims": "5"},
        {"NDims": "nan"},
        {"NDims": None},
        {"DimSize": "4 3"},
        {"DimSize": "4 3 -2"},
        {"DimSize": "0 3 2"},
        {"DimSize": "2147483647 2147483647 2147483647"},
        {"DimSize": "4 3 3"},
        {"DimSize": "٤ 3 2"},
        {"ElementType": "MET_NONE"},
        {"ElementType": "MET_FLOAT"},
        {"ElementSpacing": "1 2 0"},
        {"ElementSpacing": "1 2 nan"},
        {"ElementSpacing": "1 -2 3"},
        {"ElementSpacing": None},
        {"TransformMatrix": "1 0 0 0 1 0 0 0"},
        {"TransformMatrix": "1 0 0 0.1 1 0 0 0 1"},
        {"TransformMatrix": "2 0 0 0 1 0 0 0 1"},
        {"TransformMatrix": "0 0 0 0 0 0 0 0 0"},
        {"Offset": "inf 0 0"},
        {"Origin": "1 2 3"},
        {"BinaryData": "False"},
        {"CompressedData": "True"},
        {"CompressedData": "perhaps"},
        {"ElementNumberOfChannels": "3"},
        {"ElementDataFile": "../other.raw"},
        {"ElementDataFile": "/etc/passwd"},
        {"ElementDataFile": "LIST"},
        {"ElementDataFile": "a%03d.raw"},
        {"ElementDataFile": "absent.raw"},
        {"ElementDataFile": ""},
        {"ElementDataFile": None},
        {"HeaderSize": "7"},
    ],
)
def test_damaged_metaimage_headers_are_refused(tmp_path, change):
    assert read_volume(metaimage(tmp_path / "good.mha")).spacing == (3, 2, 1)
    with pytest.raises(InvalidInput):
        read_volume(metaimage(tmp_path / "a.mha", **change))


@pytest.mark.parametrize("extension", FORMATS)
def test_random_damage_ends_in_a_sentence_or_a_volume(good, tmp_path, extension):
    path = tmp_path / f"a{extension}"
    write_volume(path, good)
    whole = path.read_bytes()
    if extension == ".nii.gz":
        whole = gzip.decompress(whole)
    rng = random.Random(3)
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            damaged[rng.randrange(min(400, len(damaged)))] = rng.randrange(256)
        path.write_bytes(gzip.compress(damaged, 1) if extension == ".nii.gz" else damaged)
        for read in (read_volume, read_labels, frame_count):
            with contextlib.suppress(InvalidInput):
                read(path)


def nrrd(path, voxels=bytes(24), **changes):
    fields = {
        "type": "uchar",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": "4 3 2",
        "space directions": "(1,0,0) (0,2,0) (0,0,3)",
        "encoding": "raw",
        "space origin": "(0,0,0)",
        **{name.replace("_", " "): value for name, value in changes.items()},
    }
    lines = [f"{name}: {value}\n" for name, value in fields.items() if value is not None]
    path.write_bytes("".join(["NRRD0004\n", *lines, "\n"]).encode() + voxels)
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"dimension": "-1"},
        {"dimension": "5"},
        {"sizes": "4 3"},
        {"sizes": "4 3 0"},
        {"sizes": "4 3 3"},
        {"type": "block"},
        {"type": "short"},
        {"encoding": "ascii"},
        {"encoding": "gzip"},
        {"encoding": None},
        {"space_directions": "(1,0,0) (0,2,0) (0.5,0,3)"},
        {"space_directions": "(1,0,0) (0,2,0) (0,0,0)"},
        {"space_directions": "(1,0,0) (0,2,0) (0,0,nan)"},
        {"space_directions": "(1,0,0) (0,2,0)"},
        {"space_directions": None},
        {"space_units": '"mile" "mile" "mile"'},
        {"space_origin": "(0,0)"},
        {"kinds": "domain domain"},
        {"byte_skip": "-1"},
        {"data_file": "../other.raw"},
        {"data_file": "LIST"},
        {"dimension": "4", "sizes": "3 2 2 2", "space_directions": "none (1,0,0) (0,2,0) (0,0,3)",
         "kinds": "vector domain domain domain"},
    ],
)  # fmt: skip
def test_damaged_nrrd_headers_are_refused(tmp_path, change):
    assert read_volume(nrrd(tmp_path / "good.nrrd")).spacing == (3, 2, 1)
    with pytest.raises(InvalidInput):
        read_volume(nrrd(tmp_path / "a.nrrd", **change))


def test_nrrd_spaces_and_units_are_converted(tmp_path):
    origin = "(1,2,3)"
    ras = read_volume(nrrd(tmp_path / "a.nrrd", space="RAS", space_origin=origin))
    assert np.array_equal(ras.grid.position((0, 0, 0)), (-1, -2, 3))
    las = read_volume(
        nrrd(tmp_path / "b.nrrd", space="left-anterior-superior", space_origin=origin)
    )
    assert np.array_equal(las.grid.position((0, 0, 0)), (1, -2, 3))
    metres = read_volume(nrrd(tmp_path / "c.nrrd", space_units='"m" "m" "m"'))
    assert metres.spacing == (3000, 2000, 1000)
    assert any("converted to mm" in note for note in metres.notes)
    plain = nrrd(
        tmp_path / "d.nrrd",
        space=None,
        space_directions=None,
        space_origin=None,
        spacings="1 2 3",
    )
    assert read_volume(plain).spacing == (3, 2, 1)
    assert any("Left and right" in note for note in read_volume(plain).notes)


def test_a_nrrd_series_may_have_its_frames_first(tmp_path):
    voxels = np.arange(48, dtype=np.uint8).tobytes()
    path = nrrd(
        tmp_path / "a.nrrd",
        voxels,
        dimension="4",
        sizes="2 4 3 2",
        space_directions="none (1,0,0) (0,2,0) (0,0,3)",
        kinds="list domain domain domain",
    )
    found = read_volume(path, frame=1)
    assert np.array_equal(found.array, np.arange(1, 48, 2).reshape(2, 3, 4))
    assert found.spacing == (3, 2, 1)


def segments(*names, layers=2):
    """The remarks that 3D Slicer writes about segments."""
    return "".join(
        f"Segment{k}_ID:=Segment_{k}\nSegment{k}_Layer:={k % layers}\nSegment{k}_Name:={name}\n"
        for k, name in enumerate(names)
    )


def test_overlapping_segments_of_slicer_are_no_time_series(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    changes = {
        "dimension": "4",
        "sizes": "2 4 3 2",
        "space_directions": "none (1,0,0) (0,2,0) (0,0,3)",
        "kinds": "list domain domain domain",
    }
    nrrd(path, bytes(48), **changes)
    assert frame_count(path) == 2
    told = segments("LV", "Myo", "RV").encode()
    path.write_bytes(path.read_bytes().replace(b"\n\n", b"\n" + told + b"\n", 1))
    for read in (read_volume, read_labels, frame_count, lambda p: read_labels(p, frame=1)):
        with pytest.raises(InvalidInput, match="3 segments in 2 layers.*label map"):
            read(path)


def test_segments_of_slicer_in_one_layer_are_labels(tmp_path):
    path = nrrd(tmp_path / "a.seg.nrrd", bytes([0, 1, 2] * 8))
    told = segments("LV", "Myo", layers=1).encode()
    path.write_bytes(path.read_bytes().replace(b"\n\n", b"\n" + told + b"\n", 1))
    assert np.unique(read_labels(path).array).tolist() == [0, 1, 2]
    assert frame_count(path) == 1


@pytest.mark.parametrize("make", [nrrd, metaimage])
def test_a_padded_file_of_another_format_is_read_with_a_note(tmp_path, make):
    path = make(tmp_path / ("a.nrrd" if make is nrrd else "a.mha"))
    content = path.read_bytes()
    path.write_bytes(content + bytes(-len(content) % 512))
    found = read_volume(path)
    assert found.shape == (2, 3, 4)
    assert "zeros that fill the last block" in found.notes[0]
    path.write_bytes(content + bytes(-len(content) % 512 + 1))
    with pytest.raises(InvalidInput, match="doesn't fit"):
        read_volume(path)


def test_frames_are_counted_without_unpacking_and_read_by_unpacking_once(tmp_path, monkeypatch):
    from napari_scribseg.io import read_frames, strict

    array = np.arange(5 * 24, dtype=np.int16).reshape(5, 2, 3, 4)
    image = sitk.GetImageFromArray(array, isVector=False)
    unpacked = []
    real = strict.unpack
    monkeypatch.setattr(strict, "unpack", lambda *a, **k: unpacked.append(1) or real(*a, **k))
    for extension in (".nii.gz", ".nrrd", ".mha"):
        path = tmp_path / f"a{extension}"
        sitk.WriteImage(image, str(path), useCompression=True)
        unpacked.clear()
        assert frame_count(path) == 5
        assert unpacked == []
        frames = read_frames(path).volumes
        assert len(unpacked) == 1
        assert [f.frame for f in frames] == [0, 1, 2, 3, 4]
        assert np.array_equal([f.array for f in frames], array)
