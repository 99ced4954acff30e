"""Exports: what was written is read back identically, by us and by the libraries."""

from __future__ import annotations

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case, write_nifti

from napari_scribseg.cli import main
from napari_scribseg.cli.exporting import _LAYOUTS
from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.region import Region
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.export import LAYOUTS, export
from napari_scribseg.project.folder import Project

SMALL = (2, 16, 16)


def oblique_case(seed: int, case_id: str) -> Case:
    """A case whose grid is turned and shifted, as scanners make them."""
    case = two_ball_case(SMALL, seed=seed, case_id=case_id, patient=case_id)
    angle = 0.3
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = turn @ case.grid.affine
    affine[:3, 3] = (-12.5, 7.25, 31.0)
    image = Volume((case.image.array * 3).astype(np.int16), Grid(SMALL, affine))
    return Case(case_id, case_id, image, case.scribbles, case.reference)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    with Project.create(folder, TWO_BALLS) as made:
        for seed, name in enumerate(("heart_ED", "heart_ES")):
            made.add_case(oblique_case(seed, name))
    return folder


def same(case: Case, other: Case) -> None:
    np.testing.assert_array_equal(case.image.array, other.image.array)
    np.testing.assert_array_equal(case.scribbles, other.scribbles)
    assert case.image.array.dtype == other.image.array.dtype
    assert case.grid.offset_from(other.grid) < 1e-4
    np.testing.assert_allclose(case.grid.affine, other.grid.affine, atol=1e-5)


def test_nnunet_comes_back_as_it_was(project, tmp_path):
    with Project.open(project, read_only=True) as opened:
        dataset = opened.dataset()
    done = export(dataset, tmp_path / "out", "nnunet")
    assert done.written == ["heart_ED", "heart_ES"]
    back = read_dataset(tmp_path / "out")
    assert back.layout == "nnU-Net raw"
    assert back.schema.names == TWO_BALLS.names
    assert back.title == dataset.title
    for before, after in zip(dataset.cases, back.cases, strict=True):
        assert after.id == before.id
        same(before.load(TWO_BALLS), after.load(back.schema))


def test_nnunet_has_what_nnunet_demands(project, tmp_path):
    with Project.open(project, read_only=True) as opened:
        export(opened.dataset(), tmp_path / "out", "nnunet")
    document = json.loads((tmp_path / "out/dataset.json").read_text())
    assert document["labels"] == {"background": 0, "bright": 1, "dim": 2, "ignore": 3}
    assert document["numTraining"] == 2
    assert document["file_ending"] == ".nii.gz"
    assert document["channel_names"] == {"0": "image"}
    stored = nibabel.load(tmp_path / "out/labelsTr/heart_ED.nii.gz")
    assert set(np.unique(np.asanyarray(stored.dataobj))) == {0, 1, 2, 3}
    image = nibabel.load(tmp_path / "out/imagesTr/heart_ED_0000.nii.gz")
    np.testing.assert_allclose(image.affine, stored.affine)


def test_test_cases_keep_their_reference_as_label(tmp_path):
    nnunet = tmp_path / "given"
    case = two_ball_case(SMALL)
    for letters, label in (("Tr", case.scribbles), ("Ts", case.reference)):
        write_nifti(nnunet / f"images{letters}/p{letters}_0000.nii.gz", case.image.array, case.grid)
        ours = (
            np.where(label == 0, 3, np.where(label == 255, 0, label)) if letters == "Tr" else label
        )
        write_nifti(nnunet / f"labels{letters}/p{letters}.nii.gz", ours.astype(np.uint8), case.grid)
    (nnunet / "dataset.json").write_text(
        json.dumps(
            {
                "channel_names": {"0": "MRI"},
                "labels": {"background": 0, "bright": 1, "dim": 2, "ignore": 3},
                "file_ending": ".nii.gz",
            }
        )
    )
    export(read_dataset(nnunet), tmp_path / "out", "nnunet")
    back = {c.id: c.load(TWO_BALLS) for c in read_dataset(tmp_path / "out").cases}
    np.testing.assert_array_equal(back["pTs"].reference, case.reference)
    np.testing.assert_array_equal(back["pTr"].scribbles, case.scribbles)


def test_nifti_comes_back_with_scribbles_reference_and_predictions(project, tmp_path):
    with Project.open(project, read_only=True) as opened:
        dataset = opened.dataset()
    case = dataset.cases[0].load(TWO_BALLS)
    predictions = tmp_path / "mine"
    file = write_nifti(predictions / "heart_ED.nii.gz", case.reference, case.grid)
    done = export(dataset, tmp_path / "out", "nifti", predictions={"mine": {"heart_ED": file}})
    assert done.notes == ["mine has no segmentation of heart_ES."]
    back = read_dataset(tmp_path / "out")
    assert back.schema == TWO_BALLS
    for before, after in zip(dataset.cases, back.cases, strict=True):
        loaded = after.load(TWO_BALLS)
        same(before.load(TWO_BALLS), loaded)
        np.testing.assert_array_equal(loaded.reference, before.load(TWO_BALLS).reference)
    predicted = nibabel.load(tmp_path / "out/predictions/mine/heart_ED.nii.gz")
    image = nibabel.load(tmp_path / "out/images/heart_ED.nii.gz")
    np.testing.assert_allclose(predicted.affine, image.affine)
    np.testing.assert_array_equal(np.asanyarray(predicted.dataobj).T, case.reference)


def test_images_can_be_referenced_instead(tmp_path):
    dataset = read_dataset(phantom_dataset(tmp_path / "data", 1, shape=SMALL))
    export(dataset, tmp_path / "out", "nifti", copy_images=False)
    assert not (tmp_path / "out/images").exists()
    listed = json.loads((tmp_path / "out/images.json").read_text())
    assert listed == {"patient00": str(dataset.cases[0].image.resolve())}
    assert (tmp_path / "out/scribbles/patient00.nii.gz").is_file()


def test_a_case_that_can_t_be_written_does_not_stop_the_others(tmp_path):
    folder = phantom_dataset(tmp_path / "data", 2, shape=SMALL)
    (folder / "scribbles/patient00.nii.gz").unlink()
    done = export(read_dataset(folder), tmp_path / "out", "nnunet")
    assert done.written == ["patient01"]
    assert "no scribbles" in done.failed["patient00"]
    assert json.loads((tmp_path / "out/dataset.json").read_text())["numTraining"] == 1


def test_only_some_cases(tmp_path):
    dataset = read_dataset(phantom_dataset(tmp_path / "data", 2, shape=SMALL))
    done = export(dataset, tmp_path / "out", "nifti", cases=["patient01"])
    assert done.written == ["patient01"]
    with pytest.raises(InvalidInput, match="no case patient09"):
        export(dataset, tmp_path / "more", "nifti", cases=["patient09"])


def test_nothing_is_overwritten(tmp_path):
    dataset = read_dataset(phantom_dataset(tmp_path / "data", 1, shape=SMALL))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="nothing is overwritten"):
        export(dataset, tmp_path / "out", "nifti")


def test_nnunet_has_no_place_for_predictions(tmp_path):
    dataset = read_dataset(phantom_dataset(tmp_path / "data", 1, shape=SMALL))
    with pytest.raises(InvalidInput, match="layout nifti"):
        export(dataset, tmp_path / "out", "nnunet", predictions={"a": {"b": tmp_path}})


def test_the_command(project, tmp_path, capsys):
    code = main(
        ["export", str(project), "--layout", "nnunet", "--out", str(tmp_path / "out"), "--json"]
    )
    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert document["written"] == ["heart_ED", "heart_ES"]
    assert len(read_dataset(tmp_path / "out").cases) == 2
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "x")]) == 2
    assert _LAYOUTS == LAYOUTS


def test_a_decathlon_task_comes_back_and_is_as_msd_has_it(tmp_path):
    dataset = read_dataset(phantom_dataset(tmp_path / "data", 3, shape=SMALL))
    dataset.cases[2].scribbles.unlink()
    bare = dataset.cases[2].model_copy(update={"split": "test", "scribbles": None})
    dataset = replace(dataset, cases=(*dataset.cases[:2], bare))
    done = export(dataset, tmp_path / "out", "msd")
    assert len(done.written) == 3
    assert "scribbles" in done.notes[0]
    document = json.loads((tmp_path / "out/dataset.json").read_text())
    assert document["labels"] == {"0": "background", "1": "bright", "2": "dim"}
    assert (document["numTraining"], document["numTest"]) == (2, 1)
    assert document["test"] == ["./imagesTs/patient02.nii.gz"]
    pair = document["training"][1]
    image, label = (nibabel.load(tmp_path / "out" / pair[key]) for key in ("image", "label"))
    np.testing.assert_allclose(image.affine, label.affine)
    back = read_dataset(tmp_path / "out")
    assert back.layout == "MSD"
    for before, after in zip(dataset.cases[:2], back.cases[:2], strict=True):
        np.testing.assert_array_equal(
            before.load(TWO_BALLS).reference, after.load(back.schema).reference
        )
    with pytest.raises(InvalidInput, match="predictions in the layout nifti or bids"):
        export(dataset, tmp_path / "x", "msd", predictions={"net": {}})


def test_a_decathlon_task_takes_only_dense_references(tmp_path):
    folder = phantom_dataset(tmp_path / "data", 3, shape=SMALL)
    (folder / "labels/patient00.nii.gz").unlink()
    case = two_ball_case(SMALL, seed=1)
    partial = np.where(case.scribbles == 0, 255, case.reference).astype(np.uint8)
    write_nifti(folder / "labels/patient01.nii.gz", partial, case.grid)
    dataset = read_dataset(folder).references_as(ScribbleConvention.unlabelled_255)
    done = export(dataset, tmp_path / "out", "msd")
    assert done.written == ["patient02"]
    assert "no reference" in done.failed["patient00"]
    assert "no ignore label" in done.failed["patient01"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_patients_stay_whole_in_every_layout(tmp_path, layout):
    folder = phantom_dataset(tmp_path / "data", 4, shape=SMALL)
    rows = [f"patient{k:02d},{name}" for k, name in enumerate("AABB")]
    (folder / "patients.csv").write_text("\n".join(["case,patient", *rows]))
    dataset = read_dataset(folder)
    export(dataset, tmp_path / "out", layout, bids_suffix="T2w" if layout == "bids" else None)
    patients = [case.patient.removeprefix("sub-") for case in read_dataset(tmp_path / "out").cases]
    assert patients == ["A", "A", "B", "B"]


def test_patients_that_names_tell_need_no_table(project, tmp_path):
    with Project.open(project, read_only=True) as opened:
        cases = opened.dataset().cases
        dataset = replace(
            opened.dataset(),
            cases=tuple(case.model_copy(update={"patient": "case-1234abcd"}) for case in cases),
        )
    export(dataset, tmp_path / "out", "nifti")
    assert not (tmp_path / "out/patients.csv").exists()
    assert len({case.patient for case in read_dataset(tmp_path / "out").cases}) == 1


@pytest.mark.parametrize(
    ("layout", "lost"), [("nifti", "val and test"), ("nnunet", "val"), ("msd", "val")]
)
def test_splits_that_a_layout_can_t_tell_are_told(tmp_path, layout, lost):
    dataset = read_dataset(phantom_dataset(tmp_path / "data", 3, shape=SMALL))
    cases = zip(dataset.cases, ("train", "val", "test"), strict=True)
    named = tuple(case.model_copy(update={"split": split}) for case, split in cases)
    done = export(replace(dataset, cases=named), tmp_path / "out", layout)
    (said,) = [note for note in done.notes if "can't tell" in note]
    assert f"which cases are {lost}: " in said
    for note in export(dataset, tmp_path / "more", layout).notes:
        assert "can't tell" not in note


def test_a_region_goes_into_other_projects_and_is_missed_in_exports(project, tmp_path):
    region = Region(z=(0, 2), y=(3, 9), x=(2, 12))
    with Project.open(project) as opened:
        opened.set_region("heart_ED", region)
        dataset = opened.dataset()
    done = export(dataset, tmp_path / "out", "nifti")
    assert [note for note in done.notes if "heart_ED (0:2,3:9,2:12) was left out" in note]
    with Project.create(tmp_path / "other", TWO_BALLS) as other:
        other.add_case(dataset.cases[0])
        assert other.case("heart_ED").region == region
