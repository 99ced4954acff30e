"""Evaluation of folders: what is expected, what fails, what stands in the files."""

from __future__ import annotations

import csv
import json
import math

import nibabel
import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.evaluation.folders import evaluate_folders
from napari_scribseg.evaluation.tables import (
    FILES,
    Failure,
    Pair,
    document,
    evaluate_cases,
    save_evaluation,
    sentences,
    table,
)

SCHEMA = LabelSchema.of("RV", "MYO")
SPACING = (5.0, 2.0, 2.0)


def truth():
    labels = np.zeros((3, 12, 12), dtype=np.uint8)
    labels[:, 2:6, 2:8] = 1
    labels[:, 6:10, 2:8] = 2
    return labels


def save(path, labels, shift_mm=0.0):
    affine = np.diag([*SPACING[::-1], 1.0])
    affine[0, 3] = shift_mm
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels.T.astype(np.uint8), affine), path)


@pytest.fixture
def folders(tmp_path):
    """Two references and two predictions that equal them."""
    for case in ("a", "b"):
        save(tmp_path / "truth" / f"{case}.nii.gz", truth())
        save(tmp_path / "ours" / f"{case}.nii.gz", truth())
    return tmp_path / "ours", tmp_path / "truth"


def dices(evaluation, case):
    return [row.score.dice for row in evaluation.rows if row.case == case]


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- folders ---


def test_equal_files_get_dice_1_and_distance_0(folders):
    evaluation = evaluate_folders(*folders, SCHEMA)
    assert evaluation.cases == ("a", "b")
    assert not evaluation.failures
    assert evaluation.mean_dice == 1
    assert [s.name for s in evaluation.summaries] == ["RV", "MYO"]
    assert evaluation.summaries[0].hd95_mm.mean == 0


def test_volumes_and_distances_are_in_the_units_of_the_file(folders):
    moved = np.roll(truth(), 1, axis=2)
    save(folders[0] / "a.nii.gz", moved)
    rv = evaluate_folders(*folders, SCHEMA).rows[0].score
    assert rv.hd95_mm == pytest.approx(SPACING[2])
    assert rv.volume_ml == pytest.approx(3 * 4 * 6 * 20 / 1000)


def test_a_missing_prediction_counts_as_dice_0_and_is_listed(folders):
    (folders[0] / "b.nii.gz").unlink()
    evaluation = evaluate_folders(*folders, SCHEMA)
    assert [f.case for f in evaluation.failures] == ["b"]
    assert "no segmentation" in evaluation.failures[0].reason
    assert dices(evaluation, "a") == [1, 1]
    assert evaluation.mean_dice == 0.5


def test_the_ending_segmentation_is_understood_and_maps_beside_are_no_surprise(folders):
    ours, _ = folders
    (ours / "b.nii.gz").rename(ours / "b_segmentation.nii.gz")
    save(ours / "b_uncertainty.nii.gz", truth())
    evaluation = evaluate_folders(*folders, SCHEMA)
    assert dices(evaluation, "b") == [1, 1]
    assert not evaluation.notes


def test_two_predictions_of_one_case_are_not_chosen_between(folders):
    save(folders[0] / "b_segmentation.nii.gz", truth())
    (failure,) = evaluate_folders(*folders, SCHEMA).failures
    assert failure.case == "b"
    assert "more than one" in failure.reason


def test_a_case_may_be_called_like_the_prediction_of_another(folders):
    ours, references = folders
    save(references / "a_segmentation.nii.gz", truth())
    save(ours / "a_segmentation.nii.gz", np.zeros_like(truth()))
    evaluation = evaluate_folders(ours, references, SCHEMA)
    assert not evaluation.failures
    assert dices(evaluation, "a") == [1.0, 1.0]
    assert dices(evaluation, "a_segmentation") == [0.0, 0.0]


def test_a_prediction_that_nobody_expected_is_noted(folders):
    save(folders[0] / "stranger.nii.gz", truth())
    evaluation = evaluate_folders(*folders, SCHEMA)
    assert "stranger" in evaluation.notes[0]
    assert evaluation.cases == ("a", "b")


@pytest.mark.parametrize(
    ("shift_voxels", "outcome"), [(0.005, "silent"), (0.3, "noted"), (0.7, "failed")]
)
def test_where_the_prediction_lies(folders, shift_voxels, outcome):
    save(folders[0] / "b.nii.gz", truth(), shift_mm=shift_voxels * SPACING[2])
    evaluation = evaluate_folders(*folders, SCHEMA)
    notes = [row.note for row in evaluation.rows if row.case == "b" and row.note]
    assert bool(notes) == (outcome != "silent")
    assert [f.case for f in evaluation.failures] == (["b"] if outcome == "failed" else [])
    assert dices(evaluation, "a") == [1, 1]


def test_another_shape_unknown_classes_and_damaged_files_fail_alone(folders):
    ours, references = folders
    for case in ("shape", "class", "damaged"):
        save(references / f"{case}.nii.gz", truth())
    save(ours / "shape.nii.gz", truth()[:2])
    save(ours / "class.nii.gz", truth() * 3)
    save(ours / "damaged.nii.gz", truth())
    whole = (ours / "damaged.nii.gz").read_bytes()
    (ours / "damaged.nii.gz").write_bytes(whole[: len(whole) // 2])
    evaluation = evaluate_folders(*folders, SCHEMA)
    reasons = {f.case: f.reason for f in evaluation.failures}
    assert set(reasons) == {"shape", "class", "damaged"}
    assert "6" in reasons["class"]
    assert dices(evaluation, "a") == [1, 1]
    assert all(str(ours) not in reason for reason in reasons.values())
    assert all(s.n_expected == s.n_scored + s.n_na + s.n_failed for s in evaluation.summaries)


def test_the_schema_is_found_beside_the_files(folders):
    document = SCHEMA.model_dump(mode="json")
    (folders[1] / "labels.json").write_text(json.dumps({"version": 1, **document}))
    assert evaluate_folders(*folders).schema == SCHEMA


def test_without_a_schema_classes_are_called_by_their_number(folders):
    assert evaluate_folders(*folders).schema.names == ("background", "class 1", "class 2")


def test_references_without_any_class_need_a_schema(folders):
    for case in ("a", "b"):
        save(folders[1] / f"{case}.nii.gz", truth() * 0)
    with pytest.raises(InvalidInput, match=r"labels\.json"):
        evaluate_folders(*folders)


def test_a_dataset_folder_tells_references_and_classes(folders, tmp_path):
    for case in ("a", "b", "c"):
        save(tmp_path / "set" / "images" / f"{case}.nii.gz", truth() * 40)
    for case in ("a", "b"):
        save(tmp_path / "set" / "labels" / f"{case}.nii.gz", truth())
    evaluation = evaluate_folders(folders[0], tmp_path / "set")
    assert evaluation.cases == ("a", "b")
    assert evaluation.mean_dice == 1
    assert evaluation.schema.n_classes == 3
    assert "1 case" in evaluation.notes[0]


def test_progress_counts_to_the_number_of_cases(folders):
    seen = []
    evaluate_folders(*folders, SCHEMA, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("missing", [0, 1])
def test_a_folder_that_is_not_there_is_named(folders, missing):
    given = list(folders)
    given[missing] = given[missing].with_name("nowhere")
    with pytest.raises(InvalidInput, match="nowhere"):
        evaluate_folders(*given, SCHEMA)


def test_references_are_not_compared_with_themselves(folders):
    with pytest.raises(InvalidInput, match="themselves"):
        evaluate_folders(folders[1], folders[1], SCHEMA)


# --- tables and files ---


@pytest.fixture
def mixed():
    """One good case, one with a missed class, one without MYO anywhere, one failed."""
    missed, only_rv = truth(), np.where(truth() == 1, 1, 0)
    missed[missed == 2] = 0
    pairs = [("good", truth(), truth()), ("missed", missed, truth()), ("=rv", only_rv, only_rv)]
    items = [Pair(case, ours, reference, SPACING) for case, ours, reference in pairs]
    return evaluate_cases([*items, Failure("lost", "-no file")], SCHEMA, ["A note."])


def test_metrics_csv_has_a_row_per_case_and_class_with_units(mixed, tmp_path):
    save_evaluation(mixed, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "metrics.csv")
    assert len(rows) == 4 * 2
    assert {"hd95_mm", "assd_mm", "volume_ml", "reference_volume_ml"} <= set(rows[0])
    by_key = {(row["case"], row["class"]): row for row in rows}
    assert by_key["good", "MYO"]["dice"] == "1.0"
    assert by_key["missed", "MYO"]["hd95_mm"] == "inf"
    assert by_key["missed", "MYO"]["precision"] == ""
    assert by_key["'=rv", "MYO"]["status"] == "not applicable"
    assert by_key["'=rv", "MYO"]["dice"] == ""
    assert by_key["lost", "RV"]["status"] == "failed"
    assert by_key["lost", "RV"]["note"] == "'-no file"


def test_summary_files_agree_with_the_summaries(mixed, tmp_path):
    save_evaluation(mixed, tmp_path)
    myo = rows_of(tmp_path / "summary.csv")[1]
    counts = [int(myo[n]) for n in ("n_expected", "n_scored", "n_na", "n_failed")]
    assert counts == [4, 2, 1, 1]
    assert float(myo["dice_mean"]) == pytest.approx(1 / 3)
    assert (myo["hd95_mm_n"], myo["hd95_mm_n_infinite"]) == ("1", "2")
    stored = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert stored == document(mixed)
    assert stored["classes"][1]["dice"]["mean"] == pytest.approx(1 / 3)
    assert stored["classes"][1]["hd95_mm"]["std"] is None
    assert stored["failures"] == [{"case": "lost", "reason": "-no file"}]
    assert stored["notes"] == ["A note."]


def test_the_table_shows_what_stands_outside_the_means(mixed):
    heading, rv, myo = table(mixed)
    assert len(heading) == len(rv) == len(myo)
    assert rv[0] == "RV"
    assert rv[1].startswith("0.750 ± 0.5")
    assert myo[2] == "0.0 (2 inf)"
    assert myo[-1] == "2 scored, 1 n/a, 1 failed"


def test_a_class_that_no_case_has_is_a_dash():
    nothing = np.zeros((1, 2, 2), dtype=np.uint8)
    evaluation = evaluate_cases([Pair("a", nothing, nothing, SPACING)], SCHEMA)
    assert table(evaluation)[1][1] == "-"
    assert math.isnan(evaluation.mean_dice)
    assert document(evaluation)["mean_dice"] is None


def test_a_class_that_no_reference_has_is_told_of():
    """It may never have been annotated, and pulls the mean over the classes down."""
    only_myo = np.where(truth() == 2, 2, 0).astype(np.uint8)
    lost = Failure("b", "no file")
    evaluation = evaluate_cases([Pair("a", truth(), only_myo, SPACING), lost], SCHEMA)
    assert dices(evaluation, "a") == [0.0, 1.0]
    assert any("No reference has RV: a segmentation with it counts" in n for n in evaluation.notes)
    in_one = [Pair("a", truth(), only_myo, SPACING), Pair("b", only_myo, truth(), SPACING)]
    assert not evaluate_cases(in_one, SCHEMA).notes
    assert not evaluate_cases([Pair("a", only_myo, only_myo, SPACING)], SCHEMA).notes


def test_tables_that_are_there_are_not_overwritten(folders, tmp_path):
    out = tmp_path / "out"
    evaluate_folders(*folders, SCHEMA, out)
    assert sorted(p.name for p in out.iterdir()) == sorted(FILES)
    before = (out / "metrics.csv").read_bytes()
    with pytest.raises(InvalidInput, match=r"metrics\.csv"):
        evaluate_folders(*folders, SCHEMA, out)
    assert (out / "metrics.csv").read_bytes() == before


# --- references that can't be used, and partial ones ---


def test_a_reference_that_cannot_be_used_is_listed_and_in_no_mean(folders):
    ours, references = folders
    bad = truth()
    bad[0, 0, 0] = 7
    save(references / "c.nii.gz", bad)
    save(ours / "c.nii.gz", truth())
    save(references / "d.nii.gz", truth())
    (references / "e.nii.gz").write_bytes(b"no volume")
    evaluation = evaluate_folders(ours, references, SCHEMA)
    assert [one.case for one in evaluation.unusable] == ["c", "e"]
    assert "7 (1 voxels)" in evaluation.unusable[0].reason
    assert [one.case for one in evaluation.failures] == ["d"]
    assert evaluation.mean_dice == pytest.approx(2 / 3)  # two perfect ones, one is missing
    assert (evaluation.n_counted, len(evaluation.cases)) == (3, 5)
    assert "2 of 5 have no usable reference" in sentences(evaluation)[0]
    assert table(evaluation)[1][-1] == "2 scored, 1 failed, 2 without usable reference"
    assert document(evaluation)["no_reference"][0]["case"] == "c"


def test_without_any_usable_reference_there_is_no_mean(tmp_path):
    save(tmp_path / "truth/a.nii.gz", truth() + 5)
    save(tmp_path / "ours/a.nii.gz", truth())
    evaluation = evaluate_folders(tmp_path / "ours", tmp_path / "truth", SCHEMA)
    assert math.isnan(evaluation.mean_dice)
    assert "nothing was scored" in sentences(evaluation)[0]


def partial_of(labels, unlabelled, background):
    """The first slice of labels alone, in another convention."""
    stored = np.where(labels == 0, background, labels)
    stored[1:] = unlabelled
    return stored


@pytest.mark.parametrize(
    ("convention", "unlabelled", "background"),
    [("ours", 0, 255), ("nnunet_ignore", 3, 0), ("unlabelled_255", 255, 0)],
)
def test_partial_references_are_scored_on_what_they_label(
    folders, convention, unlabelled, background
):
    ours, references = folders
    for case in ("a", "b"):
        save(references / f"{case}.nii.gz", partial_of(truth(), unlabelled, background))
    wrong = truth()
    wrong[1:] = 0  # where nothing is known
    wrong[0, 2:6, 2:5] = 0  # half of RV on the slice that is labelled
    save(ours / "a.nii.gz", wrong)
    evaluation = evaluate_folders(ours, references, SCHEMA, convention=convention)
    assert dices(evaluation, "a") == [pytest.approx(2 * 12 / (12 + 24)), 1.0]
    assert dices(evaluation, "b") == [1.0, 1.0]
    assert evaluation.n_partial == 2
    assert "partial" in evaluation.rows[0].note
    assert "(2 partial)" in table(evaluation)[1][-1]
    assert document(evaluation)["cases_with_partial_reference"] == 2


def test_the_ignore_label_of_nnunet_is_known_from_its_document(folders):
    ours, references = folders
    labels = references.parent / "raw" / "labelsTs"
    for case in ("a", "b"):
        save(labels / f"{case}.nii.gz", partial_of(truth(), 3, 0))
        save(labels.parent / "imagesTs" / f"{case}_0000.nii.gz", truth())
    content = {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, "RV": 1, "MYO": 2, "ignore": 3},
        "file_ending": ".nii.gz",
    }
    (labels.parent / "dataset.json").write_text(json.dumps(content))
    for given in (labels, labels.parent):
        evaluation = evaluate_folders(ours, given)
        assert evaluation.schema.names == ("background", "RV", "MYO")
        assert (evaluation.n_partial, evaluation.mean_dice) == (2, 1.0)


def test_scribbles_with_their_class_names_are_partial_references(folders):
    ours, references = folders
    for case in ("a", "b"):
        save(references / f"{case}.nii.gz", partial_of(truth(), 0, 255))
    (references / "labels.json").write_text(SCHEMA.model_dump_json())
    evaluation = evaluate_folders(ours, references)
    assert (evaluation.n_partial, evaluation.mean_dice) == (2, 1.0)
    assert "read as scribbles" in evaluation.notes[0]


def test_255_without_class_names_is_asked_about(folders):
    ours, references = folders
    for case in ("a", "b"):
        save(references / f"{case}.nii.gz", partial_of(truth(), 0, 255))
    with pytest.raises(InvalidInput, match="two ways"):
        evaluate_folders(ours, references)


def test_a_reference_that_labels_nothing_is_no_reference(folders):
    ours, references = folders
    save(references / "b.nii.gz", np.full((3, 12, 12), 3))
    evaluation = evaluate_folders(ours, references, SCHEMA, convention="nnunet_ignore")
    assert [one.case for one in evaluation.unusable] == ["b"]
    assert "no voxel is labelled" in evaluation.unusable[0].reason


def test_names_that_tools_give_are_paired_and_told_of(folders):
    ours, references = folders
    for case in ("a", "b"):
        (references / f"{case}.nii.gz").rename(references / f"{case}_gt.nii.gz")
        (ours / f"{case}.nii.gz").rename(ours / f"{case}.seg.nii.gz")
    evaluation = evaluate_folders(ours, references, SCHEMA)
    assert (evaluation.mean_dice, evaluation.failures) == (1.0, ())
    assert "2 segmentation(s) have other names" in evaluation.notes[0]


def test_values_like_200_and_500_are_taken_in_order_on_both_sides(tmp_path):
    stored = np.where(truth() == 1, 200, np.where(truth() == 2, 500, 0))
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    for folder in ("ours", "truth"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "a.nii.gz"
        nibabel.save(nibabel.Nifti1Image(stored.T.astype(np.int16), affine), path)
    save(tmp_path / "indices" / "a.nii.gz", truth())
    for folder in ("ours", "indices"):
        evaluation = evaluate_folders(tmp_path / folder, tmp_path / "truth")
        assert evaluation.schema.names == ("background", "class 200", "class 500")
        assert evaluation.mean_dice == 1.0
        assert "200, 500" in evaluation.notes[0]
