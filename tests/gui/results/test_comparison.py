"""Predictions judged: clean-up, slices, differences, advice, and the saved table."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Validated
from napari_scribseg.core.labels import UNKNOWN, LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.clinical import Measurement
from napari_scribseg.evaluation.post_processing import CLEAN_UP, PostProcessing
from napari_scribseg.evaluation.slice_metrics import EXTRA
from napari_scribseg.gui.results.advice import advise, gain_in_words
from napari_scribseg.gui.results.comparison import caption_of, compare
from napari_scribseg.gui.results.run_list import RunEntry, runs_with_weights
from napari_scribseg.gui.results.score_table import TABLE_COLUMNS, Measured, save_table
from napari_scribseg.gui.values import Prediction

SCHEMA = LabelSchema.of("a")
GRID = Grid.from_spacing((2, 8, 8), (4.0, 1.0, 1.0))
RUN = Path("runs/one")


def made(array, z=None, probabilities=None, unsure=0.0, schema=SCHEMA) -> Prediction:
    uncertainty = Volume(np.full(GRID.shape, unsure, np.float32), GRID)
    volume = Volume(array, GRID)
    return Prediction(CaseKey("", "p"), volume, uncertainty, schema, RUN, probabilities, z)


def pieces():
    array = np.zeros(GRID.shape, np.uint8)
    array[:, 1:5, 1:5] = 1
    array[0, 7, 7] = 1
    return array


def test_the_clean_up_changes_what_is_shown_and_scored_but_not_the_prediction():
    reference = pieces()
    reference[0, 7, 7] = 0
    outcome = made(pieces())
    plain = compare(outcome, reference, PostProcessing())
    clean = compare(outcome, reference, PostProcessing(largest_component=True))
    assert plain.scores[0].dice < 1
    assert clean.scores[0].dice == 1
    assert clean.prediction.segmentation.array[0, 7, 7] == 1
    assert clean.shown.array[0, 7, 7] == 0
    assert plain.difference[0, 7, 7] == EXTRA
    assert not clean.difference.any()


def test_of_one_slice_only_that_slice_is_judged():
    array = np.zeros(GRID.shape, np.uint8)
    array[1] = pieces()[1]
    verdict = compare(made(array, z=1), pieces(), PostProcessing())
    assert verdict.scores[0].dice == 1, "the slice that was not predicted does not count"
    assert [s.z for s in verdict.slices] == [1]
    assert not verdict.difference.any()


def test_a_reference_of_another_schema_costs_the_scores_only():
    verdict = compare(made(pieces()), np.full(GRID.shape, 9, np.uint8), PostProcessing())
    assert verdict.scores is None
    assert verdict.difference is None
    assert "9" in verdict.note
    assert verdict.slices[0].area_mm2 == 17


def test_a_partial_reference_is_scored_on_what_it_labels_and_says_so():
    reference = pieces()
    reference[0] = UNKNOWN
    verdict = compare(made(pieces()), reference, PostProcessing())
    assert verdict.scores[0].dice == 1
    assert verdict.scores[0].reference_share == 0.5
    assert "50.00%" in caption_of(verdict, "run")
    assert not verdict.difference.any()
    slice_of_nothing = compare(made(pieces(), z=0), reference, PostProcessing())
    assert slice_of_nothing.scores is None
    assert "says nothing" in slice_of_nothing.note


def test_without_a_reference_nothing_is_scored():
    verdict = compare(made(pieces()), None, PostProcessing())
    assert verdict.scores is None
    assert verdict.note == ""


def test_advice_of_one_run_is_its_uncertainty_and_of_two_their_disagreement():
    one = made(pieces())
    one.uncertainty.array[1, 4] = 0.8
    alone = advise([one], None)
    assert (alone.kind, [s.z for s in alone.suggestions]) == ("uncertainty", [1])
    other = pieces()
    other[1, 4] = 0
    both = advise([one, made(other)], None)
    assert both.kind == "disagreement"
    assert [s.z for s in both.suggestions] == [1]
    drawn = np.zeros(GRID.shape, np.uint8)
    drawn[1] = 1
    assert advise([one, made(other)], drawn).suggestions == ()


def test_a_run_that_is_unsure_everywhere_is_too_early_to_rank_its_slices():
    advice = advise([made(pieces(), unsure=0.8)], None)
    assert advice.suggestions == ()
    assert advice.too_early.startswith("Too early to say where: the run is unsure of 100%")


def test_what_was_corrected_by_hand_is_not_cleaned_up_and_its_caption_says_so():
    corrected = replace(made(pieces()), corrected=True)
    found = compare(corrected, None, PostProcessing(largest_component=True))
    assert found.shown.array[0, 7, 7] == 1
    assert caption_of(found, "run") == "p by run · corrected by hand"


def test_one_slice_is_not_cleaned_by_anatomy_since_its_pieces_may_meet_in_another():
    schema = SCHEMA.with_anatomy(a={"one_piece": True})
    parted = np.zeros(GRID.shape, np.uint8)
    parted[0, 1:3, 1:3] = parted[0, 5:7, 5:7] = 1
    slice_only = compare(made(parted, z=0, schema=schema), None, CLEAN_UP)
    assert slice_only.shown.array[0].sum() == 8
    assert caption_of(slice_only, "run") == "p by run · slice 0 only"
    assert caption_of(slice_only, "run", "strokes: 2 min") == (
        "p by run · strokes: 2 min · slice 0 only"
    )
    whole = compare(made(parted, schema=schema), None, CLEAN_UP)
    assert whole.shown.array[0].sum() == 4
    assert caption_of(whole, "run") == "p by run · cleaned up by anatomy (a: one piece)"


def test_what_the_classes_rule_out_is_told_of_what_is_shown():
    schema = SCHEMA.with_anatomy(a={"one_piece": True})
    parted = np.zeros(GRID.shape, np.uint8)
    parted[:, 1:4, 1:4], parted[:, 5:8, 5:8] = 1, 1
    assert compare(made(parted, schema=schema), None, CLEAN_UP).doubts == ()
    (raw,) = compare(made(parted, schema=schema), None, PostProcessing()).doubts
    assert raw.startswith("a should be one piece")


def test_probabilities_decide_where_all_runs_brought_them():
    half = np.full((2, *GRID.shape), 0.5, np.float32)
    other = pieces()
    other[1, 4] = 0
    runs = [made(pieces(), probabilities=half), made(other, probabilities=half)]
    assert advise(runs, None).suggestions == (), "unsure alike is no disagreement"


def test_runs_of_other_structures_are_not_compared():
    with pytest.raises(InvalidInput, match="different structures"):
        advise([made(pieces()), made(pieces(), schema=LabelSchema.of("b"))], None)


def test_everything_is_in_one_table(tmp_path):
    cleaning = PostProcessing(anatomy=True, fill_holes=True)  # nothing is said of the anatomy
    verdict = compare(made(pieces()), pieces(), cleaning)
    numbers = (Measurement("a volume", 0.5, "mL", "a (label 1) of p"),)
    measured = Measured((verdict,), "first", numbers)
    save_table(tmp_path / "t.csv", {"first": verdict}, measured, {"first": "2 min of pen"})
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TABLE_COLUMNS
    assert [row["scope"] for row in rows] == ["case", "slice", "slice", "measurement"]
    assert rows[0]["post_processing"] == "fill_holes"
    assert (rows[0]["run"], rows[0]["structure"], rows[0]["dice"]) == ("first", "a", "1")
    assert rows[0]["volume_ml"] == f"{33 * 4 / 1000:g}"
    assert (rows[2]["slice"], rows[2]["area_mm2"]) == ("1", "16")
    assert (rows[3]["value"], rows[3]["unit"]) == ("0.5", "mL")
    assert (rows[3]["case"], rows[3]["run"]) == ("p", "first")
    assert rows[3]["post_processing"] == "fill_holes"
    assert [row["effort"] for row in rows] == ["2 min of pen"] * 4
    save_table(tmp_path / "t.csv", {}, None, {})
    assert len((tmp_path / "t.csv").read_text("utf-8").splitlines()) == 1, "the columns alone"


def test_a_folder_without_runs_lists_none(tmp_path):
    assert runs_with_weights(tmp_path) == ()
    (tmp_path / "runs" / "broken").mkdir(parents=True)
    (tmp_path / "runs" / "broken" / "run.json").write_text("{")
    assert runs_with_weights(tmp_path) == ()


def test_what_another_slice_gains_is_told_by_trainings_of_one_kind():
    def run(slices, mean, method="a", measure="dice", state="completed"):
        score = Validated(step=9, measure=measure, scores={}, mean=mean, best=True)
        about = {"state": state, "method": method, "slices": slices, "score": score}
        return RunEntry(Path(f"{method}{slices}"), "title", **about)

    known = [run(2, 0.60), run(4, 0.70), run(8, 0.75)]
    assert "so far 2" in gain_in_words(known[:2])
    assert "so far 2" in gain_in_words([*known[:2], run(8, 0.75, state="stopped")])
    told = gain_in_words([*known, run(9, 0.1, method="b"), run(9, 0.9, measure="stroke agreement")])
    assert told.startswith("Another slice: +0.006 Dice (90 %: +0.00")
    assert told.endswith("by 3 trainings on 2 to 8 slices.")
    flat = gain_in_words([run(n, 0.8 + n / 1e5) for n in (2, 4, 8, 12)])
    assert flat.startswith("Another slice is not expected to help")
