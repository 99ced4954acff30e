"""Runs and models of elsewhere: asked for, taken into the list, predicted with."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog

from napari_scribseg.gui.results.export_panel import MODELS
from napari_scribseg.gui.results.model_work import take_model
from napari_scribseg.gui.results.predict_panel import PredictPanel
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.run_list import RunEntry, entry_of
from napari_scribseg.gui.session import Session


class RunsController:
    """Fetches runs for the list of a `PredictPanel`.

    Args:
        panel: the list.
        session: what the window works on.
        presenter: predicts with them.
    """

    def __init__(self, panel: PredictPanel, session: Session, presenter: ResultsPresenter) -> None:
        self._panel = panel
        self._session = session
        self._presenter = presenter
        panel.run_asked.connect(self.ask_for_run)
        panel.model_asked.connect(self.ask_for_model)
        panel.refresh_asked.connect(presenter.jobs.list_runs)

    def ask_for_run(self) -> None:
        """Ask for the folder of a run, and predict with it."""
        runs = str(self._session.project_folder / "runs")
        folder = QFileDialog.getExistingDirectory(self._panel, "Choose the folder of a run", runs)
        if folder:
            self.use_run(Path(folder))

    def use_run(self, folder: Path) -> None:
        """Predict with an earlier run, with its schema."""

        def use(entry: RunEntry | None) -> None:
            if entry is None:
                self._session.say(
                    f"{folder.name} can't predict: it is no run, or has saved no weights yet.",
                    "warning",
                )
                return
            self._presenter.add_run(entry)
            self._session.say(f"Predictions now come from the run {entry.title}.")

        self._session.run(lambda: entry_of(folder), use)

    def ask_for_model(self) -> None:
        """Ask for a model file, and predict with it."""
        name, _ = QFileDialog.getOpenFileName(self._panel, "Load a model file", "", MODELS)
        if name:
            self.load_model(Path(name))

    def load_model(self, path: Path) -> None:
        """Copy a model file into the project, and predict with it from now on."""
        project = self._session.project_folder
        self._session.say(f"Loading {path.name} …")
        self._session.run(lambda: take_model(project, path), self.use_run)
