"""The decisions of the Results tab, without a tab: what it predicts, shows and says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, PRESETS
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.results.advice import Advice
from napari_scribseg.gui.results.comparison import compare
from napari_scribseg.gui.results.kept import MOST_KEPT
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.run_list import RunEntry
from napari_scribseg.gui.results.screen import ResultsJobs, ResultsView, Wanted
from napari_scribseg.gui.values import Inputs, Prediction, Snapshot

SCHEMA = PRESETS["prostate"]
GRID = Grid.from_spacing((2, 4, 4), (3.0, 1.0, 1.0))
READY = Inputs("mr", "scribbles", None, SCHEMA, drawn={1: 9, 2: 9, BACKGROUND: 9})
ONE, TWO = Path("runs/one"), Path("runs/two")
MR = CaseKey("/p1/mr.nii.gz", "mr")
OTHER = CaseKey("/p2/mr.nii.gz", "mr")
"""Of another patient, with a file of the same name."""


def outcome(run=ONE, case=MR, value=1, z=None) -> Prediction:
    segmentation = np.zeros(GRID.shape, np.uint8)
    segmentation[slice(None) if z is None else z, :2] = value
    unsure = Volume(np.full(GRID.shape, 0.5, np.float32), GRID)
    return Prediction(case, Volume(segmentation, GRID), unsure, SCHEMA, run, z=z)


@pytest.fixture
def view() -> MagicMock:
    view = MagicMock(spec=ResultsView)
    image = Volume(np.zeros(GRID.shape, np.float32), GRID)
    view.snapshot.return_value = Snapshot(MR, image, np.zeros(GRID.shape, np.uint8), None, SCHEMA)
    return view


@pytest.fixture
def jobs() -> MagicMock:
    return MagicMock(spec=ResultsJobs)


@pytest.fixture
def presenter(view, jobs) -> ResultsPresenter:
    presenter = ResultsPresenter(view, jobs)
    presenter.inputs_changed(READY, MR)
    presenter.runs_listed((RunEntry(ONE, "first"), RunEntry(TWO, "second")))
    return presenter


def answer(presenter: ResultsPresenter, result: Prediction, reference=None) -> None:
    """What the jobs do, at once."""
    presenter.predicted(result)
    kept = presenter.kept.predictions[result.case, result.run]
    presenter.compared(compare(kept, reference, PostProcessing()))


def table(presenter: ResultsPresenter) -> tuple[str, Path, tuple[Path, ...]] | None:
    """What stands in the table: the name over it, whose numbers they are, and what is offered."""
    shown = presenter.screen.shown
    if shown is None:
        return None
    assert shown.title in shown.caption
    offered = tuple(run for run, _ in presenter.screen.choices)
    return shown.title, shown.comparison.prediction.run, offered


def seen(view: MagicMock) -> tuple[list[str], Path]:
    """The segmentations that were put into the viewer, and the run that is seen of them."""
    comparisons, run = view.show_segmentations.call_args.args
    return [title for _, title in comparisons], run


def said(presenter: ResultsPresenter) -> tuple[str, str]:
    """The last sentence and its level."""
    text, *level = presenter.view.say.call_args.args
    return text, level[0] if level else "info"


def test_a_prediction_needs_a_run(view, jobs):
    presenter = ResultsPresenter(view, jobs)
    presenter.inputs_changed(READY, MR)
    presenter.predict()
    jobs.predict.assert_not_called()
    assert "Train first" in said(presenter)[0]
    presenter.runs_listed((RunEntry(ONE, "first"),))
    presenter.tick(())
    presenter.predict()
    assert said(presenter) == ("Tick a run in the list.", "warning")


class TestWhichRunPredicts:
    def test_the_newest_complete_one_where_nothing_is_ticked(self, presenter):
        assert presenter.choice.ticked == (ONE,)

    def test_never_one_that_was_ended_early_or_still_trains(self, presenter, jobs):
        """A run of 9 aborted steps, newer than the good one, and one in its first minute."""
        short = RunEntry(Path("runs/short"), "third", state="stopped", step=9)
        going = RunEntry(Path("runs/going"), "fourth", state="running", step=200)
        presenter.runs_listed((going, short, RunEntry(ONE, "first")))
        presenter.offer(going.folder)
        presenter.offer(short.folder)
        presenter.predict()
        assert jobs.predict.call_args.args[0] == ONE
        assert short.label == "third (only 9 steps)"
        assert going.label == "fourth (in training)"

    def test_and_if_there_is_no_other_it_is_said(self, presenter, jobs):
        short = RunEntry(Path("runs/short"), "third", state="stopped", step=9)
        presenter.runs_listed((short,))
        presenter.predict()
        jobs.predict.assert_not_called()
        assert "No run was trained to its end" in said(presenter)[0]
        presenter.tick((short.folder,))
        presenter.predict()
        assert jobs.predict.call_args.args[0] == short.folder, "whoever ticks it means it"

    def test_ticks_are_the_users_and_no_event_changes_them(self, presenter):
        presenter.tick((TWO,))
        third = RunEntry(Path("runs/three"), "third")
        presenter.offer(third.folder)
        presenter.runs_listed((third, RunEntry(ONE, "first"), RunEntry(TWO, "second")))
        presenter.run_completed(third.folder)
        assert presenter.choice.ticked == (TWO,)
        assert presenter.view.show_runs.call_args.args[1] == (TWO,)

    def test_a_run_that_is_deleted_is_gone(self, presenter):
        presenter.tick((TWO,))
        presenter.runs_listed((RunEntry(ONE, "first"),))
        assert [entry.folder for entry in presenter.choice.runs] == [ONE]
        assert presenter.choice.ticked == ()


class TestNameAndNumbersAreOne:
    """The list of runs is rebuilt at the first checkpoint of another training: nothing moves."""

    def test_while_a_third_run_trains_and_saves(self, presenter, view):
        presenter.tick((ONE, TWO))
        presenter.predict()
        answer(presenter, outcome(ONE))
        answer(presenter, outcome(TWO, value=2))
        presenter.choose_shown(TWO)
        before = table(presenter)
        assert before == ("second", TWO, (ONE, TWO))
        third = RunEntry(Path("runs/three"), "third", state="running", step=50)
        presenter.offer(third.folder)
        presenter.runs_listed((third, RunEntry(ONE, "first"), RunEntry(TWO, "second")))
        assert table(presenter) == before
        assert seen(view) == (["first", "second"], TWO)

    def test_its_result_does_not_take_the_place_of_what_was_picked(self, presenter, view):
        presenter.tick((ONE,))
        presenter.predict()
        answer(presenter, outcome(ONE))
        presenter.choose_shown(ONE)
        presenter.run_completed(TWO)
        answer(presenter, outcome(TWO))
        assert table(presenter) == ("first", ONE, (ONE, TWO))
        assert "Choose it in Scores to see it." in said(presenter)[0]

    def test_but_is_shown_to_somebody_who_has_picked_nothing(self, presenter, view):
        presenter.predict()
        answer(presenter, outcome(ONE))
        presenter.run_completed(TWO)
        assert table(presenter) == ("first", ONE, (ONE,)), "until it is there"
        answer(presenter, outcome(TWO))
        assert table(presenter) == ("second", TWO, (ONE, TWO))
        assert seen(view) == (["first", "second"], TWO)

    def test_ticking_changes_what_predicts_and_not_what_is_shown(self, presenter):
        presenter.predict()
        answer(presenter, outcome(ONE))
        presenter.tick((TWO,))
        assert table(presenter) == ("first", ONE, (ONE,))

    def test_a_run_that_gets_its_title_later_takes_it_everywhere(self, presenter, view):
        late = Path("runs/late")
        presenter.run_completed(late)
        answer(presenter, outcome(late))
        assert table(presenter)[0] == "late"
        presenter.runs_listed((RunEntry(late, "EFFDNet · 28 Nov 16:31"), RunEntry(ONE, "first")))
        assert table(presenter)[0] == "EFFDNet · 28 Nov 16:31"
        assert seen(view) == (["EFFDNet · 28 Nov 16:31"], late)


class TestAfterARestart:
    def test_the_newest_segmentation_is_looked_for_and_shown_with_its_scores(
        self, presenter, view, jobs
    ):
        presenter.restore()
        assert jobs.load_newest.call_args.args[0].case == MR
        view.say.reset_mock()
        presenter.restored(outcome(TWO))
        prediction, _, cleaning = jobs.compare_with_reference.call_args.args
        presenter.compared(compare(prediction, outcome().segmentation.array, cleaning))
        assert table(presenter) == ("second", TWO, (TWO,))
        assert presenter.shown.scores[0].dice == 1
        view.say.assert_not_called()

    def test_what_is_newer_in_memory_stays(self, presenter, jobs):
        presenter.predict()
        answer(presenter, outcome(ONE, value=2))
        jobs.compare_with_reference.reset_mock()
        presenter.restored(outcome(ONE, value=1))
        jobs.compare_with_reference.assert_not_called()

    def test_of_another_case_it_is_not_shown(self, presenter, view):
        presenter.restored(outcome(case=OTHER))
        assert presenter.kept.predictions == {}

    def test_after_all_cases_each_is_read_again(self, presenter, jobs):
        presenter.predict()
        answer(presenter, outcome(ONE))
        presenter.predict("cases")
        presenter.cases_predicted(ONE, [CaseKey("", "p1")], {})
        assert presenter.kept.predictions == {}, "the folder holds something newer"
        jobs.load_newest.assert_called_once()
        answer(presenter, outcome(TWO))
        assert table(presenter) == ("second", TWO, (TWO,)), "what was forgotten is in no one's way"
        presenter.cases_predicted(ONE, [CaseKey("", "p1")], {})
        assert said(presenter) == (
            "1 case segmented by first. Each shows its segmentation and scores when it is opened.",
            "good",
        )


def test_a_correction_is_scored_at_once_and_without_a_word(presenter, view, jobs):
    presenter.predict()
    answer(presenter, outcome(ONE))
    view.say.reset_mock()
    better = replace(presenter.shown.prediction, corrected=True)
    presenter.corrected(better)
    assert jobs.compare_with_reference.call_args.args[0] is better
    presenter.compared(compare(better, None, PostProcessing()))
    assert "corrected by hand" in presenter.screen.shown.caption
    view.say.assert_not_called()


def test_one_prediction_at_a_time(presenter, jobs):
    presenter.tick((ONE,))
    presenter.predict()
    assert jobs.predict.call_args.args[0] == ONE
    presenter.predict()
    assert jobs.predict.call_count == 1
    assert "running" in said(presenter)[0]


def test_ticked_runs_predict_one_after_the_other(presenter, jobs):
    presenter.tick((ONE, TWO))
    presenter.predict()
    answer(presenter, outcome(ONE))
    assert [call.args[0] for call in jobs.predict.call_args_list] == [ONE, TWO]
    assert presenter.screen.predicting
    answer(presenter, outcome(TWO, value=2))
    assert not presenter.screen.predicting
    assert len(presenter.screen.choices) == 2
    assert (
        said(presenter)[0]
        == "mr is segmented by 2 runs: first, second. Choose a reference to get Dice and HD95."
    )


def test_a_change_of_clean_up_does_not_hurry_the_next_run(presenter, jobs):
    presenter.tick((ONE, TWO))
    presenter.predict()
    answer(presenter, outcome(ONE))
    presenter.compared(compare(outcome(ONE), None, PostProcessing(fill_holes=True)))
    assert presenter.screen.predicting, "the second run is still at work"
    assert jobs.predict.call_count == 2


def test_a_finished_training_predicts_by_itself(presenter, jobs):
    presenter.run_completed(TWO)
    assert jobs.predict.call_args.args[0] == TWO


def test_layers_that_can_t_be_read_are_told(presenter, view, jobs):
    view.snapshot.side_effect = InvalidInput("The values are too large.")
    presenter.run_completed(ONE)
    assert said(presenter) == ("The values are too large.", "error")
    jobs.predict.assert_not_called()
    assert not presenter.screen.predicting


def test_a_failure_is_told_and_it_can_be_tried_again(presenter, jobs):
    presenter.tick((ONE, TWO))
    presenter.predict()
    presenter.failed("Memory ran out.")
    assert said(presenter) == ("Memory ran out.", "error")
    assert presenter.screen.why_not_predict is None
    assert jobs.predict.call_count == 1, "the other run is not tried either"


def test_stopping_is_no_failure(presenter, jobs):
    presenter.tick((ONE,))
    presenter.predict()
    presenter.stop()
    jobs.stop.assert_called_once()
    presenter.failed("It ended without a word.")
    assert said(presenter) == ("The prediction was stopped.", "info")


def test_the_table_tells_run_and_clean_up(presenter):
    presenter.tick((ONE,))
    presenter.predict()
    reference = outcome().segmentation.array
    answer(presenter, outcome(), reference)
    assert presenter.screen.shown.caption == "mr by first"
    assert "Mean Dice 1.000" in said(presenter)[0]
    cleaned = compare(outcome(), reference, PostProcessing(largest_component=True))
    presenter.compared(cleaned)
    assert presenter.screen.shown.caption == "mr by first · cleaned up by largest component"


def test_a_clean_up_is_judged_anew(presenter, jobs):
    presenter.tick((ONE,))
    presenter.predict()
    answer(presenter, outcome())
    cleaning = PostProcessing(largest_component=True)
    presenter.set_cleaning(cleaning)
    assert jobs.compare_with_reference.call_args.args[2] == cleaning
    assert jobs.compare_with_reference.call_args.args[0].segmentation.array[0, 0, 0] == 1, (
        "the raw one"
    )


def test_only_the_chosen_run_is_in_the_table(presenter, view):
    presenter.tick((ONE, TWO))
    presenter.predict()
    answer(presenter, outcome(ONE))
    answer(presenter, outcome(TWO))
    assert seen(view) == (["first", "second"], ONE)
    presenter.choose_shown(TWO)
    assert seen(view) == (["first", "second"], TWO)


def test_a_slice_alone_is_called_so(presenter, jobs):
    presenter.tick((ONE,))
    presenter.predict("slice", 1)
    assert jobs.predict.call_args.args[2] == Wanted(z=1)
    answer(presenter, outcome(z=1))
    assert "slice 1 only" in presenter.screen.shown.caption


def test_a_slice_renews_its_part_of_a_volume(presenter):
    presenter.tick((ONE,))
    presenter.predict()
    answer(presenter, outcome(value=1))
    presenter.predict("slice", 1)
    answer(presenter, outcome(value=2, z=1))
    merged = presenter.kept.predictions[MR, ONE]
    assert merged.z is None
    assert merged.segmentation.array[:, 0, 0].tolist() == [1, 2]
    assert "only" not in presenter.screen.shown.caption


def test_no_slice_no_prediction(presenter, jobs):
    presenter.tick((ONE,))
    presenter.predict("slice", None)
    jobs.predict.assert_not_called()


def test_saved_predictions_of_the_ticked_runs_are_shown(presenter, jobs):
    presenter.tick((ONE, TWO))
    presenter.predict("saved")
    answer(presenter, outcome(ONE))
    assert [call.args[0] for call in jobs.load_saved.call_args_list] == [ONE, TWO]
    presenter.failed("two has no saved prediction of mr: predict it.")
    assert not presenter.screen.predicting
    assert len(presenter.screen.choices) == 1
    jobs.predict.assert_not_called()


def test_all_cases_are_counted(presenter, jobs):
    presenter.tick((ONE,))
    presenter.predict("cases")
    jobs.predict_cases.assert_called_once_with(ONE)
    presenter.progressed("3 cases done …")
    assert presenter.screen.progress == "3 cases done …"
    presenter.cases_predicted(ONE, [CaseKey("", f"p{n}") for n in range(4)], {"p5": "It is gone."})
    assert said(presenter)[1] == "warning"
    assert "4 cases segmented by first." in said(presenter)[0]
    assert "p5: It is gone." in said(presenter)[0]
    assert not presenter.screen.predicting


def test_another_case_empties_the_tab_and_comes_back(presenter, view):
    presenter.tick((ONE,))
    presenter.predict()
    answer(presenter, outcome())
    view.reset_mock()
    presenter.inputs_changed(READY, OTHER)
    view.forget_results.assert_called_once()
    view.show_segmentations.assert_not_called()
    assert presenter.screen.shown is None
    presenter.inputs_changed(READY, MR)
    view.show_segmentations.assert_called_once()


def test_predictions_are_judged_by_the_reference_of_their_own_case(presenter, view, jobs):
    """The layers of the next case are chosen before the tab is told of it."""
    presenter.tick((ONE,))
    presenter.predict()
    answer(presenter, outcome())
    jobs.reset_mock()
    before = view.snapshot.return_value
    view.snapshot.return_value = replace(before, case=OTHER, reference=np.ones(GRID.shape))
    presenter.compare_again()
    presenter.inputs_changed(READY, OTHER)
    jobs.compare_with_reference.assert_not_called()
    reference = np.zeros(GRID.shape)
    view.snapshot.return_value = replace(before, reference=reference)
    presenter.compare_again()
    jobs.compare_with_reference.assert_not_called()
    presenter.inputs_changed(READY, MR)
    (asked,) = jobs.compare_with_reference.call_args_list
    assert asked.args[0].case == MR
    assert asked.args[1] is reference


def test_a_late_answer_about_another_case_is_kept_but_not_shown(presenter, view):
    presenter.tick((ONE,))
    presenter.predict()
    presenter.inputs_changed(READY, OTHER)
    answer(presenter, outcome())
    view.show_segmentations.assert_not_called()
    assert (MR, ONE) in presenter.kept.comparisons


def test_memory_is_bounded(presenter):
    for n in range(MOST_KEPT + 3):
        presenter.predicted(outcome(case=CaseKey("", f"p{n}")))
    assert len(presenter.kept.predictions) == MOST_KEPT
    assert (CaseKey("", "p0"), ONE) not in presenter.kept.predictions


def test_advice_is_about_the_ticked_runs_of_this_case(presenter, view, jobs):
    presenter.advise()
    jobs.advise.assert_not_called()
    assert "Predict this volume first" in said(presenter)[0]
    presenter.tick((ONE, TWO))
    presenter.predict()
    answer(presenter, outcome(ONE))
    answer(presenter, outcome(TWO))
    presenter.tick((TWO,))
    presenter.advise()
    assert [o.run for o in jobs.advise.call_args.args[0]] == [TWO]
    presenter.advised(Advice(OTHER, np.zeros(GRID.shape, np.float32), "uncertainty", ()))
    view.show_advice.assert_not_called()


def test_a_run_of_elsewhere_stays_in_the_list_while_it_is_ticked(presenter, view):
    elsewhere = RunEntry(Path("far/run"), "from far")
    presenter.add_run(elsewhere)
    presenter.runs_listed((RunEntry(ONE, "first"),))
    assert view.show_runs.call_args.args[0] == (RunEntry(ONE, "first"), elsewhere)
    presenter.tick((ONE,))
    presenter.runs_listed((RunEntry(ONE, "first"),))
    assert view.show_runs.call_args.args[0] == (RunEntry(ONE, "first"),)


def test_runs_of_one_minute_are_told_apart(presenter):
    """Else the table that is saved would hold one of them only."""
    runs = [
        Path(f"runs/2026-01-01T10-00-{n}_em_crf_{end}") for n, end in (("07", "ab"), ("09", "cd"))
    ]
    elsewhere = Path("other/2026-01-01T10-00-07_em_crf_ab")
    presenter.runs_listed([RunEntry(run, "em_crf · 01 Jan 10:00") for run in runs])
    assert [presenter.title_of(run) for run in runs] == [
        "em_crf · 01 Jan 10:00 · ab",
        "em_crf · 01 Jan 10:00 · cd",
    ]
    presenter.runs_listed([RunEntry(run, "em_crf") for run in (*runs, elsewhere)])
    assert len({presenter.title_of(run) for run in (*runs, elsewhere)}) == 3


def test_nothing_of_a_patient_is_shown_for_another_with_a_file_of_the_same_name(presenter, view):
    presenter.tick((ONE,))
    answer(presenter, outcome(ONE))
    presenter.inputs_changed(READY, OTHER)
    assert presenter.shown is None
    assert presenter.compared_of_case() == []
    assert presenter.screen.shown is None
    view.show_segmentations.reset_mock()
    answer(presenter, outcome(ONE, case=OTHER, value=2))
    ((comparison, _),) = view.show_segmentations.call_args.args[0]
    assert comparison.prediction.case == OTHER
    assert len(presenter.kept.predictions) == 2


def test_a_prediction_without_any_structure_is_said_and_no_success(presenter):
    presenter.predict()
    answer(presenter, outcome(value=0))
    text, level = said(presenter)
    assert level == "warning"
    assert "No structure was found: all of it is background." in text
    presenter.predict()
    answer(presenter, outcome(value=1))
    text, level = said(presenter)
    assert level == "good"
    assert "No structure" not in text
