"""Batch evaluation: methods are compared on a dataset, as by `scribseg experiment`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices, QShowEvent
from qtpy.QtWidgets import QFileDialog, QLabel, QVBoxLayout, QWidget

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.samples import sample_folder
from napari_scribseg.experiment.experiment import REPORT, trial_folder
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.gui import catalogue
from napari_scribseg.gui.background import Background
from napari_scribseg.gui.batch.check import CheckReport
from napari_scribseg.gui.batch.check_panel import BatchCheckPanel
from napari_scribseg.gui.batch.jobs import BackgroundExperiments
from napari_scribseg.gui.batch.plan_panel import BatchPlanPanel
from napari_scribseg.gui.batch.presenter import BatchPresenter
from napari_scribseg.gui.batch.results import ShownSlice
from napari_scribseg.gui.batch.results_panel import BatchResultsPanel
from napari_scribseg.gui.batch.screen import BatchScreen, Phase, ShowsRuns
from napari_scribseg.gui.batch.shown_slice import SliceViewer
from napari_scribseg.gui.batch.trials import TrialCard
from napari_scribseg.gui.batch.trials_panel import BatchTrialsPanel
from napari_scribseg.gui.closing import CloseGuard, Leaving, Running, main_window_of
from napari_scribseg.gui.dock_place import UNDER_TITLE, DockPlace, ours_in, true_viewer
from napari_scribseg.gui.values import Level
from napari_scribseg.gui.widgets.save_as import FileKind, ask_where_to_save
from napari_scribseg.gui.widgets.style import GAP, LEVEL_COLORS, MARGIN, Tab
from napari_scribseg.project.open_document import is_project

if TYPE_CHECKING:
    import napari.viewer

_RECIPE = FileKind("Recipes", (".json",))


class BatchEvaluation(QWidget):
    """Batch evaluation in one dock; the view of a `BatchPresenter`.

    Args:
        viewer: napari's viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer = true_viewer(viewer)
        self._background = Background()
        self.jobs = BackgroundExperiments(self._background)
        self.presenter = BatchPresenter(view=self, jobs=self.jobs)
        self.jobs.presenter = self.presenter
        self._slices = SliceViewer(viewer)
        self._leaving = Leaving([Running(self.jobs, "experiment")], self._refuse)
        self._place = DockPlace(self, self._leaving)
        self._guard: CloseGuard | None = None
        self.plan, self.check = BatchPlanPanel(), BatchCheckPanel()
        self.trials, self.results = BatchTrialsPanel(), BatchResultsPanel()
        self.status = QLabel("Choose a dataset and the methods, then press Check.")
        self._lay_out()
        self._connect()
        self._tell_plan()
        # After the first paint: the widget shows at once, the methods come when they come.
        QTimer.singleShot(0, self._load_methods)
        # Bound to the jobs and not to this object, which is gone by then.
        self.destroyed.connect(self.jobs.end)

    def end(self) -> None:
        """End what runs in the background; the widget is of no use afterwards."""
        if self._guard is not None:
            self._guard.end()
        self.jobs.end()
        self._background.end()

    def showEvent(self, a0: QShowEvent | None) -> None:  # noqa: N802  Qt's name
        """Watch over the window that the widget has come to."""
        super().showEvent(a0)
        self._place.shown()
        window = main_window_of(self)
        if window is not None and self._guard is None:
            self._guard = CloseGuard(
                window, self._leaving, self._is_in_use, last_words=lambda: None
            )
            self._propose_project(window)

    def event(self, a0: QEvent | None) -> bool:
        """Qt's events; napari takes a closed dock out of its window, which ends it."""
        taken_out = a0 is not None and a0.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            self.end()
        return super().event(a0)

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Wide enough for every column, and no taller than a small screen."""
        return QSize(440, 640)

    # What the presenter asks for

    def show_screen(self, screen: BatchScreen) -> None:
        """Show a state."""
        began = screen.phase is Phase.RUNNING and not self.trials.stop.isVisible()
        for panel in (self.plan, self.trials, self.results):
            panel.show_screen(screen)
        if began:
            self._tab.reveal(self.trials)

    def show_report(self, report: CheckReport | None) -> None:
        """Show what a check has found."""
        self.check.set_value(report)
        if report is not None:
            self._tab.reveal(self.check)

    def show_trials(self, cards: Sequence[TrialCard]) -> None:
        """Show these trials."""
        self.trials.set_cards(cards)

    def show_plan(self, recipe: Recipe, out: Path | None) -> str:
        """Fill the form; gives what could not be shown."""
        try:
            self.plan.set_value(recipe, out)
        except ScribsegError as error:
            return str(error)
        return ""

    def show_slice(self, shown: ShownSlice) -> None:
        """Show a slice in the viewer."""
        self._slices.show(shown)
        self.results.back.setVisible(self._slices.is_shown)

    def _go_back(self) -> None:
        self._slices.back()
        self.results.back.setVisible(False)

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence, which stays until the next one."""
        color = LEVEL_COLORS[level]
        self.status.setStyleSheet(f"color: {color};" if color else "")
        self.status.setText(text)

    # What the user does

    def open_run(self, trial: str) -> None:
        """Show the training of a trial in the main dock, which is opened if needed."""
        folder = self.presenter.screen.folder
        if folder is None:
            return
        place, dock = self._viewer.window.add_plugin_dock_widget(
            "napari-scribseg", "Scribble segmentation", tabify=True
        )
        if isinstance(dock, ShowsRuns):
            place.show()
            place.raise_()
            dock.show_run(trial_folder(folder, trial) / "run")

    # Inside

    def _refuse(self, message: str) -> None:
        self.say(message, "error")

    def _lay_out(self) -> None:
        self._tab = Tab()
        for panel in (self.plan, self.check, self.trials, self.results):
            self._tab.column.addWidget(panel)
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.status.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, UNDER_TITLE, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._tab, 1)
        layout.addWidget(self.status)

    def _connect(self) -> None:
        plan, trials, results, presenter = self.plan, self.trials, self.results, self.presenter
        plan.value_changed.connect(self._tell_plan)
        plan.check_asked.connect(presenter.check)
        plan.run_asked.connect(presenter.run)
        plan.dataset_asked.connect(self._ask_for_dataset)
        plan.sample_asked.connect(self._take_sample)
        plan.out_asked.connect(self._ask_for_out)
        plan.file_asked.connect(self._ask_for_file)
        trials.stop_asked.connect(presenter.stop)
        trials.continue_asked.connect(presenter.go_on)
        trials.repeat_asked.connect(presenter.repeat_failed)
        trials.run_asked.connect(self.open_run)
        results.report_asked.connect(lambda: self._open(REPORT))
        results.folder_asked.connect(lambda: self._open(""))
        results.slice_asked.connect(presenter.show_slice)
        results.back_asked.connect(self._go_back)

    def _is_in_use(self) -> bool:
        """Whether somebody closes the window, and not a program that has emptied it before."""
        return bool(self._viewer.layers)

    def _load_methods(self) -> None:
        try:
            self.plan.set_methods(catalogue.methods())
        except ScribsegError as error:
            self.say(str(error), "error")
        self.presenter.methods_loaded()
        self._tell_plan()

    def _tell_plan(self) -> None:
        try:
            plan = self.plan.value()
        except ScribsegError as error:
            self.presenter.plan_changed(None, str(error))
        else:
            self.presenter.plan_changed(plan)

    def _propose_project(self, window: QWidget) -> None:
        """Fill in the project that is open beside it, unless a dataset was chosen already."""
        docks = [dock for dock in ours_in(window).values() if isinstance(dock, ShowsRuns)]
        folder = next((one.project_folder for one in docks), None)
        if folder is not None and is_project(folder) and not self.plan.dataset.text():
            self.plan.dataset.setText(str(folder))

    def _take_sample(self) -> None:
        try:
            self.plan.dataset.setText(str(sample_folder("cardiac")))
        except ScribsegError as error:
            self.say(str(error), "error")

    def _ask_for_dataset(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a dataset folder")
        if folder:
            self.plan.dataset.setText(folder)

    def _ask_for_out(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder for the results")
        if folder:
            self.plan.out.setText(folder)

    def _ask_for_file(self, what: str) -> None:
        if what == "experiment":
            folder = QFileDialog.getExistingDirectory(self, "Choose the folder of an experiment")
            if folder:
                self.presenter.open_experiment(Path(folder))
        elif what == "open":
            path, _ = QFileDialog.getOpenFileName(self, "Open a recipe", "", _RECIPE.filter)
            if path:
                self.presenter.open_recipe(Path(path))
        else:
            given = ask_where_to_save(self, "Save the recipe", "recipe.json", [_RECIPE])
            if given is not None:
                self.presenter.save_recipe(given[0])

    def _open(self, name: str) -> None:
        """Open a file of the experiment, or its folder, with the system's program for it."""
        folder = self.presenter.screen.folder
        if folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder / name)))
