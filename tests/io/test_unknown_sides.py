"""A file that doesn't say where left and right are: the doubt goes wherever its grid goes."""

from __future__ import annotations

from itertools import product

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.io import read_labels, read_volume, write_volume
from napari_scribseg.io.geometry import UNKNOWN_SIDES

WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")
VOXELS = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)


def unknown(degrees=25.0):
    """An oblique grid that lies nowhere in a patient."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, -1]])[:, ::-1] * (4.0, 1.5, 1.25)
    affine[:3, 3] = (7, -5, 40)
    return Grid(VOXELS.shape, affine, oriented=False)


@pytest.mark.parametrize(("first", "second"), product(WRITABLE, WRITABLE))
def test_the_doubt_and_the_grid_survive_round_trips(tmp_path, first, second):
    grid = unknown()
    a, b = tmp_path / f"a{first}", tmp_path / f"b{second}"
    write_volume(a, Volume(VOXELS, grid))
    write_volume(b, read_volume(a))
    for path, read in product((a, b), (read_volume, read_labels)):
        found = read(path)
        assert not found.grid.oriented
        assert found.notes == (UNKNOWN_SIDES,)
        assert np.array_equal(found.array, VOXELS)
        assert np.abs(found.grid.affine - grid.affine).max() < 1e-5


def test_other_programs_are_told_as_their_formats_tell_it(tmp_path):
    for extension in WRITABLE:
        write_volume(tmp_path / f"a{extension}", Volume(VOXELS, unknown()))
    header = nibabel.load(tmp_path / "a.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)
    assert np.allclose(header.get_zooms(), (1.25, 1.5, 4))
    assert b"space: " not in (tmp_path / "a.nrrd").read_bytes()
    assert b"\nspace dimension: 3\n" in (tmp_path / "a.nrrd").read_bytes()
    assert b"AnatomicalOrientation = ???\n" in (tmp_path / "a.mha").read_bytes()
    for extension in WRITABLE:
        image = sitk.ReadImage(str(tmp_path / f"a{extension}"))
        assert np.array_equal(sitk.GetArrayFromImage(image), VOXELS)
        assert np.allclose(image.GetSpacing(), (1.25, 1.5, 4))


def test_only_our_own_word_makes_an_sform_without_code_count(tmp_path):
    path = tmp_path / "a.nii"
    write_volume(path, Volume(VOXELS, unknown()))
    content = bytearray(path.read_bytes())
    content[148:152] = b"Left"  # the description
    path.write_bytes(content)
    found = read_volume(path)
    assert not found.grid.oriented
    assert np.allclose(found.grid.affine[:3, 3], 0)
    assert np.allclose(found.grid.directions, np.eye(3)[::-1])


def sources(folder):
    """Files of other programs that don't tell sides."""
    image = nibabel.Nifti1Image(VOXELS.T, None)
    image.header.set_zooms((1.25, 1.5, 4))
    nibabel.save(image, folder / "a.nii.gz")
    voxels = VOXELS.tobytes()
    (folder / "b.nrrd").write_bytes(
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 5 4 3\nspacings: 1.25 1.5 4\n"
        b"encoding: raw\n\n" + voxels
    )
    (folder / "c.nrrd").write_bytes(
        b"NRRD0004\ntype: uchar\ndimension: 3\nspace dimension: 3\nsizes: 5 4 3\n"
        b"space directions: (0,1.25,0) (1.5,0,0) (0,0,4)\nspace origin: (9,8,7)\n"
        b"encoding: raw\n\n" + voxels
    )
    (folder / "d.nrrd").write_bytes(
        (folder / "c.nrrd").read_bytes().replace(b"space dimension: 3", b"space: 3D-right-handed")
    )
    head = b"ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 5 4 3\n"
    rest = b"ElementSpacing = 1.25 1.5 4\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    (folder / "e.mha").write_bytes(head + b"Offset = 1 2 3\n" + rest + voxels)
    turned = b"TransformMatrix = 0 1 0 1 0 0 0 0 1\nAnatomicalOrientation = ???\n"
    (folder / "f.mha").write_bytes(head + turned + rest + voxels)
    return sorted(folder.iterdir())


def test_products_of_a_case_of_unknown_sides_say_it(tmp_path):
    made = tmp_path / "made"
    (tmp_path / "given").mkdir()
    made.mkdir()
    (tmp_path / "given").chmod(0o755)
    schema = LabelSchema.of("ball", title="Ball")
    for path in sources(tmp_path / "given"):
        case = CaseFiles(id="a", patient="a", image=path).load(schema)
        assert UNKNOWN_SIDES in case.notes
        assert not case.grid.oriented
        for extension in WRITABLE:
            product_path = made / f"{path.stem}{extension}"
            write_volume(product_path, Volume((VOXELS > 30).astype(np.uint8), case.grid))
            again = read_labels(product_path)
            assert UNKNOWN_SIDES in again.notes
            # It still belongs to its image, voxel by voxel.
            array, _ = put_on_grid(again, case.grid, "The segmentation")
            assert np.array_equal(array, VOXELS > 30)


def test_known_sides_stay_known(tmp_path):
    grid = Grid(VOXELS.shape, unknown().affine)
    for extension in WRITABLE:
        path = tmp_path / f"a{extension}"
        write_volume(path, Volume(VOXELS, grid))
        assert read_volume(path).notes == ()
        assert read_volume(path).grid.oriented


def test_a_project_keeps_the_doubt(tmp_path):
    from napari_scribseg.project.folder import Project

    (tmp_path / "given").mkdir()
    path = sources(tmp_path / "given")[0]
    schema = LabelSchema.of("ball", title="Ball")
    scribbles = np.zeros(VOXELS.shape, np.uint8)
    scribbles[1, 1, 1] = 1
    with Project.create(tmp_path / "p", schema) as project:
        project.add_case(CaseFiles(id="a", patient="a", image=path))
        project.save_scribbles("a", scribbles)
        case = project.load_case("a")
    assert not case.grid.oriented
    for name in ("image", "scribbles"):
        assert UNKNOWN_SIDES in read_volume(tmp_path / f"p/cases/a/{name}.nii.gz").notes


def test_labels_are_not_turned_by_positions_that_only_one_file_knows():
    known = Grid.from_spacing(VOXELS.shape, (4, 1.5, 1.25))
    flipped = known.affine.copy()
    flipped[:3, 3] += flipped[:3, 2] * 4
    flipped[:3, 2] *= -1
    labels = Volume(VOXELS, Grid(VOXELS.shape, flipped))
    array, _ = put_on_grid(labels, known, "The scribbles")
    assert np.array_equal(array, VOXELS[..., ::-1])
    nowhere = Grid(known.shape, known.affine, oriented=False)
    with pytest.raises(InvalidInput, match="only one of both files says"):
        put_on_grid(labels, nowhere, "The scribbles")


def test_a_disagreement_is_seen_when_it_is_read_back(tmp_path, monkeypatch):
    from napari_scribseg.io import itk

    monkeypatch.setattr(itk, "_forget_sides", lambda path, image_io: None)
    for extension in (".nrrd", ".mha"):
        with pytest.raises(InvalidInput, match="not saved"):
            write_volume(tmp_path / f"a{extension}", Volume(VOXELS, unknown()))
    assert list(tmp_path.iterdir()) == []


def test_scores_against_a_reference_of_unknown_sides_say_it(tmp_path):
    from napari_scribseg.evaluation.folders import evaluate_folders

    ball = (VOXELS > 30).astype(np.uint8)
    for name in ("predictions", "references"):
        (tmp_path / name).mkdir()
        write_volume(tmp_path / name / "a.nii.gz", Volume(ball, unknown()))
    out = tmp_path / "out"
    evaluation = evaluate_folders(tmp_path / "predictions", tmp_path / "references", out=out)
    assert evaluation.mean_dice == 1
    assert evaluation.rows[0].note == UNKNOWN_SIDES
    assert UNKNOWN_SIDES in (out / "metrics.csv").read_text()
