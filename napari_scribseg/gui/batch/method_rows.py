"""The methods that are compared: one row each, with its preset, and what it is called here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.recipe import MethodChoice
from napari_scribseg.gui.batch.plan import choice_of, free_label, settings_in, text_of
from napari_scribseg.gui.catalogue import MethodEntry
from napari_scribseg.gui.own_presets import OwnPreset, own_presets
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import ARROW, GAP, button, tame

_ROWS_AT_FIRST = 2
"""A comparison needs two."""


class MethodRow(QWidget):
    """Edits one row of the comparison.

    Args:
        entries: the methods that can be chosen.
    """

    value_changed = Signal()
    remove_asked = Signal()

    def __init__(self, entries: Sequence[MethodEntry]) -> None:
        super().__init__()
        self._entries = tuple(entries)
        self._presets: list[str | OwnPreset] = []
        self.method, self.preset = QComboBox(), QComboBox()
        self.label, self.settings = QLineEdit(), QLineEdit()
        self._lay_out()
        self.method.addItems([entry.title for entry in self._entries])
        self._method_changed()
        self.method.currentIndexChanged.connect(self._method_changed)
        self.preset.currentIndexChanged.connect(self.value_changed)
        self.label.textChanged.connect(self.value_changed)
        self.settings.textChanged.connect(self.value_changed)

    @property
    def entry(self) -> MethodEntry:
        """The chosen method."""
        return self._entries[max(0, self.method.currentIndex())]

    def value(self, taken: Sequence[str], *, has_budget: bool) -> MethodChoice:
        """The row, with a label that is not taken unless the user has given one.

        Raises:
            InvalidInput: the settings can't be read.
        """
        preset = self._presets[max(0, self.preset.currentIndex())]
        name = preset if isinstance(preset, str) else preset.name
        proposed = free_label(self.entry.name, name, taken)
        self.label.setPlaceholderText(proposed)
        label = self.label.text().strip() or proposed
        settings = settings_in(self.settings.text())
        return choice_of(self.entry, preset, label, settings, has_budget=has_budget)

    def set_value(self, choice: MethodChoice) -> None:
        """Show a row of a recipe.

        Raises:
            InvalidInput: its method or preset is unknown here.
        """
        names = [entry.name for entry in self._entries]
        if choice.method not in names:
            raise InvalidInput(
                f"The recipe asks for the method {choice.method}, unknown here; there are "
                f"{', '.join(names)}. Install what brings it, or choose the methods anew."
            )
        self.method.setCurrentIndex(names.index(choice.method))
        if choice.preset not in self._presets:
            known = ", ".join(name for name in self._presets if isinstance(name, str))
            raise InvalidInput(
                f"The recipe asks for the preset {choice.preset} of {choice.method}, unknown here; "
                f"there are {known}. Choose the methods anew."
            )
        self.preset.setCurrentIndex(self._presets.index(choice.preset))
        self.label.setText("" if choice.label == choice.method else choice.label)
        self.settings.setText(text_of(choice.settings))
        self._more.setChecked(bool(self.label.text() or self.settings.text()))

    def _lay_out(self) -> None:
        for box in (self.method, self.preset):
            tame(box)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        word = self.preset.fontMetrics().horizontalAdvance("quick")
        self.preset.setMinimumWidth(word + ARROW)
        self.preset.setToolTip(
            "quick is made for minutes on a CPU, paper has the paper's numbers; yours follow"
        )
        self._more = _tool("…", "Name of this row, and own settings", checkable=True)
        self.remove = _tool("✕", "Leave this method out")
        self.remove.clicked.connect(self.remove_asked)
        first = QHBoxLayout()
        first.setSpacing(GAP)
        first.addWidget(self.method, 3)
        first.addWidget(self.preset, 1)
        first.addWidget(self._more)
        first.addWidget(self.remove)
        details = QWidget()
        second = QHBoxLayout(details)
        second.setContentsMargins(12, 0, 0, 0)
        second.setSpacing(GAP)
        self.label.setToolTip("What tables and folders call it: letters, digits, dots, _")
        self.settings.setPlaceholderText("tau=0.95 patch=192,192")
        self.settings.setToolTip("Changes of the preset, as KEY=VALUE with spaces between")
        second.addWidget(self.label, 2)
        second.addWidget(self.settings, 3)
        details.setVisible(False)
        self._more.toggled.connect(details.setVisible)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(first)
        layout.addWidget(details)

    def _method_changed(self, _index: int = 0) -> None:
        entry = self.entry
        self.method.setToolTip(f"<p>{entry.summary}</p><p>{entry.source}</p>")
        own = own_presets(entry.name)
        self._presets = [*(preset.name for preset in entry.presets), *own]
        self.preset.blockSignals(True)
        self.preset.clear()
        self.preset.addItems([preset.name for preset in entry.presets])
        self.preset.addItems([f"{preset.name} (own)" for preset in own])
        self.preset.setCurrentIndex(self._presets.index("quick") if "quick" in self._presets else 0)
        self.preset.blockSignals(False)
        self.value_changed.emit()


class MethodRows(QWidget):
    """Edits all rows; empty until the methods are known."""

    value_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[MethodRow] = []
        self._entries: tuple[MethodEntry, ...] = ()
        self._wanted: tuple[MethodChoice, ...] = ()
        self._problem = ""
        """Why the rows are not those of the recipe; forgotten once somebody changes them."""
        self.add = button("Add a method", "Compare one more")
        self.add.setEnabled(False)
        self.add.clicked.connect(self._add_next)
        self._place = QVBoxLayout()
        self._place.setSpacing(GAP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(self._place)
        layout.addWidget(self.add)

    def set_methods(self, entries: Sequence[MethodEntry]) -> None:
        """Offer these methods; the first two are compared unless a recipe waits."""
        self._entries = tuple(entries)
        self.add.setEnabled(bool(entries))
        if self._wanted:
            self.set_value(self._wanted)
            return
        for place in range(min(_ROWS_AT_FIRST, len(self._entries))):
            self._add(place)
        self.value_changed.emit()

    def value(self, *, has_budget: bool) -> tuple[MethodChoice, ...]:
        """The rows of the comparison.

        Args:
            has_budget: whether the experiment has a budget for all of them.

        Raises:
            InvalidInput: settings can't be read, or a row of the recipe could not be shown.
        """
        if self._problem:
            raise InvalidInput(self._problem)
        given = [text for row in self.rows if (text := row.label.text().strip())]
        made: list[MethodChoice] = []
        for row in self.rows:
            taken = [*given, *(choice.label for choice in made)]
            made.append(row.value(taken, has_budget=has_budget))
        return tuple(made)

    def set_value(self, choices: Sequence[MethodChoice]) -> None:
        """Show the rows of a recipe, as soon as the methods are known.

        Raises:
            InvalidInput: a method or preset is unknown here; what is known is shown, and has no
                value before somebody changes it.
        """
        self._wanted = tuple(choices)
        if not self._entries:
            return
        self._wanted = ()
        for row in list(self.rows):
            self._remove(row)
        problems: list[str] = []
        for choice in choices:
            row = self._add(0)
            try:
                row.set_value(choice)
            except InvalidInput as error:
                self._remove(row)
                problems.append(str(error))
        self._problem = " ".join(problems)
        self.value_changed.emit()
        if problems:
            raise InvalidInput(self._problem)

    def _edited(self) -> None:
        self._problem = ""
        self.value_changed.emit()

    def _add(self, place: int) -> MethodRow:
        row = MethodRow(self._entries)
        row.method.setCurrentIndex(place)
        row.value_changed.connect(self._edited)
        row.remove_asked.connect(partial(self._drop, row))
        self.rows.append(row)
        self._place.addWidget(row)
        return row

    def _add_next(self) -> None:
        """Add a row with the first method that has none yet."""
        used = {row.entry.name for row in self.rows}
        free = [i for i, entry in enumerate(self._entries) if entry.name not in used]
        self._add(free[0] if free else 0)
        self._edited()

    def _drop(self, row: MethodRow) -> None:
        self._remove(row)
        self._edited()

    def _remove(self, row: MethodRow) -> None:
        self.rows.remove(row)
        self._place.removeWidget(row)
        row.setParent(None)
        row.deleteLater()


def _tool(text: str, tooltip: str, *, checkable: bool = False) -> QToolButton:
    made = QToolButton()
    made.setText(text)
    made.setToolTip(tooltip)
    made.setAccessibleName(tooltip)
    made.setCheckable(checkable)
    made.setFixedWidth(22)
    return made
