"""What the values of label files mean: one row for each, with what it can be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_scribseg.data.label_values import LabelKind
from napari_scribseg.gui.case.presenter import ValueRow
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, quiet, tame

_PER_LINE: Final = 3
_HEIGHT: Final = 110
_OPEN: Final = "choose …"


class ValueTable(QWidget):
    """Edits what values mean."""

    meaning_said = Signal(str, int, int)
    """LabelKind, value, and what it means in the scribble world."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: object = None
        self.boxes: dict[tuple[LabelKind, int], QComboBox] = {}
        self._meanings: tuple[tuple[int, str], ...] = ()
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setMaximumHeight(_HEIGHT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)

    def show_values(self, rows: Sequence[ValueRow], meanings: Sequence[tuple[int, str]]) -> None:
        """Show these values with what they are taken for."""
        kept = [(row.kind, row.value) for row in rows], tuple(meanings)
        if kept != self._shown:
            self._shown = kept
            self._build(rows, tuple(meanings))
        for row in rows:
            box = self.boxes[row.kind, row.value]
            places = [None, *(meaning for meaning, _ in self._meanings)]
            with QSignalBlocker(box):
                box.setCurrentIndex(places.index(row.meaning) if row.meaning in places else 0)

    def _build(self, rows: Sequence[ValueRow], meanings: tuple[tuple[int, str], ...]) -> None:
        self._meanings = meanings
        self.boxes = {}
        content = QWidget()
        grid = QGridLayout(content)
        grid.setSpacing(GAP)
        line = 0
        for kind in dict.fromkeys(row.kind for row in rows):
            title = QLabel("Scribbles" if kind == "scribbles" else "Reference")
            grid.addWidget(title, line, 0)
            for place, row in enumerate(one for one in rows if one.kind == kind):
                column = 1 + 2 * (place % _PER_LINE)
                line += 1 if place and not place % _PER_LINE else 0
                grid.addWidget(self._value_label(row), line, column)
                grid.addWidget(self._box(row), line, column + 1)
            line += 1
        for place in range(_PER_LINE):
            grid.setColumnStretch(2 + 2 * place, 1)
        self._area.setWidget(content)
        self._area.setFixedHeight(min(_HEIGHT, content.sizeHint().height() + 4))

    def _value_label(self, row: ValueRow) -> QLabel:
        share = "under 0.01 %" if row.share < 1e-4 else f"{row.share:.2%}"
        label = QLabel(f"{row.value}  ({share})")
        label.setStyleSheet(quiet())
        label.setToolTip(f"Value {row.value}: {share} of the voxels of the files that were read")
        return label

    def _box(self, row: ValueRow) -> QComboBox:
        box = QComboBox()
        tame(box)
        box.addItems([_OPEN, *(words for _, words in self._meanings)])
        box.activated.connect(partial(self._say, row.kind, row.value))
        box.setAccessibleName(f"What {row.value} means in the {row.kind}")
        self.boxes[row.kind, row.value] = box
        return box

    def _say(self, kind: LabelKind, value: int, index: int) -> None:
        if index > 0:
            self.meaning_said.emit(kind, value, self._meanings[index - 1][0])
