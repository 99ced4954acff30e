"""BIDS datasets: raw with derivatives of others, and ours read back."""

from __future__ import annotations

import csv
import json

import nibabel
import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case, write_nifti

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.export import export

SMALL = (2, 16, 16)


def description(folder, **more):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"Name": "Prostates", "BIDSVersion": "1.9.0", **more}
    (folder / "dataset_description.json").write_text(json.dumps(content))


@pytest.fixture
def foreign(tmp_path):
    """Two subjects, one with two sessions; labels by hand with the values 2 and 5, and others."""
    root = tmp_path / "bids"
    description(root)
    made = root / "derivatives/manual-labels"
    description(made, DatasetType="derivative")
    (made / "dseg.tsv").write_text(
        "index\tname\tcolor\n0\tbackground\t#000000\n5\tdim\t#0000ff\n2\tbright\t#00ff00\n"
    )
    for seed, stem in enumerate(("sub-01_ses-1", "sub-01_ses-2", "sub-02")):
        case = two_ball_case(SMALL, seed=seed)
        place = "/".join([*stem.split("_")[:1], *[p for p in stem.split("_") if "ses" in p]])
        place = "/".join(["sub-01", stem.split("_")[1]]) if "ses" in stem else "sub-02"
        for suffix in ("T2w", "ADC") if seed else ("T2w",):
            write_nifti(root / place / f"anat/{stem}_{suffix}.nii.gz", case.image.array, case.grid)
        stored = np.array([0, 2, 5], np.uint8)[case.reference]
        write_nifti(made / place / f"anat/{stem}_dseg.nii.gz", stored, case.grid)
        other = root / "derivatives/net" / place / f"anat/{stem}_desc-unet_dseg.nii.gz"
        write_nifti(other, case.reference, case.grid)
    write_nifti(
        made / "sub-02/anat/sub-02_space-MNI_dseg.nii.gz", np.zeros((1, 2, 2), np.uint8), case.grid
    )
    return root


def test_raw_with_derivatives(foreign):
    dataset = read_dataset(foreign)
    assert (dataset.layout, dataset.title) == ("BIDS", "Prostates")
    assert [c.id for c in dataset.cases] == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]
    assert [c.patient for c in dataset.cases] == ["sub-01", "sub-01", "sub-02"]
    assert dataset.schema.names == ("background", "bright", "dim")
    assert dataset.schema.classes[0].color == "#00ff00"
    for seed, files in enumerate(dataset.cases):
        case = files.load(dataset.schema)
        np.testing.assert_array_equal(case.reference, two_ball_case(SMALL, seed=seed).reference)
    text = " ".join(dataset.notes)
    assert "Only the T2w images are used; left out: ADC (2)" in text
    assert "1 label file(s) in another space" in text
    assert "Labels with other descriptions were left out: unet" in text
    assert not dataset.faults


def test_two_references_of_one_image_are_a_fault(foreign):
    case = two_ball_case(SMALL)
    twin = foreign / "derivatives/second/sub-02/anat/sub-02_dseg.nii.gz"
    write_nifti(twin, case.reference, case.grid)
    dataset = read_dataset(foreign)
    assert dataset.cases[2].reference is None
    assert "1 image(s) have several references" in dataset.faults[0]


def test_a_derivative_alone_has_no_images(foreign):
    with pytest.raises(InvalidInput, match="give the folder of the dataset that it is in"):
        read_dataset(foreign / "derivatives/manual-labels")


def test_a_link_out_of_the_dataset_is_refused(foreign, tmp_path):
    outside = write_nifti(tmp_path / "x.nii.gz", np.zeros(SMALL), two_ball_case(SMALL).grid)
    (foreign / "sub-02/anat/sub-02_run-2_T2w.nii.gz").symlink_to(outside)
    with pytest.raises(InvalidInput, match="leads out of the folder"):
        read_dataset(foreign)


def test_ours_comes_back_and_is_as_bids_has_it(tmp_path):
    dataset = read_dataset(phantom_dataset(tmp_path / "data", 2, shape=SMALL))
    predictions = {"my_net": {"patient00": dataset.cases[0].reference}}
    with pytest.raises(InvalidInput, match="--bids-suffix"):
        export(dataset, tmp_path / "no", "bids")
    out = tmp_path / "out"
    done = export(dataset, out, "bids", bids_suffix="T2w", predictions=predictions)
    assert done.written == ["patient00", "patient01"]
    case = dataset.cases[0].load(TWO_BALLS)
    image = nibabel.load(out / "sub-patient00/anat/sub-patient00_T2w.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj).T, case.image.array)
    ours = out / "derivatives/napari-scribseg"
    label = nibabel.load(ours / "sub-patient00/anat/sub-patient00_desc-manual_dseg.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(label.dataobj).T, case.reference)
    sidecar = json.loads(
        (ours / "sub-patient00/anat/sub-patient00_desc-manual_dseg.json").read_text()
    )
    assert sidecar == {
        "Manual": True,
        "Sources": ["bids::sub-patient00/anat/sub-patient00_T2w.nii.gz"],
    }
    rows = list(csv.DictReader((ours / "dseg.tsv").open(), delimiter="\t"))
    assert [(row["index"], row["name"]) for row in rows] == [
        ("0", "background"),
        ("1", "bright"),
        ("2", "dim"),
    ]
    derived = json.loads((ours / "dataset_description.json").read_text())
    assert derived["DatasetType"] == "derivative"
    assert derived["GeneratedBy"][0]["Name"] == "napari-scribseg"
    people = (out / "participants.tsv").read_text().split()
    assert people == ["participant_id", "sub-patient00", "sub-patient01"]
    assert list((out / "derivatives").glob("*/sub-patient00/anat/*_desc-mynet_dseg.nii.gz"))

    back = read_dataset(out)
    assert [c.id for c in back.cases] == ["sub-patient00", "sub-patient01"]
    assert back.schema == TWO_BALLS.model_copy(update={"title": back.schema.title})
    for before, after in zip(dataset.cases, back.cases, strict=True):
        old, new = before.load(TWO_BALLS), after.load(back.schema)
        np.testing.assert_array_equal(new.image.array, old.image.array)
        np.testing.assert_array_equal(new.scribbles, old.scribbles)
        np.testing.assert_array_equal(new.reference, old.reference)
    # Once more: BIDS names and suffixes are kept as they are.
    again = export(back, tmp_path / "again", "bids")
    assert again.written == ["sub-patient00", "sub-patient01"]
    assert (tmp_path / "again/sub-patient01/anat/sub-patient01_T2w.nii.gz").is_file()


def test_phases_of_a_patient_stay_apart(tmp_path):
    folder = phantom_dataset(tmp_path / "data", 2, shape=SMALL)
    for old, new in (("patient00", "p1_ED"), ("patient01", "p1_ES")):
        for kind in ("images", "scribbles", "labels"):
            (folder / kind / f"{old}.nii.gz").rename(folder / kind / f"{new}.nii.gz")
    export(read_dataset(folder), tmp_path / "out", "bids", bids_suffix="cine")
    back = read_dataset(tmp_path / "out")
    assert [c.id for c in back.cases] == ["sub-p1_acq-ED", "sub-p1_acq-ES"]
    assert {c.patient for c in back.cases} == {"sub-p1"}


def test_scribbles_with_values_of_the_table(foreign):
    made = foreign / "derivatives/manual-labels/sub-02/anat/sub-02_desc-scribbles_dseg.nii.gz"
    case = two_ball_case(SMALL, seed=2)
    stored = ScribbleConvention("x", 0, 255, (2, 5)).write(case.scribbles)
    write_nifti(made, stored, case.grid)
    dataset = read_dataset(foreign)
    np.testing.assert_array_equal(dataset.cases[2].load(dataset.schema).scribbles, case.scribbles)


def test_two_images_of_one_name_are_not_chosen_between(foreign):
    case = two_ball_case(SMALL, seed=7)
    write_nifti(foreign / "sub-02/anat/sub-02_T2w.nii", case.image.array, case.grid)
    twins = r"has both sub-02/anat/sub-02_T2w.nii and sub-02/anat/sub-02_T2w.nii.gz; keep one"
    with pytest.raises(InvalidInput, match=twins):
        read_dataset(foreign)
