"""The dock's decisions, without a dock: what works when, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from napari_scribseg.config import TrainConfig
from napari_scribseg.errors import InvalidInput
from napari_scribseg.events import Finished, Prepared, Saved, Started, Stepped, Validated, Warned
from napari_scribseg.gui.presenter import (
    Choice,
    Inputs,
    Jobs,
    Outcome,
    Phase,
    Presenter,
    Snapshot,
    View,
)
from napari_scribseg.labels import BACKGROUND, PRESETS
from napari_scribseg.metrics import score_case
from napari_scribseg.volume import Grid, Volume

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


def stepped(step: int, **more) -> Stepped:
    values = {"loss": 0.5, "eta_seconds": 90.0, "progress": step / 10} | more
    return Stepped(step=step, terms={}, learning_rate=1e-3, slices_per_second=1.0, **values)


def finished(outcome: str, step: int = 10, message: str = "It is over.") -> Finished:
    return Finished(outcome=outcome, step=step, message=message, seconds=75.0)


def snapshot() -> Snapshot:
    image = Volume(np.zeros(GRID.shape, np.float32), GRID)
    zeros = np.zeros(GRID.shape, np.uint8)
    return Snapshot("mr", image, zeros, None, SCHEMA)


@pytest.fixture
def view() -> MagicMock:
    view = MagicMock(spec=View)
    view.snapshot.side_effect = snapshot
    return view


@pytest.fixture
def jobs() -> MagicMock:
    return MagicMock(spec=Jobs)


@pytest.fixture
def presenter(view, jobs) -> Presenter:
    presenter = Presenter(view, jobs)
    presenter.methods_loaded()
    presenter.inputs_changed(READY)
    return presenter


@pytest.fixture
def training(presenter) -> Presenter:
    presenter.train(CHOICE)
    presenter.run_started(RUN)
    presenter.happened(STARTED)
    return presenter


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
        presenter = Presenter(view, jobs)
        presenter.inputs_changed(READY)
        assert "loading" in presenter.screen.why_not_train
        presenter.methods_loaded()
        assert presenter.screen.why_not_train is None

    def test_pressing_train_anyway_says_why_and_starts_nothing(self, presenter, jobs):
        presenter.inputs_changed(replace(READY, scribbles=None))
        presenter.train(CHOICE)
        assert presenter.screen.status.level == "warning"
        jobs.train.assert_not_called()

    def test_layers_that_can_t_be_read_are_told(self, presenter, view, jobs):
        view.snapshot.side_effect = InvalidInput("The values are too large.")
        presenter.train(CHOICE)
        assert presenter.screen.status.text == "The values are too large."
        assert presenter.screen.phase is Phase.IDLE
        jobs.train.assert_not_called()


class TestATraining:
    def test_is_prepared_in_the_background(self, presenter, jobs, view):
        presenter.train(CHOICE)
        assert presenter.screen.phase is Phase.PREPARING
        assert presenter.screen.share is None
        assert jobs.train.call_args.args[1] is CHOICE
        view.clear_losses.assert_called_once()

    def test_can_t_be_started_twice(self, training, jobs):
        training.train(CHOICE)
        assert jobs.train.call_count == 1
        assert "running" in training.screen.why_not_train

    def test_shows_steps_loss_and_time_left(self, training, view):
        training.happened(stepped(4))
        assert training.screen.progress_text == "Step 4 of 10 · loss 0.500 · 90 s left"
        assert training.screen.share == pytest.approx(0.4)
        view.show_loss.assert_called_once_with(4, 0.5)

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
        assert training.screen.status.text == "Step 5: dice 0.750, the best so far."

    def test_its_end_leads_to_a_prediction(self, training, jobs):
        training.happened(Saved(step=10, path="checkpoints/best.safetensors"))
        training.happened(finished("completed"))
        assert training.screen.phase is Phase.PREDICTING
        assert jobs.predict.call_args.args[0] == RUN

    def test_stopping_keeps_what_was_saved(self, training, jobs):
        training.stop()
        assert training.screen.phase is Phase.STOPPING
        assert not training.screen.can_stop
        jobs.stop.assert_called_once_with(keep_going_to_best=False)
        training.happened(Saved(step=5, path="checkpoints/best.safetensors"))
        training.happened(finished("stopped", 5))
        assert training.screen.phase is Phase.IDLE
        assert training.screen.why_not_predict is None
        jobs.predict.assert_not_called()

    def test_stopped_before_anything_was_saved_can_t_predict(self, training):
        training.stop()
        training.happened(finished("stopped", 0))
        assert "Train first" in training.screen.why_not_predict

    @pytest.mark.parametrize("outcome", ["failed", "crashed"])
    def test_a_failure_is_told_in_its_own_words(self, training, outcome):
        training.happened(finished(outcome, message="Memory ran out."))
        assert training.screen.status.text == "Memory ran out."
        assert training.screen.status.level == "error"
        assert training.screen.why_not_train is None, "it can be tried again"

    def test_a_run_folder_that_can_t_be_written_is_told(self, presenter):
        presenter.train(CHOICE)
        presenter.failed("No space left on device.")
        assert presenter.screen.phase is Phase.IDLE
        assert presenter.screen.status.level == "error"


class TestAPrediction:
    def outcome(self, reference=None, note="") -> Outcome:
        segmentation = np.zeros(GRID.shape, np.uint8)
        segmentation[0, :2] = 1
        scores = None
        if reference is not None:
            scores = score_case(segmentation, reference, GRID.spacing, SCHEMA)
        return Outcome("mr", Volume(segmentation, GRID), None, SCHEMA, scores, note)

    def test_needs_weights(self, presenter, jobs):
        presenter.predict()
        jobs.predict.assert_not_called()
        assert "Train first" in presenter.screen.status.text

    def test_works_with_an_earlier_run(self, presenter, jobs):
        presenter.use_run(RUN)
        presenter.predict()
        assert jobs.predict.call_args.args[0] == RUN
        assert presenter.screen.phase is Phase.PREDICTING

    def test_another_run_is_not_chosen_while_one_is_trained(self, training):
        training.use_run(Path("runs/earlier"))
        assert training.run == RUN
        assert "A training is running" in training.screen.status.text

    def test_shows_segmentation_and_scores(self, presenter, view):
        reference = np.zeros(GRID.shape, np.uint8)
        reference[0, :2] = 1
        outcome = self.outcome(reference)
        presenter.predicted(outcome)
        view.show_outcome.assert_called_once_with(outcome)
        rows = view.show_scores.call_args.args[0]
        assert [(row.name, row.dice, row.hd95_mm) for row in rows] == [
            ("PZ", "1.000", "0.0"),
            ("CG", "\N{EN DASH}", "\N{EN DASH}"),
            ("mean", "1.000", "0.0"),
        ]
        assert "Mean Dice 1.000" in presenter.screen.status.text

    def test_a_lost_structure_shows_in_the_mean(self, presenter, view):
        reference = np.zeros(GRID.shape, np.uint8)
        reference[0, :2], reference[1] = 1, 2
        presenter.predicted(self.outcome(reference))
        rows = view.show_scores.call_args.args[0]
        assert rows[1].hd95_mm == "∞"
        assert rows[2].dice == "0.500"
        assert rows[2].hd95_mm == "0.0 (+1 ∞)"

    def test_without_a_reference_there_is_no_table(self, presenter, view):
        presenter.predicted(self.outcome())
        view.show_scores.assert_called_once_with([])
        assert "Choose a reference" in presenter.screen.status.text

    def test_a_reference_that_does_not_fit_is_told(self, presenter):
        presenter.predicted(self.outcome(note="The reference has strange values."))
        assert "strange values" in presenter.screen.status.text
        assert presenter.screen.status.level == "warning"
