"""Predict, and how good the segmentation is."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import (
    Qt,
    Signal,  # pyright: ignore[reportAttributeAccessIssue]  qtpy adds it at run time
)
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QMenu,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
)

from napari_scribseg.gui.results_presenter import ResultsScreen
from napari_scribseg.gui.style import GAP, Panel, button, note_label, swatch
from napari_scribseg.gui.wording import Row

_COLUMNS = ("Structure", "Dice", "HD95 (mm)", "Volume (mL)")
_ROW_HEIGHT = 26


class ResultsPanel(Panel):
    """Asks for predictions, and shows their scores."""

    predict_asked = Signal()
    run_asked = Signal()
    project_asked = Signal()
    outline_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__("Results")
        self._predict = button("Predict", primary=True)
        self._predict.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._predict.clicked.connect(self.predict_asked)
        self._runs = button("Runs", "Predict with an earlier run, or keep runs elsewhere")
        self._runs.setMenu(self._menu())
        self._outline = QCheckBox("Outline")
        self._outline.setToolTip("Show the segmentation as an outline, or filled")
        self._outline.setChecked(True)
        self._outline.toggled.connect(self.outline_changed)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self._predict, 1)
        row.addWidget(self._runs)
        row.addWidget(self._outline)
        self._hint = note_label("Dice and HD95 appear here when a reference is chosen.")
        self.table = QTableWidget(0, len(_COLUMNS))
        self._prepare_table()
        self.body.addLayout(row)
        self.body.addWidget(self._hint)
        self.body.addWidget(self.table)

    @property
    def outline(self) -> bool:
        """Whether segmentations are shown as outlines."""
        return self._outline.isChecked()

    def show_screen(self, screen: ResultsScreen) -> None:
        """Show whether prediction is possible."""
        self._predict.setEnabled(screen.why_not_predict is None)
        self._predict.setToolTip(screen.why_not_predict or "Segment the chosen image")

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these scores; no rows = nothing to compare with."""
        self.table.setRowCount(len(rows))
        for y, row in enumerate(rows):
            cells = (row.name, row.dice, row.hd95_mm, row.volume_ml)
            for x, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if x > 0:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                elif row.color:
                    item.setIcon(swatch(row.color))
                self.table.setItem(y, x, item)
            self.table.setRowHeight(y, _ROW_HEIGHT)
        self.table.setVisible(bool(rows))
        self._hint.setVisible(not rows)
        self.table.setFixedHeight(_ROW_HEIGHT * (len(rows) + 1) + 6)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        for text, asked in (
            ("Predict with an earlier run …", self.run_asked),
            ("Keep new runs in another folder …", self.project_asked),
        ):
            action = QAction(text, menu)
            action.triggered.connect(asked)
            menu.addAction(action)
        return menu

    def _prepare_table(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels(_COLUMNS)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        rows, columns = table.verticalHeader(), table.horizontalHeader()
        if rows is not None:
            rows.setVisible(False)
        if columns is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            columns.setFixedHeight(_ROW_HEIGHT)
        table.setVisible(False)
