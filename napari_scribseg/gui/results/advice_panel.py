"""Draw here next: slices in the order in which strokes help most, each with its reason."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QListWidget, QListWidgetItem

from napari_scribseg.evaluation.disagreement import Suggestion
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.comparison import Advice
from napari_scribseg.gui.widgets.style import GAP, Panel, button, note_label

NEXT_KEY = "N"
_MOST = 8
_ROW_HEIGHT = 38
_ROWS = 4


class AdvicePanel(Panel):
    """Lists slices worth drawing on."""

    advice_asked = Signal()
    next_asked = Signal()
    suggestion_chosen = Signal(object)
    """Suggestion."""
    map_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__("Draw here next")
        self._hint = note_label(
            "Slices where ticked runs disagree, or where the only one is unsure, are ranked here."
        )
        find = button("Find slices", "Rank the slices by doubt, leaving out what you drew on")
        find.clicked.connect(self.advice_asked)
        self._next = button(
            f"Next ({NEXT_KEY})", f"Go to the next ranked slice and take the brush ({NEXT_KEY})"
        )
        self._next.clicked.connect(self.next_asked)
        self._map = QCheckBox("Map")
        self._map.setToolTip("Show where the doubt is, as a layer")
        self._map.toggled.connect(self.map_changed)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(find, 1)
        row.addWidget(self._next, 1)
        row.addWidget(self._map)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName("Slices to draw on next")
        self.list.itemActivated.connect(self._chosen)
        self.list.itemClicked.connect(self._chosen)
        self.body.addWidget(self._hint)
        self.body.addLayout(row)
        self.body.addWidget(self.list)
        self.clear()

    @property
    def shows_map(self) -> bool:
        """Whether the doubt is shown as a layer."""
        return self._map.isChecked()

    def clear(self) -> None:
        """Nothing was found, or it was about another case."""
        self.list.clear()
        self.list.setVisible(False)
        self._map.setEnabled(False)
        self._hint.setVisible(True)

    def set_value(self, advice: Advice) -> None:
        """List the first of these suggestions."""
        self.list.clear()
        for suggestion in advice.suggestions[:_MOST]:
            item = QListWidgetItem(f"Slice {suggestion.z}: {suggestion.reason}")
            item.setData(Qt.ItemDataRole.UserRole, suggestion)
            self.list.addItem(item)
        n = self.list.count()
        self.list.setVisible(n > 0)
        self.list.setFixedHeight(_ROW_HEIGHT * min(max(n, 1), _ROWS) + 6)
        self._map.setEnabled(True)
        self._hint.setVisible(False)

    def take_next(self) -> Suggestion | None:
        """Choose the suggestion after the chosen one, the first again after the last."""
        if not self.list.count():
            return None
        row = (self.list.currentRow() + 1) % self.list.count()
        self.list.setCurrentRow(row)
        item = self.list.item(row)
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def _chosen(self, item: QListWidgetItem) -> None:
        self.suggestion_chosen.emit(item.data(Qt.ItemDataRole.UserRole))
