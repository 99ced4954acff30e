"""The Open button: cases, datasets, samples and projects; tells what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QPushButton

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import SECONDARY

_ENTRIES = (
    ("file", "Volume &file …", "A NIfTI, NRRD or MetaImage file; 3D or a 4D time series"),
    ("dicom", "D&ICOM folder …", "A folder with one or several DICOM series"),
    ("dataset", "&Dataset folder …", "A folder with images/, scribbles/, labels/"),
    ("", "", ""),
    ("sample:cardiac", "Sample: &cardiac phantom", "Synthetic hearts with scribbles"),
    ("sample:prostate", "Sample: &prostate phantom", "Synthetic prostates with scribbles"),
    ("first-steps", "First &steps", "Leads through a sample in two minutes, above the tabs"),
    ("", "", ""),
    ("project", "&Open project …", "A folder that was made by New project"),
    ("new-project", "&New project …", "An empty folder that keeps cases, scribbles and runs"),
)


class OpenButton(QPushButton):
    """A button with a menu of everything that can be opened."""

    asked = Signal(str)
    """One of the words above, or "recent:" and the folder of a project."""

    def __init__(self) -> None:
        super().__init__("&Open")
        self.setToolTip("Open a case, a dataset, a sample or a project (Alt+O)")
        self.setStyleSheet(SECONDARY)
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for what, text, tip in _ENTRIES:
            if what:
                self._add(menu, what, text, tip)
            else:
                menu.addSeparator()
        self._recent = QMenu("&Recent projects", menu)
        self._recent.setEnabled(False)
        menu.addMenu(self._recent)
        self.setMenu(menu)

    def set_recent(self, folders: Sequence[Path]) -> None:
        """Offer these projects, the newest first."""
        self._recent.clear()
        for folder in folders:
            text = f"{folder.parent.name}/{folder.name}"
            self._add(self._recent, f"recent:{folder}", text, str(folder))
        self._recent.setEnabled(bool(folders))

    def _add(self, menu: QMenu, what: str, text: str, tip: str) -> None:
        action = QAction(text, menu)
        action.setToolTip(tip)
        action.triggered.connect(partial(self._ask, what))
        menu.addAction(action)

    def _ask(self, what: str, *_checked: bool) -> None:
        self.asked.emit(what)
