"""What the presenter of the Train tab asks of its view and of its jobs. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from napari_scribseg.gui.train.screen import TrainingScreen
from napari_scribseg.gui.values import Choice, Level, Snapshot


class TrainingView(Protocol):
    """What the presenter asks of the tab."""

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show this state."""
        ...

    def propose_budget(self, settings: Mapping[str, Any]) -> None:
        """Fill in a budget, unless the user has chosen one."""
        ...

    def device_used(self, text: str) -> None:
        """Say what computes now, "" = nothing does."""
        ...

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence, which stays until the next one."""
        ...

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now. Raises ScribsegError when they don't fit."""
        ...

    def runs_changed(self) -> None:
        """Runs that can predict have come or gone."""
        ...

    def completed(self, run: Path) -> None:
        """A run has used up its budget."""
        ...

    def run_chosen(self, run: Path) -> None:
        """This run predicts from now on."""
        ...


class TrainingJobs(Protocol):
    """What the presenter asks to be done in the background."""

    def train(self, snapshot: Snapshot, choice: Choice, continues: Path | None) -> None:
        """Write a run and train it in a child process, from the weights of another if given."""
        ...

    def train_more(self, snapshot: Snapshot, run: Path, settings: Mapping[str, Any]) -> None:
        """The same, with the settings of a run but for these, and with its weights."""
        ...

    def queue(self, snapshot: Snapshot, choices: Sequence[Choice]) -> None:
        """Write runs that are trained one after another; tells `queued`."""
        ...

    def train_next(self) -> None:
        """Train the run whose turn it is, if one waits; tells `next_taken`."""
        ...

    def clear_queue(self) -> None:
        """Remove the runs that wait; tells `queue_cleared`."""
        ...

    def start(self, run: Path) -> None:
        """Train a run that is there already, from its checkpoint if it has one."""
        ...

    def watch(self, run: Path) -> None:
        """Follow a run that trains already without us."""
        ...

    def request(self, what: Literal["pause", "resume"]) -> None:
        """Halt the training, or let it go on."""
        ...

    def ask(self, run: Path, what: Literal["pause", "resume", "finish", "stop"]) -> None:
        """Ask a run that somebody else trains."""
        ...

    def estimate(self, choice: Choice, classes: int) -> None:
        """Measure about what a training takes; tells `measured`."""
        ...

    def compare_ends(self, run: Path) -> None:
        """Score the first and the last preview of a run; tells `ends_compared`."""
        ...

    def stop(self, *, keep_going_to_best: bool) -> None:
        """End the training: at once, or as if its budget were used up."""
        ...
