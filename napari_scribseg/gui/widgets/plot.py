"""What all plots of the dock have in common: frame, axis of values, room for its numbers, hovering.

Painted by hand: a plotting library takes longer to import than the window to open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QHelpEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

_RIGHT = 10
_GAP = 6
"""Pixels between the numbers of the axis and the plot."""
_MOST_TICKS = 4


class Plot(QWidget):
    """An empty plot; what is in it is painted by `paint_content`.

    Args:
        what: what an empty plot is waiting for.
        top: pixels above the plot, for a legend.
        bottom: pixels under it, for the words of the axis.
        height: of the whole.
    """

    def __init__(self, what: str, *, top: int, bottom: int, height: int) -> None:
        super().__init__()
        self.what = what
        self._top, self._bottom, self._height = top, bottom, height
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    # What a plot says of itself

    def has_content(self) -> bool:
        """Whether there is anything to be painted."""
        raise NotImplementedError

    def value_range(self) -> tuple[float, float]:
        """Lower and upper end of the axis of values."""
        raise NotImplementedError

    def paint_content(self, painter: QPainter, box: QRectF, text: QColor) -> None:
        """Paint lines and words.

        Args:
            painter: has the small font.
            box: of the plot inside its axes.
            text: colour of words.
        """
        raise NotImplementedError

    def told_at(self, x: float) -> str:
        """What stands at a place, for whoever points to it.

        Args:
            x: pixels from the left.
        """
        raise NotImplementedError

    # Places

    def box(self) -> QRectF:
        """The plot inside its axes."""
        left = self._room_for_numbers()
        return QRectF(self.rect()).adjusted(left, self._top, -_RIGHT, -self._bottom)

    def y_of(self, value: float) -> float:
        """Where a value lies, in pixels from the top; values beyond the axis lie on its ends."""
        low, high = self.value_range()
        share = (min(max(value, low), high) - low) / max(high - low, 1e-9)
        return self.box().bottom() - self.box().height() * share

    # Qt's

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As wide as there is room."""
        return QSize(200, self._height)

    def event(self, a0: QEvent | None) -> bool:
        """Tell the values under the mouse; elsewhere the tooltip of the plot."""
        if isinstance(a0, QHelpEvent) and self.has_content():
            told = self.told_at(float(a0.pos().x()))
            if told:
                QToolTip.showText(a0.globalPos(), told, self)
                return True
        return super().event(a0)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's name
        """Frame, axis, and what is in it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(self.foregroundRole())
        faint = QColor(text)
        faint.setAlpha(20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(faint)
        painter.drawRoundedRect(QRectF(self.rect()), 4, 4)
        painter.setFont(self._small_font())
        text.setAlpha(170)
        painter.setPen(text)
        if self.has_content():
            self._paint_axis(painter, text)
            self.paint_content(painter, self.box(), text)
        else:
            painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, self.what)
        painter.end()

    # Inside

    def _small_font(self) -> QFont:
        font = self.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() - 1.5))
        return font

    def _room_for_numbers(self) -> float:
        """Pixels that the longest number of the axis needs."""
        if not self.has_content():
            return 34.0
        from_font = self.fontMetrics().horizontalAdvance  # larger than the small font: room enough
        ticks = nice_ticks(*self.value_range())
        return max(28.0, float(max(from_font(tick_text(t, ticks)) for t in ticks)) + _GAP + 2)

    def _paint_axis(self, painter: QPainter, text: QColor) -> None:
        box = self.box()
        grid = QColor(text)
        grid.setAlpha(35)
        ticks = nice_ticks(*self.value_range())
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for tick in ticks:
            y = self.y_of(tick)
            painter.setPen(grid)
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
            painter.setPen(text)
            painter.drawText(QRectF(0, y - 8, box.left() - _GAP, 16), right, tick_text(tick, ticks))


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, at most 4 or so, at equal distances; ascending."""
    if not high > low:
        return [low]
    rough = (high - low) / (_MOST_TICKS - 1)
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def tick_text(value: float, ticks: Sequence[float]) -> str:
    """A number of an axis, with as many decimals as tell it from its neighbours."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(value) or 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals and abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1  # steps of 0.25
    return f"{value:.{decimals}f}"
