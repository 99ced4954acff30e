"""The main dock: four tabs in the order of the work, and a status line under all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_scribseg.gui.case_tab import CaseTab
from napari_scribseg.gui.results_tab import ResultsTab
from napari_scribseg.gui.scribble_tab import ScribbleTab
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.status_line import StatusLine
from napari_scribseg.gui.train_tab import TrainTab

if TYPE_CHECKING:
    import napari.viewer


_MINIMUM_WIDTH = 340


class ScribbleDock(QWidget):
    """Scribble segmentation in one dock.

    Args:
        viewer: napari's viewer.
        project: the folder that receives the runs; the user's own when None.
    """

    def __init__(self, viewer: napari.viewer.Viewer, project: Path | None = None) -> None:
        super().__init__()
        self.session = Session(viewer, project)
        self.status = StatusLine(self.session)
        self.case_tab = CaseTab(self.session)
        self.case_tab.save_state_changed.connect(self.status.show_saved)
        self.scribble_tab = ScribbleTab(self.session)
        self.train_tab = TrainTab(self.session)
        self.case_tab.leaving.trainings = self.train_tab.jobs
        self.results_tab = ResultsTab(self.session)
        self.tabs = QTabWidget()
        # The letter after & chooses the tab together with Alt.
        for tab, title in (
            (self.case_tab, "&Case"),
            (self.scribble_tab, "&Scribble"),
            (self.train_tab, "&Train"),
            (self.results_tab, "&Results"),
        ):
            self.tabs.addTab(tab, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.status)
        self.setMinimumWidth(_MINIMUM_WIDTH)
        self.session.run_completed.connect(self._show_results)
        self.session.adopt()

    def _show_results(self, _run: Path) -> None:
        self.tabs.setCurrentWidget(self.results_tab)

    def end(self) -> None:
        """End what runs in the background; the dock is of no use afterwards."""
        self.case_tab.end()
        self.scribble_tab.end()
        self.train_tab.end()
        self.results_tab.end()
        self.session.end()

    def event(self, a0: QEvent | None) -> bool:
        """Qt's events; napari takes a closed dock out of its window, which ends it."""
        taken_out = a0 is not None and a0.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            self.end()
        return super().event(a0)

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Wide enough for every row, and no taller than a small screen."""
        return QSize(400, 640)
