"""The decisions of the Results tab, without a tab: when it predicts, and what it says."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from napari_scribseg.errors import InvalidInput
from napari_scribseg.gui.results_presenter import ResultsJobs, ResultsPresenter, ResultsView
from napari_scribseg.gui.values import Inputs, Outcome, Snapshot
from napari_scribseg.labels import BACKGROUND, PRESETS
from napari_scribseg.metrics import score_case
from napari_scribseg.volume import Grid, Volume

SCHEMA = PRESETS["prostate"]
GRID = Grid.from_spacing((2, 4, 4), (3.0, 1.0, 1.0))
READY = Inputs("mr", "scribbles", None, SCHEMA, drawn={1: 9, 2: 9, BACKGROUND: 9})
RUN = Path("runs/one")


@pytest.fixture
def view() -> MagicMock:
    view = MagicMock(spec=ResultsView)
    image = Volume(np.zeros(GRID.shape, np.float32), GRID)
    view.snapshot.return_value = Snapshot("mr", image, np.zeros(GRID.shape, np.uint8), None, SCHEMA)
    return view


@pytest.fixture
def jobs() -> MagicMock:
    return MagicMock(spec=ResultsJobs)


@pytest.fixture
def presenter(view, jobs) -> ResultsPresenter:
    presenter = ResultsPresenter(view, jobs)
    presenter.inputs_changed(READY)
    return presenter


def said(presenter: ResultsPresenter) -> tuple[str, str]:
    """The last sentence and its level."""
    text, *level = presenter.view.say.call_args.args
    return text, level[0] if level else "info"


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
        assert "Train first" in said(presenter)[0]

    def test_works_with_an_earlier_run(self, presenter, jobs):
        presenter.use_run(RUN)
        presenter.predict()
        assert jobs.predict.call_args.args[0] == RUN
        assert presenter.screen.predicting
        presenter.predict()
        assert jobs.predict.call_count == 1, "one at a time"

    def test_comes_by_itself_when_a_training_is_done(self, presenter, jobs):
        presenter.run_completed(RUN)
        assert jobs.predict.call_args.args[0] == RUN

    def test_layers_that_can_t_be_read_are_told(self, presenter, view, jobs):
        view.snapshot.side_effect = InvalidInput("The values are too large.")
        presenter.run_completed(RUN)
        assert said(presenter) == ("The values are too large.", "error")
        jobs.predict.assert_not_called()

    def test_a_failure_is_told_and_it_can_be_tried_again(self, presenter):
        presenter.run_completed(RUN)
        presenter.failed("Memory ran out.")
        assert said(presenter) == ("Memory ran out.", "error")
        assert presenter.screen.why_not_predict is None

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
        assert "Mean Dice 1.000" in said(presenter)[0]

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
        assert "Choose a reference" in said(presenter)[0]

    def test_a_reference_that_does_not_fit_is_told(self, presenter):
        presenter.predicted(self.outcome(note="The reference has strange values."))
        assert "strange values" in said(presenter)[0]
        assert said(presenter)[1] == "warning"
