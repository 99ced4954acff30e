"""What the Train tab decides: which button works, what is said, what happens next. No Qt.

The presenter talks to a view (the tab) that shows a `TrainingScreen`, and to jobs that do the slow
work elsewhere and report back through the methods under "What the jobs report". All calls, in both
directions, are made in the GUI thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol

from napari_scribseg.errors import ScribsegError
from napari_scribseg.events import (
    Event,
    Finished,
    Prepared,
    Relabelled,
    Saved,
    Started,
    Stepped,
    Validated,
    Warned,
)
from napari_scribseg.gui.values import Choice, Inputs, Level, Snapshot
from napari_scribseg.gui.wording import duration, progress_text

_MOST_WARNINGS = 3
"""The tab shows the latest warnings, not a scrolling log."""


class Phase(Enum):
    """What is going on."""

    IDLE = auto()
    PREPARING = auto()
    TRAINING = auto()
    STOPPING = auto()


@dataclass(frozen=True)
class TrainingScreen:
    """Everything the tab shows that is not a form."""

    phase: Phase = Phase.IDLE
    warnings: tuple[str, ...] = ()
    why_not_train: str | None = None
    share: float | None = 0.0
    """Progress 0..1; None = something is going on, for an unknown time."""
    progress_text: str = ""
    can_stop: bool = False


class TrainingView(Protocol):
    """What the presenter asks of the tab."""

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show this state."""
        ...

    def show_loss(self, step: int, loss: float) -> None:
        """Add a point to the curve."""
        ...

    def clear_losses(self) -> None:
        """Begin a new curve."""
        ...

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence, which stays until the next one."""
        ...

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now. Raises ScribsegError when they don't fit."""
        ...

    def has_weights(self, run: Path) -> None:
        """A run has weights that can predict now."""
        ...

    def completed(self, run: Path) -> None:
        """A run has used up its budget."""
        ...


class TrainingJobs(Protocol):
    """What the presenter asks to be done in the background."""

    def train(self, snapshot: Snapshot, choice: Choice) -> None:
        """Write a run and train it in a child process."""
        ...

    def stop(self, *, keep_going_to_best: bool) -> None:
        """End the training: at once, or as if its budget were used up."""
        ...


@dataclass
class TrainingPresenter:
    """The brain of the Train tab."""

    view: TrainingView
    jobs: TrainingJobs
    screen: TrainingScreen = field(default_factory=TrainingScreen)
    run: Path | None = None
    """The run that is trained or was trained last."""
    inputs: Inputs | None = None
    methods_ready: bool = False
    _steps: int | None = None
    _has_weights: bool = False

    # What the user does

    def inputs_changed(self, inputs: Inputs) -> None:
        """Other layers were chosen, or something was drawn."""
        self.inputs = inputs
        self._update()

    def train(self, choice: Choice) -> None:
        """Train on the chosen layers."""
        if self.screen.why_not_train is not None:
            self.view.say(self.screen.why_not_train, "warning")
            return
        try:
            snapshot = self.view.snapshot()
        except ScribsegError as error:
            self.view.say(str(error), "error")
            return
        self.view.clear_losses()
        self.run, self._has_weights = None, False
        self._enter(Phase.PREPARING, "Writing the run folder …", share=None, warnings=())
        self.jobs.train(snapshot, choice)

    def stop(self, *, keep_going_to_best: bool = False) -> None:
        """End the training now, or let it finish with the best weights so far."""
        if not self.screen.can_stop:
            return
        text = "Finishing with the best weights …" if keep_going_to_best else "Stopping …"
        self._enter(Phase.STOPPING, text, share=None)
        self.jobs.stop(keep_going_to_best=keep_going_to_best)

    # What the jobs report

    def methods_loaded(self) -> None:
        """The methods can be chosen now."""
        self.methods_ready = True
        self._update()

    def run_started(self, run: Path) -> None:
        """The run folder is written and its training process has been started."""
        self.run = run
        stopping = self.screen.phase is Phase.STOPPING
        self._enter(
            Phase.STOPPING if stopping else Phase.TRAINING,
            "Starting the training process …",
            share=None,
        )

    def happened(self, event: Event) -> None:
        """The training told something."""
        match event:
            case Started():
                self._steps = event.steps
                self.view.say(
                    f"Training on {event.device} ({event.precision}), {event.slices} slices."
                )
            case Prepared():
                text = f"Preparing {event.case} ({event.done} of {event.total})"
                self._update(share=event.done / max(1, event.total), progress_text=text)
            case Stepped():
                self.view.show_loss(event.step, event.loss)
                self._update(share=event.progress, progress_text=progress_text(event, self._steps))
            case Validated() if event.mean is not None:
                best = ", the best so far" if event.best else ""
                self.view.say(f"Step {event.step}: {event.measure} {event.mean:.3f}{best}.")
            case Relabelled():
                self.view.say(
                    f"New pseudo-labels at step {event.step}: {event.changed:.0%} changed."
                )
            case Saved() if self.run is not None and not self._has_weights:
                self._has_weights = True
                self.view.has_weights(self.run)
            case Warned():
                known = [w for w in self.screen.warnings if w != event.message]
                self._update(warnings=(*known, event.message)[-_MOST_WARNINGS:])
            case Finished():
                self._finished(event)
            case _:
                pass

    def failed(self, message: str) -> None:
        """Something in the background went wrong."""
        self._enter(Phase.IDLE, message, level="error")

    def _finished(self, event: Finished) -> None:
        took = duration(event.seconds)
        if event.outcome == "completed":
            self._enter(Phase.IDLE, f"Trained {event.step} steps in {took}.", level="good")
            if self.run is not None:
                self.view.completed(self.run)
        elif event.outcome == "stopped":
            self._enter(Phase.IDLE, f"Stopped after {event.step} steps ({took}).")
        else:
            self._enter(Phase.IDLE, event.message, level="error")

    def _enter(
        self,
        phase: Phase,
        text: str,
        *,
        level: Level = "info",
        share: float | None = 0.0,
        **more: Any,
    ) -> None:
        self._update(phase=phase, share=share, progress_text="", **more)
        self.view.say(text, level)

    def _update(self, **changes: Any) -> None:
        screen = replace(self.screen, **changes)
        self.screen = replace(
            screen,
            why_not_train=self._why_not_train(screen.phase),
            can_stop=screen.phase is Phase.TRAINING,
        )
        self.view.show_screen(self.screen)

    def _why_not_train(self, phase: Phase) -> str | None:
        if phase is not Phase.IDLE:
            return _busy(phase)
        if not self.methods_ready:
            return "The list of methods is still loading."
        inputs = self.inputs
        if inputs is None or inputs.image is None:
            return "Choose an image, or open a case."
        if inputs.scribbles is None:
            return "There are no scribbles yet: press New and draw some strokes."
        if inputs.problem is not None:
            return inputs.problem
        if inputs.drawn is None:
            return "The strokes are being counted."
        missing = [
            name
            for value, name in inputs.schema.scribble_values.items()
            if not inputs.drawn.get(value)
        ]
        if missing:
            return (
                f"Draw at least one stroke of {_listed(missing)}: every class, background "
                "included, must be drawn."
            )
        return None


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _busy(phase: Phase) -> str:
    doing = {
        Phase.PREPARING: "A training is being prepared",
        Phase.TRAINING: "A training is running",
        Phase.STOPPING: "A training is being stopped",
    }
    return f"{doing[phase]}; wait until it has ended."
