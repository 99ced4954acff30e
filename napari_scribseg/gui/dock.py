"""The main dock: four tabs in the order of the work, and a status line under all of them.

Above the tabs the first steps lead a newcomer through the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QShowEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_scribseg.gui.canvas.layers import role_of
from napari_scribseg.gui.case.tab import CaseTab
from napari_scribseg.gui.closing import Leaving, Running
from napari_scribseg.gui.dock_place import UNDER_TITLE, DockPlace, true_viewer
from napari_scribseg.gui.first_steps import (
    FirstStepsPresenter,
    StepName,
    keep_steps,
    one_minute,
    steps_at_start,
)
from napari_scribseg.gui.first_steps_panel import FirstStepsPanel
from napari_scribseg.gui.results.tab import ResultsTab
from napari_scribseg.gui.scribble.tab import ScribbleTab
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.status_line import StatusLine
from napari_scribseg.gui.takers import take_for
from napari_scribseg.gui.train.tab import TrainTab

if TYPE_CHECKING:
    import napari.viewer


_TABS = "QTabBar::tab { padding: 6px 14px; min-height: 16px; }"
"""napari's own style cuts the letters of a bar of tabs off at the top."""


class ScribbleDock(QWidget):
    """Scribble segmentation in one dock.

    Args:
        viewer: napari's viewer.
        project: the folder that receives the runs; the user's own when None.
    """

    def __init__(self, viewer: napari.viewer.Viewer, project: Path | None = None) -> None:
        super().__init__()
        viewer = true_viewer(viewer)
        self.session = Session(viewer, project)
        self.status = StatusLine(self.session)
        self.case_tab = CaseTab(self.session)
        self.case_tab.save_state_changed.connect(self.status.show_saved)
        self.scribble_tab = ScribbleTab(self.session)
        self.train_tab = TrainTab(self.session)
        self.case_tab.trainings.work = self.train_tab.jobs
        trainings = Running(self.train_tab.jobs, "training")
        self._place = DockPlace(self, Leaving([trainings], self.session.refuse))
        self.results_tab = ResultsTab(self.session)
        self.results_tab.cases_predicted.connect(self.case_tab.note_predictions)
        self.tabs = QTabWidget()
        self.tabs.setStyleSheet(_TABS)
        # The letter after & chooses the tab together with Alt. Alt+C and Alt+S are napari's
        # screenshots: Qt does nothing at a key that two things want.
        for tab, title in (
            (self.case_tab, "C&ase"),
            (self.scribble_tab, "Scri&bble"),
            (self.train_tab, "&Train"),
            (self.results_tab, "&Results"),
        ):
            self.tabs.addTab(tab, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, UNDER_TITLE, 0, 0)
        layout.setSpacing(0)
        self.first_steps = FirstStepsPanel()
        layout.addWidget(self.first_steps)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.train_tab.card)
        layout.addWidget(self.status)
        self.train_tab.card.result_asked.connect(self._show_results)
        steps = steps_at_start(self.session.project_folder)
        self.guide = FirstStepsPresenter(self.first_steps, steps, keep_steps)
        self._connect_first_steps()
        self.setAcceptDrops(True)
        self._end_taking = take_for(viewer, self._take)
        self.session.adopt()

    def _show_results(self) -> None:
        self.tabs.setCurrentWidget(self.results_tab)

    def _connect_first_steps(self) -> None:
        guide, session, results = self.guide, self.session, self.results_tab
        self.first_steps.step_asked.connect(self._lead_to)
        self.first_steps.hide_asked.connect(self._hide_first_steps)
        self.case_tab.first_steps_asked.connect(lambda: guide.show(session.inputs()))
        session.selected_changed.connect(lambda: guide.inputs_changed(session.inputs()))
        session.strokes_drawn.connect(partial(self._happened, "draw"))
        session.run_completed.connect(partial(self._happened, "train"))
        results.scores_shown.connect(partial(self._happened, "look"))
        session.viewer.layers.events.inserted.connect(self._layer_came)
        results.suggestion_visited.connect(partial(self._happened, "correct"))

    def _layer_came(self, event: Any) -> None:
        """Without a reference there are no scores to be seen: a segmentation will do."""
        if role_of(event.value) == "segmentation" and self.session.selected.reference is None:
            self._happened("look")

    def _happened(self, step: StepName, *_news: object) -> None:
        self.guide.happened(step)

    def _lead_to(self, step: StepName) -> None:
        """Show the tab of a step, and do what can be done for the user."""
        if step == "open":
            self.tabs.setCurrentWidget(self.case_tab)
            self.case_tab.opener.open_sample("cardiac")
        elif step == "draw":
            self.tabs.setCurrentWidget(self.scribble_tab)
            self.results_tab.advising.take_brush()
            self.session.say("Choose a class, then draw a stroke on the image.")
        elif step == "train":
            self.tabs.setCurrentWidget(self.train_tab)
            image = self.session.selected.image
            y, x = (0, 0) if image is None else image.data.shape[-2:]
            self.train_tab.propose(one_minute((int(y), int(x))))
        else:
            self.tabs.setCurrentWidget(self.results_tab)
            if step == "correct":
                self.results_tab.advising.next()

    def _hide_first_steps(self) -> None:
        self.guide.hide()
        self.session.say("The first steps are put away; Open > First steps shows them again.")

    @property
    def project_folder(self) -> Path:
        """The project that is open; there is none yet where the folder has no document."""
        return self.session.project_folder

    def show_run(self, run: Path) -> None:
        """Show the training of a run that lies elsewhere, such as a cell of an experiment."""
        self.tabs.setCurrentWidget(self.train_tab)
        self.train_tab.visit(run)

    def _take(self, paths: Sequence[Path]) -> None:
        """Open what was dropped on the window, or chosen in napari's File > Open."""
        self.tabs.setCurrentWidget(self.case_tab)
        self.case_tab.importer.open_paths(paths)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:  # noqa: N802  Qt's name
        """Files may be dropped on the dock, as on the rest of the window."""
        if a0 is not None and (mime := a0.mimeData()) is not None and mime.hasUrls():
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:  # noqa: N802  Qt's name
        """Open what is dropped."""
        mime = None if a0 is None else a0.mimeData()
        paths = [] if mime is None else [url.toLocalFile() for url in mime.urls()]
        if any(paths):
            self._take([Path(path) for path in paths if path])

    def end(self) -> None:
        """End what runs in the background; the dock is of no use afterwards."""
        self._end_taking()
        inserted = self.session.viewer.layers.events.inserted
        if self._layer_came in inserted.callbacks:
            inserted.disconnect(self._layer_came)
        self.case_tab.end()
        self.scribble_tab.end()
        self.train_tab.end()
        self.results_tab.end()
        self.session.end()

    def showEvent(self, a0: QShowEvent | None) -> None:  # noqa: N802  Qt's name
        """Take the place beside our other dock."""
        super().showEvent(a0)
        self._place.shown()
        self.case_tab.watch_over_window()

    def event(self, a0: QEvent | None) -> bool:
        """Qt's events; napari takes a closed dock out of its window, which ends it."""
        taken_out = a0 is not None and a0.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            self.end()
        return super().event(a0)

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Wide enough for every row, and no taller than a small screen."""
        return QSize(400, 640)
