"""Which cases of a dataset to add to the project."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.gui.widgets.style import GAP, MARGIN, note_label


class CaseChooser(QDialog):
    """A list of cases with a filter; `chosen` is what was picked, the one to open first."""

    def __init__(self, dataset: Dataset, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Open cases of {dataset.title}")
        self.resize(420, 480)
        self._cases = dataset.cases
        self._filter = QLineEdit()
        self._filter.setPlaceholderText("part of the name")
        self._filter.textChanged.connect(self._show_matching)
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        for case in dataset.cases:
            QListWidgetItem(_describe(case), self.list)
        self.list.setCurrentRow(0)
        self.list.itemDoubleClicked.connect(self.accept)
        buttons = QDialogButtonBox()
        for kind in (QDialogButtonBox.StandardButton.Open, QDialogButtonBox.StandardButton.Cancel):
            buttons.addButton(kind)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        layout.addWidget(
            note_label(
                f"{len(dataset.cases)} cases; {dataset.schema.title}. Choose several with Shift, "
                "Ctrl or Ctrl+A. They are added to the project; their images stay where they are."
            )
        )
        for widget in (self._filter, self.list, buttons):
            layout.addWidget(widget)

    @property
    def chosen(self) -> CaseFiles | None:
        """The case of the current line."""
        row = self.list.currentRow()
        return self._cases[row] if row >= 0 else None

    @property
    def all_chosen(self) -> tuple[CaseFiles, ...]:
        """The cases of all selected lines that the filter shows, the current one first."""
        rows = [
            row
            for row in range(self.list.count())
            if (item := self.list.item(row)) is not None
            and item.isSelected()
            and not item.isHidden()
        ]
        current = self.list.currentRow()
        ordered = sorted(rows, key=lambda row: (row != current, row))
        return tuple(self._cases[row] for row in ordered)

    def _show_matching(self, text: str) -> None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item is not None:
                item.setHidden(text.casefold() not in item.text().casefold())
        matching = self.list.findItems(text, Qt.MatchFlag.MatchContains)
        if matching:
            self.list.setCurrentItem(matching[0])


def _describe(case: CaseFiles) -> str:
    has = [name for name in ("scribbles", "reference") if getattr(case, name) is not None]
    return "   ".join([case.id, case.split or "", ", ".join(has)]).rstrip()
