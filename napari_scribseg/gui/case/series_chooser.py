"""Which series of a DICOM folder to open: description, size and spacing of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.gui.widgets.style import GAP, MARGIN, note_label
from napari_scribseg.io.series import SeriesInfo

_COLUMNS = ("Description", "Kind", "Size (z, y, x)", "Spacing in mm (z, y, x)")


class SeriesChooser(QDialog):
    """A table of series; `chosen` is what was picked."""

    def __init__(self, series: Sequence[SeriesInfo], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open a DICOM series")
        self.resize(620, 320)
        self._series = tuple(series)
        self.table = QTableWidget(len(self._series), len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        vertical, horizontal = self.table.verticalHeader(), self.table.horizontalHeader()
        if vertical is not None:
            vertical.setVisible(False)
        if horizontal is not None:
            horizontal.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            horizontal.setStretchLastSection(True)
        for row, info in enumerate(self._series):
            for column, text in enumerate(cells_of(info)):
                self.table.setItem(row, column, QTableWidgetItem(text))
        self.table.selectRow(0)
        self.table.doubleClicked.connect(self.accept)
        buttons = QDialogButtonBox()
        for kind in (QDialogButtonBox.StandardButton.Open, QDialogButtonBox.StandardButton.Cancel):
            buttons.addButton(kind)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        layout.addWidget(note_label(f"The folder holds {len(self._series)} series; choose one."))
        layout.addWidget(self.table)
        for sentence in dict.fromkeys(note for info in self._series for note in info.notes):
            layout.addWidget(note_label(sentence))
        layout.addWidget(buttons)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    @property
    def chosen(self) -> SeriesInfo | None:
        """The series of the selected row."""
        row = self.table.currentRow()
        return self._series[row] if 0 <= row < len(self._series) else None


def cells_of(info: SeriesInfo) -> tuple[str, str, str, str]:
    """What the table says of a series."""
    size = " x ".join(str(n) for n in info.shape)
    spacing = " x ".join("?" if math.isnan(mm) else f"{mm:.2f}" for mm in info.spacing)
    size += f", {info.n_frames} frames" if info.n_frames > 1 else ""
    whose = f"Patient {info.patient}: " if info.patient else ""
    return f"{whose}{info.description or '(no description)'}", info.modality, size, spacing
