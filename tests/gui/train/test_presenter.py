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
from napari_scribseg.gui.train.presenter import (
    Phase,
    TrainingJobs,
    TrainingPresenter,
    TrainingView,
)
from napari_scribseg.gui.train.run_cards import RunCard
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


@pytest.fixture
def view() -> MagicMock:
    view = MagicMock(spec=TrainingView)
    view.snapshot.side_effect = snapshot
    return view


@pytest.fixture
def jobs() -> MagicMock:
    return MagicMock(spec=TrainingJobs)


@pytest.fixture
def presenter(view, jobs) -> TrainingPresenter:
    presenter = TrainingPresenter(view, jobs)
    presenter.methods_loaded()
    presenter.inputs_changed(READY)
    return presenter


@pytest.fixture
def training(presenter) -> TrainingPresenter:
    presenter.train(CHOICE)
    presenter.run_started(RUN)
    presenter.happened(STARTED)
    return presenter


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
        presenter = TrainingPresenter(view, jobs)
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

    def test_shows_steps_loss_and_time_left(self, training, view):
        training.happened(stepped(4))
        assert training.screen.progress_text == "Step 4 of 10 · loss 0.500 · 90 s left"
        assert training.screen.share == pytest.approx(0.4)
        assert [(p.step, p.loss) for p in training.history.losses] == [(4, 0.5)]
        view.show_history.assert_called_with(training.history)

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
        assert said(training)[0] == "Step 5: dice 0.750, the best so far."

    def test_background_that_follows_from_the_strokes_is_told(self, training):
        training.happened(STARTED)
        assert said(training)[0] == "Training on cpu (float32), 2 slices."
        training.happened(STARTED.model_copy(update={"enclosed_slices": 1}))
        assert said(training)[0].endswith("what lies outside counts as background, too.")

    def test_its_end_is_passed_on(self, training, view):
        training.happened(Saved(step=10, path="checkpoints/best.safetensors"))
        training.happened(finished("completed"))
        assert training.screen.phase is Phase.IDLE
        view.completed.assert_called_once_with(RUN)

    def test_the_first_weights_are_announced_once(self, training, view):
        for step in (5, 10):
            training.happened(Saved(step=step, path="checkpoints/last.safetensors"))
        view.has_weights.assert_called_once_with(RUN)

    def test_stopping_keeps_what_was_saved(self, training, jobs, view):
        training.stop()
        assert training.screen.phase is Phase.STOPPING
        assert not training.screen.can_stop
        jobs.stop.assert_called_once_with(keep_going_to_best=False)
        training.happened(Saved(step=5, path="checkpoints/best.safetensors"))
        training.happened(finished("stopped", 5))
        assert training.screen.phase is Phase.IDLE
        view.has_weights.assert_called_once_with(RUN)
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

    @pytest.mark.parametrize(
        ("outcome", "goes_on"), [("completed", True), ("failed", True), ("stopped", False)]
    )
    def test_the_next_run_follows_unless_the_user_stopped(self, training, jobs, outcome, goes_on):
        training.happened(finished(outcome))
        assert jobs.train_next.called is goes_on

    def test_all_methods_wait_for_their_turn(self, presenter, jobs):
        presenter.train_all([CHOICE, CHOICE])
        assert len(jobs.queue.call_args.args[1]) == 2
        presenter.queued(2)
        jobs.train_next.assert_called_once()

    def test_train_more_takes_today_s_strokes(self, presenter, jobs):
        presenter.act("more", RUN)
        assert jobs.train_more.call_args.args[1] == RUN
        assert presenter.screen.phase is Phase.PREPARING

    def test_a_run_is_resumed_only_when_nothing_is_trained(self, training, jobs, view):
        training.act("resume", Path("runs/other"))
        jobs.start.assert_not_called()
        training.happened(finished("stopped"))
        training.act("resume", RUN)
        jobs.start.assert_called_once_with(RUN)

    def test_a_new_window_follows_what_still_trains(self, presenter, jobs, view):
        presenter.runs_listed((card("old"), card("two", "running")))
        jobs.watch.assert_called_once_with(Path("runs/two"))
        presenter.followed(Path("runs/two"), History.of([stepped(3)]), paused=True)
        assert presenter.screen.phase is Phase.TRAINING
        assert presenter.screen.paused
        assert view.show_runs.call_args.args[1] == Path("runs/two")
        presenter.happened(stepped(4))
        assert [p.step for p in view.show_history.call_args.args[0].losses] == [3, 4]

    def test_a_new_window_offers_the_newest_run_that_can_predict(self, presenter, jobs, view):
        presenter.runs_listed((card("new", "crashed"), card("good", has_weights=True)))
        assert presenter.chosen == Path("runs/good")
        view.has_weights.assert_called_once_with(Path("runs/good"))
        jobs.load_history.assert_called_once_with(Path("runs/good"))
        jobs.watch.assert_not_called()

    def test_news_of_another_run_than_the_chosen_one_are_not_drawn(self, training, view, jobs):
        training.runs_listed((card(), card("two")))
        training.choose(Path("runs/two"))
        view.show_history.reset_mock()
        jobs.load_previews.reset_mock()
        training.happened(stepped(4))
        training.happened(PREVIEWED)
        training.history_loaded(RUN, History())
        view.show_history.assert_not_called()
        jobs.load_previews.assert_not_called()

    def test_a_preview_is_shown_as_it_comes_unless_switched_off(self, training, jobs, view):
        training.happened(PREVIEWED)
        assert jobs.load_previews.call_args.args == (RUN, 4)
        training.show_previews(False, 4)
        assert view.show_preview.call_args.args[1] is None
        training.happened(PREVIEWED)
        assert jobs.load_previews.call_args.args == (RUN, None)

    def test_settings_are_measured_once(self, presenter, jobs):
        for _ in range(2):
            presenter.want_estimate(CHOICE)
        jobs.estimate.assert_called_once_with(CHOICE, 2)
        presenter.estimated(CHOICE, 2, "About 1 GiB.")
        assert presenter.screen.estimate == "About 1 GiB."
        other = Choice("effdnet", "quick", {}, TrainConfig())
        presenter.want_estimate(other)
        presenter.estimated(CHOICE, 2, "Late.")
        assert presenter.screen.estimate != "Late."


class TestMethodsThatLearnFromReferences:
    DENSE = replace(CHOICE, method="full_2d", uses_references=True)

    def test_are_refused_without_one(self, presenter, jobs):
        presenter.train(self.DENSE)
        assert "dense reference" in said(presenter)[0]
        assert presenter.screen.phase is Phase.IDLE
        jobs.train.assert_not_called()

    def test_are_left_out_when_all_are_trained(self, presenter, jobs):
        presenter.train_all([CHOICE, self.DENSE])
        assert jobs.queue.call_args.args[1] == [CHOICE]

    def test_are_trained_with_one(self, presenter, view, jobs):
        with_one = replace(snapshot(), reference=np.zeros(GRID.shape, np.uint8))
        view.snapshot.side_effect = lambda: with_one
        presenter.train_all([CHOICE, self.DENSE])
        assert jobs.queue.call_args.args[1] == [CHOICE, self.DENSE]


def test_in_the_middle_of_a_queue_nobody_is_taken_to_the_results(training, view):
    training.cards = (card("next", "waiting"),)
    training.happened(finished("completed"))
    view.completed.assert_not_called()
    training.cards = ()
    training.happened(finished("completed"))
    view.completed.assert_called_once_with(RUN)


class TestGuest:
    def visited(self, state: str = "running") -> RunCard:
        run = Path("experiment/cells/a-fold1-seed0-100/run")
        return RunCard(run, "a", "quick", state, is_guest=True)

    def test_a_run_of_an_experiment_is_shown_and_nothing_else(self, presenter, jobs, view):
        card = self.visited()
        presenter.visit(card.folder)
        jobs.load_history.assert_called_with(card.folder)
        presenter.runs_listed(())  # asked for before the visit
        assert presenter.chosen == card.folder
        presenter.runs_listed((card,))
        view.show_runs.assert_called_with((card,), card.folder)
        jobs.watch.assert_not_called()
        assert card.actions == ("log",)
        assert card.title == "a-fold1-seed0-100"
        presenter.runs_listed((replace(card, has_weights=True),))
        presenter.choose(card.folder)
        view.has_weights.assert_not_called()
        presenter.act("log", card.folder)
        view.show_log.assert_called_once_with(card.folder)

    def test_it_is_looked_at_again_while_it_is_trained_and_shown(self, presenter, jobs):
        card = self.visited()
        presenter.visit(card.folder)
        presenter.runs_listed((card,))
        jobs.reset_mock()
        presenter.look_at_guest()
        jobs.load_history.assert_called_once_with(card.folder)
        presenter.runs_listed((self.visited("completed"),))
        jobs.reset_mock()
        presenter.look_at_guest()
        jobs.load_history.assert_not_called()

    def test_the_project_s_runs_are_proposed_and_not_the_guest(self, presenter):
        own = RunCard(RUN, "a", "quick", "completed", has_weights=True)
        presenter.visited = self.visited().folder
        presenter.runs_listed((self.visited("completed"), own))
        assert presenter.chosen == RUN
