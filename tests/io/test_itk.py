"""SimpleITK gets only files it can be trusted with, and is believed only where it agrees."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io import frame_count, read_volume, write_volume
from napari_scribseg.io.atomic import remove_leftovers

VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4) * 1001


def mha(path, *lines, voxels=None, last="ElementDataFile = LOCAL"):
    head = [
        "ObjectType = Image", "NDims = 3", "BinaryData = True", "DimSize = 4 3 2",
        "ElementSpacing = 1 2 3", "TransformMatrix = 1 0 0 0 1 0 0 0 1", "Offset = 0 0 0",
        "ElementType = MET_SHORT",
    ]  # fmt: skip
    replaced = {line.partition("=")[0] for line in lines}
    head = [line for line in head if line.partition("=")[0] not in replaced]
    text = "\n".join([*head, *[line for line in lines if not line.endswith("= -")], last, ""])
    path.write_bytes(text.encode("latin-1") + (VOXELS.tobytes() if voxels is None else voxels))
    return path


def nrrd(path, *lines, voxels=None):
    head = [
        "type: short", "dimension: 3", "space: LPS", "sizes: 4 3 2", "endian: little",
        "space directions: (1,0,0) (0,2,0) (0,0,3)", "encoding: raw", "space origin: (0,0,0)",
    ]  # fmt: skip
    replaced = {line.partition(":")[0] for line in lines}
    head = [line for line in head if line.partition(":")[0] not in replaced]
    text = "\n".join(["NRRD0004", *head, *[line for line in lines if line[-2:] != " -"], "", ""])
    path.write_bytes(text.encode("latin-1") + (VOXELS.tobytes() if voxels is None else voxels))
    return path


def test_hand_written_files_of_any_byte_order_and_packing_are_read(tmp_path):
    big, packed = VOXELS.astype(">i2").tobytes(), zlib.compress(VOXELS.tobytes())
    (tmp_path / "v.raw").write_bytes(big)
    (tmp_path / "v.zraw").write_bytes(packed)
    size = f"CompressedDataSize = {len(packed)}"
    msb, zipped = "BinaryDataByteOrderMSB = True", "CompressedData = True"
    name = "ElementDataFile = v"
    for path in (
        mha(tmp_path / "a.mha"),
        mha(tmp_path / "b.mha", msb, voxels=big),
        mha(tmp_path / "c.mha", zipped, size, voxels=packed),
        mha(tmp_path / "d.mhd", msb, voxels=b"", last=f"{name}.raw"),
        mha(tmp_path / "e.mhd", zipped, size, voxels=b"", last=f"{name}.zraw"),
        mha(tmp_path / "f.mha", "0008|0060 = MR", "a remark = " + "x" * 400),
        mha(tmp_path / "g.mha", "TransformMatrix = 0.9996 0 0 0 1 0 0 0 1"),
        nrrd(tmp_path / "a.nrrd"),
        nrrd(tmp_path / "b.nrrd", "endian: big", voxels=big),
        nrrd(tmp_path / "c.nhdr", "endian: big", "data file: v.raw", voxels=b""),
        nrrd(tmp_path / "d.nrrd", "remark:=" + "x" * 5000),
    ):
        found = read_volume(path)
        assert np.array_equal(found.array, VOXELS), path.name
        assert np.allclose(found.spacing, (3, 2, 1), rtol=1e-3)


@pytest.mark.parametrize(
    "lines",
    [
        ("NDims : -1 = 3",),  # a colon ends the name for MetaIO
        ("ElementByteOrderMSB:= 1",),
        ("Comment = " + "x" * 300,),
        ("x" * 300 + " = 1",),
        ("Comment = a\rNDims = -1",),
        ("BinaryData = -",),  # MetaIO would take the voxels for text
        ("CenterOfRotation = 0 0",),  # MetaIO would go on in the next line
        ("Color = red",),
        ("DistanceUnits = cm",),
        ("HeaderSize = 4",),
        ("Offset = 1_0 0 0",),
        ("Offset = 1,2,3",),
    ],
)
def test_metaimage_lines_that_metaio_reads_otherwise_are_refused(tmp_path, lines):
    with pytest.raises(InvalidInput):
        read_volume(mha(tmp_path / "a.mha", *lines))


def test_packed_metaimage_voxels_of_unknown_size_are_refused(tmp_path):
    """SimpleITK raises nothing and gives what happened to be in the memory."""
    packed = zlib.compress(VOXELS.tobytes())
    with pytest.raises(InvalidInput, match="CompressedDataSize"):
        read_volume(mha(tmp_path / "a.mha", "CompressedData = True", voxels=packed))


def test_a_long_nrrd_field_does_not_end_the_process(tmp_path):
    path = nrrd(tmp_path / "a.nrrd", "axis mins: " + "a" * 1800)
    code = (
        "import sys; from napari_scribseg.io import read_volume\n"
        "try: read_volume(sys.argv[1])\n"
        "except Exception as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "too long" in done.stdout


def test_a_header_that_itk_understands_otherwise_is_refused(tmp_path):
    """ITK doesn't turn RAS into LPS for a series, and shifts by 'axis mins'."""
    series = (
        "dimension: 4", "sizes: 4 3 2 2", "space: right-anterior-superior-time",
        "space directions: (1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,40)", "space origin: (9,9,9,0)",
    )  # fmt: skip
    path = nrrd(tmp_path / "a.nrrd", *series, voxels=VOXELS.tobytes() * 2)
    with pytest.raises(InvalidInput, match="elsewhere"):
        read_volume(path, frame=0)
    none = ("space: -", "space directions: -", "space origin: -", "spacings: 1 2 3")
    assert read_volume(nrrd(tmp_path / "b.nrrd", *none)).spacing == (3, 2, 1)
    with pytest.raises(InvalidInput, match="elsewhere"):
        read_volume(nrrd(tmp_path / "c.nrrd", *none, "axis mins: 50 0 0"))


def test_frames_may_be_a_list_at_either_end(tmp_path):
    series = ("dimension: 4", "space origin: (1,2,3)")
    frames = np.stack([VOXELS, -VOXELS])
    first = (
        "sizes: 2 4 3 2", "kinds: list domain domain domain",
        "space directions: none (1,0,0) (0,2,0) (0,0,3)",
    )  # fmt: skip
    last = (
        "sizes: 4 3 2 2", "kinds: domain domain domain list",
        "space directions: (1,0,0) (0,2,0) (0,0,3) none",
    )  # fmt: skip
    interleaved = np.moveaxis(frames, 0, -1).tobytes()
    a = nrrd(tmp_path / "a.nrrd", *series, *first, voxels=interleaved)
    b = nrrd(tmp_path / "b.nrrd", *series, *last, voxels=frames.tobytes())
    for path in (a, b):
        assert frame_count(path) == 2
        for k in (0, 1):
            assert np.array_equal(read_volume(path, frame=k).array, frames[k])


@pytest.mark.parametrize("change", ["SetSpacing", "SetOrigin", "SetDirection", "cast", "crop"])
def test_what_simpleitk_returns_is_compared_with_the_header(tmp_path, monkeypatch, change):
    real = sitk.ReadImage

    def repaired(*args, **kwargs):
        image = real(*args, **kwargs)
        if change == "cast":
            return sitk.Cast(image, sitk.sitkFloat32)
        if change == "crop":
            return image[1:]
        values = {
            "SetSpacing": (1, 2, 3.1),
            "SetOrigin": (0, 0.1, 0),
            "SetDirection": (-1, 0, 0, 0, -1, 0, 0, 0, 1),
        }
        getattr(image, change)(values[change])
        return image

    monkeypatch.setattr(sitk, "ReadImage", repaired)
    for path in (mha(tmp_path / "a.mha"), nrrd(tmp_path / "a.nrrd")):
        with pytest.raises(InvalidInput, match="SimpleITK"):
            read_volume(path)


@pytest.mark.parametrize("fault", ["nothing", "cut", "shifted", "raises"])
@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
def test_a_bad_write_of_simpleitk_is_seen_and_the_old_file_stays(
    tmp_path, monkeypatch, extension, fault
):
    path = tmp_path / f"a{extension}"
    volume = Volume(VOXELS, Grid.from_spacing(VOXELS.shape, (3, 2, 1)))
    write_volume(path, volume)
    old = path.read_bytes()
    real = sitk.WriteImage

    def faulty(image, name, **options):
        if fault == "raises":
            raise RuntimeError("Exception thrown\nITK ERROR: Foo(0x1): no luck.")
        if fault == "shifted":
            image.SetOrigin((0.5, 0, 0))
        if fault != "nothing":
            real(image, name, **options)
        if fault == "cut":
            os.truncate(name, Path(name).stat().st_size - 5)

    monkeypatch.setattr(sitk, "WriteImage", faulty)
    told = "no luck" if fault == "raises" else "."
    with pytest.raises(InvalidInput, match=f"not saved.*{told}"):
        write_volume(path, volume)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
def test_names_that_are_not_text_are_refused_before_simpleitk_sees_them(tmp_path, extension):
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    good = tmp_path / f"a{extension}"
    volume = Volume(VOXELS, Grid.from_spacing(VOXELS.shape, (3, 2, 1)))
    write_volume(good, volume)
    for path in (folder / good.name, tmp_path / (os.fsdecode(b"\xfe") + extension)):
        with pytest.raises(InvalidInput, match="UTF-8"):
            write_volume(path, volume)
        path.write_bytes(good.read_bytes())
        with pytest.raises(InvalidInput, match="UTF-8"):
            read_volume(path)


def test_a_leftover_with_an_ending_is_removed_too(tmp_path):
    (tmp_path / ".scribseg-0123456789abcdef.part.mha").touch()
    assert remove_leftovers(tmp_path) == 1
