"""The scribble checklist: what is still missing, and one click to where it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_scribseg.annotation.checklist import Item, State
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, LEVEL_COLORS, Panel, button, note_label, quiet

_MARKS: dict[State, tuple[str, str, str]] = {
    "to do": ("○", LEVEL_COLORS["error"], "To do"),
    "advice": ("▲", LEVEL_COLORS["warning"], "Advice"),
    "done": ("✓", LEVEL_COLORS["good"], "Done"),
}
_ORDER: Final[tuple[State, ...]] = ("to do", "advice", "done")
"""What is open comes first: on a small screen the rest is scrolled to."""
_MARK_WIDTH = 16
_NO_LAYER: Final = "Choose or make a scribbles layer in the Case tab."
_NOT_LOOKED: Final = "Looking at the strokes …"


class ChecklistPanel(Panel):
    """Shows the items of `guidance.checklist`."""

    slice_asked = Signal(int)
    """The user wants to see this slice of the scribbles."""

    def __init__(self) -> None:
        self._score = QLabel()
        self._score.setStyleSheet(quiet())
        super().__init__("Checklist", aside=self._score, page="guide/scribble.md#checklist")
        self._items: tuple[Item, ...] = ()
        self._rows = QVBoxLayout()
        self._rows.setSpacing(GAP)
        self._nothing = note_label(_NO_LAYER)
        self.body.addWidget(self._nothing)
        self.body.addLayout(self._rows)

    def value(self) -> tuple[Item, ...]:
        """What is shown."""
        return self._items

    def set_value(self, items: Sequence[Item], *, has_layer: bool = False) -> None:
        """Show these items; without any, why there are none.

        Args:
            items: what the last scan of the strokes gave.
            has_layer: whether there is a scribbles layer, which is only not scanned yet.
        """
        self._nothing.setText(_NOT_LOOKED if has_layer else _NO_LAYER)
        if tuple(items) == self._items:
            return
        self._items = tuple(items)
        while self._rows.count():
            old = self._rows.takeAt(0)
            widget = None if old is None else old.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for item in sorted(self._items, key=lambda one: _ORDER.index(one.state)):
            self._rows.addWidget(self._row(item))
        done = sum(item.state == "done" for item in self._items)
        self._score.setText(f"{done} of {len(self._items)}" if self._items else "")
        self._nothing.setVisible(not self._items)

    def _row(self, item: Item) -> QWidget:
        sign, color, meaning = _MARKS[item.state]
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        mark = QLabel(sign)
        mark.setFixedWidth(_MARK_WIDTH)
        mark.setStyleSheet(f"color: {color};")
        mark.setToolTip(meaning)
        text = QLabel(item.text)
        text.setWordWrap(True)
        if item.state == "done":
            text.setStyleSheet(quiet())
        line.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(text, 1)
        if item.state != "done" and item.z is not None:
            go = button(f"Slice {item.z}", f"Show slice {item.z}")
            go.setStyleSheet("QPushButton { padding: 3px 8px; border-radius: 3px; }")
            go.clicked.connect(partial(self._ask, item.z))
            line.addWidget(go, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _ask(self, z: int, *_checked: bool) -> None:
        self.slice_asked.emit(z)
