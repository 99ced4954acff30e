"""The structures that are drawn: which schema, and which class the brush paints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from napari_scribseg.core.labels import PRESETS, UNSURE, LabelSchema
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.scribble.class_chip import ClassChip
from napari_scribseg.gui.scribble.presenter import ChipCounts
from napari_scribseg.gui.widgets.style import GAP, Panel, button, tame

_BESIDE = 2
"""Chips in a row; the last row has one more where one would be left alone."""


class ClassesPanel(Panel):
    """Edits the schema and the value that is painted."""

    schema_asked = Signal(object)
    """The user wants to draw the structures of this LabelSchema."""
    edit_asked = Signal()
    import_asked = Signal()
    export_asked = Signal()
    value_chosen = Signal(int)
    """The user wants to paint this scribble value."""

    def __init__(self, unsure_key: str = "") -> None:
        self._unsure_key = unsure_key
        self._presets = QComboBox()
        tame(self._presets)
        self._presets.setToolTip("Which structures are drawn")
        more = button("Edit", "Rename, recolour, add or remove classes; read and write labels.json")
        aside = QWidget()
        row = QHBoxLayout(aside)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self._presets, 1)
        row.addWidget(more)
        super().__init__("Classes", aside=aside, page="guide/scribble.md#classes")
        more.setMenu(self._menu())
        self._schema = PRESETS["cardiac"]
        self._offered = list(PRESETS.values())
        self._presets.activated.connect(self._preset_chosen)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(GAP)
        self._chips: list[ClassChip] = []
        self.body.addLayout(self._rows)
        self._rebuild()

    def schema(self) -> LabelSchema:
        """The structures."""
        return self._schema

    def set_schema(self, schema: LabelSchema) -> None:
        """Show these structures; nothing is emitted."""
        if schema not in self._offered:
            self._offered = [*PRESETS.values(), schema]
        self._schema = schema
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

    def set_counts(self, counts: Mapping[int, ChipCounts]) -> None:
        """Show how many voxels of each scribble value are drawn."""
        for chip in self._chips:
            chip.set_counts(counts.get(chip.value, ChipCounts()))

    def _rebuild(self) -> None:
        with QSignalBlocker(self._presets):
            self._presets.clear()
            for schema in self._offered:  # which classes they have the chips tell
                self._presets.addItem(schema.title.partition(" (")[0])
                self._presets.setItemData(
                    self._presets.count() - 1, schema.title, Qt.ItemDataRole.ToolTipRole
                )
            self._presets.setCurrentIndex(self._offered.index(self._schema))
        for chip in self._chips:
            chip.deleteLater()
        while (row := self._rows.takeAt(0)) is not None:
            if (beside := row.layout()) is not None:
                beside.deleteLater()
        colors = self._schema.scribble_colors
        self._chips = [
            ClassChip(value, name, colors[value], self._unsure_key if value == UNSURE else "")
            for value, name in self._schema.drawn_values.items()
        ]
        for chips in in_rows(self._chips):
            beside = QHBoxLayout()
            beside.setSpacing(GAP)
            for chip in chips:
                # Two are of one width; three are as wide as their names want.
                beside.addWidget(chip, int(len(chips) == _BESIDE))
                chip.clicked.connect(partial(self._chip_clicked, chip.value))
            self._rows.addLayout(beside)

    def _chip_clicked(self, value: int, *_checked: bool) -> None:
        self.set_value(value)
        self.value_chosen.emit(value)

    def _preset_chosen(self, index: int) -> None:
        wanted = self._offered[index]
        with QSignalBlocker(self._presets):  # whoever decides calls `set_schema`
            self._presets.setCurrentIndex(self._offered.index(self._schema))
        if wanted != self._schema:
            self.schema_asked.emit(wanted)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        for text, signal in (
            ("Edit the classes …", self.edit_asked),
            ("Read from labels.json …", self.import_asked),
            ("Write to labels.json …", self.export_asked),
        ):
            action = QAction(text, menu)
            action.triggered.connect(signal)
            menu.addAction(action)
        return menu


def in_rows(chips: Sequence[ClassChip]) -> list[list[ClassChip]]:
    """Chips in rows of two; none stands alone in the last row if there are others."""
    rows = [list(chips[i : i + _BESIDE]) for i in range(0, len(chips), _BESIDE)]
    if len(rows) > 1 and len(rows[-1]) == 1:
        rows[-2:] = [rows[-2] + rows[-1]]
    return rows
