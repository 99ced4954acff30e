"""The structures that are drawn: which schema, and which class the brush paints."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from qtpy.QtCore import (
    QPointF,
    QRectF,
    QSignalBlocker,
    QSize,
    Qt,
    Signal,  # pyright: ignore[reportAttributeAccessIssue]  qtpy adds it at run time
)
from qtpy.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QAbstractButton, QComboBox, QGridLayout, QLineEdit, QSizePolicy

from napari_scribseg.errors import InvalidInput
from napari_scribseg.gui.layers import key_of
from napari_scribseg.gui.style import GAP, LEVEL_COLORS, Panel, note_label, tame
from napari_scribseg.labels import PRESETS, LabelSchema, schema_from_names

_COLUMNS = 2
_HEIGHT = 30
"""Pixels of a chip: tall enough for a finger."""
_OWN = "Own list …"


class ClassChip(QAbstractButton):
    """One class: colour, name, key, and whether it is drawn already."""

    def __init__(self, value: int, name: str, color: str) -> None:
        super().__init__()
        self.value = value
        self._name = name
        self._color = QColor(color)
        self._drawn = 0
        self.setCheckable(True)
        self.setText(name)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.set_drawn(0)

    def set_drawn(self, voxels: int) -> None:
        """Show how many voxels are drawn."""
        self._drawn = voxels
        key = f"key {key_of(self.value)}, " if key_of(self.value) else ""
        self.setToolTip(f"{self._name}: {key}{voxels} voxels drawn. Click to paint it.")
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Wide enough for a short name."""
        return QSize(96, _HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Narrow enough for two beside each other."""
        return QSize(84, _HEIGHT)

    def paintEvent(self, e: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's name
        """A rounded box: swatch, name, key; framed in its colour when it is the brush's class."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        text = self.palette().color(self.foregroundRole())
        fill, faint, frame = QColor(text), QColor(text), QColor(text)
        fill.setAlpha(32 if self.underMouse() else 18)
        faint.setAlpha(150)
        frame.setAlpha(60)
        if self.isChecked():
            fill, frame = QColor(self._color), QColor(self._color)
            fill.setAlpha(70)
        painter.setBrush(fill)
        painter.setPen(QPen(frame, 2 if self.isChecked() or self.hasFocus() else 1))
        painter.drawRoundedRect(box, 5, 5)
        self._paint_swatch(painter, QPointF(17, box.center().y()))
        key = key_of(self.value)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(faint)
        painter.drawText(box.adjusted(0, 0, -8, 0), Qt.AlignmentFlag.AlignRight | middle, key)
        place = box.adjusted(29, 0, -22 if key else -8, 0)
        name = QFontMetrics(self.font()).elidedText(
            self._name, Qt.TextElideMode.ElideRight, int(place.width())
        )
        painter.setPen(text)
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | middle, name)
        painter.end()

    def _paint_swatch(self, painter: QPainter, centre: QPointF) -> None:
        """A disc when the class is drawn, a ring as long as it is missing."""
        painter.setPen(QPen(self._color, 2))
        painter.setBrush(self._color if self._drawn else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, 6, 6)


class ClassesPanel(Panel):
    """Edits the schema and the value that is painted."""

    schema_changed = Signal(object)
    """A LabelSchema."""
    value_chosen = Signal(int)
    """The user wants to paint this scribble value."""

    def __init__(self) -> None:
        self._presets = QComboBox()
        tame(self._presets)
        self._presets.setToolTip("Which structures are drawn")
        super().__init__("Scribbles", aside=self._presets)
        self._schema = PRESETS["cardiac"]
        self._offered = list(PRESETS.values())
        self._presets.activated.connect(self._preset_chosen)
        self._names = QLineEdit()
        self._names.setPlaceholderText("names of the structures: liver, tumour")
        self._names.setVisible(False)
        self._names.editingFinished.connect(self._names_entered)
        self._problem = note_label()
        self._problem.setStyleSheet(f"color: {LEVEL_COLORS['error']};")
        self._problem.setVisible(False)
        self._grid = QGridLayout()
        self._grid.setSpacing(GAP)
        self._chips: list[ClassChip] = []
        self.body.addWidget(self._names)
        self.body.addWidget(self._problem)
        self.body.addLayout(self._grid)
        self._rebuild()

    def schema(self) -> LabelSchema:
        """The structures."""
        return self._schema

    def set_schema(self, schema: LabelSchema) -> None:
        """Show these structures; nothing is emitted."""
        if schema == self._schema:
            return
        self._schema = schema
        if schema not in self._offered:
            self._offered = [*PRESETS.values(), schema]
        self._rebuild()

    def value(self) -> int | None:
        """The scribble value of the checked chip."""
        return next((chip.value for chip in self._chips if chip.isChecked()), None)

    def set_value(self, value: int) -> None:
        """Check the chip of a scribble value, or none; nothing is emitted."""
        for chip in self._chips:
            with QSignalBlocker(chip):
                chip.setChecked(chip.value == value)
            chip.update()

    def set_drawn(self, drawn: Mapping[int, int]) -> None:
        """Show how many voxels of each scribble value are drawn."""
        for chip in self._chips:
            chip.set_drawn(drawn.get(chip.value, 0))

    def _rebuild(self) -> None:
        with QSignalBlocker(self._presets):
            self._presets.clear()
            self._presets.addItems([schema.title for schema in self._offered] + [_OWN])
            self._presets.setCurrentIndex(self._offered.index(self._schema))
        for chip in self._chips:
            self._grid.removeWidget(chip)
            chip.deleteLater()
        colors = self._schema.scribble_colors
        self._chips = [
            ClassChip(value, name, colors[value])
            for value, name in self._schema.scribble_values.items()
        ]
        for i, chip in enumerate(self._chips):
            self._grid.addWidget(chip, i // _COLUMNS, i % _COLUMNS)
            chip.clicked.connect(partial(self._chip_clicked, chip.value))

    def _chip_clicked(self, value: int, *_checked: bool) -> None:
        self.set_value(value)
        self.value_chosen.emit(value)

    def _preset_chosen(self, index: int) -> None:
        own = index >= len(self._offered)
        self._names.setVisible(own)
        self._problem.setVisible(False)
        if own:
            self._names.setFocus()
        elif self._offered[index] != self._schema:
            self._schema = self._offered[index]
            self._rebuild()
            self.schema_changed.emit(self._schema)

    def _names_entered(self) -> None:
        names = [name.strip() for name in self._names.text().split(",") if name.strip()]
        if not names:
            return
        try:
            schema = schema_from_names(names)
        except InvalidInput as error:
            self._problem.setText(str(error))
            self._problem.setVisible(True)
            return
        self._problem.setVisible(False)
        self._names.setVisible(False)
        if schema != self._schema:
            self.set_schema(schema)
            self.schema_changed.emit(schema)
