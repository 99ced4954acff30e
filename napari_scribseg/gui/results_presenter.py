"""What the Results tab decides: whether prediction is possible, and what its answer means. No Qt.

The presenter talks to a view (the tab) and to jobs that do the slow work elsewhere and report back.
All calls, in both directions, are made in the GUI thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from napari_scribseg.errors import ScribsegError
from napari_scribseg.gui.values import Inputs, Level, Outcome, Snapshot
from napari_scribseg.gui.wording import Row, mean_dice, score_rows


@dataclass(frozen=True)
class ResultsScreen:
    """Everything the tab shows that is not a form or a table."""

    predicting: bool = False
    why_not_predict: str | None = None


class ResultsView(Protocol):
    """What the presenter asks of the tab."""

    def show_screen(self, screen: ResultsScreen) -> None:
        """Show this state."""
        ...

    def show_outcome(self, outcome: Outcome) -> None:
        """Put a prediction into the viewer."""
        ...

    def show_scores(self, rows: Sequence[Row]) -> None:
        """Show the table of scores; empty = there is nothing to compare with."""
        ...

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence, which stays until the next one."""
        ...

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now. Raises ScribsegError when they don't fit."""
        ...


class ResultsJobs(Protocol):
    """What the presenter asks to be done in the background."""

    def predict(self, run: Path, snapshot: Snapshot) -> None:
        """Segment the image of a snapshot with a trained run."""
        ...


@dataclass
class ResultsPresenter:
    """The brain of the Results tab."""

    view: ResultsView
    jobs: ResultsJobs
    screen: ResultsScreen = field(default_factory=ResultsScreen)
    run: Path | None = None
    """The run whose weights predict; None = nothing is trained yet."""
    inputs: Inputs | None = None

    # What the user does

    def inputs_changed(self, inputs: Inputs) -> None:
        """Other layers were chosen."""
        self.inputs = inputs
        self._update(predicting=self.screen.predicting)

    def use_run(self, run: Path) -> None:
        """Predict with this run, which has weights, from now on."""
        self.run = run
        self._update(predicting=self.screen.predicting)

    def run_completed(self, run: Path) -> None:
        """A training is done: show at once what it has learnt."""
        self.use_run(run)
        if self.screen.why_not_predict is None:
            self.predict()

    def predict(self) -> None:
        """Segment the chosen image with the current run."""
        if self.screen.why_not_predict is not None or self.run is None:
            self.view.say(self.screen.why_not_predict or "Train first.", "warning")
            return
        try:
            snapshot = self.view.snapshot()
        except ScribsegError as error:
            self.view.say(str(error), "error")
            return
        self._update(predicting=True)
        self.view.say(f"Segmenting {snapshot.case} …")
        self.jobs.predict(self.run, snapshot)

    # What the jobs report

    def predicted(self, outcome: Outcome) -> None:
        """A prediction has come back."""
        self.view.show_outcome(outcome)
        self.view.show_scores(score_rows(outcome.scores or (), outcome.schema))
        text = f"{outcome.case} is segmented."
        if outcome.scores:
            text += f" Mean Dice {mean_dice(outcome.scores)}."
        else:
            text += " " + (outcome.note or "Choose a reference to get Dice and HD95.")
        self._update(predicting=False)
        self.view.say(text, "warning" if outcome.note else "good")

    def failed(self, message: str) -> None:
        """The prediction went wrong."""
        self._update(predicting=False)
        self.view.say(message, "error")

    def _update(self, *, predicting: bool) -> None:
        self.screen = ResultsScreen(predicting, self._why_not_predict(predicting))
        self.view.show_screen(self.screen)

    def _why_not_predict(self, predicting: bool) -> str | None:
        if predicting:
            return "A prediction is running; wait until it has ended."
        if self.run is None:
            return "Train first, or choose an earlier run."
        if self.inputs is None or self.inputs.image is None:
            return "Choose an image, or open a case."
        return self.inputs.problem
