"""Which methods are trained one after another, and how long all of them take together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.gui.catalogue import MethodEntry
from napari_scribseg.gui.train.budget import budget_words
from napari_scribseg.gui.train.method_list import grouped
from napari_scribseg.gui.widgets.numbers import duration
from napari_scribseg.gui.widgets.style import GAP, MARGIN, note_label

_NAME: Final = int(Qt.ItemDataRole.UserRole)
_NO_REFERENCE: Final = "It learns from a dense reference, and none is chosen in the Case tab."


class MethodsDialog(QDialog):
    """Ticks methods; nothing is trained that is not ticked.

    Args:
        entries: that are offered.
        training: the budget that each gets.
        shown: word of the method that is ticked at first.
        has_reference: whether methods can be trained that need one.
        parent: above which it opens.
    """

    def __init__(
        self,
        entries: Sequence[MethodEntry],
        training: TrainConfig,
        shown: str,
        *,
        has_reference: bool,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Train several methods")
        self._training = training
        self._list = QListWidget()
        self._list.setAccessibleName("Methods to train")
        for title, members in grouped(entries):
            heading = QListWidgetItem(title)
            heading.setFlags(Qt.ItemFlag.NoItemFlags)
            self._list.addItem(heading)
            for entry in members:
                self._list.addItem(_item(entry, entry.name == shown, has_reference=has_reference))
        self._list.itemChanged.connect(self._tell)
        self._total = note_label()
        buttons = QDialogButtonBox()
        accept = buttons.addButton("Train", QDialogButtonBox.ButtonRole.AcceptRole)
        assert accept is not None
        self._accept: QPushButton = accept
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        for widget in (self._list, self._total, buttons):
            layout.addWidget(widget)
        self.resize(560, 460)
        self._tell()

    def chosen(self) -> list[str]:
        """The words of the ticked methods."""
        items = [self._list.item(row) for row in range(self._list.count())]
        return [
            str(item.data(_NAME))
            for item in items
            if item is not None and item.checkState() == Qt.CheckState.Checked
        ]

    def total(self) -> str:
        """How long all of them take."""
        return self._total.text()

    def tick(self, name: str) -> None:
        """Tick a method."""
        for row in range(self._list.count()):
            item = self._list.item(row)
            if item is not None and item.data(_NAME) == name:
                item.setCheckState(Qt.CheckState.Checked)

    def _tell(self, _item: QListWidgetItem | None = None) -> None:
        count, minutes = len(self.chosen()), self._training.minutes
        each = budget_words(self._training)
        self._accept.setEnabled(count > 0)
        self._accept.setText(f"Train {count}" if count else "Train")
        if minutes is not None:
            all_of_them = f"{duration(60 * minutes * count)} in all"
        else:
            all_of_them = f"{self._training.steps * count} steps in all"
        self._total.setText(
            f"{count} method{'s' if count != 1 else ''}, {each} each: {all_of_them}, one after "
            "another. Each has its quick preset, the shown method the shown settings."
        )


def _item(entry: MethodEntry, is_ticked: bool, *, has_reference: bool) -> QListWidgetItem:
    item = QListWidgetItem(f"{entry.title}:  {entry.summary}")
    item.setData(_NAME, entry.name)
    item.setCheckState(Qt.CheckState.Checked if is_ticked else Qt.CheckState.Unchecked)
    if entry.uses_references and not has_reference:
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        item.setCheckState(Qt.CheckState.Unchecked)
        item.setToolTip(_NO_REFERENCE)
    return item
