"""Patients: whose a case is by the habits of public sets, by a pattern or a table; look-alikes."""

from __future__ import annotations

from pathlib import Path

import pytest
from phantoms import phantom_dataset

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.find import find_cases
from napari_scribseg.data.patient_folders import patient_folders
from napari_scribseg.data.patients import (
    BY_NAMES,
    look_alikes,
    named_patients,
    patient_of,
    patients_of,
    patients_sentence,
    torn_look_alikes,
)
from napari_scribseg.io.atomic import write_json


def cases(*ids: str) -> list[CaseFiles]:
    found = patients_of(ids)
    return [CaseFiles(id=i, patient=found[i], image=Path("x.nii.gz")) for i in ids]


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("patient001_ED", "patient001"),  # ACDC
        ("patient001_frame01", "patient001"),
        ("patient001_ES_frame07", "patient001"),
        ("patient001_4d", "patient001"),
        ("subject0_C0", "subject0"),  # MSCMR
        ("subject0_DE", "subject0"),
        ("myops_training_101_T2", "myops_training_101"),  # MyoPS
        ("A0S9V9_sa_ED", "A0S9V9"),  # M&Ms
        ("001_LA_ES", "001"),
        ("sub-07_ses-2_run-1_T1w", "sub-07"),  # BIDS
        ("sub-07", "sub-07"),
        ("BraTS20_Training_001_flair", "BraTS20_Training_001"),
        ("10000_1000000_t2w", "10000_1000000"),
        ("heart07", "heart07"),
        ("T1", "T1"),
        ("study_ED_7", "study_ED_7"),
    ],
)
def test_the_patient_of_one_name(name, patient):
    assert patient_of(name) == patient


@pytest.mark.parametrize(
    ("names", "patients"),
    [
        (("p04_visit1", "p04_visit2", "p05_visit1"), {"p04", "p05"}),
        (("a_scan1", "a_scan2", "b_scan1", "b_scan2"), {"a", "b"}),
        (("k1_left", "k1_right", "k2_left", "k2_right"), {"k1", "k2"}),
        (("k1_L", "k1_R", "k2_L", "k2_R"), {"k1", "k2"}),
        (("x1_pre", "x1_post", "x2_pre", "x2_post"), {"x1", "x2"}),
        (("v1_arterial", "v1_portal", "v2_portal"), {"v1", "v2"}),
        (("p1", "p1_followup", "p2", "p2_followup"), {"p1", "p2"}),
        (("p1_visit1_left", "p1_visit2_left", "p2_visit1_left", "p2_visit1_right"), {"p1", "p2"}),
        (("p1_20190301", "p1_20200502", "p2_20190301", "p2_20210101"), {"p1", "p2"}),
        (("p1_2019-03-01_T2", "p1_02.05.2020_T2", "p2_2019-03-01_T2"), {"p1", "p2"}),
        (("mri_20190301", "mri_20200502"), {"mri_20190301", "mri_20200502"}),
        # Upper and lower case are one spelling of one name.
        (("P1_T1", "p1_T2", "p2_T1"), {"P1", "p2"}),
        # The number is the patient where the beginning is that of all.
        (("mri_scan_1", "mri_scan_2", "mri_scan_3"), {"mri_scan_1", "mri_scan_2", "mri_scan_3"}),
        (("case_1", "case_2", "case_3"), {"case_1", "case_2", "case_3"}),
        # One visit each: nothing to put together, and the name stays whole.
        (("p04_visit1", "p05_visit1"), {"p04_visit1", "p05_visit1"}),
    ],
)
def test_the_patients_of_many_names(names, patients):
    assert set(patients_of(names).values()) == patients


@pytest.mark.parametrize(
    ("names", "stems"),
    [
        (("s0_a", "s0_b", "s1_a", "s1_b"), {"s0", "s1"}),
        (("p01a", "p01b", "p02a", "p02b"), {"p01", "p02"}),
        (
            ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001", "BraTS-GLI-00006-000"),
            {"BraTS-GLI-00005"},
        ),
        (("heart01", "heart02", "heart03"), set()),
        (("case_1", "case_2", "case_3"), set()),
        # Two places with many patients each.
        (tuple(f"site{s}_{n:03d}" for s in "AB" for n in range(20)), set()),
    ],
)
def test_names_that_look_like_scans_of_one_patient(names, stems):
    assert set(look_alikes(names)) == stems


def test_what_was_taken_for_a_patient_is_said():
    text = patients_sentence(cases("subject0_C0", "subject0_DE", "subject1_C0"), BY_NAMES)
    assert text == (
        "2 patients for 3 cases, told by the names of the cases. subject0 is subject0_C0 and "
        "subject0_DE."
    )
    doubtful = patients_sentence(cases("s0_a", "s0_b", "s1_a", "s1_b"), BY_NAMES)
    assert "4 patients for 4 cases" in doubtful
    assert "look like 2 patients: s0_a, s0_b may be scans of s0" in doubtful
    assert "--patient-pattern" in doubtful
    assert "look like" not in patients_sentence(cases("s0_a", "s0_b", "s1_a"), "by the table x.csv")


@pytest.mark.parametrize(
    "names",
    [
        ("JaneDoe_visit1", "JaneDoe_visit2", "JohnRoe_visit1", "JohnRoe_visit2"),
        ("JaneDoe_T1", "JaneDoe_T2", "JohnRoe_T1", "JohnRoe_T2"),
        ("Jane Doe_ED", "Jane Doe_2019-03-01_ES", "John Roe_ED", "John Roe_2019-03-01_ES"),
    ],
)
@pytest.mark.parametrize("layout", ["plain", "any folder", "MSD"])
def test_scans_of_a_person_stay_together_though_ids_are_hashes(tmp_path, names, layout):
    data = phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32))
    for number, name in enumerate(names):
        for folder in ("images", "labels", "scribbles"):
            path = data / folder / f"patient{number:02d}.nii.gz"
            path.rename(path.with_name(f"{name}.nii.gz"))
    (data / "labels.json").unlink()
    if layout == "MSD":
        training = [{"image": f"images/{n}.nii.gz", "label": f"labels/{n}.nii.gz"} for n in names]
        labels = {"0": "background", "1": "first", "2": "second"}
        write_json(data / "dataset.json", {"labels": labels, "training": training})
    found = (
        [case.files for case in find_cases([data]).cases]
        if layout == "any folder"
        else read_dataset(data).cases
    )
    by_file = {case.image.name.removesuffix(".nii.gz"): case.patient for case in found}
    jane, jane_again, john, john_again = (by_file[name] for name in names)
    assert (jane, john) == (jane_again, john_again)
    assert jane != john
    assert not any(name in text for text in by_file.values() for name in ("Jane", "John"))


@pytest.mark.parametrize(
    ("places", "patients"),
    [
        (("P01/2019-03-01", "P01/2020-05-02", "P02/2019-03-01"), "P01 P01 P02"),
        (("P01/1", "P01/2", "P02/1"), "P01 P01 P02"),
        (("jane/20190301", "jane/20200502", "max/20190301"), "jane jane max"),
        (("P01/T2_001", "P01/ADC_002", "P02/T2_001"), "P01 P01 P02"),
        (("002_S_1/MPR/2006-04-18_08/I13", "002_S_2/MPR/2007-01-01_08/I2"), "002_S_1 002_S_2"),
        (("ED", "ES"), ""),
        (("site1/P01", "site1/P02", "site2/P03"), "P01 P02 P03"),
        (("study7/1/a", "study7/2/b", "study7/2/c"), "1 2 2"),
        (("train/001", "test/001"), "001 001"),
    ],
)
def test_the_folder_of_a_patient(places, patients):
    split = [tuple(place.split("/")) for place in places]
    assert patient_folders(split) == (patients.split() or [None, None])


def test_look_alikes_on_both_sides_are_found():
    train, test = cases("s0_a", "s1_a", "s1_b"), cases("s0_b", "s2_a")
    assert torn_look_alikes(train, test) == (("s0_a", "s0_b"),)
    assert torn_look_alikes(cases("s0_a", "s0_b"), cases("s1_a", "s1_b")) == ()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32))  # patient00 to patient03


def test_a_pattern_names_the_patients(data):
    dataset = read_dataset(data)
    assert dataset.patients_from == BY_NAMES
    whole = named_patients(dataset, pattern=r"patient(\d)")
    assert {case.patient for case in whole.cases} == {"0"}
    assert whole.patients_from == r"by the pattern 'patient(\\d)'"
    named = named_patients(dataset, pattern=r"(?P<patient>\d+)$")
    assert [case.patient for case in named.cases] == ["00", "01", "02", "03"]
    each = named_patients(dataset, pattern="(.*)")
    assert [case.patient for case in each.cases] == [case.id for case in dataset.cases]


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(", "not a regular expression"),
        ("^x", "finds no patient in patient00, .* \\(4 of 4 cases\\)"),
        ("0(x?)", "finds no patient"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused(data, pattern, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        named_patients(read_dataset(data), pattern=pattern)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_names_the_patients(data, tmp_path, separator):
    lines = [("Case", "age", "Patient"), ("patient00.nii.gz", "5", "A"), ("patient01", "6", "A")]
    lines += [("patient02", "", "B"), ("patient03", "", "C"), ("another", "", "D")]
    table = tmp_path / "whose.csv"
    table.write_text("\ufeff" + "\n".join(separator.join(line) for line in lines) + "\n\n")
    named = named_patients(read_dataset(data), table=table)
    assert [case.patient for case in named.cases] == ["A", "A", "B", "C"]
    assert named.patients_from == "by the table whose.csv"


def test_a_table_in_the_folder_is_used_unasked(data):
    (data / "patients.csv").write_text(
        "case,patient\npatient00,A\npatient01,A\npatient02,B\npatient03,B\n"
    )
    assert [case.patient for case in read_dataset(data).cases] == ["A", "A", "B", "B"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("name,age\npatient00,5\n", "expected one called case"),
        ("case,patient\npatient00,A\n", "does not name the patient of patient01"),
        ("case,patient\npatient00,\n", "line 2"),
        ("case,patient\npatient00,A\npatient00,B\n", "of A and of B"),
    ],
)
def test_a_table_that_lacks_something_is_refused(data, tmp_path, text, sentence):
    (tmp_path / "whose.csv").write_text(text)
    with pytest.raises(InvalidInput, match=sentence):
        named_patients(read_dataset(data), table=tmp_path / "whose.csv")


def test_pattern_and_table_exclude_each_other(data):
    with pytest.raises(InvalidInput, match="give one"):
        named_patients(read_dataset(data), pattern="(.*)", table=Path("x.csv"))
