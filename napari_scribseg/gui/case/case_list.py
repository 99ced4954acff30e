"""The cases of a project: status, filter, next and previous, reviewed and flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from qtpy.QtCore import QModelIndex, QPointF, QRect, QRectF, QSignalBlocker, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import ARROW, GAP, button, tame
from napari_scribseg.project.document import ProjectCase, Status

PREVIOUS_KEY: Final = "Alt+PgUp"
NEXT_KEY: Final = "Alt+PgDown"
REVIEWED_KEY: Final = "Alt+D"
FLAG_KEY: Final = "Alt+G"

_SHARE: Final[dict[Status, float]] = {
    "untouched": 0.0,
    "scribbled": 0.35,
    "predicted": 0.65,
    "done": 0.85,
    "reviewed": 1.0,
}
_COLORS: Final[dict[Status, str]] = {
    "untouched": "#858b94",
    "scribbled": "#c98f06",
    "predicted": "#3f80e4",
    "done": "#12909c",
    "reviewed": "#2fa26f",
    "flagged": "#ea5c50",
}
_WORDS: Final[dict[Status, str]] = {
    "untouched": "",
    "scribbled": "in progress",
    "predicted": "predicted",
    "done": "done",
    "reviewed": "reviewed",
    "flagged": "flagged",
}
_OPEN_FIRST: Final[tuple[Status, ...]] = (
    *("flagged", "scribbled", "predicted", "untouched", "done", "reviewed"),
)
ORDERS: Final = ("as added", "open first", "doubt first")
_ICON_SIZE: Final = 16
_ROWS_SHOWN: Final = 6
_FAINT: Final = 180
"""Opacity (of 255) of what stands beside a name: quiet, and readable on dark and light themes."""
_COMPACT: Final = "QPushButton { padding: 6px 4px; border-radius: 3px; }"
_ID: Final = Qt.ItemDataRole.UserRole
_ASIDE: Final = Qt.ItemDataRole.UserRole + 1
_PATIENT: Final = Qt.ItemDataRole.UserRole + 2
_BRIEFLY: Final = Qt.ItemDataRole.UserRole + 3


class CaseList(QWidget):
    """Shows cases and which of them is worked on."""

    case_asked = Signal(str)
    """Open this case."""
    done_asked = Signal(bool)
    """Whoever draws is, or is not, done with the shown case."""
    comment_asked = Signal(str)
    """Note this about the shown case."""
    doubts_asked = Signal()
    """The cases are to be shown by doubt; see `set_doubts`."""
    reviewed_asked = Signal(bool)
    """The shown case is, or is not, reviewed."""
    flagged_asked = Signal(bool)
    """The shown case is, or is not, flagged."""

    def __init__(self) -> None:
        super().__init__()
        self._cases: tuple[ProjectCase, ...] = ()
        self._current: str | None = None
        self._names: dict[str, str] = {}
        self._doubts: dict[str, float] = {}
        self._find = QLineEdit()
        self._find.setPlaceholderText("Find a case")
        self._find.setClearButtonEnabled(True)
        self._find.setToolTip("Show only cases with this in their name, patient or place")
        self._find.textChanged.connect(self._filter)
        self._status = QComboBox()
        self._status.addItems(["all", *_COLORS])
        self._status.setToolTip("Show only cases with this status")
        self._status.currentIndexChanged.connect(self._filter)
        tame(self._status)
        self.order = QComboBox()
        self.order.addItems(list(ORDERS))
        self.order.setToolTip(
            "Which case is next: flagged and begun ones first, or by the doubt of their newest "
            "prediction"
        )
        self.order.activated.connect(self._order_chosen)
        tame(self.order)
        widest = max(map(self.order.fontMetrics().horizontalAdvance, ORDERS))
        self.order.setMinimumWidth(widest + ARROW)
        self.comment = QLineEdit()
        self.comment.setPlaceholderText("Comment on this case, then Enter")
        self.comment.returnPressed.connect(self._ask_comment)
        self.list = QListWidget()
        self.list.setItemDelegate(_AsideDelegate(self.list))
        self.list.setToolTip(
            f"Double-click, or press Enter, to open a case; {PREVIOUS_KEY} and {NEXT_KEY} go "
            "through the cases that are shown"
        )
        self.list.itemActivated.connect(self._activated)
        self.previous = button("Previous", f"Open the case before this one ({PREVIOUS_KEY})")
        self.next = button("Next", f"Open the next case ({NEXT_KEY})")
        self.done = button("Done", "You are done with this case; somebody may review it")
        self.done.setIcon(status_icon("done"))
        self.reviewed = button("Reviewed", f"You have looked at this case ({REVIEWED_KEY})")
        self.flag = button("Flag", f"Mark this case for another look ({FLAG_KEY})")
        self.reviewed.setIcon(status_icon("reviewed"))
        self.flag.setIcon(status_icon("flagged"))
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        for toggle, asked in (
            (self.done, self.done_asked),
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
        filters.addWidget(self.order, 2)
        buttons = QHBoxLayout()
        buttons.setSpacing(GAP)
        for one in (self.previous, self.next, self.done, self.reviewed, self.flag):
            one.setStyleSheet(_COMPACT)
            buttons.addWidget(one, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(filters)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        layout.addWidget(self.comment)

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
        self._current = current
        self._cases = self._in_order(cases)
        self._names = {case.id: (names or {}).get(case.id, case.id) for case in self._cases}
        with QSignalBlocker(self.list):
            self.list.clear()
            for case in self._cases:
                phase = f"  ({case.phase})" if case.phase else ""
                item = QListWidgetItem(
                    status_icon(case.status), f"{self._names[case.id]}{phase}", self.list
                )
                item.setData(_ID, case.id)
                doubt = self._doubts.get(case.id)
                item.setData(_ASIDE, aside_of(case, doubt))
                item.setData(_BRIEFLY, aside_of(case, doubt, with_state=doubt is None))
                item.setData(_PATIENT, patient_beside(case, self._names[case.id]))
                item.setToolTip(tip_of(case, self._names[case.id]))
        self._filter()
        row_height = max(self.list.sizeHintForRow(0), _ICON_SIZE + 2)
        rows = min(max(len(self._cases), 2), _ROWS_SHOWN)
        self.list.setFixedHeight(rows * row_height + 2 * self.list.frameWidth() + 2)
        entry = next((case for case in self._cases if case.id == current), None)
        for widget in (self.done, self.reviewed, self.flag, self.comment):
            widget.setEnabled(entry is not None)
        self.done.setChecked(entry is not None and entry.progress in {"done", "reviewed"})
        self.reviewed.setChecked(entry is not None and entry.progress == "reviewed")
        self.flag.setChecked(entry is not None and entry.flagged)

    def set_doubts(self, doubts: Mapping[str, float]) -> None:
        """Show how doubtful the newest prediction of each case is, by id."""
        self._doubts = {**doubts}
        self.set_cases(self._cases, self._current, self._names)

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

    def _in_order(self, cases: Sequence[ProjectCase]) -> tuple[ProjectCase, ...]:
        """The cases in the order that is chosen; as they were given where two are alike."""
        chosen = self.order.currentText()
        if chosen == ORDERS[1]:
            return tuple(sorted(cases, key=lambda case: _OPEN_FIRST.index(case.status)))
        if chosen == ORDERS[2]:
            return tuple(sorted(cases, key=lambda case: -self._doubts.get(case.id, -1.0)))
        return tuple(cases)

    def _order_chosen(self, _index: int) -> None:
        self.doubts_asked.emit()

    def _ask_comment(self) -> None:
        text = self.comment.text().strip()
        self.list.setFocus()  # the key of a class must not begin the next comment
        if text:
            self.comment.clear()
            self.comment_asked.emit(text)

    def _activated(self, item: QListWidgetItem) -> None:
        self.case_asked.emit(item.data(_ID))

    def _filter(self, _news: object = None) -> None:
        text, status = self._find.text().casefold(), self._status.currentText()
        for row, case in enumerate(self._cases):
            item = self.list.item(row)
            if item is None:
                continue
            searched = "\n".join((self._names[case.id], case.patient, case.image)).casefold()
            fits = text in searched and status in ("all", case.status)
            item.setHidden(not fits)
            font = item.font()
            font.setBold(case.id == self._current)
            item.setFont(font)
            if case.id == self._current:
                self.list.setCurrentItem(item)
        several = len(self.shown_ids()) > 0 and self.shown_ids() != [self._current]
        self.previous.setEnabled(several)
        self.next.setEnabled(several)


class _AsideDelegate(QStyledItemDelegate):
    """Draws quiet words at the right end of each line.

    The patient is named where there is room for it. Beside a doubt the state gives way to the name:
    the icon tells it, too. A name that is still too long is cut in its middle.
    """

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw one line."""
        aside, whole = str(index.data(_ASIDE) or ""), QRect(option.rect)
        length = option.fontMetrics.horizontalAdvance
        both = " · ".join(filter(None, (str(index.data(_PATIENT) or ""), aside)))
        name = _ICON_SIZE + 4 * GAP + length(str(index.data(Qt.ItemDataRole.DisplayRole)))
        for words in (both, aside):
            if name + length(words) + 2 * GAP <= whole.width():
                aside = words
                break
        else:
            aside = str(index.data(_BRIEFLY) or "")
        width = length(aside) + 2 * GAP if aside else 0
        if painter is not None and width:
            self._paint_ground(painter, option, index)
        option.rect = whole.adjusted(0, 0, -width, 0)
        option.textElideMode = Qt.TextElideMode.ElideMiddle
        super().paint(painter, option, index)
        if painter is not None and aside and option.widget is not None:
            painter.save()
            faint = QColor(option.widget.palette().text().color())
            faint.setAlpha(_FAINT)
            painter.setPen(faint)
            place = whole.adjusted(0, 0, -GAP, 0)
            ends = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(place, int(ends), aside)
            painter.restore()

    def _paint_ground(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """What lies under the words of a line, so that a chosen one looks so up to its end."""
        bare = QStyleOptionViewItem(option)
        self.initStyleOption(bare, index)
        bare.text, bare.icon = "", QIcon()
        style = option.widget.style() if option.widget is not None else None
        if style is not None:
            style.drawControl(QStyle.ControlElement.CE_ItemViewItem, bare, painter, option.widget)


def aside_of(case: ProjectCase, doubt: float | None = None, *, with_state: bool = True) -> str:
    """What stands at the end of the line of a case: state, who, comments, doubt."""
    who = f" by {case.by}" if case.by and case.status in {"done", "reviewed", "flagged"} else ""
    state = f"{_WORDS[case.status]}{who}" if with_state else ""
    comments = {0: "", 1: "1 comment"}.get(len(case.comments), f"{len(case.comments)} comments")
    parts = (state, comments, "" if doubt is None else f"doubt {doubt:.2f}")
    return " · ".join(filter(None, parts))


def patient_beside(case: ProjectCase, name: str) -> str:
    """Whose case it is, where its name does not say so."""
    return "" if case.patient.casefold() in name.casefold() else case.patient


def tip_of(case: ProjectCase, name: str) -> str:
    """The whole name of a case, how far it is, whose, where from, and all that was said of it."""
    patient = patient_beside(case, name)
    whose = [f"Patient: {patient}"] if patient else []
    place = [f"From: {case.image}"] if Path(case.image).is_absolute() else []
    said = [f"{one.at[:16].replace('T', ' ')} {one.by}: {one.text}" for one in case.comments]
    return "\n".join([f"{name}: {aside_of(case) or 'not begun'}", *whose, *place, *said])


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
