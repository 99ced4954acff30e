"""A plot of lines against the training step, with a legend and the latest values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF

from napari_scribseg.gui.widgets.plot import Plot

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line of a plot; `points` are (step, value), ascending in step."""

    name: str
    color: str
    points: Sequence[Point]
    bold: bool = False


class LinePlot(Plot):
    """Lines against the training step, with a legend and the latest values.

    Args:
        what: what an empty plot is waiting for.
        limits: fixed lower and upper end of the values; None = what the lines have.
    """

    def __init__(self, what: str, limits: tuple[float, float] | None = None) -> None:
        super().__init__(what, top=22, bottom=18, height=124)
        self._limits = limits
        self._lines: tuple[Line, ...] = ()

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines."""
        self._lines = tuple(lines)
        said = [f"{line.name} {line.points[-1][1]:.3f}" for line in lines if line.points]
        self.setToolTip("\n".join(said) or self.what)
        self.setAccessibleDescription(", ".join(said))
        self.update()

    def points(self, name: str) -> list[Point]:
        """The points of a line, none if there is no such line."""
        return [p for line in self._lines if line.name == name for p in line.points]

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As wide as there is room."""
        return QSize(200, 108)

    def has_content(self) -> bool:
        """Whether any line has a point."""
        return any(len(line.points) for line in self._lines)

    def value_range(self) -> tuple[float, float]:
        """The fixed ends, or what the lines have."""
        return self._limits or _range_of(self._lines)

    def told_at(self, x: float) -> str:
        """What the lines say at the step under the mouse."""
        first, last = self._steps()
        box = self.box()
        step = first + (last - first) * (x - box.left()) / max(box.width(), 1.0)
        nearest = [
            (line.name, min(line.points, key=lambda point: abs(point[0] - step)))
            for line in self._lines
            if line.points
        ]
        return "\n".join(f"{name} {p[1]:.3f} at step {p[0]:.0f}" for name, p in nearest)

    def paint_content(self, painter: QPainter, box: QRectF, text: QColor) -> None:
        """Steps, lines and legend."""
        first, last = self._steps()
        foot = QRectF(box.left(), box.bottom() + 2, box.width(), 15)
        painter.setPen(text)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, f"step {first:.0f}")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, f"{last:.0f}")
        for line in self._lines:
            self._paint_line(painter, box, line)
        self._paint_legend(painter, box, text)

    def _steps(self) -> tuple[float, float]:
        steps = [step for line in self._lines for step, _ in line.points]
        return min(steps), max(steps)

    def _paint_line(self, painter: QPainter, box: QRectF, line: Line) -> None:
        first, last = self._steps()
        wide = max(last - first, 1e-9)
        points = [
            QPointF(box.left() + box.width() * (step - first) / wide, self.y_of(value))
            for step, value in line.points
            if math.isfinite(value)
        ]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(line.color), 2.2 if line.bold else 1.3))
        painter.drawPolyline(QPolygonF(points))
        if len(points) == 1:
            painter.drawEllipse(points[0], 2, 2)

    def _paint_legend(self, painter: QPainter, box: QRectF, text: QColor) -> None:
        x, metrics = box.left(), painter.fontMetrics()
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


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.095 or value == 0 else f"{value:.3f}"
