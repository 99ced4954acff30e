"""The slow work of the Results tab: predictions in child processes, the rest in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_scribseg.core.types import Array
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui import work
from napari_scribseg.gui.results import model_work
from napari_scribseg.gui.results.comparison import Comparison, advise, compare
from napari_scribseg.gui.results.presenter import ResultsPresenter, Wanted
from napari_scribseg.gui.results.run_list import runs_with_weights
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Outcome, Snapshot


class BackgroundPredictions:
    """The jobs of a `ResultsPresenter`."""

    def __init__(self, session: Session) -> None:
        self.presenter: ResultsPresenter | None = None
        """Whom to report to; set once, right after both are made."""
        self._session = session
        self._children = work.Children(warm=session.warm)
        self._listed = 0
        self._judged: dict[tuple[CaseKey, Path | None], int] = {}

    def list_runs(self) -> None:
        """Look which runs of the project can predict; only the latest look counts."""
        presenter, project = self._presenter, self._session.project_folder
        self._listed += 1
        number = self._listed
        self._session.run(
            lambda: runs_with_weights(project),
            lambda runs: presenter.runs_listed(runs) if number == self._listed else None,
        )

    def predict(self, run: Path, snapshot: Snapshot, wanted: Wanted) -> None:
        """Segment an image in a child process."""
        presenter, children = self._presenter, self._children
        self._session.background.run(
            lambda: work.predict(
                run, snapshot, children, probabilities=wanted.probabilities, z=wanted.z
            ),
            presenter.predicted,
            presenter.failed,
        )

    def load_saved(self, run: Path, snapshot: Snapshot) -> None:
        """Fetch the newest prediction of a case from the run's folder."""
        presenter = self._presenter
        self._session.background.run(
            lambda: work.saved_prediction(run, snapshot), presenter.predicted, presenter.failed
        )

    def predict_cases(self, run: Path) -> None:
        """Segment every case of the project in a child process."""
        presenter, children = self._presenter, self._children
        project, background = self._session.project_folder, self._session.background

        def progress(done: int) -> None:
            background.post(lambda: presenter.progressed(f"{done} case(s) done …"))

        background.run(
            lambda: work.predict_project(run, project, children, progress),
            lambda found: presenter.cases_predicted(run, *found),
            presenter.failed,
        )

    def compare_with_reference(
        self, outcome: Outcome, reference: Array | None, cleaning: PostProcessing
    ) -> None:
        """Clean up and compare; of one prediction only the latest judgement counts."""
        presenter = self._presenter
        key = (outcome.case, outcome.run)
        number = self._judged.get(key, 0) + 1
        self._judged[key] = number

        def done(verdict: Comparison) -> None:
            if self._judged[key] == number:
                presenter.compared(verdict)

        self._session.background.run(
            lambda: compare(outcome, reference, cleaning), done, presenter.failed
        )

    def advise(self, outcomes: Sequence[Outcome], scribbles: Array | None) -> None:
        """Find where to draw next."""
        self._session.run(lambda: advise(outcomes, scribbles), self._presenter.advised)

    def learnt(
        self, run: Path, snapshot: Snapshot, done: Callable[[dict[str, Array]], None]
    ) -> None:
        """Fetch the maps that a run has made of a case."""
        children = self._children
        self._session.run(lambda: work.maps_of(run, snapshot, children), done)

    def export_model(self, run: Path, path: Path, done: Callable[[Path], None]) -> None:
        """Write the model of a run as one file, in a child process."""
        children = self._children
        self._session.run(lambda: model_work.export_model(run, path, children), done)

    def stop(self) -> None:
        """End the child that predicts; new ones can be started."""
        children, self._children = self._children, work.Children(warm=self._session.warm)
        children.end()

    def end(self) -> None:
        """The window closes: whatever still runs ends now."""
        self._children.end()

    @property
    def _presenter(self) -> ResultsPresenter:
        if self.presenter is None:
            raise RuntimeError("set `presenter` before asking for jobs")
        return self.presenter
