"""The slow work of the Results tab: predictions in child processes, the rest in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_scribseg.core.types import Array
from napari_scribseg.core.wording import counted
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.background import WidgetJobs
from napari_scribseg.gui.project_cases import is_blind
from napari_scribseg.gui.results import model_work, predictions, saved_predictions
from napari_scribseg.gui.results.advice import advise
from napari_scribseg.gui.results.comparison import Comparison, compare
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.run_list import runs_with_weights
from napari_scribseg.gui.results.screen import Wanted
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Prediction, Snapshot
from napari_scribseg.runs.commands import Children


class BackgroundPredictions:
    """The jobs of a `ResultsPresenter`."""

    def __init__(self, session: Session) -> None:
        self.presenter: ResultsPresenter | None = None
        """Whom to report to; set once, right after both are made."""
        self._session = session
        self._running = WidgetJobs(session.background)
        self._children = Children(warm=session.warm)
        self._listed = 0
        self._looked = 0
        self._judged: dict[tuple[CaseKey, Path], int] = {}

    def list_runs(self) -> None:
        """Look which runs of the project can predict; only the latest look counts."""
        presenter, project = self._presenter, self._session.project_folder
        self._listed += 1
        number = self._listed
        self._running.run(
            lambda: runs_with_weights(project),
            lambda runs: presenter.runs_listed(runs) if number == self._listed else None,
            self._session.refuse,
        )

    def predict(self, run: Path, snapshot: Snapshot, wanted: Wanted) -> None:
        """Segment an image in a child process."""
        presenter, children = self._presenter, self._children
        self._running.run(
            lambda: predictions.predict(
                run, snapshot, children, probabilities=wanted.probabilities, z=wanted.z
            ),
            presenter.predicted,
            presenter.failed,
        )

    def load_saved(self, run: Path, snapshot: Snapshot) -> None:
        """Fetch the newest prediction of a case from the run's folder."""
        presenter = self._presenter
        self._running.run(
            lambda: saved_predictions.saved_prediction(run, snapshot),
            presenter.predicted,
            presenter.failed,
        )

    def load_newest(self, snapshot: Snapshot) -> None:
        """Look for the newest prediction of a case by any run; only the latest look counts.

        Whoever may not see the strokes of others yet is not shown what learnt from them unasked.
        """
        presenter, project = self._presenter, self._session.project_folder
        self._looked += 1
        number = self._looked

        def look() -> Prediction | None:
            if is_blind(project, snapshot.stored):
                return None
            return saved_predictions.newest_of_case(project, snapshot)

        self._running.run(
            look,
            lambda found: presenter.restored(found) if number == self._looked else None,
            self._session.refuse,
        )

    def predict_cases(self, run: Path) -> None:
        """Segment every case of the project in a child process."""
        presenter, children = self._presenter, self._children
        project, running = self._session.project_folder, self._running

        def progress(done: int) -> None:
            running.post(lambda: presenter.progressed(f"{counted(done, 'case')} done …"))

        running.run(
            lambda: predictions.predict_project(run, project, children, progress),
            lambda found: presenter.cases_predicted(run, *found),
            presenter.failed,
        )

    def compare_with_reference(
        self, prediction: Prediction, reference: Array | None, cleaning: PostProcessing
    ) -> None:
        """Clean up and compare; of one prediction only the latest judgement counts."""
        presenter = self._presenter
        key = (prediction.case, prediction.run)
        number = self._judged.get(key, 0) + 1
        self._judged[key] = number

        def done(comparison: Comparison) -> None:
            if self._judged[key] == number:
                presenter.compared(comparison)

        self._running.run(lambda: compare(prediction, reference, cleaning), done, presenter.failed)

    def advise(self, predictions: Sequence[Prediction], scribbles: Array | None) -> None:
        """Find where to draw next."""
        self._running.run(
            lambda: advise(predictions, scribbles), self._presenter.advised, self._session.refuse
        )

    def learnt(
        self, run: Path, snapshot: Snapshot, done: Callable[[dict[str, Array]], None]
    ) -> None:
        """Fetch the maps that a run has made of a case."""
        children = self._children
        self._running.run(
            lambda: predictions.maps_of(run, snapshot, children), done, self._session.refuse
        )

    def export_model(self, run: Path, path: Path, done: Callable[[Path], None]) -> None:
        """Write the model of a run as one file, in a child process."""
        children = self._children
        self._running.run(
            lambda: model_work.export_model(run, path, children), done, self._session.refuse
        )

    def stop(self) -> None:
        """End the child that predicts; new ones can be started."""
        children, self._children = self._children, Children(warm=self._session.warm)
        children.end()

    def end(self) -> None:
        """The window closes: whatever still runs ends now, and nobody is told any more."""
        self._running.over = True
        self._children.end()

    @property
    def _presenter(self) -> ResultsPresenter:
        if self.presenter is None:
            raise RuntimeError("set `presenter` before asking for jobs")
        return self.presenter
