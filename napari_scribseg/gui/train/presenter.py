"""What the Train tab decides: which button works, what is said, what happens next. No Qt.

The presenter talks to a view (the tab) that shows a `TrainingScreen`, and to jobs that do the slow
work elsewhere and report back through the methods under "What the jobs report". What it tells of a
run goes to the presenter of the list of runs. All calls, in both directions, are made in the GUI
thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.events import Event, Finished
from napari_scribseg.gui.train import budget
from napari_scribseg.gui.train.budget import Speed
from napari_scribseg.gui.train.interfaces import TrainingJobs, TrainingView
from napari_scribseg.gui.train.run_cards import Action
from napari_scribseg.gui.train.runs_presenter import RunsPresenter
from napari_scribseg.gui.train.screen import Phase, TrainingScreen
from napari_scribseg.gui.train.told import before_and_after, ending_of, told_of, why_not_train
from napari_scribseg.gui.values import Choice, Inputs, Level, Snapshot
from napari_scribseg.methods.registry import title_of, usual_steps
from napari_scribseg.runs.history import History

_FEWEST_STEPS = 20
"""With fewer, the first slow steps would count too much."""
_WORDS: Mapping[Action, Literal["pause", "resume", "finish", "stop"]] = {
    "pause": "pause",
    "go on": "resume",
    "finish": "finish",
    "abort": "stop",
}


@dataclass
class TrainingPresenter:
    """The brain of the Train tab."""

    view: TrainingView
    jobs: TrainingJobs
    runs: RunsPresenter
    screen: TrainingScreen = field(default_factory=TrainingScreen)
    run: Path | None = None
    """The run that is trained or was trained last."""
    inputs: Inputs | None = None
    methods_ready: bool = False
    speeds: dict[str, Speed] = field(default_factory=dict)
    """What steps take, by what they were measured with."""
    _choice: Choice | None = None
    """The settings that are shown."""
    _trained: Choice | None = None
    """The settings of the training that goes on, if it was begun with settings of its own."""
    _continues: Path | None = None
    """The run whose weights the training began with."""
    _looks: bool = True
    """Whether the user wants to look at the run that begins."""
    _announced: bool = False
    _looked_for_others: bool = False

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
        if choice.uses_references and snapshot.reference is None:
            self.view.say(
                "This method learns from a dense reference: choose one in the Case tab, or take a "
                "method that learns from scribbles.",
                "warning",
            )
            return
        self._prepare("Writing the run folder …", choice.method)
        self._trained = choice
        self.jobs.train(snapshot, choice, None)

    def train_several(self, choices: Sequence[Choice]) -> None:
        """Train with each of these settings, one after another; the user has chosen them."""
        snapshot = self._snapshot()
        if snapshot is not None and choices:
            self._prepare(f"Writing {len(choices)} run folders …", choices[0].method)
            self.jobs.queue(snapshot, choices)

    def go_on_with_queue(self) -> None:
        """Train the runs that wait from now on, one after another."""
        if self.screen.phase is Phase.IDLE:
            self._update(queue_on=True)
            self.jobs.train_next()

    def clear_queue(self) -> None:
        """Let no run wait any more; what waits was never trained."""
        self._update(queue_on=False)
        self.jobs.clear_queue()

    def act(self, action: Action, run: Path, settings: Mapping[str, Any] | None = None) -> None:
        """Do something with a run.

        Args:
            action: what.
            run: its folder.
            settings: budget and validation for "more".
        """
        if action in _WORDS and run != self.run:
            self.jobs.ask(run, _WORDS[action])
        elif action in ("pause", "go on"):
            self.pause(on=action == "pause")
        elif action in ("finish", "abort"):
            self.stop(keep_going_to_best=action == "finish")
        elif action == "more":
            self._train_more(run, settings or {})
        elif action in ("start", "resume"):
            if self.screen.phase is not Phase.IDLE:
                self.view.say(self.screen.why_not_train or "", "warning")
                return
            self._prepare(f"Starting {run.name} …", self._method_of(run))
            self.jobs.start(run)

    def pause(self, *, on: bool) -> None:
        """Halt the training, or let it go on."""
        self.jobs.request("pause" if on else "resume")
        self._update(paused=on)
        self.view.say("Paused; Continue goes on." if on else "Training goes on.")
        self.runs.jobs.list_runs()

    def stop(self, *, keep_going_to_best: bool = False) -> None:
        """End the training now, or let it finish with the best weights so far."""
        if not self.screen.can_stop:
            return
        text = "Finishing with the best weights …" if keep_going_to_best else "Stopping …"
        if self.screen.paused:
            self.jobs.request("resume")
        self._enter(Phase.STOPPING, text, share=None)
        self.jobs.stop(keep_going_to_best=keep_going_to_best)

    def settings_changed(self, choice: Choice | None) -> None:
        """Other settings are shown: say at once what they take, as far as it is known."""
        self._choice = choice
        self._update()

    def measure(self) -> None:
        """Measure about what the shown settings take, once nothing is being trained."""
        choice, key = self._choice, self._key()
        if choice is None or self.inputs is None or key in self.speeds:
            return
        if self.screen.phase is Phase.IDLE:
            self._update(estimate="Measuring time and memory …")
            self.jobs.estimate(choice, self._classes)

    # What the jobs report

    def methods_loaded(self) -> None:
        """The methods can be chosen now."""
        self.methods_ready = True
        self._update()

    def run_started(self, run: Path, continues: Path | None = None) -> None:
        """A run is written and its process started; it may begin with the weights of another."""
        self.run, self._continues, self._announced = run, continues, False
        self.runs.begin(run, History(), look=self._looks)
        stopping = self.screen.phase is Phase.STOPPING
        self._enter(
            Phase.STOPPING if stopping else Phase.TRAINING,
            "Starting the training process …",
            share=None,
        )
        self.view.device_used("training")

    def continued(self, history: History) -> None:
        """The run that is trained has been trained before: its curves go on."""
        history.end = None
        self.runs.history = history
        self.runs.draw_course()

    def followed(self, run: Path, method: str, history: History, *, paused: bool) -> None:
        """A run that trains without us is followed from now on."""
        self.run, self._continues, self._announced = run, None, True
        self.runs.begin(run, history, look=True)
        self.view.device_used(history.device)
        text = f"{title_of(method)} is still being trained."
        self._enter(Phase.TRAINING, text, paused=paused, title=title_of(method), result="")

    def queued(self, count: int) -> None:
        """Runs were written that wait for their turn."""
        self._enter(Phase.IDLE, f"{count} runs are trained one after another.", queue_on=True)
        self.jobs.train_next()

    def next_taken(self, run: Path | None) -> None:
        """It is the turn of this run; None = none waits any more."""
        if run is None:
            self._update(queue_on=False)
            return
        looks = self.runs.chosen in (None, self.run)
        self.act("start", run)
        self._looks = looks

    def queue_cleared(self, count: int) -> None:
        """The runs that waited are gone."""
        self.view.say(f"{count} runs that were never trained wait no more; they are removed.")
        self.runs.jobs.list_runs()

    def runs_listed(self) -> None:
        """The list of runs is up to date."""
        cards = [card for card in self.runs.cards if not card.is_guest]
        self._update(waiting=sum(card.state == "waiting" for card in cards))
        going = next((c for c in cards if c.state in ("running", "paused")), None)
        first, self._looked_for_others = not self._looked_for_others, True
        if first and going is not None and self.screen.phase is Phase.IDLE:
            self._prepare("Looking at the training …", going.method)
            self.jobs.watch(going.folder)

    def measured(self, choice: Choice, classes: int, speed: Speed) -> None:
        """What a step takes with these settings was measured."""
        self.speeds[budget.measured_as(choice, classes)] = speed
        if self._choice is not None and self._choice.method == choice.method:
            usual = usual_steps(choice.method)
            self.view.propose_budget(budget.proposal(speed, choice.training, usual))
        self._update()

    def not_measured(self, sentence: str) -> None:
        """What a step takes could not be measured."""
        self._update(estimate=sentence)

    def happened(self, event: Event) -> None:
        """The training told something."""
        history = self.runs.history
        history.take(event)
        told = told_of(event, history, self.screen.warnings)
        if told.device is not None:
            self.view.device_used(told.device)
        if told.sentence:
            self.view.say(told.sentence)
        if told.changes:
            self._update(**told.changes)
        if told.draws:
            self.runs.draw_course()
        if event.kind == "previewed":
            self.runs.previewed(event.step)
        elif event.kind == "saved" and not self._announced:
            self._announced = True
            self.view.runs_changed()
        elif isinstance(event, Finished):
            self._finished(event)

    def ends_compared(self, run: Path, before: float | None, after: float | None) -> None:
        """The first and the last preview of a run that began with earlier weights were scored."""
        if run == self.run:
            self._conclude("Dice of the shown case", before, after)

    def failed(self, message: str) -> None:
        """Something in the background went wrong."""
        level: Level = "error"
        self._enter(Phase.IDLE, message, level=level, paused=False, result=message, queue_on=False)
        self.runs.end()

    def refused(self, message: str) -> None:
        """Something beside the training could not be done."""
        self.view.say(message, "error")
        self.runs.jobs.list_runs()

    # Inside

    @property
    def _classes(self) -> int:
        return len(self.inputs.schema.names) - 1 if self.inputs is not None else 0

    def _key(self) -> str:
        return budget.measured_as(self._choice, self._classes) if self._choice else ""

    def _method_of(self, run: Path) -> str:
        card = self.runs.card_of(run)
        return "" if card is None else card.method

    def _train_more(self, run: Path, settings: Mapping[str, Any]) -> None:
        snapshot = self._snapshot()
        if snapshot is None:
            return
        method = self._method_of(run)
        words = budget.budget_words(self._choice.training) if self._choice else "its old budget"
        self._prepare(f"{words} more of {title_of(method)}, from its weights …", method)
        self.jobs.train_more(snapshot, run, settings)

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

    def _prepare(self, text: str, method: str) -> None:
        self._looks, self._trained = True, None
        self._enter(
            Phase.PREPARING,
            text,
            share=None,
            warnings=(),
            paused=False,
            title=title_of(method),
            result="",
        )

    def _finished(self, event: Finished) -> None:
        self.view.device_used("")
        self._note_speed(event)
        text, level = ending_of(event, self.screen.title, waits=self.screen.queue_on)
        more = {"queue_on": False} if event.outcome == "stopped" else {}
        self._enter(Phase.IDLE, text, level=level, paused=False, result=text, **more)
        if event.outcome == "completed":
            self._show_what_was_learnt()
        self.runs.end()
        if self.screen.queue_on:
            self.jobs.train_next()

    def _note_speed(self, event: Finished) -> None:
        """A training tells better than an estimate what a step takes."""
        if self._trained is None or event.step < _FEWEST_STEPS:
            return
        key = budget.measured_as(self._trained, self._classes)
        known = self.speeds.get(key)
        memory = None if known is None else known.memory_mib
        self.speeds[key] = Speed(event.seconds / event.step, memory)

    def _show_what_was_learnt(self) -> None:
        if self.run is None:
            return
        if self._continues is None:
            self._complete()
            return
        ends = before_and_after(self.runs.history)
        if ends is None:
            self.jobs.compare_ends(self.run)
        else:
            self._conclude(*ends)

    def _conclude(self, name: str, before: float | None, after: float | None) -> None:
        """Say what training on has given, and let the better weights predict."""
        run, earlier = self.run, self._continues
        if run is None or earlier is None:
            return
        if before is None or after is None:
            text = f"{self.screen.result} No score tells whether that made it better."
            self._update(result=text)
            self._complete()
            return
        text = f"{name}: {before:.3f} before, {after:.3f} after ({after - before:+.3f})."
        if after < before:
            text += f" The earlier weights stay the ones that predict ({earlier.name})."
        self._update(result=f"{self.screen.result} {text}")
        self.view.say(text, "good" if after >= before else "warning")
        if after >= before:
            self._complete()
        else:
            self.view.run_chosen(earlier)

    def _complete(self) -> None:
        # In the middle of a queue nobody wants to be taken to the results of each.
        if self.run is not None and not (self.screen.queue_on and self.screen.waiting):
            self.view.completed(self.run)

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
        if "estimate" not in changes:
            changes["estimate"] = self._estimate()
        screen = replace(self.screen, **changes)
        self.screen = replace(
            screen,
            why_not_train=why_not_train(screen.phase, self.inputs, ready=self.methods_ready),
            can_stop=screen.phase is Phase.TRAINING,
        )
        self.view.show_screen(self.screen)

    def _estimate(self) -> str:
        choice, speed = self._choice, self.speeds.get(self._key())
        if choice is None or speed is None:
            return self.screen.estimate if self.screen.estimate.endswith("…") else ""
        return budget.sentence(speed, choice.training, usual_steps(choice.method))
