"""The table of scores: one row per structure, columns as wide as their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_scribseg.gui.widgets.numbers import Row
from napari_scribseg.gui.widgets.style import swatch

_COLUMNS: Final = (
    ("Class", "The structure"),
    ("Dice", "Overlap, 0 to 1"),
    ("HD95\nmm", "95th percentile Hausdorff distance in mm; +1∞ = one more was missed altogether"),
    ("ASSD\nmm", "Average symmetric surface distance in mm; +1∞ = one more was missed altogether"),
    ("Prec.", "Precision: share of the segmentation that is right"),
    ("Recall", "Recall: share of the reference that was found"),
    ("mL", "Volume of the segmentation in mL"),
)
_ROW_HEIGHT: Final = 24
_HEAD_HEIGHT: Final = 36
_ROOM: Final = 9
"""Pixels that a number needs around it."""


class ScoresTable(QTableWidget):
    """Shows rows of scores."""

    def __init__(self) -> None:
        super().__init__(0, len(_COLUMNS))
        for x, (title, tip) in enumerate(_COLUMNS):
            item = QTableWidgetItem(title)
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(x, item)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setStyleSheet(
            "QTableWidget::item { padding: 0 1px; } QHeaderView::section { padding: 1px; }"
        )
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        if rows is not None:
            rows.setVisible(False)
        if columns is not None:
            columns.setMinimumSectionSize(30)
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            # The names get what the numbers leave, and their tooltip tells them in full.
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            columns.setFixedHeight(_HEAD_HEIGHT)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these scores."""
        self.setRowCount(len(rows))
        for y, row in enumerate(rows):
            cells = (row.name, row.dice, row.hd95_mm, row.assd_mm, row.precision, row.recall)
            for x, text in enumerate((*cells, row.volume_ml)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if x > 0:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                elif row.color:
                    item.setIcon(swatch(row.color))
                self.setItem(y, x, item)
            self.setRowHeight(y, _ROW_HEIGHT)
        self.setVisible(bool(rows))
        self.setFixedHeight(_ROW_HEIGHT * len(rows) + _HEAD_HEIGHT + 4)
        self._fit_columns()

    def _fit_columns(self) -> None:
        """Columns of numbers as wide as the longest of them, and as their heading."""
        columns, metrics = self.horizontalHeader(), self.fontMetrics()
        if columns is None:
            return
        for x in range(1, len(_COLUMNS)):
            texts = _COLUMNS[x][0].split("\n")
            for y in range(self.rowCount()):
                item = self.item(y, x)
                texts.append("" if item is None else item.text())
            widest = max(metrics.horizontalAdvance(text) for text in texts)
            columns.resizeSection(x, widest + _ROOM)
