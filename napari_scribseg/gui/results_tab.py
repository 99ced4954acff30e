"""The Results tab: predict with a run, and see how good the segmentation is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog

from napari_scribseg.engine.run import RunFolder
from napari_scribseg.errors import ScribsegError
from napari_scribseg.gui import layers
from napari_scribseg.gui.results_jobs import BackgroundPredictions
from napari_scribseg.gui.results_panel import ResultsPanel
from napari_scribseg.gui.results_presenter import ResultsPresenter, ResultsScreen
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.style import Tab
from napari_scribseg.gui.values import Level, Outcome, Snapshot
from napari_scribseg.gui.wording import Row


class ResultsTab(Tab):
    """Predict and compare; the view of a `ResultsPresenter`.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._jobs = BackgroundPredictions(session)
        self.presenter = ResultsPresenter(view=self, jobs=self._jobs)
        self._jobs.presenter = self.presenter
        self.results = ResultsPanel()
        self.column.addWidget(self.results)
        self.results.predict_asked.connect(self.presenter.predict)
        self.results.run_asked.connect(self._ask_for_run)
        self.results.project_asked.connect(self._ask_for_project)
        self.results.outline_changed.connect(self._outline_changed)
        session.selected_changed.connect(self._tell_inputs)
        session.run_chosen.connect(self.presenter.use_run)
        session.run_completed.connect(self.presenter.run_completed)
        self._tell_inputs()

    def end(self) -> None:
        """End what runs in the background."""
        self._jobs.end()

    # What the presenter asks for

    def show_screen(self, screen: ResultsScreen) -> None:
        """Show a state."""
        self.results.show_screen(screen)

    def show_outcome(self, outcome: Outcome) -> None:
        """Put a prediction into the viewer, under the scribbles; a newer one replaces it."""
        case, outline = outcome.case, self.results.outline
        data = layers.segmentation_data(
            outcome.segmentation, outcome.schema, case=case, outline=outline
        )
        self._session.put(data, "segmentation", case)
        if outcome.uncertainty is not None:
            uncertainty = layers.uncertainty_data(outcome.uncertainty, case=case)
            self._session.put(uncertainty, "uncertainty", case)

    def show_scores(self, rows: Sequence[Row]) -> None:
        """Show the table of scores."""
        self.results.set_rows(rows)
        self.reveal(self.results)

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence."""
        self._session.say(text, level)

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now.

        Raises:
            InvalidInput: no image is chosen, or a layer can't be used.
        """
        return self._session.snapshot()

    # What the user does

    def use_run(self, folder: Path) -> None:
        """Predict with an earlier run, with its schema."""
        try:
            run = RunFolder.open(folder)
        except ScribsegError as error:
            self._session.refuse(str(error))
            return
        if not run.weights.exists():
            self.say(f"The run {folder.name} has saved no weights yet.", "warning")
            return
        self._session.run_chosen.emit(folder)
        self.say(f"Predictions now come from the run {folder.name}.")

    # Inside

    def _tell_inputs(self) -> None:
        self.presenter.inputs_changed(self._session.inputs())

    def _ask_for_run(self) -> None:
        runs = str(self._session.project_folder / "runs")
        folder = QFileDialog.getExistingDirectory(self, "Choose the folder of a run", runs)
        if folder:
            self.use_run(Path(folder))

    def _ask_for_project(self) -> None:
        before = str(self._session.project_folder)
        folder = QFileDialog.getExistingDirectory(self, "Keep runs in this folder", before)
        if folder:
            self._session.project_folder = Path(folder)
            self.say(f"New runs are kept in {folder}.")

    def _outline_changed(self, outline: bool) -> None:
        for layer in self._session.viewer.layers:
            if layers.role_of(layer) == "segmentation":
                layers.set_outline(layer, outline=outline)
