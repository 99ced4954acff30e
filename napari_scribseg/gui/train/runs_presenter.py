"""What the list of runs decides: which run is looked at, with its curves and previews. No Qt.

The chosen run is the user's: no event changes it, but for the training that the user has just
begun. All calls, in both directions, are made in the GUI thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from napari_scribseg.core.types import Array
from napari_scribseg.gui.train.run_cards import RunCard
from napari_scribseg.gui.values import Level
from napari_scribseg.runs.history import History

PreviewScores = Mapping[int, Mapping[str, float | None]]
"""Dice of previews by step and class."""


class RunsView(Protocol):
    """What the presenter asks of the tab."""

    def show_runs(self, cards: Sequence[RunCard], chosen: Path | None) -> None:
        """Show the runs of the project, one of them chosen."""
        ...

    def show_history(self, history: History | None) -> None:
        """Show the curves of the chosen run."""
        ...

    def show_previews(self, steps: Sequence[int], scores: PreviewScores) -> None:
        """Offer the previews of these steps, and show the Dice of those that could be scored."""
        ...

    def show_preview(self, step: int, segmentation: Array | None) -> None:
        """Show a preview (z, y, x) on the image; None = take it away."""
        ...

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence, which stays until the next one."""
        ...

    def run_chosen(self, run: Path) -> None:
        """The user has chosen a run with weights: it predicts from now on."""
        ...

    def runs_changed(self) -> None:
        """Runs that can predict have come or gone."""
        ...


class RunsJobs(Protocol):
    """What the presenter asks to be done in the background."""

    def list_runs(self) -> None:
        """Read the runs of the project, and the visited; tells `runs_listed`."""
        ...

    def load_history(self, run: Path) -> None:
        """Read what a run has told so far; tells `history_loaded`."""
        ...

    def load_previews(self, run: Path, step: int | None) -> None:
        """Look up the previews of a run; tells `previews_found`, and loads one of a step."""
        ...

    def delete(self, runs: Sequence[Path]) -> None:
        """Delete runs; tells `runs_deleted`."""
        ...


@dataclass
class RunsPresenter:
    """The brain of the list of runs."""

    view: RunsView
    jobs: RunsJobs
    cards: tuple[RunCard, ...] = ()
    chosen: Path | None = None
    """The run whose card is shown."""
    visited: Path | None = None
    """A run of an experiment that is looked at beside those of the project."""
    trained: Path | None = None
    """The run that is being trained."""
    history: History = field(default_factory=History)
    """Of the run that is being trained."""
    shows_previews: bool = True
    _listed: bool = False

    # What the user does

    def choose(self, run: Path | None) -> None:
        """Look at a run; it predicts from now on if it has weights."""
        card = self.card_of(run)
        self.show(run)
        if run is not None and card is not None and card.has_weights and not card.is_guest:
            self.view.run_chosen(run)

    def visit(self, run: Path) -> None:
        """Show a run that lies elsewhere; it can be looked at, and nothing else."""
        self.visited = run
        self.show(run)
        self.jobs.list_runs()

    def look_at_guest(self) -> None:
        """Look again at the visited, if it is shown and being trained."""
        card = next((c for c in self.cards if c.is_guest), None)
        if card is not None and card.folder == self.chosen and card.state == "running":
            self.jobs.load_history(card.folder)
            self.jobs.list_runs()

    def preview(self, step: int) -> None:
        """Show what the chosen run made of the case at a step."""
        if self.chosen is not None and self.shows_previews:
            self.jobs.load_previews(self.chosen, step)

    def show_previews(self, shown: bool, step: int | None) -> None:
        """Show previews from now on, or none any more."""
        self.shows_previews = shown
        if not shown:
            self.view.show_preview(0, None)
        elif step is not None:
            self.preview(step)

    def delete(self, runs: Sequence[Path]) -> None:
        """Delete runs, after the user was asked."""
        self.jobs.delete(runs)

    # What the training tells

    def show(self, run: Path | None) -> None:
        """Look at a run; what predicts stays as it is."""
        self.chosen = run
        if run is None:
            self.view.show_history(None)
            self.view.show_previews((), {})
            return
        if run == self.trained:
            self.view.show_history(self.history)
        else:
            self.jobs.load_history(run)
        self.jobs.load_previews(run, None)

    def begin(self, run: Path, history: History, *, look: bool) -> None:
        """A run is being trained now; it is looked at if the user has just begun it."""
        self.trained, self.history = run, history
        if look:
            self.chosen = run
            self.view.show_history(history if history.losses else None)
            self.view.show_previews((), {})
            self.view.show_runs(self.cards, run)
            if history.losses:
                self.jobs.load_previews(run, None)
        self.jobs.list_runs()

    def draw_course(self) -> None:
        """The curves of the run in training have grown."""
        if self.chosen == self.trained:
            self.view.show_history(self.history)

    def previewed(self, step: int) -> None:
        """The run in training has made a preview."""
        if self.trained is not None and self.trained == self.chosen:
            self.jobs.load_previews(self.trained, step if self.shows_previews else None)

    def end(self) -> None:
        """Nothing is being trained any more."""
        self.trained = None
        self.jobs.list_runs()

    # What the jobs report

    def runs_listed(self, cards: tuple[RunCard, ...]) -> None:
        """The runs of the project were read."""
        first, self._listed, self.cards = not self._listed, True, cards
        folders = {card.folder for card in cards}
        if self.chosen is not None and self.chosen not in {*folders, self.visited, self.trained}:
            self.chosen = None
            self.view.show_history(None)
            self.view.show_previews((), {})
        self.view.show_runs(cards, self.chosen)
        if self.chosen is None and self.trained is None:
            self._propose(first=first)

    def forget(self) -> None:
        """Another project has come: nothing is known of its runs."""
        self._listed, self.chosen, self.cards = False, None, ()
        self.show(None)

    def _propose(self, *, first: bool) -> None:
        """Look at the newest run; only when the window opens it predicts, if it was completed."""
        own = [card for card in self.cards if not card.is_guest]
        able = [card for card in own if card.has_weights]
        done = next((card for card in able if card.state == "completed"), None)
        shown = done or next(iter([*able, *own]), None)
        if shown is None:
            return
        if first and shown is done:
            self.choose(shown.folder)
        else:
            self.show(shown.folder)
        self.view.show_runs(self.cards, self.chosen)

    def history_loaded(self, run: Path, history: History) -> None:
        """What a run has told so far was read."""
        if run == self.chosen and run != self.trained:
            self.view.show_history(history)

    def previews_found(self, run: Path, steps: Sequence[int], scores: PreviewScores) -> None:
        """The previews of a run were looked up, and scored where there is a reference."""
        if run == self.chosen:
            self.view.show_previews(steps, scores)

    def preview_loaded(self, run: Path, step: int, segmentation: Array) -> None:
        """A preview of the shown case was read."""
        if run == self.chosen and self.shows_previews:
            self.view.show_preview(step, segmentation)

    def runs_deleted(self, runs: Sequence[Path]) -> None:
        """Runs are gone."""
        which = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
        self.view.say(f"Deleted: {which}.")
        self.view.runs_changed()
        self.jobs.list_runs()

    def refused(self, message: str) -> None:
        """Something could not be done."""
        self.view.say(message, "error")
        self.jobs.list_runs()

    def card_of(self, run: Path | None) -> RunCard | None:
        """What is known of a run."""
        return next((card for card in self.cards if card.folder == run), None)
