"""What a batch evaluation shows, and what its presenter asks of widget and jobs. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Protocol, runtime_checkable

from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.settings import Cost
from napari_scribseg.experiment.worst_slices import PickedSlice
from napari_scribseg.gui.batch.check import CheckReport
from napari_scribseg.gui.batch.plan import BatchPlan
from napari_scribseg.gui.batch.results import BatchResults, ShownSlice
from napari_scribseg.gui.batch.trials import TrialCard
from napari_scribseg.gui.values import Level


class Phase(Enum):
    """What is going on."""

    IDLE = auto()
    CHECKING = auto()
    RUNNING = auto()
    STOPPING = auto()


@dataclass(frozen=True)
class BatchScreen:
    """Everything the widget shows that is not a form or a table."""

    phase: Phase = Phase.IDLE
    why_not_check: str | None = "The list of methods is still loading."
    why_not_run: str | None = "Press Check first."
    folder: Path | None = None
    """Of the experiment that is shown; None = there is none."""
    share: float | None = 0.0
    """Progress 0..1; None = something is going on, for an unknown time."""
    progress_text: str = ""
    can_stop: bool = False
    can_continue: bool = False
    can_repeat: bool = False
    results: BatchResults = field(default_factory=BatchResults)


class BatchView(Protocol):
    """What the presenter asks of the widget."""

    def show_screen(self, screen: BatchScreen) -> None:
        """Show this state."""
        ...

    def show_report(self, report: CheckReport | None) -> None:
        """Show what a check has found; None = nothing was checked."""
        ...

    def show_trials(self, cards: Sequence[TrialCard]) -> None:
        """Show these trials."""
        ...

    def show_plan(self, recipe: Recipe, out: Path | None) -> str:
        """Fill the form; the folder stays as it is for None.

        Returns:
            What could not be shown, in a sentence; "" = everything is shown.
        """
        ...

    def show_slice(self, shown: ShownSlice) -> None:
        """Show a slice in the viewer."""
        ...

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence, which stays until the next one."""
        ...


@runtime_checkable
class ShowsRuns(Protocol):
    """A dock that can show a run: the main one."""

    @property
    def project_folder(self) -> Path:
        """The project that is open in it; there is none yet where the folder has no document."""
        ...

    def show_run(self, folder: Path) -> None:
        """Show the run of a folder."""
        ...


class BatchJobs(Protocol):
    """What the presenter asks to be done in the background."""

    def check(self, plan: BatchPlan) -> None:
        """Do a dry run; tells `checked`."""
        ...

    def run(self, plan: BatchPlan, costs: Sequence[Cost]) -> None:
        """Run an experiment in a child process; tells `told`, `seen` and `ended`."""
        ...

    def resume(self, folder: Path, jobs: int | None, *, retry: bool) -> None:
        """Continue an experiment; the same."""
        ...

    def stop(self) -> None:
        """Let what runs save and stop; ends a check at once."""
        ...

    def open(self, folder: Path) -> None:
        """Read an experiment; tells `opened`, and follows it while somebody works on it."""
        ...

    def save_recipe(self, path: Path, recipe: Recipe) -> None:
        """Write a recipe; tells `recipe_saved`."""
        ...

    def load_recipe(self, path: Path) -> None:
        """Read a recipe; tells `recipe_loaded`."""
        ...

    def load_slice(self, folder: Path, picked: PickedSlice) -> None:
        """Read the volumes of a slice; tells `slice_loaded`."""
        ...
