"""What the Results tab decides: what is predicted, what is shown of it, what it says. No Qt.

The presenter talks to a view (the tab) and to jobs that do the slow work elsewhere and report back.
All calls, in both directions, are made in the GUI thread.

What stands in the table is one `Shown`: the comparison and the name of its run travel together, so
no event can put one run's name over the numbers of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.wording import counted
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.post_processing import CLEAN_UP, PostProcessing
from napari_scribseg.gui.results.advice import Advice
from napari_scribseg.gui.results.comparison import Comparison, caption_of, told_of, told_of_several
from napari_scribseg.gui.results.kept import Kept, Key, key_of
from napari_scribseg.gui.results.run_choice import RunChoice
from napari_scribseg.gui.results.run_list import RunEntry
from napari_scribseg.gui.results.screen import (
    ResultsJobs,
    ResultsScreen,
    ResultsView,
    Scope,
    Shown,
    Wanted,
)
from napari_scribseg.gui.values import Inputs, Prediction


@dataclass
class ResultsPresenter:
    """The brain of the Results tab."""

    view: ResultsView
    jobs: ResultsJobs
    screen: ResultsScreen = field(default_factory=ResultsScreen)
    choice: RunChoice = field(default_factory=RunChoice)
    kept: Kept = field(default_factory=Kept)
    inputs: Inputs | None = None
    case: CaseKey | None = None
    cleaning: PostProcessing = CLEAN_UP
    probabilities: bool = False
    _shown_run: Path | None = None
    """The run in the table; it stays until the user wants another one."""
    _wanted_run: Path | None = None
    """The run that the user waits for: its prediction is shown when it comes."""
    _is_chosen: bool = False
    """Whether the user has picked the shown run from the list of those that have predicted."""
    _waiting: list[Path] = field(default_factory=list)
    _asked: tuple[Path, ...] = ()
    """The runs of the last request, which are told about together."""
    _scope: Scope = "volume"
    _wanted: Wanted = field(default_factory=Wanted)
    _stopped: bool = False
    _awaited: Key | None = None
    """The prediction whose comparison the next run waits for."""
    _quiet: set[Key] = field(default_factory=set)
    """Predictions that nobody has asked for just now: they are shown without a word."""

    # What the user does

    def inputs_changed(self, inputs: Inputs, case: CaseKey | None = None) -> None:
        """Other layers were chosen, of this case."""
        self.inputs = inputs
        if case != self.case:
            self.case, self._is_chosen, self._wanted_run = case, False, None
            found = self.kept.compared_of_case(case)
            self._shown_run = found[-1].prediction.run if found else None
            self.view.forget_results()
            self._show()
            if self._why_no_image() is None:
                self.compare_again()  # its reference may have become another one meanwhile
        self._update()

    def restore(self) -> None:
        """Look for what was predicted of the case in an earlier sitting, or with all cases."""
        if self.case is None or self._why_no_image() is not None:
            return
        try:
            self.jobs.load_newest(self.view.snapshot())
        except ScribsegError:
            return  # the layers that don't fit are told where they are chosen

    def add_run(self, entry: RunEntry) -> None:
        """Offer a run of elsewhere, and predict with it from now on."""
        self.choice.add_guest(entry)
        self._show_runs()
        self.jobs.list_runs()

    def offer(self, run: Path) -> None:
        """A run with weights was looked at, or has just saved its first ones."""
        self.choice.prefer(run)
        self._show_runs()
        self.jobs.list_runs()

    def tick(self, runs: Sequence[Path]) -> None:
        """Predict with these runs from now on; what is shown stays."""
        self.choice.tick(runs)
        self._show_runs()

    def choose_shown(self, run: Path) -> None:
        """Show the scores of this run, if it has predicted the case."""
        if self.case is not None and (self.case, run) in self.kept.comparisons:
            self._shown_run, self._is_chosen, self._wanted_run = run, True, None
            self._show()
        self._update()

    def predict(self, scope: Scope = "volume", z: int | None = None) -> None:
        """Segment with the ticked runs, one after the other."""
        if self.screen.why_not_predict is not None:
            self.view.say(self.screen.why_not_predict, "warning")
            return
        if scope == "slice" and z is None:
            self.view.say("Show a slice of the image first.", "warning")
            return
        self._is_chosen = False
        self._begin(scope, z, self.choice.ticked)

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
        predictions = self.kept.of_case(self.case)
        if not predictions:
            return
        try:
            snapshot = self.view.snapshot()
        except ScribsegError as error:
            self.view.say(str(error), "error")
            return
        if snapshot.case != self.case:
            return  # another case has just been chosen: `inputs_changed` comes next
        # That of the shown run first.
        for prediction in sorted(predictions, key=lambda one: one.run != self._shown_run):
            self._quiet.add(key_of(prediction))
            self.jobs.compare_with_reference(prediction, snapshot.reference, self.cleaning)

    def corrected(self, prediction: Prediction) -> None:
        """Somebody has changed a segmentation by hand: it is judged anew."""
        self.kept.renew(prediction)
        self._quiet.add(key_of(prediction))
        self._compare(prediction)

    def advise(self) -> None:
        """Find where to draw next."""
        ticked = self.choice.ticked
        whole = [one for one in self.kept.of_case(self.case) if one.z is None]
        # The ticked runs, in the order of the list; what is shown where they know nothing.
        found = [one for run in ticked for one in whole if one.run == run]
        found = found or [one for one in whole if one.run == self._shown_run]
        if not found:
            self.view.say(
                "Predict this volume first; then its doubtful slices are found.", "warning"
            )
            return
        try:
            scribbles = self.view.snapshot().scribbles
        except ScribsegError as error:
            self.view.say(str(error), "error")
            return
        self.jobs.advise(found, scribbles)

    # What may be asked

    def title_of(self, run: Path | None) -> str:
        """What a run is called in the list."""
        return self.choice.title_of(run)

    @property
    def shown(self) -> Comparison | None:
        """The comparison in the table."""
        return None if self.screen.shown is None else self.screen.shown.comparison

    @property
    def run(self) -> Path | None:
        """The run whose prediction is in the table, or that would be predicted with."""
        if self.screen.shown is not None:
            return self.screen.shown.run
        return next(iter(self.choice.ticked), None)

    def compared_of_case(self) -> list[tuple[Comparison, str]]:
        """The comparisons of the shown case with the titles of their runs, the oldest first."""
        found = self.kept.compared_of_case(self.case)
        return [(one, self.title_of(one.prediction.run)) for one in found]

    # What the jobs report

    def runs_listed(self, runs: Sequence[RunEntry]) -> None:
        """The project has these runs that can predict."""
        before = self.screen.shown
        self.choice.listed(runs)
        self._show_runs()
        if self.screen.shown is not before:  # it is called otherwise now
            self._show()

    def run_completed(self, run: Path) -> None:
        """A training is done: show at once what it has learnt; ticks stay as they are."""
        self.offer(run)
        if self.screen.predicting or self._why_no_image() is not None:
            self.view.say(self.screen.why_not_predict or self._why_no_image() or "", "warning")
            return
        self._begin("volume", None, (run,))

    def predicted(self, prediction: Prediction) -> None:
        """A prediction has come back."""
        key = key_of(prediction)
        prediction = self.kept.add(prediction)
        self._awaited = key
        self._quiet.discard(key)
        self._compare(prediction)

    def restored(self, prediction: Prediction | None) -> None:
        """The newest prediction of a case was looked for in the folders of the runs."""
        if prediction is None or prediction.case != self.case:
            return
        key = key_of(prediction)
        if key in self.kept.predictions:
            return  # in memory it is as new, and may have more
        if not self._is_chosen and self._wanted_run is None:
            self._wanted_run = prediction.run
        self._quiet.add(key)
        self._compare(self.kept.add(prediction))

    def compared(self, comparison: Comparison) -> None:
        """A prediction was cleaned up and compared."""
        if not self.kept.compared(comparison):
            return
        prediction = comparison.prediction
        key = key_of(prediction)
        if prediction.case == self.case:
            if prediction.run == self._wanted_run or not self._has_shown():
                self._shown_run, self._wanted_run = prediction.run, None
            self._show()
        if self._awaited == key:
            self._awaited = None
            self._next()
        else:
            self._update()
        if key in self._quiet:
            self._quiet.discard(key)
        else:
            self._tell(comparison)

    def advised(self, advice: Advice) -> None:
        """Where to draw next was found."""
        if advice.case == self.case:
            self.view.show_advice(advice)

    def progressed(self, text: str) -> None:
        """A prediction of many cases is so far."""
        if self.screen.predicting:
            self._update(predicting=True, progress=text)

    def cases_predicted(self, run: Path, done: Sequence[CaseKey], failed: dict[str, str]) -> None:
        """Every case of the project was tried: the shown one is shown, the others when opened."""
        self.kept.forget_run(run)
        text = (
            f"{counted(len(done), 'case')} segmented by {self.title_of(run)}. Each shows its "
            "segmentation and scores when it is opened."
        )
        reasons = "; ".join(f"{case}: {reason}" for case, reason in list(failed.items())[:3])
        self._next()
        self._wanted_run = None
        self.view.show_predicted(done)
        self.restore()
        rest = f" {len(failed)} could not be: {reasons}" if failed else ""
        self.view.say(f"{text}{rest}", "warning" if failed else "good")

    def failed(self, message: str) -> None:
        """Something asked for went wrong."""
        stopped, self._stopped = self._stopped, False
        self._waiting, self._awaited, self._wanted_run = [], None, None
        self._update(predicting=False)
        if stopped:
            self.view.say("The prediction was stopped.")
        else:
            self.view.say(message, "error")

    # Inside

    def _begin(self, scope: Scope, z: int | None, runs: Sequence[Path]) -> None:
        self._scope = scope
        self._wanted = Wanted(z if scope == "slice" else None, self.probabilities)
        self._asked, self._waiting = tuple(runs), list(runs)
        self._stopped = False
        if not self._is_chosen:
            self._wanted_run = next(iter(runs), None)
        self._next()

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
        self._update(predicting=True, progress=f"{title} …")
        if self._scope == "saved":
            self.jobs.load_saved(run, snapshot)
            return
        part = "" if self._wanted.z is None else f"slice {self._wanted.z} of "
        self.view.say(f"Segmenting {part}{snapshot.case} with {title} …")
        self.jobs.predict(run, snapshot, self._wanted)

    def _compare(self, prediction: Prediction) -> None:
        reference = None
        if prediction.case == self.case:
            try:
                reference = self.view.snapshot().reference
            except ScribsegError as error:
                self.view.say(str(error), "error")
        self.jobs.compare_with_reference(prediction, reference, self.cleaning)

    def _tell(self, comparison: Comparison) -> None:
        if self.screen.predicting:
            return
        asked = [(c, t) for c, t in self.compared_of_case() if c.prediction.run in self._asked]
        if len(asked) > 1 and comparison.prediction.run in self._asked:
            self.view.say(*told_of_several(asked))
            return
        text, level = told_of(comparison, self.title_of(comparison.prediction.run))
        if self._is_chosen and comparison.prediction.run != self._shown_run:
            text += " Choose it in Scores to see it."
        self.view.say(text, level)

    def _show(self) -> None:
        """Put the segmentations of the case into the viewer."""
        if self._shown_run is not None and self._has_shown():
            self.view.show_segmentations(self.compared_of_case(), self._shown_run)

    def _has_shown(self) -> bool:
        """Whether the shown run's comparison is still in memory."""
        return (self.case, self._shown_run) in self.kept.comparisons

    def _show_runs(self) -> None:
        self.view.show_runs(self.choice.runs, self.choice.ticked)
        self._update()

    def _update(self, *, predicting: bool | None = None, progress: str = "") -> None:
        now = self.screen.predicting if predicting is None else predicting
        if predicting is None:
            progress = self.screen.progress
        self.screen = ResultsScreen(
            predicting=now,
            why_not_predict=self._why_not_predict(now),
            progress=progress if now else "",
            shown=self._shown(),
            choices=tuple((c.prediction.run, title) for c, title in self.compared_of_case()),
            cleaning=self.cleaning,
        )
        self.view.show_screen(self.screen)

    def _shown(self) -> Shown | None:
        if self.case is None or self._shown_run is None:
            return None
        comparison = self.kept.comparisons.get((self.case, self._shown_run))
        if comparison is None:
            return None
        title = self.title_of(comparison.prediction.run)
        before = self.screen.shown
        if before is not None and (before.comparison, before.title) == (comparison, title):
            return before
        effort = self.choice.effort_of(comparison.prediction.run)
        return Shown(comparison, title, caption_of(comparison, title, effort))

    def _why_not_predict(self, predicting: bool) -> str | None:
        if predicting:
            return "A prediction is running; wait until it has ended, or stop it."
        return self.choice.why_none or self._why_no_image()

    def _why_no_image(self) -> str | None:
        if self.inputs is None or self.inputs.image is None:
            return "Choose an image, or open a case."
        return self.inputs.problem
