"""What the Train tab decides: which button works, what is said, what happens next. No Qt.

The presenter talks to a view (the tab) that shows a `TrainingScreen`, and to jobs that do the slow
work elsewhere and report back through the methods under "What the jobs report". All calls, in both
directions, are made in the GUI thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal, Protocol

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.events import (
    Event,
    Finished,
    Prepared,
    Previewed,
    Relabelled,
    Saved,
    Started,
    Stepped,
    Validated,
    Warned,
)
from napari_scribseg.core.types import Array
from napari_scribseg.gui.train.run_cards import Action, RunCard
from napari_scribseg.gui.values import Choice, Inputs, Level, Snapshot
from napari_scribseg.gui.widgets.numbers import duration, progress_text
from napari_scribseg.runs.history import History

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
    paused: bool = False
    estimate: str = ""
    """About what a training with the shown settings takes."""


class TrainingView(Protocol):
    """What the presenter asks of the tab."""

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show this state."""
        ...

    def show_runs(self, cards: Sequence[RunCard], chosen: Path | None) -> None:
        """Show the runs of the project, one of them chosen."""
        ...

    def show_history(self, history: History | None) -> None:
        """Show the curves of the chosen run."""
        ...

    def show_previews(
        self, steps: Sequence[int], scores: Mapping[int, Mapping[str, float | None]]
    ) -> None:
        """Offer the previews of these steps, and show the Dice of those that could be scored."""
        ...

    def show_preview(self, step: int, segmentation: Array | None) -> None:
        """Show a preview (z, y, x) on the image; None = take it away."""
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

    def show_log(self, run: Path) -> None:
        """Show what the training process of a run printed."""
        ...

    def has_weights(self, run: Path) -> None:
        """A run has weights that can predict now."""
        ...

    def completed(self, run: Path) -> None:
        """A run has used up its budget."""
        ...


class TrainingJobs(Protocol):
    """What the presenter asks to be done in the background."""

    def train(self, snapshot: Snapshot, choice: Choice, continues: Path | None) -> None:
        """Write a run and train it in a child process, from the weights of another if given."""
        ...

    def train_more(self, snapshot: Snapshot, run: Path) -> None:
        """The same, with the settings and the weights of a run."""
        ...

    def queue(self, snapshot: Snapshot, choices: Sequence[Choice]) -> None:
        """Write runs that are trained one after another; tells `queued`."""
        ...

    def train_next(self) -> None:
        """Train the run whose turn it is, if one waits."""
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

    def list_runs(self) -> None:
        """Read the runs of the project, and the visited; tells `runs_listed`."""
        ...

    def load_history(self, run: Path) -> None:
        """Read what a run has told so far; tells `history_loaded`."""
        ...

    def load_previews(self, run: Path, step: int | None) -> None:
        """Look up the previews of a run; tells `previews_found`, and loads one of a step."""
        ...

    def delete(self, run: Path) -> None:
        """Delete a run."""
        ...

    def estimate(self, choice: Choice, classes: int) -> None:
        """Measure about what a training takes; tells `estimated`."""
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
    chosen: Path | None = None
    """The run whose card is shown."""
    cards: tuple[RunCard, ...] = ()
    visited: Path | None = None
    """A run of an experiment that is looked at beside those of the project."""
    history: History = field(default_factory=History)
    """Of the run that is trained."""
    shows_previews: bool = True
    _estimates: dict[str, str] = field(default_factory=dict)
    _wanted_estimate: str = ""

    # What the user does

    def inputs_changed(self, inputs: Inputs) -> None:
        """Other layers were chosen, or something was drawn."""
        self.inputs = inputs
        self._update()

    def train(self, choice: Choice) -> None:
        """Train on the chosen layers."""
        snapshot = self._snapshot()
        if snapshot is None:
            return
        if not _can_learn(choice, snapshot):
            self.view.say(
                "This method learns from a dense reference: choose one in the Case tab, or take a "
                "method that learns from scribbles.",
                "warning",
            )
            return
        self._prepare("Writing the run folder …")
        self.jobs.train(snapshot, choice, None)

    def train_all(self, choices: Sequence[Choice]) -> None:
        """Train with each of these settings that the case has labels for, one after another."""
        snapshot = self._snapshot()
        if snapshot is not None:
            possible = [choice for choice in choices if _can_learn(choice, snapshot)]
            self._prepare(f"Writing {len(possible)} run folders …")
            self.jobs.queue(snapshot, possible)

    def act(self, action: Action, run: Path) -> None:
        """Do something with a run."""
        match action:
            case "pause" | "go on":
                halt = action == "pause"
                self.jobs.request("pause" if halt else "resume")
                self._update(paused=halt)
                self.view.say("Paused; Continue goes on." if halt else "Training goes on.")
                self.jobs.list_runs()
            case "finish" | "abort":
                self.stop(keep_going_to_best=action == "finish")
            case "more":
                snapshot = self._snapshot()
                if snapshot is not None:
                    self._prepare(f"Starting from the weights of {run.name} …")
                    self.jobs.train_more(snapshot, run)
            case "delete":
                self.jobs.delete(run)
            case "start" | "resume":
                if self.screen.phase is not Phase.IDLE:
                    self.view.say(_busy(self.screen.phase), "warning")
                    return
                self._prepare(f"Starting {run.name} …")
                self.jobs.start(run)
            case "log":
                self.view.show_log(run)

    def choose(self, run: Path | None) -> None:
        """Show the card of a run; it predicts if it has weights."""
        self.chosen = run
        card = next((c for c in self.cards if c.folder == run), None)
        if run is None:
            self.view.show_history(None)
            self.view.show_previews((), {})
            return
        if run == self.run and self.screen.phase is not Phase.IDLE:
            self.view.show_history(self.history)
        else:
            self.jobs.load_history(run)
        self.jobs.load_previews(run, None)
        if card is not None and card.has_weights and not card.is_guest:
            self.view.has_weights(run)

    def visit(self, run: Path) -> None:
        """Show a run that lies elsewhere; it can be looked at, and nothing else."""
        self.visited = run
        self.choose(run)
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

    def want_estimate(self, choice: Choice | None) -> None:
        """Say about what a training with these settings takes, once nothing is being trained."""
        if choice is None or self.inputs is None:
            return
        classes = len(self.inputs.schema.names) - 1
        key = repr((choice, classes))
        if key == self._wanted_estimate:
            return
        self._wanted_estimate = key
        if key in self._estimates or self.screen.phase is not Phase.IDLE:
            self._update(estimate=self._estimates.get(key, ""))
            return
        self._update(estimate="Measuring memory and time …")
        self.jobs.estimate(choice, classes)

    def stop(self, *, keep_going_to_best: bool = False) -> None:
        """End the training now, or let it finish with the best weights so far."""
        if not self.screen.can_stop:
            return
        text = "Finishing with the best weights …" if keep_going_to_best else "Stopping …"
        if self.screen.paused:
            self.jobs.request("resume")
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
        self.chosen = run
        self.history, self._has_weights = History(), False
        stopping = self.screen.phase is Phase.STOPPING
        self.view.show_history(None)
        self.view.show_previews((), {})
        self.jobs.list_runs()
        self._enter(
            Phase.STOPPING if stopping else Phase.TRAINING,
            "Starting the training process …",
            share=None,
        )

    def continued(self, history: History) -> None:
        """The run that is trained has been trained before: its curves go on."""
        history.end = None
        self.history = history
        self._show_course()

    def followed(self, run: Path, history: History, *, paused: bool) -> None:
        """A run that trains without us is followed from now on."""
        self.run = self.chosen = run
        self.history, self._steps = history, history.steps
        self.view.show_runs(self.cards, run)
        self.view.show_history(history)
        self.jobs.load_previews(run, None)
        self.view.device_used(history.device)
        self._enter(Phase.TRAINING, f"{run.name} is still being trained.", paused=paused)

    def queued(self, count: int) -> None:
        """Runs were written that wait for their turn."""
        self._enter(Phase.IDLE, f"{count} runs are trained one after another.")
        self.jobs.train_next()

    def runs_listed(self, cards: tuple[RunCard, ...]) -> None:
        """The runs of the project were read."""
        first, self.cards = not self.cards, cards
        folders = {card.folder for card in cards}
        idle = self.screen.phase is Phase.IDLE
        own = [card for card in cards if not card.is_guest]
        going = next((c for c in own if c.state in ("running", "paused")), None)
        if self.chosen not in folders and self.chosen != self.visited:
            self.chosen = None
        self.view.show_runs(cards, self.chosen)
        if idle and going is not None and first:
            self._prepare("Looking at the training …")
            self.jobs.watch(going.folder)
        elif idle and self.chosen is None:
            newest = next((c.folder for c in own if c.has_weights), None)
            self.choose(newest or (own[0].folder if own else None))
            self.view.show_runs(cards, self.chosen)

    def history_loaded(self, run: Path, history: History) -> None:
        """What a run has told so far was read."""
        if run == self.chosen:
            self.view.show_history(history)

    def previews_found(
        self, run: Path, steps: Sequence[int], scores: Mapping[int, Mapping[str, float | None]]
    ) -> None:
        """The previews of a run were looked up, and scored where there is a reference."""
        if run == self.chosen:
            self.view.show_previews(steps, scores)

    def preview_loaded(self, run: Path, step: int, segmentation: Array) -> None:
        """A preview of the shown case was read."""
        if run == self.chosen and self.shows_previews:
            self.view.show_preview(step, segmentation)

    def run_deleted(self, run: Path) -> None:
        """A run is gone."""
        self.view.say(f"{run.name} was deleted.")
        self.jobs.list_runs()

    def estimated(self, choice: Choice, classes: int, text: str) -> None:
        """About what a training with these settings takes was measured."""
        key = repr((choice, classes))
        self._estimates[key] = text
        if key == self._wanted_estimate:
            self._update(estimate=text)

    def happened(self, event: Event) -> None:
        """The training told something."""
        self.history.take(event)
        match event:
            case Started():
                self._steps = event.steps
                self.view.device_used(f"{event.device}, {event.precision}")
                outside = ""
                if event.enclosed_slices:
                    outside = (
                        f" Background goes around everything on {event.enclosed_slices} of them: "
                        "what lies outside counts as background, too."
                    )
                text = f"Training on {event.device} ({event.precision}), {event.slices} slices."
                self.view.say(text + outside)
            case Prepared():
                text = f"Preparing {event.case} ({event.done} of {event.total})"
                self._update(share=event.done / max(1, event.total), progress_text=text)
            case Stepped():
                self._show_course()
                self._update(share=event.progress, progress_text=progress_text(event, self._steps))
            case Previewed() if self.run is not None and self.run == self.chosen:
                self.jobs.load_previews(self.run, event.step if self.shows_previews else None)
            case Validated() if event.mean is not None:
                self._show_course()
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
        self._enter(Phase.IDLE, message, level="error", paused=False)
        self.jobs.list_runs()

    def refused(self, message: str) -> None:
        """Something beside the training could not be done."""
        self.view.say(message, "error")
        self.jobs.list_runs()

    def _show_course(self) -> None:
        if self.chosen == self.run:
            self.view.show_history(self.history)

    def _snapshot(self) -> Snapshot | None:
        """The chosen layers, if a training may begin; else the user learns why not."""
        if self.screen.why_not_train is not None:
            self.view.say(self.screen.why_not_train, "warning")
            return None
        try:
            return self.view.snapshot()
        except ScribsegError as error:
            self.view.say(str(error), "error")
            return None

    def _prepare(self, text: str) -> None:
        self.run = None
        self._enter(Phase.PREPARING, text, share=None, warnings=(), paused=False)

    def _finished(self, event: Finished) -> None:
        took = duration(event.seconds)
        self.view.device_used("")
        self._update(paused=False)
        if event.outcome == "completed":
            self._enter(Phase.IDLE, f"Trained {event.step} steps in {took}.", level="good")
            # In the middle of a queue nobody wants to be taken to the results of each.
            if self.run is not None and not any(c.state == "waiting" for c in self.cards):
                self.view.completed(self.run)
        elif event.outcome == "stopped":
            self._enter(Phase.IDLE, f"Stopped after {event.step} steps ({took}).")
        else:
            self._enter(Phase.IDLE, event.message, level="error")
        self.jobs.list_runs()
        if event.outcome != "stopped":  # whoever stops one wants quiet; Start goes on
            self.jobs.train_next()

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
        if inputs.problem is not None:
            return inputs.problem
        if inputs.scribbles is None:
            return "There are no scribbles yet: press New and draw some strokes."
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


def _can_learn(choice: Choice, snapshot: Snapshot) -> bool:
    """Whether the case has the labels that the method learns from."""
    return snapshot.reference is not None or not choice.uses_references


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _busy(phase: Phase) -> str:
    doing = {
        Phase.PREPARING: "A training is being prepared",
        Phase.TRAINING: "A training is running",
        Phase.STOPPING: "A training is being stopped",
    }
    return f"{doing[phase]}; wait until it has ended."
