"""The box of methods: in groups, with one line on each while somebody chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QListView,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from napari_scribseg.core.method_spec import Group
from napari_scribseg.gui.catalogue import MethodEntry
from napari_scribseg.gui.widgets.style import tame

GROUP_TITLES: Final[dict[Group, str]] = {
    "paper": "Methods of the four papers",
    "baseline": "Baselines",
    "full": "Need a dense reference",
}
_LINE: Final = int(Qt.ItemDataRole.UserRole) + 1
"""What is said of an item while the list is open."""
_NAME: Final = int(Qt.ItemDataRole.UserRole)
_WIDEST: Final = 620


def grouped(entries: Sequence[MethodEntry]) -> list[tuple[str, list[MethodEntry]]]:
    """The methods by group: the proposed one first, then those of the papers, baselines, bounds."""
    first, others = entries[:1], entries[1:]
    groups = [("Proposed", list(first))] if first else []
    for group, title in GROUP_TITLES.items():
        members = [entry for entry in others if entry.group == group]
        groups += [(title, members)] if members else []
    return groups


class MethodBox(QComboBox):
    """Chooses a method."""

    def __init__(self) -> None:
        super().__init__()
        tame(self)
        self.setAccessibleName("Method")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        popup = QListView()
        popup.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setView(popup)
        self.setItemDelegate(_OneLine(self))

    def set_methods(self, entries: Sequence[MethodEntry]) -> None:
        """Offer these methods; the first one is chosen."""
        self.blockSignals(True)
        self.clear()
        longest = 0
        for title, members in grouped(entries):
            self.addItem(title)
            self._disable(self.count() - 1)
            for entry in members:
                self.addItem(entry.title, entry.name)
                line = f"{entry.title}:  {entry.summary}"
                self.setItemData(self.count() - 1, line, _LINE)
                self.setItemData(self.count() - 1, entry.summary, int(Qt.ItemDataRole.ToolTipRole))
                longest = max(longest, self.fontMetrics().horizontalAdvance(line))
        view = self.view()
        if view is not None:
            view.setMinimumWidth(min(longest + 60, _WIDEST))
        self.setCurrentIndex(1)
        self.blockSignals(False)
        self.currentIndexChanged.emit(1)

    @property
    def name(self) -> str:
        """The word of the chosen method, "" = none is there yet."""
        return str(self.currentData(_NAME) or "")

    def choose(self, name: str) -> bool:
        """Choose a method; False = it is not offered."""
        place = self.findData(name, _NAME)
        if place < 0:
            return False
        self.setCurrentIndex(place)
        return True

    def _disable(self, row: int) -> None:
        """Make an item a heading."""
        self.setItemData(row, 0, int(Qt.ItemDataRole.UserRole) - 1)  # its flags, says Qt


class _OneLine(QStyledItemDelegate):
    """Shows the whole line of an item in the open list; the closed box shows the title."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:  # noqa: N802  Qt's name
        """What is painted of an item."""
        super().initStyleOption(option, index)
        if option is None:
            return
        line = index.data(_LINE)
        if line:
            option.text = f"   {line}"
        else:
            option.font.setBold(True)
