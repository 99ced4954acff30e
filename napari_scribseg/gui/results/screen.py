"""What the presenter of the Results tab shows and asks for. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from napari_scribseg.core.types import Array
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.post_processing import CLEAN_UP, PostProcessing
from napari_scribseg.gui.results.advice import Advice
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.gui.results.run_list import RunEntry
from napari_scribseg.gui.values import Level, Prediction, Snapshot

Scope = Literal["volume", "slice", "cases", "saved"]
"""What is predicted: the shown case, its shown slice, every case of the project; or nothing, and
what was predicted before is shown."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What stands in the table of scores, under its name.

    Args:
        comparison: the numbers.
        title: of the run that they are of.
        caption: what they are about, in a line.
    """

    comparison: Comparison
    title: str
    caption: str

    @property
    def run(self) -> Path:
        """The run that the numbers are of."""
        return self.comparison.prediction.run


@dataclass(frozen=True)
class ResultsScreen:
    """Everything the tab shows that is not a form.

    Args:
        predicting: whether a prediction runs.
        why_not_predict: in a sentence; None where it can be predicted.
        progress: of what runs.
        shown: what stands in the table; None = nothing of this case.
        choices: folder and title of the runs that have predicted this case, the oldest first.
        cleaning: how what is shown was cleaned up.
    """

    predicting: bool = False
    why_not_predict: str | None = None
    progress: str = ""
    shown: Shown | None = None
    choices: tuple[tuple[Path, str], ...] = ()
    cleaning: PostProcessing = CLEAN_UP


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

    def show_segmentations(self, comparisons: Sequence[tuple[Comparison, str]], run: Path) -> None:
        """Put the segmentations of the case into the viewer, by title; only that of a run is seen.

        That run is the one in the table.
        """
        ...

    def forget_results(self) -> None:
        """Another case is shown: empty what is not in the screen."""
        ...

    def show_advice(self, advice: Advice) -> None:
        """Show where to draw next."""
        ...

    def show_predicted(self, cases: Sequence[CaseKey]) -> None:
        """These cases of a project were segmented together."""
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

    def load_newest(self, snapshot: Snapshot) -> None:
        """Look for the newest prediction of a case by any run; tells `restored`."""
        ...

    def predict_cases(self, run: Path) -> None:
        """Segment every case of the project with a trained run."""
        ...

    def compare_with_reference(
        self, prediction: Prediction, reference: Array | None, cleaning: PostProcessing
    ) -> None:
        """Clean up a prediction and compare it with the reference."""
        ...

    def advise(self, predictions: Sequence[Prediction], scribbles: Array | None) -> None:
        """Find where to draw next."""
        ...

    def stop(self) -> None:
        """End the prediction that runs."""
        ...
