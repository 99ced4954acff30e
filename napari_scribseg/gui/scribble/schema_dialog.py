"""A dialog in which the structures get names and colours, come and go."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from pydantic import ValidationError
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.core.labels import MAX_CLASSES, PALETTE, LabelClass, LabelSchema
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
    "added at the end, so strokes keep their meaning."
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
        self._names: list[QLineEdit] = []
        self._colors = [one.color for one in schema.classes]
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
        self._rebuild([one.name for one in schema.classes])

    def value(self) -> LabelSchema | None:
        """The structures, None while a name is missing, too long or there twice."""
        names = [edit.text().strip() for edit in self._names]
        try:
            return LabelSchema(
                title=self._title.text().strip(),
                classes=tuple(
                    LabelClass(name=name, color=color)
                    for name, color in zip(names, self._colors, strict=True)
                ),
            )
        except ValidationError:
            return None

    def _rebuild(self, names: list[str]) -> None:
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                widget.deleteLater()
        self._names = []
        shown = self._value_of(names)
        for row, (name, color) in enumerate(zip(names, self._colors, strict=True)):
            edit = QLineEdit(name)
            edit.setMaxLength(40)
            edit.setAccessibleName(f"Name of class {row + 1}")
            edit.textEdited.connect(self._check)
            self._names.append(edit)
            paint = QPushButton()
            paint.setIcon(swatch(color, 18))
            paint.setIconSize(QSize(18, 18))
            paint.setToolTip(f"Colour of class {row + 1}: {color}")
            paint.clicked.connect(partial(self._ask_color, row))
            why_not = why_not_removed(row, shown, self._drawn)
            remove = button("Remove", why_not or f"Remove {name or 'this class'}")
            remove.setEnabled(why_not is None)
            remove.clicked.connect(partial(self._remove, row))
            self._grid.addWidget(QLabel(str(row + 1)), row, 0)
            self._grid.addWidget(paint, row, 1)
            self._grid.addWidget(edit, row, 2)
            self._grid.addWidget(remove, row, 3)
        self._check()

    def _value_of(self, names: list[str]) -> LabelSchema:
        """A schema with as many classes, whatever they are called: for the question of removal."""
        return LabelSchema.of(*(f"{i}. {name}"[:40] for i, name in enumerate(names, start=1)))

    def _add(self) -> None:
        if len(self._names) >= MAX_CLASSES:
            return
        free = [color for color in PALETTE if color not in self._colors]
        self._colors.append(free[0] if free else PALETTE[len(self._colors) % len(PALETTE)])
        self._rebuild([*(edit.text() for edit in self._names), ""])
        self._names[-1].setFocus()

    def _remove(self, row: int, *_checked: bool) -> None:
        names = [edit.text() for edit in self._names]
        del names[row], self._colors[row]
        self._rebuild(names)

    def _ask_color(self, row: int, *_checked: bool) -> None:
        chosen = QColorDialog.getColor(QColor(self._colors[row]), self, "Colour of the class")
        if chosen.isValid():
            self._colors[row] = chosen.name()
            self._rebuild([edit.text() for edit in self._names])

    def _check(self, _text: str = "") -> None:
        good = self.value() is not None
        self._problem.setText("" if good else _NO_SCHEMA)
        self._problem.setVisible(not good)
        ok = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        if ok is not None:
            ok.setEnabled(good)
