"""What the Results tab decides: what is predicted, what is shown of it, what it says. No Qt.

The presenter talks to a view (the tab) and to jobs that do the slow work elsewhere and report back.
All calls, in both directions, are made in the GUI thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.results.comparison import Advice, Comparison, caption_of
from napari_scribseg.gui.results.run_list import RunEntry, told_apart
from napari_scribseg.gui.values import Inputs, Level, Outcome, Snapshot
from napari_scribseg.gui.widgets.numbers import mean_dice

Scope = Literal["volume", "slice", "cases", "saved"]
"""What is predicted: the shown case, its shown slice, every case of the project; or nothing, and
what was predicted before is shown."""

MOST_KEPT: Final = 12
"""Predictions kept in memory; the oldest is forgotten first (its files stay)."""

_NOTHING_FOUND: Final = (
    "No structure was found: all of it is background. Train more, or draw more strokes."
)


@dataclass(frozen=True)
class ResultsScreen:
    """Everything the tab shows that is not a form, a table or a plot."""

    predicting: bool = False
    why_not_predict: str | None = None
    progress: str = ""
    caption: str = ""
    n_runs: int = 0
    """Runs whose prediction of the shown case is in memory."""


@dataclass(frozen=True)
class Wanted:
    """How to predict.

    Args:
        z: only this slice; None = all.
        probabilities: also bring the map of every class.
    """

    z: int | None = None
    probabilities: bool = False


class ResultsView(Protocol):
    """What the presenter asks of the tab."""

    def show_screen(self, screen: ResultsScreen) -> None:
        """Show this state."""
        ...

    def show_runs(self, runs: Sequence[RunEntry], ticked: Sequence[Path]) -> None:
        """List the runs that can predict."""
        ...

    def show_verdict(self, verdict: Comparison, title: str, *, is_shown: bool) -> None:
        """Put a prediction into the viewer; the shown one also into table and plot."""
        ...

    def forget_results(self) -> None:
        """Empty table, plot and advice: they are about another case."""
        ...

    def show_advice(self, advice: Advice) -> None:
        """Show where to draw next."""
        ...

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence, which stays until the next one."""
        ...

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now. Raises ScribsegError when they don't fit."""
        ...


class ResultsJobs(Protocol):
    """What the presenter asks to be done in the background."""

    def list_runs(self) -> None:
        """Look which runs of the project can predict."""
        ...

    def predict(self, run: Path, snapshot: Snapshot, wanted: Wanted) -> None:
        """Segment the image of a snapshot with a trained run."""
        ...

    def load_saved(self, run: Path, snapshot: Snapshot) -> None:
        """Fetch the newest prediction of a case from the run's folder."""
        ...

    def predict_cases(self, run: Path) -> None:
        """Segment every case of the project with a trained run."""
        ...

    def compare_with_reference(
        self, outcome: Outcome, reference: Array | None, cleaning: PostProcessing
    ) -> None:
        """Clean up a prediction and compare it with the reference."""
        ...

    def advise(self, outcomes: Sequence[Outcome], scribbles: Array | None) -> None:
        """Find where to draw next."""
        ...

    def stop(self) -> None:
        """End the prediction that runs."""
        ...


@dataclass
class ResultsPresenter:
    """The brain of the Results tab."""

    view: ResultsView
    jobs: ResultsJobs
    screen: ResultsScreen = field(default_factory=ResultsScreen)
    runs: tuple[RunEntry, ...] = ()
    ticked: tuple[Path, ...] = ()
    """The runs that predict, in the order of the list."""
    run: Path | None = None
    """The run whose prediction is in the table."""
    inputs: Inputs | None = None
    case: CaseKey | None = None
    cleaning: PostProcessing = field(default_factory=PostProcessing)
    probabilities: bool = False
    outcomes: dict[tuple[CaseKey, Path], Outcome] = field(default_factory=dict)
    verdicts: dict[tuple[CaseKey, Path], Comparison] = field(default_factory=dict)
    _waiting: list[Path] = field(default_factory=list)
    _scope: Scope = "volume"
    _wanted: Wanted = field(default_factory=Wanted)
    _stopped: bool = False
    _awaited: tuple[CaseKey, Path] | None = None
    """The prediction whose verdict the next run waits for."""

    # What the user does

    def inputs_changed(self, inputs: Inputs, case: CaseKey | None = None) -> None:
        """Other layers were chosen, of this case."""
        self.inputs = inputs
        if case != self.case:
            self.case = case
            self.view.forget_results()
            for verdict in self._verdicts_of_case():
                self._show(verdict)
        self._update()

    def runs_listed(self, runs: Sequence[RunEntry]) -> None:
        """The project has these runs that can predict; runs of elsewhere that are ticked stay."""
        known = {entry.folder for entry in runs}
        strangers = [e for e in self.runs if e.folder not in known and e.folder in self.ticked]
        self.runs = told_apart((*runs, *strangers))
        self.view.show_runs(self.runs, self.ticked)
        self._update()

    def add_run(self, entry: RunEntry) -> None:
        """Offer a run of elsewhere, and predict with it from now on."""
        if all(known.folder != entry.folder for known in self.runs):
            self.runs = told_apart((entry, *self.runs))
        self.use_run(entry.folder)

    def use_run(self, run: Path) -> None:
        """Predict with this run, which has weights, and no other from now on."""
        self.tick((run,))
        self.jobs.list_runs()

    def tick(self, runs: Sequence[Path]) -> None:
        """Predict with these runs from now on."""
        self.ticked = tuple(runs)
        if self.run not in self.ticked:
            self.run = self.ticked[0] if self.ticked else None
        self.view.show_runs(self.runs, self.ticked)
        self._show_again()
        self._update()

    def choose_shown(self, run: Path) -> None:
        """Show the scores of this run, if it has predicted the case."""
        self.run = run
        self._show_again()
        self._update()

    def run_completed(self, run: Path) -> None:
        """A training is done: show at once what it has learnt."""
        self.use_run(run)
        if self.screen.why_not_predict is None:
            self.predict()

    def predict(self, scope: Scope = "volume", z: int | None = None) -> None:
        """Segment with the ticked runs, one after the other."""
        if self.screen.why_not_predict is not None or not self.ticked:
            self.view.say(self.screen.why_not_predict or "Train first.", "warning")
            return
        if scope == "slice" and z is None:
            self.view.say("Show a slice of the image first.", "warning")
            return
        self._begin(scope, z)

    def show_saved(self) -> None:
        """Show what the ticked runs have predicted of this case before, from their folders."""
        if self.screen.why_not_predict is not None:
            self.view.say(self.screen.why_not_predict, "warning")
            return
        self._begin("saved", None)

    def _begin(self, scope: Scope, z: int | None) -> None:
        self._scope = scope
        self._wanted = Wanted(z if scope == "slice" else None, self.probabilities)
        self._waiting = list(self.ticked)
        self._stopped = False
        self._next()

    def stop(self) -> None:
        """End what is being predicted; what is done stays."""
        if self.screen.predicting:
            self._waiting, self._stopped = [], True
            self.jobs.stop()

    def set_cleaning(self, cleaning: PostProcessing) -> None:
        """Clean up what is shown in this way from now on."""
        self.cleaning = cleaning
        self.compare_again()

    def compare_again(self) -> None:
        """Judge the predictions of the case anew: the clean-up or the reference is another."""
        outcomes = self.outcomes_of_case()
        if not outcomes:
            return
        try:
            reference = self.view.snapshot().reference
        except ScribsegError as error:
            self.view.say(str(error), "error")
            return
        for outcome in outcomes:
            self.jobs.compare_with_reference(outcome, reference, self.cleaning)

    def advise(self) -> None:
        """Find where to draw next."""
        outcomes = [o for o in self.outcomes_of_case() if o.z is None and o.run in self.ticked]
        if not outcomes:
            self.view.say(
                "Predict this volume first; then its doubtful slices are found.", "warning"
            )
            return
        try:
            scribbles = self.view.snapshot().scribbles
        except ScribsegError as error:
            self.view.say(str(error), "error")
            return
        self.jobs.advise(outcomes, scribbles)

    # What may be asked

    def title_of(self, run: Path | None) -> str:
        """What a run is called in the list."""
        return next((e.title for e in self.runs if e.folder == run), run.name if run else "")

    def outcomes_of_case(self) -> list[Outcome]:
        """The predictions of the shown case, those of the shown run first."""
        found = [o for (case, _), o in self.outcomes.items() if case == self.case]
        return sorted(found, key=lambda outcome: outcome.run != self.run)

    def shown_verdict(self) -> Comparison | None:
        """The verdict in the table."""
        return self.verdicts.get((self.case, self.run)) if self.case and self.run else None

    # What the jobs report

    def predicted(self, outcome: Outcome) -> None:
        """A prediction has come back."""
        if outcome.run is None:
            raise ValueError("a prediction must tell its run")
        key = (outcome.case, outcome.run)
        outcome = _merged(self.outcomes.pop(key, None), outcome)
        self.outcomes[key] = outcome
        self._awaited = key
        while len(self.outcomes) > MOST_KEPT:
            oldest = next(iter(self.outcomes))
            del self.outcomes[oldest]
            self.verdicts.pop(oldest, None)
        reference = None
        try:
            reference = self.view.snapshot().reference
        except ScribsegError as error:
            self.view.say(str(error), "error")
        self.jobs.compare_with_reference(
            outcome, reference if outcome.case == self.case else None, self.cleaning
        )

    def compared(self, verdict: Comparison) -> None:
        """A prediction was cleaned up and compared."""
        outcome = verdict.outcome
        if outcome.run is None or (outcome.case, outcome.run) not in self.outcomes:
            return
        self.verdicts[outcome.case, outcome.run] = verdict
        if self.run is None:
            self.run = outcome.run
        if outcome.case == self.case:
            self._show(verdict)
        if self._awaited == (outcome.case, outcome.run):
            self._awaited = None
            self._next()
        else:
            self._update()
        self._tell(verdict)

    def advised(self, advice: Advice) -> None:
        """Where to draw next was found."""
        if advice.case == self.case:
            self.view.show_advice(advice)

    def progressed(self, text: str) -> None:
        """A prediction of many cases is so far."""
        if self.screen.predicting:
            self.screen = replace(self.screen, progress=text)
            self.view.show_screen(self.screen)

    def cases_predicted(self, run: Path, done: int, failed: dict[str, str]) -> None:
        """Every case of the project was tried."""
        text = f"{self.title_of(run)}: {done} case(s) are segmented, in its folder predictions."
        reasons = "; ".join(f"{case}: {reason}" for case, reason in list(failed.items())[:3])
        self._next()
        if failed:
            self.view.say(f"{text} {len(failed)} could not be: {reasons}", "warning")
        else:
            self.view.say(text, "good")

    def failed(self, message: str) -> None:
        """Something asked for went wrong."""
        stopped, self._stopped = self._stopped, False
        self._waiting, self._awaited = [], None
        self._update(predicting=False)
        if stopped:
            self.view.say("The prediction was stopped.")
        else:
            self.view.say(message, "error")

    # Inside

    def _next(self) -> None:
        """Begin with the next run that waits, or be done."""
        if not self._waiting:
            self._update(predicting=False)
            return
        run = self._waiting.pop(0)
        title = self.title_of(run)
        if self._scope == "cases":
            self._update(predicting=True, progress=f"All cases, {title} …")
            self.view.say(f"Segmenting all cases of the project with {title} …")
            self.jobs.predict_cases(run)
            return
        try:
            snapshot = self.view.snapshot()
        except ScribsegError as error:
            self.failed(str(error))
            return
        if self._scope == "saved":
            self._update(predicting=True, progress=f"{title} …")
            self.jobs.load_saved(run, snapshot)
            return
        part = "" if self._wanted.z is None else f"slice {self._wanted.z} of "
        self._update(predicting=True, progress=f"{title} …")
        self.view.say(f"Segmenting {part}{snapshot.case} with {title} …")
        self.jobs.predict(run, snapshot, self._wanted)

    def _tell(self, verdict: Comparison) -> None:
        outcome = verdict.outcome
        text = f"{outcome.case} is segmented by {self.title_of(outcome.run)}."
        if outcome.scores:
            text += f" Mean Dice {mean_dice(outcome.scores)}."
        else:
            text += " " + (outcome.note or "Choose a reference to get Dice and HD95.")
        is_empty = outcome.z is None and not np.any(verdict.shown.array)
        doubts = [*([_NOTHING_FOUND] if is_empty else []), *outcome.doubts]
        text = " ".join([text, *doubts])
        if not self.screen.predicting:
            self.view.say(text, "warning" if outcome.note or doubts else "good")

    def _verdicts_of_case(self) -> list[Comparison]:
        return [v for (case, _), v in self.verdicts.items() if case == self.case]

    def _show(self, verdict: Comparison) -> None:
        run = verdict.outcome.run
        self.view.show_verdict(verdict, self.title_of(run), is_shown=run == self.run)

    def _show_again(self) -> None:
        verdict = self.shown_verdict()
        if verdict is not None:
            for each in self._verdicts_of_case():
                self._show(each)

    def _update(self, *, predicting: bool | None = None, progress: str = "") -> None:
        now = self.screen.predicting if predicting is None else predicting
        if predicting is None:
            progress = self.screen.progress
        verdict = self.shown_verdict()
        caption = ""
        if verdict is not None:
            caption = caption_of(verdict.outcome, verdict.cleaning, self.title_of(self.run))
        self.screen = ResultsScreen(
            predicting=now,
            why_not_predict=self._why_not_predict(now),
            progress=progress if now else "",
            caption=caption,
            n_runs=len(self._verdicts_of_case()),
        )
        self.view.show_screen(self.screen)

    def _why_not_predict(self, predicting: bool) -> str | None:
        if predicting:
            return "A prediction is running; wait until it has ended, or stop it."
        if not self.ticked:
            return "Train first, or tick a run in the list."
        if self.inputs is None or self.inputs.image is None:
            return "Choose an image, or open a case."
        return self.inputs.problem


def _merged(before: Outcome | None, outcome: Outcome) -> Outcome:
    """The new slice in the volume that the same run has predicted before."""
    z = outcome.z
    if z is None or before is None or before.segmentation.shape != outcome.segmentation.shape:
        return outcome
    if before.z is not None and before.z != z:
        return outcome
    segmentation = before.segmentation.array.copy()
    segmentation[z] = outcome.segmentation.array[z]
    uncertainty = before.uncertainty
    if uncertainty is not None and outcome.uncertainty is not None:
        unsure = np.array(uncertainty.array)
        unsure[z] = outcome.uncertainty.array[z]
        uncertainty = Volume(unsure, uncertainty.grid)
    probabilities = before.probabilities
    if probabilities is not None and outcome.probabilities is not None:
        probabilities = probabilities.copy()
        probabilities[:, z] = outcome.probabilities[:, z]
    return replace(
        before,
        segmentation=Volume(segmentation, outcome.segmentation.grid),
        uncertainty=uncertainty,
        probabilities=probabilities,
    )
