"""The tables of a cell: numbers by hand, failures as zeros, ejection fraction of both phases."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN, LabelSchema
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.evaluation.case_scores import (
    CLINICAL_COLUMNS,
    SCORE_COLUMNS,
    SLICE_COLUMNS,
    ScoreTables,
    score_of_row,
)
from napari_scribseg.evaluation.hearts import hearts_of
from napari_scribseg.evaluation.metrics import score_case
from napari_scribseg.evaluation.tables import Cell, csv_text

HEART = LabelSchema.of("RV", "MYO", "LV")
SPACING = (10.0, 1.0, 1.0)


def files(phase: str = "ED") -> CaseFiles:
    return CaseFiles(
        id=f"p1_{phase}", patient="p1", group="DCM", phase=phase, image=Path("x.nii.gz")
    )


def tables_of(*cases: CaseFiles) -> ScoreTables:
    return ScoreTables.of(cases or (files("ED"), files("ES")))


def ventricles(lv_rows: int) -> np.ndarray:
    """RV of 20, MYO of 10 and LV of 10 * lv_rows voxels, 10 mm3 each, on the first of 2 slices."""
    labels = np.zeros((2, 20, 10), np.uint8)
    labels[0, :2] = 1
    labels[0, 2] = 2
    labels[0, 3 : 3 + lv_rows] = 3
    if lv_rows < 5:  # end systole
        labels[0, 0] = 0
    return labels


def named(columns: tuple[str, ...], row: tuple[Cell, ...]) -> dict[str, Cell]:
    return dict(zip(columns, row, strict=True))


def test_a_case_has_a_row_per_class_and_per_slice():
    tables = ScoreTables()
    tables.add(files(), ventricles(8), ventricles(10), SPACING, HEART)
    assert tables.scores[0] == SCORE_COLUMNS
    lv = named(SCORE_COLUMNS, tables.scores[3])
    assert (lv["case"], lv["patient"], lv["group"], lv["phase"]) == ("p1_ED", "p1", "DCM", "ED")
    assert (lv["class"], lv["status"]) == ("LV", "scored")
    assert lv["dice"] == pytest.approx(2 * 80 / 180)
    assert lv["volume_ml"] == pytest.approx(0.8)
    assert lv["volume_error_ml"] == pytest.approx(-0.2)
    assert lv["volume_error_share"] == pytest.approx(-0.2)
    assert tables.slices[0] == SLICE_COLUMNS
    assert len(tables.slices) == 1 + 2 * 3
    first, second = (named(SLICE_COLUMNS, r) for r in tables.slices[1:] if r[2] == "LV")
    assert first["dice"] == lv["dice"]
    assert (first["area_mm2"], first["reference_area_mm2"]) == (80.0, 100.0)
    assert first["hd95_mm"] == 2.0  # in the slice, where pixels are 1 mm apart
    assert second["status"] == "not applicable"


def test_a_failed_case_is_zero_and_says_why():
    tables = ScoreTables()
    tables.add_failed(files(), "The image is gone.", HEART)
    row = named(SCORE_COLUMNS, tables.scores[1])
    assert (row["status"], row["dice"], row["hd95_mm"]) == ("failed", 0.0, math.inf)
    assert row["note"] == "The image is gone."
    assert len(tables.slices) == 1


def test_both_phases_give_the_ejection_fraction():
    tables = tables_of()
    tables.add(files("ED"), ventricles(9), ventricles(10), SPACING, HEART)
    assert len(tables.clinical) == 1
    tables.add(files("ES"), ventricles(4), ventricles(4), SPACING, HEART)
    rows = {str(r[2]): named(CLINICAL_COLUMNS, r) for r in tables.clinical[1:]}
    ef = rows["LV EF"]
    assert (ef["unit"], ef["patient"]) == ("%", "p1")
    assert ef["reference"] == pytest.approx(60.0)  # 100 -> 40 voxels
    assert ef["value"] == pytest.approx(100 * 50 / 90)  # 90 -> 40
    assert ef["error"] == pytest.approx(100 * 50 / 90 - 60)
    assert rows["RV EF"]["error"] == pytest.approx(0.0)


def test_an_impossible_ejection_fraction_is_missing_with_the_reason():
    tables = tables_of()
    too_small = ventricles(9)
    too_small[0, 6:] = 0  # 30 voxels of LV, fewer than at end systole
    tables.add(files("ED"), too_small, ventricles(10), SPACING, HEART)
    tables.add(files("ES"), ventricles(4), ventricles(4), SPACING, HEART)
    rows = {str(r[2]): named(CLINICAL_COLUMNS, r) for r in tables.clinical[1:]}
    assert math.isnan(float(rows["LV EF"]["value"]))
    assert "not larger than at end systole" in str(rows["LV EF"]["note"])
    assert rows["LV EF"]["reference"] == pytest.approx(60.0)
    assert rows["RV EF"]["value"] == pytest.approx(50.0)  # 20 -> 10 voxels: not concerned
    assert rows["RV EF"]["note"] == ""


def test_other_organs_have_no_ejection_fraction():
    tables = tables_of()
    schema = LabelSchema.of("PZ", "CG", "x")
    tables.add(files("ED"), ventricles(9), ventricles(10), SPACING, schema)
    tables.add(files("ES"), ventricles(4), ventricles(4), SPACING, schema)
    assert len(tables.clinical) == 1


def test_a_row_is_read_back_as_its_score():
    tables = ScoreTables()
    tables.add(files(), ventricles(8), ventricles(10), SPACING, HEART)
    row = {k: str(v) for k, v in named(SCORE_COLUMNS, tables.scores[3]).items()}
    assert score_of_row(row) == score_case(ventricles(8), ventricles(10), SPACING, HEART)[2]
    assert math.isnan(score_of_row({**row, "dice": ""}).dice)
    with pytest.raises(InvalidInput, match="damaged"):
        score_of_row({**row, "dice": "much"})


def test_a_name_that_looks_like_a_formula_survives_the_file():
    schema = LabelSchema.of("=1+1", "'=x", "-y")
    tables = ScoreTables()
    tables.add(files(), ventricles(8), ventricles(10), SPACING, schema)
    rows = csv.DictReader(io.StringIO(csv_text(tables.scores)))
    assert [score_of_row(row).name for row in rows] == ["=1+1", "'=x", "-y"]


def test_a_case_without_a_usable_reference_is_no_zero():
    tables = ScoreTables()
    tables.add_unusable(files(), "It can't be read.", HEART)
    row = named(SCORE_COLUMNS, tables.scores[1])
    assert (row["status"], row["note"]) == ("no reference", "It can't be read.")
    assert math.isnan(row["dice"])


def test_a_partial_reference_is_told_in_the_row_and_gives_no_ejection_fraction():
    tables = tables_of()
    for phase, n in (("ED", 10), ("ES", 4)):
        reference = ventricles(n)
        reference[-1] = UNKNOWN
        tables.add(files(phase), ventricles(n), reference, SPACING, HEART)
    row = named(SCORE_COLUMNS, tables.scores[1])
    assert 0 < row["reference_share"] < 1
    assert "that the reference labels" in row["note"]
    assert len(tables.clinical) == 1


def measured(named_phases: dict[str, int], order: list[str]) -> list[dict[str, Cell]]:
    """The ejection fractions of cases with so many rows of LV; phases as the names tell them."""
    phase = {case: "ED" if n > 4 else "ES" for case, n in named_phases.items()}
    cases = {
        case: CaseFiles.model_validate(
            {"id": case, "patient": "p1", "phase": phase[case], "image": f"{case}.nii"}
        )
        for case in order
    }
    tables = tables_of(*cases.values())
    for case in order:
        labels = ventricles(named_phases[case])
        tables.add(cases[case], labels, labels, SPACING, HEART)
    rows = [named(CLINICAL_COLUMNS, row) for row in tables.clinical[1:]]
    return [row for row in rows if row["measurement"] == "LV EF"]


@pytest.mark.parametrize(
    "names",
    [
        ("p1_v1_ED", "p1_v1_ES", "p1_v2_ED", "p1_v2_ES"),
        ("p1_ED_visit1", "p1_ES_visit1", "p1_ED_visit2", "p1_ES_visit2"),
        ("p1_a_frame01", "p1_a_frame12", "p1_b_frame01", "p1_b_frame09"),
    ],
)
def test_two_examinations_of_a_patient_have_an_ejection_fraction_each(names):
    rows = dict(zip(names, (10, 4, 8, 2), strict=True))  # 60 % and 75 %
    for order in (list(names), sorted(names, key=lambda case: -rows[case])):
        found = measured(rows, order)
        assert sorted((row["cases"], row["reference"]) for row in found) == [
            (f"{names[0]} {names[1]}", pytest.approx(60.0)),
            (f"{names[2]} {names[3]}", pytest.approx(75.0)),
        ]


def test_frames_of_one_file_are_one_heart_whatever_they_are_called():
    cases = [
        CaseFiles(id=i, patient="p1", phase=phase, image=Path(image), frame=frame)
        for i, phase, image, frame in (
            ("one", "ED", "a.nii", 0),
            ("two", "ED", "b.nii", 0),
            ("three", "ES", "a.nii", 9),
            ("four", "ES", "b.nii", 7),
        )
    ]
    assert hearts_of(cases).of["three"] == ("one", "three")
    assert hearts_of(cases).of["two"] == ("two", "four")


def test_phases_that_can_not_be_told_apart_give_no_number_and_say_so():
    several = {"one": 10, "two": 8, "three": 4, "four": 2}
    other_visit = {"p1_v1_ED": 10, "p1_v2_ES": 2}
    for rows in (several, other_visit):
        assert measured(rows, list(rows)) == []
    tables = tables_of(files("ED").model_copy(update={"id": "p1_v1_ED"}), files("ES"))
    tables.add(files("ES"), ventricles(4), ventricles(4), SPACING, HEART)
    assert "name them alike but for ED and ES" in str(
        named(SCORE_COLUMNS, tables.scores[1])["note"]
    )


def test_one_case_of_each_phase_is_a_heart_where_names_say_nothing():
    assert [row["cases"] for row in measured({"x7": 10, "k3": 4}, ["k3", "x7"])] == ["x7 k3"]
