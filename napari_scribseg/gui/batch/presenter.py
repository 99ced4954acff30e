"""What the window of a batch evaluation decides: which button works, what is said. No Qt.

The presenter talks to a view (the widget) that shows a `BatchScreen`, and to jobs that do the slow
work elsewhere and report back through the methods under "What the jobs report". All calls, in both
directions, are made in the GUI thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_scribseg.experiment.process import Ended
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.worst_slices import PickedSlice
from napari_scribseg.gui.batch.check import CheckReport
from napari_scribseg.gui.batch.plan import BatchPlan
from napari_scribseg.gui.batch.results import BatchResults, ShownSlice
from napari_scribseg.gui.batch.screen import BatchJobs, BatchScreen, BatchView, Phase
from napari_scribseg.gui.batch.trials import AT_WORK, Progress
from napari_scribseg.gui.values import Level
from napari_scribseg.gui.widgets.numbers import duration


@dataclass
class BatchPresenter:
    """The brain of the batch evaluation."""

    view: BatchView
    jobs: BatchJobs
    screen: BatchScreen = field(default_factory=BatchScreen)
    plan: BatchPlan | None = None
    """What the form says, as far as it is complete."""
    problem: str = ""
    """What is missing in the form, in a sentence."""
    methods_ready: bool = False
    checked_plan: BatchPlan | None = None
    report: CheckReport | None = None
    """What was found about `checked_plan`."""
    progress: Progress = field(default_factory=lambda: Progress(()))

    # What the user does

    def plan_changed(self, plan: BatchPlan | None, problem: str = "") -> None:
        """The form says something else."""
        self.plan, self.problem = plan, problem
        self._update()

    def check(self) -> None:
        """Read everything, and tell what would be done and what is wrong."""
        if self.plan is None or self.screen.why_not_check is not None:
            self._refuse(self.screen.why_not_check)
            return
        self.checked_plan, self.report = self.plan, None
        self.view.show_report(None)
        self._enter(
            Phase.CHECKING,
            "Reading the cases and measuring the methods …",
            share=None,
            folder=None,
            results=BatchResults(),
        )
        self._forget_trials()
        self.jobs.check(self.plan)

    def run(self) -> None:
        """Start the experiment that was checked."""
        if self.plan is None or self.screen.why_not_run is not None:
            self._refuse(self.screen.why_not_run)
            return
        self._begin(self.plan.out, "Reading the cases once more …")
        self.jobs.run(self.plan, () if self.report is None else self.report.costs)

    def go_on(self) -> None:
        """Continue the experiment that is shown."""
        if self.screen.can_continue:
            self._resume("Continuing …", retry=False)

    def repeat_failed(self) -> None:
        """Compute the failed trials of the experiment again, and what else is not finished."""
        if self.screen.can_repeat:
            self._resume("Repeating what has failed …", retry=True)

    def stop(self) -> None:
        """Stop what is going on."""
        if not self.screen.can_stop:
            return
        if self.screen.phase is Phase.CHECKING:
            self.jobs.stop()
            return
        self._enter(Phase.STOPPING, "Stopping: what runs is saved, which takes a moment …")
        self.jobs.stop()

    def open_experiment(self, folder: Path) -> None:
        """Show an experiment that is there already."""
        if self.screen.phase is not Phase.IDLE:
            self._refuse(_busy(self.screen.phase))
            return
        self.view.say(f"Opening {folder.name} …")
        self.jobs.open(folder)

    def save_recipe(self, path: Path) -> None:
        """Write the plan as a file that the command line repeats."""
        if self.plan is None:
            self._refuse(self.problem)
            return
        self.jobs.save_recipe(path, self.plan.recipe)

    def open_recipe(self, path: Path) -> None:
        """Fill the form from a file."""
        self.jobs.load_recipe(path)

    def show_slice(self, picked: PickedSlice) -> None:
        """Show a slice in the viewer."""
        if self.screen.folder is not None:
            self.view.say(f"Opening {picked.case} …")
            self.jobs.load_slice(self.screen.folder, picked)

    # What the jobs report

    def methods_loaded(self) -> None:
        """The methods can be chosen now."""
        self.methods_ready = True
        self._update()

    def checked(self, report: CheckReport) -> None:
        """A dry run has ended."""
        self.report = report
        self.progress = Progress(report.cards)
        self.view.show_report(report)
        self.view.show_trials(report.cards)
        if report.obstacles:
            text = "Nothing can be started yet: see what was found."
            self._enter(Phase.IDLE, text, level="error")
        elif not report.open_trials:
            self._enter(Phase.IDLE, "Everything is computed already; Run makes the tables again.")
        else:
            text = f"{_trials(report.open_trials)} to compute: press Run."
            self._enter(Phase.IDLE, text, level="warning" if report.left_out else "good")

    def check_stopped(self) -> None:
        """A dry run was ended by the user."""
        self.checked_plan = None
        self._enter(Phase.IDLE, "The check was stopped.")

    def told(self, text: str) -> None:
        """What is going on before the trials are known."""
        self._update(progress_text=text)

    def seen(self, progress: Progress) -> None:
        """Somebody has looked at the trials."""
        if self.screen.phase is Phase.RUNNING and self.screen.share is None:
            self.view.say("Computing in the background; you can go on with other things.")
        self.progress = progress
        self.view.show_trials(progress.cards)
        self._update(share=progress.share, progress_text=_progress_text(progress))

    def ended(self, ended: Ended, progress: Progress | None, results: BatchResults) -> None:
        """The process of the experiment has ended."""
        if progress is not None:
            self.progress = progress
            self.view.show_trials(progress.cards)
        self.checked_plan = None
        text, level = self._outcome(ended)
        self._enter(Phase.IDLE, text, level=level, share=self.progress.share, results=results)

    def opened(
        self, folder: Path, recipe: Recipe, progress: Progress, results: BatchResults
    ) -> None:
        """An experiment was read."""
        self.checked_plan, self.report = None, None
        problem = self.view.show_plan(recipe, folder)
        self._forget_trials()
        self._begin(folder, "")
        self._update(results=results)
        self.seen(progress)
        if progress.is_worked_on:
            self.view.say(f"{folder.name} is being computed; Stop ends that.")
        else:
            self.followed(results)
        if problem:
            self.view.say(problem, "error")

    def followed(self, results: BatchResults) -> None:
        """Nobody works on the opened experiment, or nobody any more."""
        finished, of = self.progress.count("finished"), len(self.progress.cards)
        text = f"{finished} of {_trials(of)} finished."
        self._enter(Phase.IDLE, text, share=self.progress.share, results=results)

    def recipe_loaded(self, path: Path, recipe: Recipe) -> None:
        """A recipe was read."""
        problem = self.view.show_plan(recipe, None)
        if problem:
            self.view.say(problem, "error")
        else:
            self.view.say(f"The plan is that of {path.name}: press Check.")

    def recipe_saved(self, path: Path) -> None:
        """A recipe was written."""
        self.view.say(f"Saved. `scribseg experiment {path} --out DIR` repeats it.", "good")

    def slice_loaded(self, shown: ShownSlice) -> None:
        """The volumes of a slice were read."""
        self.view.show_slice(shown)
        picked = shown.picked
        self.view.say(
            f"{picked.case}, slice {picked.slice_index}: Dice {picked.dice:.3f} of {picked.label}."
        )

    def failed(self, message: str) -> None:
        """Something in the background went wrong."""
        self.checked_plan = None
        self._enter(Phase.IDLE, message, level="error")

    def refused(self, message: str) -> None:
        """Something beside the experiment could not be done."""
        self.view.say(message, "error")

    # Inside

    def _resume(self, text: str, *, retry: bool) -> None:
        folder, plan = self.screen.folder, self.plan
        if folder is not None:
            jobs = plan.jobs if plan is not None and plan.out == folder else None
            self._begin(folder, text)
            self.jobs.resume(folder, jobs, retry=retry)

    def _begin(self, folder: Path, text: str) -> None:
        self.view.show_report(None)
        self._enter(Phase.RUNNING, text, share=None, folder=folder)

    def _forget_trials(self) -> None:
        self.progress = Progress(())
        self.view.show_trials(())

    def _outcome(self, ended: Ended) -> tuple[str, Level]:
        cards = self.progress.cards
        finished, failed = self.progress.count("finished"), self.progress.count("failed")
        if ended.said:
            return ended.said, "error"
        if ended.document.get("interrupted"):
            text = f"Stopped with {finished} of {_trials(len(cards))} finished; Continue goes on."
            return text, "info"
        if failed:
            text = f"{finished} of {_trials(len(cards))} finished, {failed} failed: see the table."
            return text, "warning"
        if finished < len(cards):
            text = f"{finished} of {_trials(len(cards))} finished; Continue goes on."
            return text, "warning"
        return f"All {_trials(len(cards))} are finished.", "good"

    def _refuse(self, why: str | None) -> None:
        if why:
            self.view.say(why, "warning")

    def _enter(
        self,
        phase: Phase,
        text: str,
        *,
        level: Level = "info",
        **more: Any,
    ) -> None:
        shown = {"share": 0.0, **more} if phase is Phase.IDLE else more
        self._update(phase=phase, progress_text="", **shown)
        if text:
            self.view.say(text, level)

    def _update(self, **changes: Any) -> None:
        screen = replace(self.screen, **changes)
        idle = screen.phase is Phase.IDLE
        there = idle and screen.folder is not None and bool(self.progress.cards)
        unended = self.progress.count("waiting", "interrupted", "outdated", *AT_WORK)
        self.screen = replace(
            screen,
            why_not_check=self._why_not_check(screen.phase),
            why_not_run=self._why_not_run(screen.phase),
            can_stop=screen.phase in (Phase.CHECKING, Phase.RUNNING),
            can_continue=there and unended > 0,
            can_repeat=there and self.progress.count("failed") > 0,
        )
        self.view.show_screen(self.screen)

    def _why_not_check(self, phase: Phase) -> str | None:
        if phase is not Phase.IDLE:
            return _busy(phase)
        if not self.methods_ready:
            return "The list of methods is still loading."
        return None if self.plan is not None else self.problem or "The plan is not complete."

    def _why_not_run(self, phase: Phase) -> str | None:
        why = self._why_not_check(phase)
        if why is not None:
            return why
        if self.report is None or self.checked_plan is None:
            return "Press Check first."
        if self.checked_plan != self.plan:
            return "The plan was changed: press Check again."
        if self.report.obstacles:
            return "First remove what is in the way, then press Check again."
        return None


def _progress_text(progress: Progress) -> str:
    parts = [f"{progress.count('finished')} of {_trials(len(progress.cards))} finished"]
    running, failed = progress.count(*AT_WORK), progress.count("failed")
    parts += [f"{running} running"] if running else []
    parts += [f"{failed} failed"] if failed else []
    if progress.seconds_left is not None:
        parts.append(f"about {duration(progress.seconds_left)} left")
    return " · ".join(parts)


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def _busy(phase: Phase) -> str:
    doing = {
        Phase.CHECKING: "A check is running",
        Phase.RUNNING: "An experiment is running",
        Phase.STOPPING: "An experiment is being stopped",
    }
    return f"{doing[phase]}; wait until it has ended."
