"""A dialog in which the structures get names and colours, come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.core.labels import MAX_CLASSES, PALETTE, LabelSchema
from napari_scribseg.gui.scribble.class_rows import ClassRow, rows_of, schema_of, without_row
from napari_scribseg.gui.scribble.presenter import why_not_removed
from napari_scribseg.gui.widgets.style import (
    GAP,
    LEVEL_COLORS,
    SECTION_GAP,
    button,
    note_label,
    swatch,
)

_NOTE = (
    "The order gives the numbers: the first is class 1. Background is always there. Classes are "
    "added at the end, so strokes keep their meaning. What is known of a structure cleans up "
    "segmentations, unless switched off."
)
_COLUMNS = (
    ("", ""),
    ("", ""),
    ("Name", ""),
    ("One piece", "It is a single connected piece: further pieces of a segmentation are removed"),
    (
        "Inside",
        "It lies inside this structure, as a cavity in its wall: what doesn't touch it is removed",
    ),
    ("At most mL", "More than this is said to be wrong; 0 = nothing is said"),
    ("", ""),
)
_NO_SCHEMA = (
    "Every structure needs a name of its own, of 1 to 40 letters, that is not 'background'; the "
    "title needs 1 to 80 letters."
)


class SchemaDialog(QDialog):
    """Edits a `LabelSchema`.

    Args:
        parent: over which window it appears.
        schema: the structures to begin with.
        drawn: voxels by scribble value, which guard classes against removal.
    """

    def __init__(
        self, parent: QWidget | None, schema: LabelSchema, drawn: Mapping[int, int]
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Classes")
        self._schema = schema
        self._drawn = drawn
        self._title = QLineEdit(schema.title)
        self._rows = rows_of(schema)
        self._names: list[QLineEdit] = []
        self._grid = QGridLayout()
        self._grid.setSpacing(GAP)
        add = button("Add a class", "Add a structure at the end")
        add.clicked.connect(self._add)
        self._problem = QLabel()
        self._problem.setWordWrap(True)
        self._problem.setStyleSheet(f"color: {LEVEL_COLORS['error']};")
        self._buttons = QDialogButtonBox()
        self._buttons.addButton(QDialogButtonBox.StandardButton.Ok)
        self._buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow("Title", self._title)
        layout = QVBoxLayout(self)
        layout.setSpacing(SECTION_GAP)
        layout.addLayout(form)
        layout.addLayout(self._grid)
        layout.addWidget(add, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(note_label(_NOTE))
        layout.addWidget(self._problem)
        layout.addWidget(self._buttons)
        self.setMinimumWidth(380)
        self._title.textEdited.connect(self._check)
        self._rebuild()

    def value(self) -> LabelSchema | None:
        """The structures, None while a name is missing, too long or there twice."""
        return schema_of(self._title.text(), self._rows)

    def _rebuild(self) -> None:
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                widget.deleteLater()
        self._names = []
        for column, (title, told) in enumerate(_COLUMNS):
            label = QLabel(title)
            label.setToolTip(told)
            self._grid.addWidget(label, 0, column)
        shown = LabelSchema.of(*(f"{i}" for i in range(1, len(self._rows) + 1)))
        for place in range(len(self._rows)):
            for column, widget in enumerate(self._widgets_of(place, shown)):
                self._grid.addWidget(widget, place + 1, column)
        self._check()

    def _widgets_of(self, place: int, shown: LabelSchema) -> tuple[QWidget, ...]:
        """Number, colour, name, what is known of its anatomy, and a button that removes it."""
        row, n = self._rows[place], place + 1
        paint = QPushButton()
        paint.setIcon(swatch(row.color, 18))
        paint.setIconSize(QSize(18, 18))
        paint.setToolTip(f"Colour of class {n}: {row.color}")
        paint.clicked.connect(partial(self._ask_color, place))
        edit = QLineEdit(row.name)
        edit.setMaxLength(40)
        edit.setMinimumWidth(90)
        edit.setAccessibleName(f"Name of class {n}")
        edit.textEdited.connect(partial(self._name, place))
        self._names.append(edit)
        one = QCheckBox()
        one.setChecked(row.one_piece)
        one.setAccessibleName(f"Class {n} is one piece")
        one.toggled.connect(partial(self._one_piece, place))
        why_not = why_not_removed(place, shown, self._drawn)
        remove = button("Remove", why_not or f"Remove {row.name or 'this class'}")
        remove.setEnabled(why_not is None)
        remove.clicked.connect(partial(self._remove, place))
        return QLabel(str(n)), paint, edit, one, self._inside(place), self._most(place), remove

    def _inside(self, place: int) -> QComboBox:
        """Which class this one lies inside of."""
        inside = QComboBox()
        inside.setAccessibleName(f"What class {place + 1} lies inside of")
        inside.addItem("-", None)
        for other, row in enumerate(self._rows):
            if other != place:
                inside.addItem(row.name or f"class {other + 1}", other)
        inside.setCurrentIndex(max(inside.findData(self._rows[place].inside), 0))
        inside.currentIndexChanged.connect(lambda: self._say(place, inside=inside.currentData()))
        return inside

    def _most(self, place: int) -> QDoubleSpinBox:
        """How many mL this class has at most."""
        most = QDoubleSpinBox()
        most.setRange(0.0, 100_000.0)
        most.setDecimals(1)
        most.setSpecialValueText("-")
        most.setAccessibleName(f"Most mL of class {place + 1}")
        most.setValue(self._rows[place].most_ml or 0.0)
        most.valueChanged.connect(lambda: self._say(place, most_ml=most.value() or None))
        return most

    def _say(self, place: int, **changes: Any) -> None:
        self._rows[place] = replace(self._rows[place], **changes)
        self._check()

    def _one_piece(self, place: int, on: bool) -> None:
        self._say(place, one_piece=on)

    def _name(self, place: int, name: str) -> None:
        self._say(place, name=name)

    def _add(self) -> None:
        if len(self._rows) >= MAX_CLASSES:
            return
        used = [row.color for row in self._rows]
        free = [color for color in PALETTE if color not in used]
        color = free[0] if free else PALETTE[len(used) % len(PALETTE)]
        self._rows.append(ClassRow("", color))
        self._rebuild()
        self._names[-1].setFocus()

    def _remove(self, place: int, *_checked: bool) -> None:
        self._rows = without_row(self._rows, place)
        self._rebuild()

    def _ask_color(self, place: int, *_checked: bool) -> None:
        color = QColor(self._rows[place].color)
        chosen = QColorDialog.getColor(color, self, "Colour of the class")
        if chosen.isValid():
            self._say(place, color=chosen.name())
            self._rebuild()

    def _check(self, _text: str = "") -> None:
        good = self.value() is not None
        self._problem.setText("" if good else _NO_SCHEMA)
        self._problem.setVisible(not good)
        ok = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        if ok is not None:
            ok.setEnabled(good)
