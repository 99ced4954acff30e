"""A table that sorts numbers as numbers and shows names in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_scribseg.gui.qt import Signal

_ROW_HEIGHT = 24
_KEY = Qt.ItemDataRole.UserRole
_MOST_ROWS = 9
"""Shown at once; the others are scrolled to."""


@dataclass(frozen=True)
class Field:
    """What stands in one place of a table.

    Args:
        text: as shown.
        order: what it is sorted by.
        color: of the text (#rrggbb), "" = the theme's own.
        tooltip: "" = the text.
    """

    text: str
    order: float | str
    color: str = ""
    tooltip: str = ""


class SortedTable(QTableWidget):
    """Rows with keys; one can be chosen, and a click on a heading sorts.

    Args:
        columns: heading and tooltip of each.
    """

    chosen = Signal(str)
    """The key of the row that the user chose."""
    opened = Signal(str)
    """The key of the row that was double-clicked."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        super().__init__(0, len(columns))
        for place, (title, tip) in enumerate(columns):
            item = QTableWidgetItem(title)
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(place, item)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setStyleSheet("QHeaderView::section { padding: 2px 3px; }")
        rows, heads = self.verticalHeader(), self.horizontalHeader()
        if rows is not None:
            rows.setVisible(False)
            rows.setDefaultSectionSize(_ROW_HEIGHT)
        if heads is not None:
            heads.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            heads.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
            heads.setStretchLastSection(True)
        self._shown: dict[str, tuple[Field, ...]] = {}
        self._items: dict[str, tuple[_Item, ...]] = {}
        self.itemSelectionChanged.connect(self._tell_chosen)
        self.itemDoubleClicked.connect(self._tell_opened)

    def set_rows(self, rows: dict[str, tuple[Field, ...]]) -> None:
        """Show these rows by key; of those that are there already only what changed is touched."""
        if list(rows) != list(self._shown):
            self._make(rows)
        changed = [key for key, fields in rows.items() if fields != self._shown.get(key)]
        if changed:
            self.setSortingEnabled(False)  # rows must not move while they are changed
            for key in changed:
                for item, field in zip(self._items[key], rows[key], strict=True):
                    item.show_field(field)
            self.setSortingEnabled(True)
        self._shown = dict(rows)

    def chosen_key(self) -> str | None:
        """The key of the chosen row."""
        items = self.selectedItems()
        return str(items[0].data(_KEY)) if items else None

    def texts(self, column: int) -> list[str]:
        """What stands in a column, from top to bottom."""
        items = [self.item(row, column) for row in range(self.rowCount())]
        return [item.text() for item in items if item is not None]

    def _make(self, rows: dict[str, tuple[Field, ...]]) -> None:
        was_sorted = self.isSortingEnabled()
        self.blockSignals(True)
        self.setSortingEnabled(False)
        self.setRowCount(len(rows))
        self._items, self._shown = {}, {}
        for place, key in enumerate(rows):
            made = tuple(_Item(key) for _ in range(self.columnCount()))
            for column, item in enumerate(made):
                self.setItem(place, column, item)
            self._items[key] = made
        heads = self.horizontalHeader()
        if not was_sorted and heads is not None:
            heads.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # as they are given
        self.blockSignals(False)
        height = heads.sizeHint().height() if heads is not None else _ROW_HEIGHT
        bar = self.horizontalScrollBar()
        below = bar.sizeHint().height() if bar is not None else 0
        self.setFixedHeight(min(len(rows), _MOST_ROWS) * _ROW_HEIGHT + height + below + 4)

    def _tell_chosen(self) -> None:
        key = self.chosen_key()
        if key is not None:
            self.chosen.emit(key)

    def _tell_opened(self, item: QTableWidgetItem) -> None:
        self.opened.emit(str(item.data(_KEY)))


class _Item(QTableWidgetItem):
    """Sorted by what it stands for, not by its text."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.order: float | str = ""
        self.setData(_KEY, key)

    def show_field(self, field: Field) -> None:
        self.order = field.order
        self.setText(field.text)
        self.setToolTip(field.tooltip or field.text)
        self.setForeground(QBrush(QColor(field.color)) if field.color else QBrush())

    def __lt__(self, other: QTableWidgetItem) -> bool:
        theirs = other.order if isinstance(other, _Item) else ""
        if isinstance(self.order, str) or isinstance(theirs, str):
            return str(self.order) < str(theirs)
        return self.order < theirs
