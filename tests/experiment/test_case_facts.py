"""The survey: a bad case is left out and told of, and does not stop the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case, write_nifti

from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.experiment.case_facts import Survey, survey


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", 4, shape=(3, 32, 32))


def look(data: Path) -> Survey:
    dataset = read_dataset(data)
    return survey(dataset.cases, dataset.schema, dataset.folder)


def test_good_cases_are_described(data):
    found = look(data)
    case = two_ball_case(seed=0, shape=(3, 32, 32))
    first = found.cases[0]
    assert (found.left_out, found.obstacles, found.notes) == ((), (), ())
    assert first.spacing_mm == pytest.approx((8.0, 1.5, 1.5))
    assert first.scribbled_voxels["bright"] == (case.scribbles == 1).sum()
    assert first.scribbled_slices == 3
    assert first.reference_voxels == {
        "bright": (case.reference == 1).sum(),
        "dim": (case.reference == 2).sum(),
    }
    assert first.files.image.is_absolute()


def test_an_unreadable_case_is_left_out_without_the_name_of_the_folder(data):
    whole = (data / "images/patient01.nii.gz").read_bytes()
    (data / "images/patient01.nii.gz").write_bytes(whole[: len(whole) // 2])
    found = look(data)
    assert [case.files.id for case in found.cases] == ["patient00", "patient02", "patient03"]
    (bad,) = found.left_out
    assert bad.case == "patient01"
    assert "images/patient01.nii.gz" in bad.reason
    assert str(data) not in bad.reason


def test_one_image_under_two_patients_is_an_obstacle(data):
    shutil.copy(data / "images/patient00.nii.gz", data / "images/patient03.nii.gz")
    (obstacle,) = look(data).obstacles
    assert obstacle.startswith("patient00, patient03 have the same image")


def test_spacings_that_differ_are_listed(data):
    case = two_ball_case(seed=9, shape=(3, 32, 32), spacing=(5.0, 1.0, 1.0))
    for kind, array in (("images", case.image.array), ("labels", case.reference)):
        write_nifti(data / kind / "patient01.nii.gz", np.asarray(array), case.grid)
    (data / "scribbles/patient01.nii.gz").unlink()
    notes = look(data).notes
    assert notes[0].startswith("There are 2 different spacings (mm z, y, x: 5 x 1 x 1; 8 x 1.5 x")
    assert notes[1] == "1 case(s) have no scribbles: patient01."


def test_missing_references_are_counted(data):
    (data / "labels/patient02.nii.gz").unlink()
    assert look(data).notes == ("1 case(s) have no reference and can't be scored: patient02.",)


def test_classes_that_never_occur_are_named(data):
    for index in range(4):
        case = two_ball_case(seed=index, shape=(3, 32, 32))
        scribbles, reference = case.scribbles.copy(), case.reference.copy()
        scribbles[scribbles == 2] = 0
        reference[reference == 2] = 0
        write_nifti(data / f"scribbles/patient{index:02d}.nii.gz", scribbles, case.grid)
        write_nifti(data / f"labels/patient{index:02d}.nii.gz", reference, case.grid)
    assert TWO_BALLS.names[2] == "dim"
    assert look(data).notes == (
        "No case has a scribble of dim.",
        "No reference has dim: a segmentation with it counts as Dice 0, also in the mean over the "
        "classes. If nobody has annotated it, leave it out of the classes.",
    )
