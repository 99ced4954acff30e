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
from napari_scribseg.evaluation.metrics import score_case
from napari_scribseg.evaluation.tables import Cell, csv_text

HEART = LabelSchema.of("RV", "MYO", "LV")
SPACING = (10.0, 1.0, 1.0)


def files(phase: str = "ED") -> CaseFiles:
    return CaseFiles(
        id=f"p1_{phase}", patient="p1", group="DCM", phase=phase, image=Path("x.nii.gz")
    )


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
    tables = ScoreTables()
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
    tables = ScoreTables()
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
    tables = ScoreTables()
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
    tables = ScoreTables()
    for phase, n in (("ED", 10), ("ES", 4)):
        reference = ventricles(n)
        reference[-1] = UNKNOWN
        tables.add(files(phase), ventricles(n), reference, SPACING, HEART)
    row = named(SCORE_COLUMNS, tables.scores[1])
    assert 0 < row["reference_share"] < 1
    assert "that the reference labels" in row["note"]
    assert len(tables.clinical) == 1
