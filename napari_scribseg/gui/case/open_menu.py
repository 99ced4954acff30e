"""Open: one button for files and folders of any kind, and a menu of samples and projects."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import SECONDARY

_ENTRIES = (
    ("new-project", "&New project …", "Its folder is made; its classes are asked once"),
    (
        "layers",
        "New case of the selected &layers",
        "Image layers of one patient, such as T2 and ADC, become the sequences of one case",
    ),
    ("sample:cardiac", "Sample: &cardiac phantom", "Synthetic hearts with scribbles"),
    ("sample:prostate", "Sample: &prostate phantom", "Synthetic prostates with scribbles"),
    ("first-steps", "First &steps", "Leads through a sample in two minutes, above the tabs"),
)
_TIP = (
    "Open files or folders of any kind: volumes, DICOM, datasets, projects (Alt+O). They can also "
    "be dropped on the window."
)


class OpenButton(QWidget):
    """A button that opens anything, and a menu of what needs no choosing."""

    asked = Signal(str)
    """"any", one of the words above, or "recent:" and the folder of a project."""

    def __init__(self) -> None:
        super().__init__()
        self.any = QPushButton("&Open …")
        self.any.setToolTip(_TIP)
        self.any.setStyleSheet(SECONDARY)
        self.any.clicked.connect(partial(self._ask, "any"))
        self.more = QPushButton("More")
        self.more.setToolTip("New project, recent projects, samples, first steps")
        self.more.setStyleSheet(SECONDARY)
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for what, text, tip in _ENTRIES[:1]:
            self._add(menu, what, text, tip)
        self._recent = QMenu("&Recent projects", menu)
        self._recent.setEnabled(False)
        menu.addMenu(self._recent)
        menu.addSeparator()
        for what, text, tip in _ENTRIES[1:]:
            self._add(menu, what, text, tip)
        self.more.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.any)
        row.addWidget(self.more)

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
