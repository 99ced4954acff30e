"""The list of found cases: what is taken, with which classes, into which project."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import QModelIndex, QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.data.found import FoundCase
from napari_scribseg.gui.case.class_choices import OWN
from napari_scribseg.gui.case.presenter import ImportPresenter, ImportScreen
from napari_scribseg.gui.case.value_table import ValueTable
from napari_scribseg.gui.widgets.style import (
    GAP,
    LEVEL_COLORS,
    MARGIN,
    Fold,
    button,
    note_label,
)

_COLUMNS: Final = ("Case", "Patient", "Voxels (z, y, x)", "mm (z, y, x)", "Kind", "Belongs to it")
_SIZE: Final = (820, 560)
_ROW_HEIGHT: Final = 22
_WIDEST: Final = (320, 170)
"""Pixels: of the first column, and of each of the others."""
_TICK: Final = 28
"""Pixels of the box before a name, which Qt forgets when it measures."""
_FEWEST_FOR_FILTER: Final = 6


class ImportDialog(QDialog):
    """Shows an `ImportScreen`, and tells the presenter what is chosen.

    Args:
        presenter: decides.
        parent: over which it appears.
    """

    def __init__(self, presenter: ImportPresenter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Add cases")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._presenter = presenter
        self._cases: tuple[FoundCase, ...] | None = None
        self._make_widgets()
        self._lay_out()
        self._connect()
        presenter.attach(self)
        self.resize(*_SIZE)
        self.add.setFocus()

    def show_screen(self, screen: ImportScreen) -> None:
        """Show this."""
        self.heading.setText(screen.heading)
        if screen.cases is not self._cases:
            self._fill(screen.cases)
        with QSignalBlocker(self.table):
            for row, is_on in enumerate(screen.ticked):
                item = self.table.item(row, 0)
                if item is not None:
                    item.setCheckState(Qt.CheckState.Checked if is_on else Qt.CheckState.Unchecked)
        with QSignalBlocker(self.all):
            self.all.setChecked(all(screen.ticked))
        _offer(self.target, screen.targets, screen.target)
        _offer(self.classes, screen.classes, screen.chosen)
        is_new = screen.targets[screen.target] == "New project"
        self._name_row.setVisible(is_new)
        if self.name.text() != screen.name:
            self.name.setText(screen.name)
        self.place.setText(screen.place)
        self.place.setToolTip(screen.place)
        self.own.setVisible(screen.classes[screen.chosen] == OWN.title)
        self.values.show_values(screen.values, screen.meanings)
        self._values_fold.setVisible(bool(screen.values))
        if screen.is_odd:
            self._values_fold.open()
        self._frame_row.setVisible(screen.asks_frame)
        with QSignalBlocker(self.frame):
            self.frame.setMaximum(screen.n_frames)
            self.frame.setValue(screen.frame + 1)
        told = [*screen.notes, *screen.left_out]
        self._told.setText("\n".join(told))
        self._told_fold.setVisible(bool(told))
        self._told_fold.set_title(f"Left out and noticed ({len(told)})")
        self.add.setText(screen.action)
        self.add.setEnabled(not screen.why_not)
        self.why.setText(screen.why_not)
        self.why.setVisible(bool(screen.why_not))

    # Inside

    def _make_widgets(self) -> None:
        self.heading = QLabel()
        self.heading.setWordWrap(True)
        self.heading.setStyleSheet("font-weight: 600;")
        self.all = QCheckBox("All")
        self.all.setToolTip("Take all cases that are shown, or none of them")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find a case")
        self.search.setClearButtonEnabled(True)
        self.table = _case_table()
        self.target, self.classes = QComboBox(), QComboBox()
        self.target.setToolTip("Which project the cases are added to")
        self.classes.setToolTip("Which structures are drawn; asked once for a project")
        for box in (self.target, self.classes):
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        self.name, self.own = QLineEdit(), QLineEdit()
        self.name.setToolTip("What the new project is called; its folder is made")
        self.own.setPlaceholderText("names with commas between, such as liver, tumour")
        self.place = note_label()
        self.change = button("Folder …", "Make the new project in another folder")
        self.frame = QSpinBox()
        self.frame.setMinimum(1)
        self.frame.setToolTip("Which frame of every time series becomes a case, counted from 1")
        self.values = ValueTable()
        self._told = note_label()
        self._told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._values_fold = Fold("What the values of the labels mean", self.values)
        self._told_fold = Fold("Left out", self._told)
        self.why = QLabel()
        self.why.setWordWrap(True)
        self.why.setStyleSheet(f"color: {LEVEL_COLORS['warning']};")
        self.add = button("Add", "Add the ticked cases to the project (Enter)", primary=True)
        self.add.setDefault(True)
        self.cancel = QPushButton("Cancel")

    def _lay_out(self) -> None:
        above = QHBoxLayout()
        above.setSpacing(GAP)
        above.addWidget(self.all)
        above.addWidget(self.search, 1)
        self._name_row, self._frame_row = QWidget(), QWidget()
        row = QHBoxLayout(self._name_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.name, 1)
        row.addWidget(self.change)
        frames = QHBoxLayout(self._frame_row)
        frames.setContentsMargins(0, 0, 0, 0)
        frames.addWidget(QLabel("Frame of every time series"))
        frames.addWidget(self.frame)
        frames.addStretch()
        form = QFormLayout()
        form.setVerticalSpacing(GAP)
        form.addRow("Project", self.target)
        form.addRow("", self._name_row)
        form.addRow("", self.place)
        form.addRow("Classes", self.classes)
        form.addRow("", self.own)
        buttons = QHBoxLayout()
        buttons.setSpacing(GAP)
        buttons.addWidget(self.why, 1)
        buttons.addStretch()
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        layout.addWidget(self.heading)
        layout.addLayout(above)
        layout.addWidget(self.table, 1)
        layout.addLayout(form)
        for widget in (self._frame_row, self._values_fold, self._told_fold):
            layout.addWidget(widget)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        presenter = self._presenter
        self.table.itemChanged.connect(self._ticked)
        self.all.clicked.connect(self._tick_all)
        self.search.textChanged.connect(self._filter)
        self.target.activated.connect(presenter.choose_target)
        self.classes.activated.connect(presenter.choose_classes)
        self.name.textEdited.connect(presenter.set_name)
        self.own.textEdited.connect(presenter.set_own_names)
        self.change.clicked.connect(self._choose_home)
        self.frame.valueChanged.connect(self._frame_chosen)
        self.values.meaning_said.connect(presenter.say_meaning)
        self.add.clicked.connect(self.accept)
        self.cancel.clicked.connect(self.reject)

    def _fill(self, cases: tuple[FoundCase, ...]) -> None:
        self._cases = cases
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(cases))
            for row, case in enumerate(cases):
                for column, text in enumerate(_cells(case)):
                    item = QTableWidgetItem(text)
                    item.setToolTip(_tip(case))
                    self.table.setItem(row, column, item)
        self.table.resizeColumnsToContents()
        for column in range(len(_COLUMNS)):
            width = self.table.columnWidth(column) + 2 * GAP + (0 if column else _TICK)
            self.table.setColumnWidth(column, min(width, _WIDEST[min(column, 1)]))
        for widget in (self.search, self.all):
            widget.setVisible(len(cases) >= _FEWEST_FOR_FILTER)

    def _ticked(self, item: QTableWidgetItem) -> None:
        if item.column() == 0:
            is_on = item.checkState() == Qt.CheckState.Checked
            self._presenter.tick(item.row(), is_on=is_on)

    def _frame_chosen(self, number: int) -> None:
        self._presenter.set_frame(number - 1)

    def _tick_all(self, is_on: bool) -> None:
        shown = {row for row in range(self.table.rowCount()) if not self.table.isRowHidden(row)}
        self._presenter.tick_only(shown if is_on else set())

    def _filter(self, text: str) -> None:
        for row, case in enumerate(self._cases or ()):
            words = " ".join((case.name, *_cells(case))).casefold()
            self.table.setRowHidden(row, text.casefold() not in words)

    def _choose_home(self) -> None:
        home = QFileDialog.getExistingDirectory(self, "Where new projects are made")
        if home:
            self._presenter.set_home(Path(home))


class _CutAtEnd(QStyledItemDelegate):
    """Cuts sentences at their end, where paths are cut in the middle."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:  # noqa: N802
        """As ever, but for where words are left out."""
        super().initStyleOption(option, index)
        if option is not None:
            option.textElideMode = Qt.TextElideMode.ElideRight


def _case_table() -> QTableWidget:
    table = QTableWidget(0, len(_COLUMNS))
    table.setHorizontalHeaderLabels(list(_COLUMNS))
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    table.setItemDelegateForColumn(len(_COLUMNS) - 1, _CutAtEnd(table))
    vertical, horizontal = table.verticalHeader(), table.horizontalHeader()
    if vertical is not None:
        vertical.setVisible(False)
        vertical.setDefaultSectionSize(_ROW_HEIGHT)
    if horizontal is not None:
        horizontal.setStretchLastSection(True)
        horizontal.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    return table


def _cells(case: FoundCase) -> tuple[str, ...]:
    belongs = " · ".join(filter(None, (case.belongings, case.remark)))
    patient = case.files.patient
    return (case.name, patient, case.size, case.spacing_text, case.modality, belongs or "image")


def _tip(case: FoundCase) -> str:
    """Where everything of a case is, and what it will be called."""
    files = case.files
    lines = [f"Becomes the case {files.id}", f"Image: {files.image}"]
    for title, path in (("Scribbles", files.scribbles), ("Reference", files.reference)):
        lines += [f"{title}: {path}"] if path is not None else []
    return "\n".join([*lines, *([case.remark] if case.remark else [])])


def _offer(box: QComboBox, texts: tuple[str, ...], chosen: int) -> None:
    with QSignalBlocker(box):
        if [box.itemText(row) for row in range(box.count())] != [*texts]:
            box.clear()
            box.addItems(list(texts))
        box.setCurrentIndex(chosen)
        box.setEnabled(len(texts) > 1)
