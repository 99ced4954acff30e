"""A small plot of lines, painted by hand: importing a plotting library takes seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

Point = tuple[float, float]

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 22, 18
_TICKS = 3


@dataclass(frozen=True)
class Line:
    """One line of a plot; `points` are (step, value), ascending in step."""

    name: str
    color: str
    points: Sequence[Point]
    bold: bool = False


class LinePlot(QWidget):
    """Lines against the training step, with a legend and the latest values.

    Args:
        what: what an empty plot is waiting for.
        limits: fixed lower and upper end of the values; None = what the lines have.
    """

    def __init__(self, what: str, limits: tuple[float, float] | None = None) -> None:
        super().__init__()
        self._what = what
        self._limits = limits
        self._lines: tuple[Line, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines."""
        self._lines = tuple(lines)
        said = [f"{line.name} {line.points[-1][1]:.3f}" for line in lines if line.points]
        self.setToolTip("\n".join(said) or self._what)
        self.setAccessibleDescription(", ".join(said))
        self.update()

    def points(self, name: str) -> list[Point]:
        """The points of a line, none if there is no such line."""
        return [p for line in self._lines if line.name == name for p in line.points]

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As wide as there is room."""
        return QSize(200, 108)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's name
        """Frame, grid, lines and legend."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(self.foregroundRole())
        faint = QColor(text)
        faint.setAlpha(20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(faint)
        painter.drawRoundedRect(QRectF(self.rect()), 4, 4)
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() - 1))
        painter.setFont(font)
        text.setAlpha(170)
        painter.setPen(text)
        if not any(len(line.points) for line in self._lines):
            painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, self._what)
        else:
            area = QRectF(self.rect()).adjusted(_LEFT, _TOP, -_RIGHT, -_BOTTOM)
            low, high = self._limits or _range_of(self._lines)
            self._paint_axes(painter, area, low, high, text)
            for line in self._lines:
                _paint_line(painter, area, line, (low, high), self._steps())
            self._paint_legend(painter, text)
        painter.end()

    def _steps(self) -> tuple[float, float]:
        steps = [step for line in self._lines for step, _ in line.points]
        return min(steps), max(steps)

    def _paint_axes(
        self, painter: QPainter, area: QRectF, low: float, high: float, text: QColor
    ) -> None:
        grid = QColor(text)
        grid.setAlpha(35)
        for i in range(_TICKS):
            value = low + (high - low) * i / (_TICKS - 1)
            y = area.bottom() - area.height() * i / (_TICKS - 1)
            painter.setPen(grid)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(text)
            box = QRectF(0, y - 8, _LEFT - 5, 16)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(box, right, _short(value))
        first, last = self._steps()
        foot = QRectF(area.left(), area.bottom() + 2, area.width(), _BOTTOM - 3)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, f"step {first:.0f}")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, f"{last:.0f}")

    def _paint_legend(self, painter: QPainter, text: QColor) -> None:
        x, metrics = float(_LEFT), painter.fontMetrics()
        for line in self._lines:
            if not line.points:
                continue
            label = f"{line.name} {_short(line.points[-1][1])}"
            wide = metrics.horizontalAdvance(label)
            if x + wide + 16 > self.width():
                painter.drawText(QPointF(x, 14), "…")
                return
            painter.setPen(QPen(QColor(line.color), 3))
            painter.drawLine(QPointF(x, 10), QPointF(x + 10, 10))
            painter.setPen(text)
            painter.drawText(QPointF(x + 14, 14), label)
            x += wide + 26


def _range_of(lines: Sequence[Line]) -> tuple[float, float]:
    """Lowest and highest value; a few wild ones at the start must not flatten the rest."""
    values = sorted(v for line in lines for _, v in line.points if math.isfinite(v))
    if not values:
        return 0.0, 1.0
    low, high = min(0.0, values[0]), values[min(len(values) - 1, round(0.98 * len(values)))]
    return (low, high) if high > low else (low, low + 1.0)


def _paint_line(
    painter: QPainter,
    area: QRectF,
    line: Line,
    limits: tuple[float, float],
    steps: tuple[float, float],
) -> None:
    low, high = limits
    first, last = steps
    wide, tall = max(last - first, 1e-9), max(high - low, 1e-9)
    points = [
        QPointF(
            area.left() + area.width() * (step - first) / wide,
            area.bottom() - area.height() * (min(max(value, low), high) - low) / tall,
        )
        for step, value in line.points
        if math.isfinite(value)
    ]
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(line.color), 2.2 if line.bold else 1.3))
    painter.drawPolyline(QPolygonF(points))
    if len(points) == 1:
        painter.drawEllipse(points[0], 2, 2)


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.095 or value == 0 else f"{value:.3f}"
