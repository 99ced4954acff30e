"""The decisions of the Train tab, without a tab: what works when, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import (
    Finished,
    Prepared,
    Previewed,
    Saved,
    Started,
    Stepped,
    Validated,
    Warned,
)
from napari_scribseg.core.labels import BACKGROUND, PRESETS
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.train.budget import Speed
from napari_scribseg.gui.train.interfaces import TrainingJobs, TrainingView
from napari_scribseg.gui.train.presenter import TrainingPresenter
from napari_scribseg.gui.train.run_cards import RunCard
from napari_scribseg.gui.train.runs_presenter import RunsJobs, RunsPresenter, RunsView
from napari_scribseg.gui.train.screen import Phase
from napari_scribseg.gui.values import Choice, Inputs, Snapshot
from napari_scribseg.runs.history import History

SCHEMA = PRESETS["prostate"]
GRID = Grid.from_spacing((2, 4, 4), (3.0, 1.0, 1.0))
READY = Inputs("mr", "scribbles", None, SCHEMA, drawn={1: 9, 2: 9, BACKGROUND: 9})
CHOICE = Choice("random_walker", "quick", {}, TrainConfig(steps=10))
RUN = Path("runs/one")
STARTED = Started(
    method="random_walker",
    device="cpu",
    precision="float32",
    cases=1,
    slices=2,
    first_step=1,
    steps=10,
    minutes=None,
)

PREVIEWED = Previewed(step=4, case="mr", path="previews/mr/4.nii.gz", seconds=0.1)


def stepped(step: int, **more) -> Stepped:
    values = {"loss": 0.5, "eta_seconds": 90.0, "progress": step / 10} | more
    return Stepped(step=step, terms={}, learning_rate=1e-3, slices_per_second=1.0, **values)


def finished(outcome: str, step: int = 10, message: str = "It is over.") -> Finished:
    return Finished(outcome=outcome, step=step, message=message, seconds=75.0)


def snapshot() -> Snapshot:
    image = Volume(np.zeros(GRID.shape, np.float32), GRID)
    zeros = np.zeros(GRID.shape, np.uint8)
    return Snapshot(CaseKey("", "mr"), image, zeros, None, SCHEMA)


class View(TrainingView, RunsView):
    """What the tab is."""


class Jobs(TrainingJobs, RunsJobs):
    """What does the slow work."""


@pytest.fixture
def view() -> MagicMock:
    view = MagicMock(spec=View)
    view.snapshot.side_effect = snapshot
    return view


@pytest.fixture
def jobs() -> MagicMock:
    return MagicMock(spec=Jobs)


@pytest.fixture
def presenter(view, jobs) -> TrainingPresenter:
    presenter = TrainingPresenter(view, jobs, RunsPresenter(view, jobs))
    presenter.methods_loaded()
    presenter.inputs_changed(READY)
    return presenter


@pytest.fixture
def training(presenter) -> TrainingPresenter:
    presenter.train(CHOICE)
    presenter.run_started(RUN)
    presenter.happened(STARTED)
    return presenter


def list_runs(presenter: TrainingPresenter, *cards: RunCard) -> None:
    """As the jobs tell what they have read."""
    presenter.runs.runs_listed(cards)
    presenter.runs_listed()


def said(presenter: TrainingPresenter) -> tuple[str, str]:
    """The last sentence and its level."""
    text, *level = presenter.view.say.call_args.args
    return text, level[0] if level else "info"


class TestWhetherTrainingIsPossible:
    def test_everything_there(self, presenter):
        assert presenter.screen.why_not_train is None

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"image": None}, "image"),
            ({"scribbles": None}, "scribbles"),
            ({"problem": "They lie elsewhere."}, "elsewhere"),
            ({"drawn": None}, "counted"),
            ({"drawn": {1: 9}}, "CG and background"),
        ],
    )
    def test_the_reason_names_what_is_missing(self, presenter, change, word):
        presenter.inputs_changed(replace(READY, **change))
        assert word in presenter.screen.why_not_train

    def test_not_before_the_methods_are_there(self, view, jobs):
        presenter = TrainingPresenter(view, jobs, RunsPresenter(view, jobs))
        presenter.inputs_changed(READY)
        assert "loading" in presenter.screen.why_not_train
        presenter.methods_loaded()
        assert presenter.screen.why_not_train is None

    def test_pressing_train_anyway_says_why_and_starts_nothing(self, presenter, jobs):
        presenter.inputs_changed(replace(READY, scribbles=None))
        presenter.train(CHOICE)
        assert said(presenter)[1] == "warning"
        jobs.train.assert_not_called()

    def test_layers_that_can_t_be_read_are_told(self, presenter, view, jobs):
        view.snapshot.side_effect = InvalidInput("The values are too large.")
        presenter.train(CHOICE)
        assert said(presenter)[0] == "The values are too large."
        assert presenter.screen.phase is Phase.IDLE
        jobs.train.assert_not_called()


class TestATraining:
    def test_is_prepared_in_the_background(self, presenter, jobs, view):
        presenter.train(CHOICE)
        assert presenter.screen.phase is Phase.PREPARING
        assert presenter.screen.share is None
        assert jobs.train.call_args.args[1] is CHOICE

    def test_can_t_be_started_twice(self, training, jobs):
        training.train(CHOICE)
        assert jobs.train.call_count == 1
        assert "running" in training.screen.why_not_train

    def test_shows_steps_and_time_left(self, training, view):
        training.happened(stepped(4))
        assert training.screen.progress_text == "Step 4 of 10 · 90 s left"
        assert training.screen.share == pytest.approx(0.4)
        assert [(p.step, p.loss) for p in training.runs.history.losses] == [(4, 0.5)]
        view.show_history.assert_called_with(training.runs.history)

    def test_shows_the_preparation_of_cases(self, training):
        training.happened(Prepared(done=1, total=4, case="a", cached=False))
        assert training.screen.share == pytest.approx(0.25)
        assert "a (1 of 4)" in training.screen.progress_text

    def test_warnings_stay_and_repeat_only_once(self, training):
        for message in ("slow", "small", "slow"):
            training.happened(Warned(message=message))
        training.happened(stepped(5))
        assert training.screen.warnings == ("small", "slow")

    def test_validation_is_told(self, training):
        scores = {"PZ": 0.8, "CG": 0.7}
        training.happened(Validated(step=5, measure="dice", scores=scores, mean=0.75, best=True))
        assert said(training)[0] == "Step 5: Dice 0.750, the best so far."

    def test_background_that_follows_from_the_strokes_is_told(self, training):
        training.happened(STARTED)
        assert said(training)[0] == "Training on cpu (float32), 2 slices."
        training.happened(STARTED.model_copy(update={"enclosed_slices": 1}))
        assert said(training)[0].endswith("that counts as background, too.")

    def test_its_end_is_passed_on(self, training, view):
        training.happened(Saved(step=10, path="checkpoints/best.safetensors"))
        training.happened(finished("completed"))
        assert training.screen.phase is Phase.IDLE
        view.completed.assert_called_once_with(RUN)

    def test_the_first_weights_are_listed_and_nothing_predicts_with_them_unasked(
        self, training, view
    ):
        for step in (5, 10):
            training.happened(Saved(step=step, path="checkpoints/last.safetensors"))
        view.runs_changed.assert_called_once_with()
        view.run_chosen.assert_not_called()

    def test_the_card_has_the_title_of_the_method_and_about_how_many_steps(self, training):
        assert training.screen.title == "Random walker seeds"
        training.runs.history.steps = None
        training.happened(stepped(4, progress=0.25))
        assert training.screen.progress_text.startswith("Step 4 of about 16 · ")

    def test_stopping_keeps_what_was_saved(self, training, jobs, view):
        training.stop()
        assert training.screen.phase is Phase.STOPPING
        assert not training.screen.can_stop
        jobs.stop.assert_called_once_with(keep_going_to_best=False)
        training.happened(Saved(step=5, path="checkpoints/best.safetensors"))
        training.happened(finished("stopped", 5))
        assert training.screen.phase is Phase.IDLE
        view.run_chosen.assert_not_called()
        view.completed.assert_not_called()

    @pytest.mark.parametrize("outcome", ["failed", "crashed"])
    def test_a_failure_is_told_in_its_own_words(self, training, outcome):
        training.happened(finished(outcome, message="Memory ran out."))
        assert said(training)[0] == "Memory ran out."
        assert said(training)[1] == "error"
        assert training.screen.why_not_train is None, "it can be tried again"

    def test_a_run_folder_that_can_t_be_written_is_told(self, presenter):
        presenter.train(CHOICE)
        presenter.failed("No space left on device.")
        assert presenter.screen.phase is Phase.IDLE
        assert said(presenter)[1] == "error"


def card(name: str = "one", state: str = "completed", **more) -> RunCard:
    return RunCard(Path("runs") / name, "random_walker", "quick", state, **more)


class TestTheRuns:
    def test_a_training_can_be_paused_and_goes_on(self, training, jobs):
        training.act("pause", RUN)
        assert training.screen.paused
        jobs.request.assert_called_once_with("pause")
        training.act("go on", RUN)
        assert not training.screen.paused
        assert jobs.request.call_args.args == ("resume",)

    def test_a_paused_training_that_is_aborted_is_woken_first(self, training, jobs):
        training.act("pause", RUN)
        training.act("abort", RUN)
        assert jobs.request.call_args.args == ("resume",)
        jobs.stop.assert_called_once_with(keep_going_to_best=False)

    def test_another_run_than_ours_is_asked_and_ours_goes_on(self, training, jobs):
        other = Path("runs/other")
        training.act("abort", other)
        jobs.ask.assert_called_once_with(other, "stop")
        jobs.stop.assert_not_called()
        assert training.screen.phase is Phase.TRAINING

    def test_train_more_takes_today_s_strokes_and_budget(self, presenter, jobs):
        presenter.act("more", RUN, {"minutes": 2.0})
        assert jobs.train_more.call_args.args[1:] == (RUN, {"minutes": 2.0})
        assert presenter.screen.phase is Phase.PREPARING

    def test_a_run_is_resumed_only_when_nothing_is_trained(self, training, jobs, view):
        training.act("resume", Path("runs/other"))
        jobs.start.assert_not_called()
        training.happened(finished("stopped"))
        training.act("resume", RUN)
        jobs.start.assert_called_once_with(RUN)

    def test_a_new_window_follows_what_still_trains(self, presenter, jobs, view):
        list_runs(presenter, card("old"), card("two", "running"))
        jobs.watch.assert_called_once_with(Path("runs/two"))
        history = History.of([stepped(3)])
        presenter.followed(Path("runs/two"), "effdnet", history, paused=True)
        assert presenter.screen.title == "EFFDNet"
        assert presenter.screen.phase is Phase.TRAINING
        assert presenter.screen.paused
        assert view.show_runs.call_args.args[1] == Path("runs/two")
        presenter.happened(stepped(4))
        assert [p.step for p in view.show_history.call_args.args[0].losses] == [3, 4]

    def test_a_new_window_predicts_with_the_newest_run_that_was_completed(
        self, presenter, jobs, view
    ):
        aborted = card("aborted", "stopped", has_weights=True)
        list_runs(presenter, card("new", "crashed"), aborted, card("good", has_weights=True))
        assert presenter.runs.chosen == Path("runs/good")
        view.run_chosen.assert_called_once_with(Path("runs/good"))
        jobs.load_history.assert_called_once_with(Path("runs/good"))
        jobs.watch.assert_not_called()

    def test_an_aborted_run_is_shown_but_never_predicts_by_itself(self, presenter, view):
        list_runs(presenter, card("aborted", "stopped", has_weights=True))
        assert presenter.runs.chosen == Path("runs/aborted")
        view.run_chosen.assert_not_called()
        presenter.runs.choose(Path("runs/aborted"))
        view.run_chosen.assert_called_once_with(Path("runs/aborted"))

    def test_no_event_changes_the_run_that_the_user_has_chosen(self, training, view):
        list_runs(training, card(), card("mine", has_weights=True))
        training.runs.choose(Path("runs/mine"))
        view.run_chosen.reset_mock()
        training.happened(Saved(step=5, path="checkpoints/best.safetensors"))
        list_runs(training, card("newer", has_weights=True), card(), card("mine"))
        training.happened(finished("stopped", 9))
        list_runs(training, card(has_weights=True), card("mine", has_weights=True))
        assert training.runs.chosen == Path("runs/mine")
        assert view.show_runs.call_args.args[1] == Path("runs/mine")
        view.run_chosen.assert_not_called()

    def test_news_of_another_run_than_the_chosen_one_are_not_drawn(self, training, view, jobs):
        list_runs(training, card(), card("two"))
        training.runs.choose(Path("runs/two"))
        view.show_history.reset_mock()
        jobs.load_previews.reset_mock()
        training.happened(stepped(4))
        training.happened(PREVIEWED)
        training.runs.history_loaded(RUN, History())
        view.show_history.assert_not_called()
        jobs.load_previews.assert_not_called()

    def test_a_preview_is_shown_as_it_comes_unless_switched_off(self, training, jobs, view):
        training.happened(PREVIEWED)
        assert jobs.load_previews.call_args.args == (RUN, 4)
        training.runs.show_previews(False, 4)
        assert view.show_preview.call_args.args[1] is None
        training.happened(PREVIEWED)
        assert jobs.load_previews.call_args.args == (RUN, None)

    def test_a_step_is_measured_once_whatever_the_budget(self, presenter, jobs, view):
        presenter.settings_changed(CHOICE)
        presenter.measure()
        jobs.estimate.assert_called_once_with(CHOICE, 2)
        assert presenter.screen.estimate.endswith("…")
        presenter.measured(CHOICE, 2, Speed(0.5, 900.0))
        view.propose_budget.assert_called_once_with({"minutes": 2.0})
        two_minutes = replace(CHOICE, training=CHOICE.training.updated({"minutes": 2.0}))
        presenter.settings_changed(two_minutes)
        assert presenter.screen.estimate == (
            "About 2 min now: some 240 steps of 0.5 s, 900 MiB of memory. All of about 2000 would "
            "take 17 min."
        )
        presenter.measure()
        assert jobs.estimate.call_count == 1

    def test_another_method_has_no_estimate_until_it_is_measured(self, presenter):
        presenter.measured(CHOICE, 2, Speed(0.5, 900.0))
        presenter.settings_changed(Choice("effdnet", "quick", {}, TrainConfig()))
        assert presenter.screen.estimate == ""

    def test_a_training_tells_better_than_an_estimate_what_a_step_takes(self, presenter):
        presenter.train(CHOICE)
        presenter.run_started(RUN)
        presenter.happened(finished("completed", 100))
        (speed,) = presenter.speeds.values()
        assert speed.seconds_per_step == pytest.approx(0.75)


class TestTheQueue:
    """Runs follow each other only by the user's word, given in this window."""

    WAITING = card("next", "waiting")

    def test_chosen_methods_are_trained_one_after_another(self, presenter, jobs):
        presenter.train_several([CHOICE, CHOICE])
        assert len(jobs.queue.call_args.args[1]) == 2
        presenter.queued(2)
        jobs.train_next.assert_called_once()
        presenter.next_taken(RUN)
        jobs.start.assert_called_once_with(RUN)
        presenter.run_started(RUN)
        presenter.happened(finished("completed"))
        assert jobs.train_next.call_count == 2
        presenter.next_taken(None)
        assert not presenter.screen.queue_on

    @pytest.mark.parametrize("outcome", ["completed", "failed"])
    def test_what_waits_from_an_earlier_session_is_never_revived(
        self, training, jobs, view, outcome
    ):
        list_runs(training, self.WAITING)
        assert training.screen.waiting == 1
        training.happened(finished(outcome))
        jobs.train_next.assert_not_called()
        assert view.completed.called is (outcome == "completed")

    def test_it_goes_on_when_the_user_says_so(self, presenter, jobs):
        list_runs(presenter, self.WAITING)
        presenter.go_on_with_queue()
        jobs.train_next.assert_called_once()

    def test_whoever_stops_a_training_stops_the_queue(self, training, jobs):
        training.screen = replace(training.screen, queue_on=True)
        training.happened(finished("stopped"))
        jobs.train_next.assert_not_called()
        assert not training.screen.queue_on
        assert "wait stay" in training.screen.result

    def test_it_can_be_cleared(self, presenter, jobs):
        presenter.clear_queue()
        jobs.clear_queue.assert_called_once_with()
        presenter.queue_cleared(16)
        assert said(presenter)[0].startswith("16 runs that were never trained")

    def test_in_its_middle_nobody_is_taken_to_the_results(self, training, view):
        list_runs(training, self.WAITING)
        training.screen = replace(training.screen, queue_on=True)
        training.happened(finished("completed"))
        view.completed.assert_not_called()

    def test_the_next_run_is_only_looked_at_by_who_looked_at_the_last(self, training):
        training.screen = replace(training.screen, queue_on=True)
        list_runs(training, card(), card("mine", has_weights=True), self.WAITING)
        training.runs.choose(Path("runs/mine"))
        training.happened(finished("completed"))
        training.next_taken(self.WAITING.folder)
        training.run_started(self.WAITING.folder)
        assert training.runs.chosen == Path("runs/mine")


class TestTrainMore:
    EARLIER = Path("runs/earlier")

    def more(self, presenter, *events) -> None:
        presenter.act("more", self.EARLIER, {})
        presenter.run_started(RUN, self.EARLIER)
        for event in (STARTED, *events, finished("completed")):
            presenter.happened(event)

    def score(self, step: int, mean: float) -> Validated:
        return Validated(step=step, measure="dice", scores={}, mean=mean, best=False)

    def test_tells_dice_before_and_after_on_what_is_held_out(self, presenter, view, jobs):
        self.more(presenter, self.score(0, 0.71), self.score(5, 0.76), self.score(10, 0.75))
        assert "Dice on what is held out: 0.710 before, 0.760 after (+0.050)." in said(presenter)[0]
        view.completed.assert_called_once_with(RUN)
        jobs.compare_ends.assert_not_called()

    def test_keeps_the_earlier_run_if_it_was_better(self, presenter, view):
        self.more(presenter, self.score(0, 0.8), self.score(10, 0.75))
        assert "(-0.050). The earlier weights stay" in presenter.screen.result
        assert said(presenter)[1] == "warning"
        view.run_chosen.assert_called_once_with(self.EARLIER)
        view.completed.assert_not_called()

    def test_without_validation_the_shown_reference_tells(self, presenter, view, jobs):
        self.more(presenter)
        jobs.compare_ends.assert_called_once_with(RUN)
        view.completed.assert_not_called()
        presenter.ends_compared(RUN, 0.5, 0.6)
        assert "0.500 before, 0.600 after (+0.100)" in said(presenter)[0]
        view.completed.assert_called_once_with(RUN)

    def test_without_any_score_this_is_said(self, presenter, view):
        self.more(presenter)
        presenter.ends_compared(RUN, None, None)
        assert "No score tells" in presenter.screen.result
        view.completed.assert_called_once_with(RUN)


class TestMethodsThatLearnFromReferences:
    DENSE = replace(CHOICE, method="full_2d", uses_references=True)

    def test_are_refused_without_one(self, presenter, jobs):
        presenter.train(self.DENSE)
        assert "dense reference" in said(presenter)[0]
        assert presenter.screen.phase is Phase.IDLE
        jobs.train.assert_not_called()

    def test_are_trained_with_one(self, presenter, view, jobs):
        with_one = replace(snapshot(), reference=np.zeros(GRID.shape, np.uint8))
        view.snapshot.side_effect = lambda: with_one
        presenter.train(self.DENSE)
        assert jobs.train.call_args.args[1] == self.DENSE


class TestGuest:
    def visited(self, state: str = "running") -> RunCard:
        run = Path("experiment/cells/a-fold1-seed0-100/run")
        return RunCard(run, "a", "quick", state, is_guest=True)

    def test_a_run_of_an_experiment_is_shown_and_nothing_else(self, presenter, jobs, view):
        card = self.visited()
        presenter.runs.visit(card.folder)
        jobs.load_history.assert_called_with(card.folder)
        list_runs(presenter)  # asked for before the visit
        assert presenter.runs.chosen == card.folder
        list_runs(presenter, card)
        view.show_runs.assert_called_with((card,), card.folder)
        jobs.watch.assert_not_called()
        assert card.actions == ("log",)
        assert card.title == "a-fold1-seed0-100"
        list_runs(presenter, replace(card, has_weights=True))
        presenter.runs.choose(card.folder)
        view.run_chosen.assert_not_called()

    def test_it_is_looked_at_again_while_it_is_trained_and_shown(self, presenter, jobs):
        card = self.visited()
        presenter.runs.visit(card.folder)
        list_runs(presenter, card)
        jobs.reset_mock()
        presenter.runs.look_at_guest()
        jobs.load_history.assert_called_once_with(card.folder)
        list_runs(presenter, self.visited("completed"))
        jobs.reset_mock()
        presenter.runs.look_at_guest()
        jobs.load_history.assert_not_called()

    def test_the_project_s_runs_are_proposed_and_not_the_guest(self, presenter):
        own = RunCard(RUN, "a", "quick", "completed", has_weights=True)
        presenter.runs.visited = self.visited().folder
        list_runs(presenter, self.visited("completed"), own)
        assert presenter.runs.chosen == RUN
