"""The decisions of the batch evaluation, without a window: what works when, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from napari_scribseg.experiment.process import Ended
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.settings import Cost
from napari_scribseg.experiment.worst_slices import PickedSlice
from napari_scribseg.gui.batch.check import CheckReport, report_of
from napari_scribseg.gui.batch.plan import BatchPlan
from napari_scribseg.gui.batch.presenter import BatchPresenter
from napari_scribseg.gui.batch.results import BatchResults
from napari_scribseg.gui.batch.screen import BatchJobs, BatchView, Phase
from napari_scribseg.gui.batch.trials import Progress, TrialCard

OUT = Path("experiments/one")
RECIPE = Recipe.model_validate({"dataset": "data", "methods": [{"label": "a", "method": "a"}]})
PLAN = BatchPlan(RECIPE, OUT, jobs=2)
CARDS = tuple(TrialCard(f"a-fold{k}-seed0-100", "a", f"fold{k}", 0, 100.0) for k in (1, 2, 3))
COST = Cost(label="a", seconds=30.0, memory_mib=700.0, device="cpu")
REPORT = CheckReport(cards=CARDS, open_trials=3, estimate="About 3 min.", costs=(COST,))
DONE = Ended("answered", {"interrupted": False})
RESULTS = BatchResults(comparisons=("A is like B.",), has_report=True)


@pytest.fixture
def view() -> MagicMock:
    view = MagicMock(spec=BatchView)
    view.show_plan.return_value = ""
    return view


@pytest.fixture
def jobs() -> MagicMock:
    return MagicMock(spec=BatchJobs)


@pytest.fixture
def presenter(view, jobs) -> BatchPresenter:
    presenter = BatchPresenter(view, jobs)
    presenter.methods_loaded()
    presenter.plan_changed(PLAN)
    return presenter


@pytest.fixture
def checked(presenter) -> BatchPresenter:
    presenter.check()
    presenter.checked(REPORT)
    return presenter


@pytest.fixture
def running(checked) -> BatchPresenter:
    checked.run()
    return checked


def said(presenter: BatchPresenter) -> tuple[str, str]:
    """The last sentence and its level."""
    text, *level = presenter.view.say.call_args.args
    return text, level[0] if level else "info"


def seen(*states: str, worked_on: bool = True, left: float | None = 90.0) -> Progress:
    cards = tuple(
        replace(card, state=state, progress=0.5) for card, state in zip(CARDS, states, strict=True)
    )
    return Progress(cards, left if worked_on else None, worked_on)


class TestCheck:
    def test_not_before_the_methods_are_there(self, view, jobs):
        presenter = BatchPresenter(view, jobs)
        presenter.plan_changed(PLAN)
        presenter.check()
        assert "loading" in said(presenter)[0]
        jobs.check.assert_not_called()

    def test_what_is_missing_in_the_plan_is_the_reason(self, presenter, jobs):
        presenter.plan_changed(None, "Choose the folder of a dataset.")
        assert presenter.screen.why_not_check == "Choose the folder of a dataset."
        presenter.check()
        jobs.check.assert_not_called()

    def test_it_is_told_and_can_be_stopped(self, presenter, jobs):
        presenter.check()
        jobs.check.assert_called_once_with(PLAN)
        presenter.told("  40%  reading cases 4/10")
        assert "4/10" in presenter.screen.progress_text
        assert presenter.screen.why_not_check == "A check is running; wait until it has ended."
        presenter.stop()
        jobs.stop.assert_called_once()
        presenter.check_stopped()
        assert presenter.screen.phase is Phase.IDLE
        assert presenter.screen.why_not_run == "Press Check first."

    def test_its_trials_are_shown_and_run_is_offered(self, checked, view):
        view.show_trials.assert_called_with(CARDS)
        assert checked.screen.why_not_run is None
        assert said(checked) == ("3 trials to compute: press Run.", "good")

    def test_left_out_cases_are_a_warning_and_no_obstacle(self, presenter):
        presenter.check()
        presenter.checked(replace(REPORT, left_out=("p1: no reference.",)))
        assert said(presenter)[1] == "warning"
        assert presenter.screen.why_not_run is None

    def test_nothing_starts_while_something_is_in_the_way(self, presenter, jobs):
        presenter.check()
        presenter.checked(replace(REPORT, obstacles=("fold1 is empty.",)))
        assert said(presenter)[1] == "error"
        presenter.run()
        assert "in the way" in said(presenter)[0]
        jobs.run.assert_not_called()

    def test_a_changed_plan_has_to_be_checked_again(self, checked, jobs):
        checked.plan_changed(replace(PLAN, jobs=1))
        checked.run()
        assert said(checked) == ("The plan was changed: press Check again.", "warning")
        jobs.run.assert_not_called()
        checked.plan_changed(replace(PLAN, jobs=2))
        assert checked.screen.why_not_run is None


class TestReport:
    def test_a_refusal_is_an_obstacle(self):
        assert report_of(Ended("refused", {}, "No dataset.")).obstacles == ("No dataset.",)
        several = Ended("answered", {"error": "a b", "obstacles": ["a", "b"]}, "a b")
        assert report_of(several).obstacles == ("a", "b")

    def test_trials_times_and_left_out_cases(self):
        row = {"cell": "slow-every-fifth-seed3-12.5", "train": "2 patients, 4 cases"}
        row |= {"test": "1 patients, 1 cases", "budget": "20 steps", "state": "waiting"}
        document = {
            "cells": [row, {**row, "cell": "slow-every-fifth-seed3-100", "state": "finished"}],
            "obstacles": [],
            "left_out": [{"case": "p1", "patient": "p1", "reason": "no reference"}],
            "notes": [f"note {i}" for i in range(40)],
            "estimate": {
                "seconds": 200.0,
                "bytes": 4e6,
                "jobs": 2,
                "trainings": [COST.model_dump(mode="json")],
            },
        }
        report = report_of(Ended("answered", document))
        card = report.cards[0]
        assert (card.label, card.fold, card.random_seed) == ("slow", "every-fifth", 3)
        assert card.share == 12.5
        assert report.open_trials == 1
        assert report.left_out == ("p1: no reference",)
        assert report.notes[-1] == "… and 10 more."
        assert report.estimate.startswith("About 3 min with 2 at once, and 4 MB on the disk.")
        assert report.costs == (COST,)


class TestRun:
    def test_it_is_the_plan_that_was_checked(self, running, jobs):
        jobs.run.assert_called_once_with(PLAN, (COST,))
        assert running.screen.folder == OUT
        assert running.screen.can_stop

    def test_progress_is_told_in_one_line(self, running):
        running.seen(seen("finished", "running", "failed"))
        text = running.screen.progress_text
        assert text == "1 of 3 trials finished · 1 running · 1 failed · about 90 s left"
        assert running.screen.share == pytest.approx((1 + 0.45 + 1) / 3)

    def test_stop_and_continue(self, running, jobs):
        running.seen(seen("finished", "running", "waiting"))
        running.stop()
        jobs.stop.assert_called_once()
        assert running.screen.phase is Phase.STOPPING
        stopped = seen("finished", "interrupted", "waiting", worked_on=False)
        running.ended(Ended("answered", {"interrupted": True}), stopped, RESULTS)
        assert said(running)[0] == "Stopped with 1 of 3 trials finished; Continue goes on."
        assert (running.screen.can_continue, running.screen.can_repeat) == (True, False)
        running.go_on()
        jobs.resume.assert_called_once_with(OUT, 2, retry=False)

    def test_failed_trials_are_repeated_when_asked(self, running, jobs):
        running.repeat_failed()
        jobs.resume.assert_not_called()
        running.ended(DONE, seen("finished", "failed", "finished", worked_on=False), RESULTS)
        assert said(running) == ("2 of 3 trials finished, 1 failed: see the table.", "warning")
        assert (running.screen.can_continue, running.screen.can_repeat) == (False, True)
        running.repeat_failed()
        jobs.resume.assert_called_once_with(OUT, 2, retry=True)

    def test_all_is_well(self, running):
        running.ended(DONE, seen("finished", "finished", "finished", worked_on=False), RESULTS)
        assert said(running) == ("All 3 trials are finished.", "good")
        assert running.screen.results == RESULTS
        assert running.screen.why_not_run == "Press Check first."
        assert not running.screen.can_continue

    def test_a_crash_is_told_and_can_be_continued(self, running):
        crashed = Ended("crashed", said="It has ended unexpectedly (signal 9). The log: …")
        running.ended(crashed, seen("finished", "interrupted", "waiting"), RESULTS)
        assert said(running)[1] == "error"
        assert "signal 9" in said(running)[0]
        assert running.screen.can_continue

    def test_one_that_could_not_begin_has_nothing_to_continue_but_is_told(self, running):
        running.ended(Ended("refused", said="The disk is full."), None, BatchResults())
        assert said(running) == ("The disk is full.", "error")
        assert running.screen.phase is Phase.IDLE

    def test_only_one_at_a_time(self, running, jobs):
        running.run()
        running.check()
        running.open_experiment(Path("other"))
        assert "is running" in said(running)[0]
        jobs.run.assert_called_once()
        jobs.open.assert_not_called()


class TestOpen:
    def test_an_experiment_that_rests_is_shown_and_can_go_on(self, presenter, view, jobs):
        presenter.open_experiment(OUT)
        jobs.open.assert_called_once_with(OUT)
        rests = seen("finished", "interrupted", "failed", worked_on=False)
        presenter.opened(OUT, RECIPE, rests, RESULTS)
        view.show_plan.assert_called_once_with(RECIPE, OUT)
        view.show_trials.assert_called_with(rests.cards)
        assert said(presenter)[0] == "1 of 3 trials finished."
        assert presenter.screen.can_continue
        assert presenter.screen.can_repeat
        assert presenter.screen.results == RESULTS

    def test_one_that_somebody_works_on_is_followed_and_can_be_stopped(self, presenter, jobs):
        presenter.opened(OUT, RECIPE, seen("running", "waiting", "waiting"), BatchResults())
        assert presenter.screen.phase is Phase.RUNNING
        presenter.stop()
        jobs.stop.assert_called_once()
        presenter.seen(seen("interrupted", "waiting", "waiting", worked_on=False))
        presenter.followed(RESULTS)
        assert presenter.screen.phase is Phase.IDLE
        assert presenter.screen.can_continue

    def test_a_slice_is_shown_of_the_experiment_that_is_open(self, presenter, jobs):
        picked = PickedSlice("a-fold1-seed0-100", "a", 1.0, "p1", 3, 0.25, "worst")
        presenter.show_slice(picked)
        jobs.load_slice.assert_not_called()
        presenter.opened(OUT, RECIPE, seen("finished", "finished", "finished"), RESULTS)
        presenter.show_slice(picked)
        jobs.load_slice.assert_called_once_with(OUT, picked)

    def test_recipes_come_and_go(self, presenter, view, jobs):
        presenter.save_recipe(Path("r.json"))
        jobs.save_recipe.assert_called_once_with(Path("r.json"), RECIPE)
        presenter.recipe_saved(Path("r.json"))
        assert "scribseg experiment r.json" in said(presenter)[0]
        presenter.open_recipe(Path("r.json"))
        presenter.recipe_loaded(Path("r.json"), RECIPE)
        view.show_plan.assert_called_once_with(RECIPE, None)
        presenter.plan_changed(None, "Add a method.")
        presenter.save_recipe(Path("r.json"))
        assert said(presenter) == ("Add a method.", "warning")

    def test_what_the_form_can_t_show_has_the_last_word(self, presenter, view):
        presenter.recipe_loaded(Path("r.json"), RECIPE)
        assert said(presenter)[0] == "The plan is that of r.json: press Check."
        view.show_plan.return_value = "The recipe asks for a method that is unknown here."
        presenter.recipe_loaded(Path("r.json"), RECIPE)
        assert said(presenter) == (view.show_plan.return_value, "error")
        for worked_on in (False, True):
            trials = seen("running", "waiting", "waiting", worked_on=worked_on)
            presenter.opened(OUT, RECIPE, trials, RESULTS)
            assert said(presenter) == (view.show_plan.return_value, "error")

    def test_what_can_t_be_read_leaves_everything_as_it_is(self, checked):
        checked.refused("r.json can't be read.")
        assert said(checked) == ("r.json can't be read.", "error")
        assert checked.screen.why_not_run is None
        checked.failed("The child can't be started.")
        assert checked.screen.phase is Phase.IDLE
