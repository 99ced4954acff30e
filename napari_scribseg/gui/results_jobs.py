"""The predictions of the Results tab, made in child processes."""

from __future__ import annotations

from pathlib import Path

from napari_scribseg.gui import work
from napari_scribseg.gui.results_presenter import ResultsPresenter
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Snapshot


class BackgroundPredictions:
    """The jobs of a `ResultsPresenter`."""

    def __init__(self, session: Session) -> None:
        self.presenter: ResultsPresenter | None = None
        """Whom to report to; set once, right after both are made."""
        self._session = session
        self._children = work.Children()

    def predict(self, run: Path, snapshot: Snapshot) -> None:
        """Segment an image in a child process and score the result."""
        presenter = self.presenter
        if presenter is None:
            raise RuntimeError("set `presenter` before asking for jobs")
        self._session.background.run(
            lambda: work.predict(run, snapshot, self._children),
            presenter.predicted,
            presenter.failed,
        )

    def end(self) -> None:
        """The window closes: whatever still runs ends now."""
        self._children.end()
