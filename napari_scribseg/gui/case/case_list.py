"""The cases of a project: status, filter, next and previous, reviewed and flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from qtpy.QtCore import QPointF, QRectF, QSignalBlocker, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, button, tame
from napari_scribseg.project.document import ProjectCase, Status

PREVIOUS_KEY: Final = "Alt+PgUp"
NEXT_KEY: Final = "Alt+PgDown"
REVIEWED_KEY: Final = "Alt+D"
FLAG_KEY: Final = "Alt+G"

_SHARE: Final[dict[Status, float]] = {
    "untouched": 0.0,
    "scribbled": 0.35,
    "predicted": 0.65,
    "reviewed": 1.0,
}
_COLORS: Final[dict[Status, str]] = {
    "untouched": "#858b94",
    "scribbled": "#c98f06",
    "predicted": "#3f80e4",
    "reviewed": "#2fa26f",
    "flagged": "#ea5c50",
}
_ICON_SIZE: Final = 16
_ROWS_SHOWN: Final = 6
_COMPACT: Final = "QPushButton { padding: 6px 4px; border-radius: 3px; }"
_ID: Final = Qt.ItemDataRole.UserRole


class CaseList(QWidget):
    """Shows cases and which of them is worked on."""

    case_asked = Signal(str)
    """Open this case."""
    reviewed_asked = Signal(bool)
    """The shown case is, or is not, reviewed."""
    flagged_asked = Signal(bool)
    """The shown case is, or is not, flagged."""

    def __init__(self) -> None:
        super().__init__()
        self._cases: tuple[ProjectCase, ...] = ()
        self._current: str | None = None
        self._names: dict[str, str] = {}
        self._find = QLineEdit()
        self._find.setPlaceholderText("Find a case")
        self._find.setClearButtonEnabled(True)
        self._find.setToolTip("Show only cases with this in their name")
        self._find.textChanged.connect(self._filter)
        self._status = QComboBox()
        self._status.addItems(["all", *_COLORS])
        self._status.setToolTip("Show only cases with this status")
        self._status.currentIndexChanged.connect(self._filter)
        tame(self._status)
        self.list = QListWidget()
        self.list.setToolTip(
            f"Double-click, or press Enter, to open a case; {PREVIOUS_KEY} and {NEXT_KEY} go "
            "through the cases that are shown"
        )
        self.list.itemActivated.connect(self._activated)
        self.previous = button("Previous", f"Open the case before this one ({PREVIOUS_KEY})")
        self.next = button("Next", f"Open the next case ({NEXT_KEY})")
        self.reviewed = button("Reviewed", f"You have looked at this case ({REVIEWED_KEY})")
        self.flag = button("Flag", f"Mark this case for another look ({FLAG_KEY})")
        self.reviewed.setIcon(status_icon("reviewed"))
        self.flag.setIcon(status_icon("flagged"))
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        for toggle, asked in (
            (self.reviewed, self.reviewed_asked),
            (self.flag, self.flagged_asked),
        ):
            toggle.setCheckable(True)
            toggle.clicked.connect(asked)
        self._lay_out()
        self.set_cases(())

    def _lay_out(self) -> None:
        filters = QHBoxLayout()
        filters.setSpacing(GAP)
        filters.addWidget(self._find, 3)
        filters.addWidget(self._status, 2)
        buttons = QHBoxLayout()
        buttons.setSpacing(GAP)
        for one in (self.previous, self.next, self.reviewed, self.flag):
            one.setStyleSheet(_COMPACT)
            buttons.addWidget(one, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(filters)
        layout.addWidget(self.list)
        layout.addLayout(buttons)

    def set_cases(
        self,
        cases: Sequence[ProjectCase],
        current: str | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Show these cases.

        Args:
            cases: in their order.
            current: id of the one in the viewer.
            names: what to call them, by id; those that are missing are called by their id.
        """
        self._cases, self._current = tuple(cases), current
        self._names = {case.id: (names or {}).get(case.id, case.id) for case in self._cases}
        with QSignalBlocker(self.list):
            self.list.clear()
            for case in self._cases:
                phase = f"  ({case.phase})" if case.phase else ""
                item = QListWidgetItem(
                    status_icon(case.status), f"{self._names[case.id]}{phase}", self.list
                )
                item.setData(_ID, case.id)
                item.setToolTip(f"{self._names[case.id]}: {case.status}")
        self._filter()
        row_height = max(self.list.sizeHintForRow(0), _ICON_SIZE + 2)
        rows = min(max(len(self._cases), 2), _ROWS_SHOWN)
        self.list.setFixedHeight(rows * row_height + 2 * self.list.frameWidth() + 2)
        entry = next((case for case in self._cases if case.id == current), None)
        for widget in (self.reviewed, self.flag):
            widget.setEnabled(entry is not None)
        self.reviewed.setChecked(entry is not None and entry.progress == "reviewed")
        self.flag.setChecked(entry is not None and entry.flagged)

    def shown_ids(self) -> list[str]:
        """Ids of the cases that the filter lets through."""
        items = (self.list.item(row) for row in range(self.list.count()))
        return [item.data(_ID) for item in items if item is not None and not item.isHidden()]

    def step(self, by: int) -> None:
        """Ask for the next case (by=1) or the one before (-1) among those that are shown."""
        order = [case.id for case in self._cases]
        shown = self.shown_ids()
        outside = -1 if by > 0 else len(order)
        here = order.index(self._current) if self._current in order else outside
        following = order[here + 1 :] if by > 0 else order[:here][::-1]
        wanted = next((case for case in following if case in shown), None)
        if wanted is not None:
            self.case_asked.emit(wanted)

    def _activated(self, item: QListWidgetItem) -> None:
        self.case_asked.emit(item.data(_ID))

    def _filter(self, _news: object = None) -> None:
        text, status = self._find.text().casefold(), self._status.currentText()
        for row, case in enumerate(self._cases):
            item = self.list.item(row)
            if item is None:
                continue
            fits = text in self._names[case.id].casefold() and status in ("all", case.status)
            item.setHidden(not fits)
            font = item.font()
            font.setBold(case.id == self._current)
            item.setFont(font)
            if case.id == self._current:
                self.list.setCurrentItem(item)
        several = len(self.shown_ids()) > 0 and self.shown_ids() != [self._current]
        self.previous.setEnabled(several)
        self.next.setEnabled(several)


def status_icon(status: Status) -> QIcon:
    """A pie that fills with the work, or a flag: told apart by form, not by colour alone."""
    pixmap = QPixmap(_ICON_SIZE, _ICON_SIZE)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    color = QColor(_COLORS[status])
    painter.setPen(QPen(color, 1.6))
    if status == "flagged":
        painter.drawLine(QPointF(4, 2), QPointF(4, 14))
        painter.setBrush(color)
        painter.drawPolygon(QPolygonF([QPointF(4, 2), QPointF(13, 5), QPointF(4, 8.5)]))
    else:
        circle = QRectF(2, 2, 12, 12)
        painter.drawEllipse(circle)
        painter.setBrush(color)
        # Qt counts sixteenths of a degree, from three o'clock; minus is clockwise.
        painter.drawPie(circle, 90 * 16, -round(360 * 16 * _SHARE[status]))
    painter.end()
    return QIcon(pixmap)
