"""Patients: whose a case is by the habits of public sets, by a pattern or a table; look-alikes."""

from __future__ import annotations

from pathlib import Path

import pytest
from phantoms import phantom_dataset

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.patients import (
    BY_NAMES,
    look_alikes,
    named_patients,
    patient_of,
    patients_of,
    patients_sentence,
    torn_look_alikes,
)


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
