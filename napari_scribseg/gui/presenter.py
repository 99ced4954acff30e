"""What the dock decides: which button works, what is said, what happens next. No Qt, no napari.

The presenter talks to a view (the dock) that shows a `Screen`, and to jobs that do the slow work
elsewhere and report back through the methods under "What the jobs report". All calls, in both
directions, are made in the GUI thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal, Protocol

from napari_scribseg.config import TrainConfig
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
from napari_scribseg.gui.wording import Row, duration, mean_dice, progress_text, score_rows
from napari_scribseg.labels import LabelSchema
from napari_scribseg.metrics import ClassScore
from napari_scribseg.volume import Array, Volume

Level = Literal["info", "good", "warning", "error"]

_MOST_WARNINGS = 3
"""The status area shows the latest warnings, not a scrolling log."""


class Phase(Enum):
    """What is going on."""

    IDLE = auto()
    PREPARING = auto()
    TRAINING = auto()
    STOPPING = auto()
    PREDICTING = auto()


@dataclass(frozen=True)
class Message:
    """One sentence or two for the user."""

    text: str
    level: Level = "info"


@dataclass(frozen=True)
class Inputs:
    """What is chosen among the layers, as far as it decides what can be done.

    Args:
        image: name of the image, None = none is chosen.
        scribbles: name of the scribbles, None = none are chosen.
        reference: name of the reference, None = none is chosen.
        schema: the structures.
        drawn: voxels by scribble value; None = not counted yet.
        problem: why the chosen layers don't fit together, in a sentence.
    """

    image: str | None
    scribbles: str | None
    reference: str | None
    schema: LabelSchema
    drawn: Mapping[int, int] | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Choice:
    """What to train, with which settings."""

    method: str
    preset: str
    options: Mapping[str, Any]
    training: TrainConfig


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The chosen layers at one moment, safe to be read in another thread.

    Args:
        case: id of the case.
        image: intensities.
        scribbles: (z, y, x) scribbles, a copy; None when none are chosen.
        reference: (z, y, x) class indices, None when none is chosen.
        schema: the structures.
    """

    case: str
    image: Volume
    scribbles: Array | None
    reference: Array | None
    schema: LabelSchema


@dataclass(frozen=True, eq=False)
class Outcome:
    """A prediction that has come back, with its scores when there was a reference."""

    case: str
    segmentation: Volume
    uncertainty: Volume | None
    schema: LabelSchema
    scores: tuple[ClassScore, ...] | None
    note: str = ""
    """Why there are no scores although there is a reference."""


@dataclass(frozen=True)
class Screen:
    """Everything the view shows that is not a form."""

    phase: Phase = Phase.IDLE
    status: Message = Message("Ready.")
    warnings: tuple[str, ...] = ()
    why_not_train: str | None = None
    why_not_predict: str | None = None
    share: float | None = 0.0
    """Progress 0..1; None = something is going on, for an unknown time."""
    progress_text: str = ""
    can_stop: bool = False


class View(Protocol):
    """What the presenter asks of the dock."""

    def show_screen(self, screen: Screen) -> None:
        """Show this state."""
        ...

    def show_loss(self, step: int, loss: float) -> None:
        """Add a point to the curve."""
        ...

    def clear_losses(self) -> None:
        """Begin a new curve."""
        ...

    def show_outcome(self, outcome: Outcome) -> None:
        """Put a prediction into the viewer."""
        ...

    def show_scores(self, rows: Sequence[Row]) -> None:
        """Show the table of scores; empty = there is nothing to compare with."""
        ...

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now. Raises ScribsegError when they don't fit."""
        ...


class Jobs(Protocol):
    """What the presenter asks to be done in the background."""

    def train(self, snapshot: Snapshot, choice: Choice) -> None:
        """Write a run and train it in a child process."""
        ...

    def stop(self, *, keep_going_to_best: bool) -> None:
        """End the training: at once, or as if its budget were used up."""
        ...

    def predict(self, run: Path, snapshot: Snapshot) -> None:
        """Segment the image of a snapshot with a trained run."""
        ...


@dataclass
class Presenter:
    """The dock's brain."""

    view: View
    jobs: Jobs
    screen: Screen = field(default_factory=Screen)
    run: Path | None = None
    """The run whose weights predict; None = nothing is trained yet."""
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
            self.say(self.screen.why_not_train, "warning")
            return
        try:
            snapshot = self.view.snapshot()
        except ScribsegError as error:
            self.say(str(error), "error")
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

    def predict(self) -> None:
        """Segment the chosen image with the current run."""
        if self.screen.why_not_predict is not None or self.run is None:
            self.say(self.screen.why_not_predict or "Train first.", "warning")
            return
        try:
            snapshot = self.view.snapshot()
        except ScribsegError as error:
            self.say(str(error), "error")
            return
        self._enter(Phase.PREDICTING, f"Segmenting {snapshot.case} …", share=None)
        self.jobs.predict(self.run, snapshot)

    def use_run(self, run: Path) -> None:
        """Predict with a run that was trained earlier; not while something else is going on."""
        if self.screen.phase is not Phase.IDLE:
            self.say(_busy(self.screen.phase), "warning")
            return
        self.run, self._has_weights = run, True
        self.say(f"Predictions now come from the run {run.name}.")

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
                text = f"Training on {event.device} ({event.precision}), {event.slices} slices."
                self._update(status=Message(text))
            case Prepared():
                text = f"Preparing {event.case} ({event.done} of {event.total})"
                self._update(share=event.done / max(1, event.total), progress_text=text)
            case Stepped():
                self.view.show_loss(event.step, event.loss)
                self._update(share=event.progress, progress_text=progress_text(event, self._steps))
            case Validated() if event.mean is not None:
                best = ", the best so far" if event.best else ""
                text = f"Step {event.step}: {event.measure} {event.mean:.3f}{best}."
                self._update(status=Message(text))
            case Relabelled():
                text = f"New pseudo-labels at step {event.step}: {event.changed:.0%} changed."
                self._update(status=Message(text))
            case Saved():
                self._has_weights = True
            case Warned():
                known = [w for w in self.screen.warnings if w != event.message]
                self._update(warnings=(*known, event.message)[-_MOST_WARNINGS:])
            case Finished():
                self._finished(event)
            case _:
                pass

    def predicted(self, outcome: Outcome) -> None:
        """A prediction has come back."""
        self.view.show_outcome(outcome)
        rows = score_rows(outcome.scores or (), outcome.schema)
        self.view.show_scores(rows)
        text = f"{outcome.case} is segmented."
        if outcome.scores:
            text += f" Mean Dice {mean_dice(outcome.scores)}."
        else:
            text += " " + (outcome.note or "Choose a reference to get Dice and HD95.")
        self._enter(Phase.IDLE, text, level="warning" if outcome.note else "good")

    def failed(self, message: str) -> None:
        """Something in the background went wrong."""
        self._enter(Phase.IDLE, message, level="error")

    # Shared

    def say(self, text: str, level: Level = "info") -> None:
        """Put a sentence into the status area, where it stays until the next one."""
        self._update(status=Message(text, level))

    def _finished(self, event: Finished) -> None:
        took = duration(event.seconds)
        if event.outcome == "completed":
            self._enter(Phase.IDLE, f"Trained {event.step} steps in {took}.", level="good")
            if self.screen.why_not_predict is None:
                self.predict()
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
        self._update(
            phase=phase, status=Message(text, level), share=share, progress_text="", **more
        )

    def _update(self, **changes: Any) -> None:
        screen = replace(self.screen, **changes)
        self.screen = replace(
            screen,
            why_not_train=self._why_not_train(screen.phase),
            why_not_predict=self._why_not_predict(screen.phase),
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

    def _why_not_predict(self, phase: Phase) -> str | None:
        if phase is not Phase.IDLE:
            return _busy(phase)
        if self.run is None or not self._has_weights:
            return "Train first, or choose an earlier run."
        if self.inputs is None or self.inputs.image is None:
            return "Choose an image, or open a case."
        return self.inputs.problem


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _busy(phase: Phase) -> str:
    doing = {
        Phase.PREPARING: "A training is being prepared",
        Phase.TRAINING: "A training is running",
        Phase.STOPPING: "A training is being stopped",
        Phase.PREDICTING: "A prediction is running",
    }
    return f"{doing[phase]}; wait until it has ended."
