"""A small live curve of the loss, painted by hand: importing a plotting library takes seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

Point = tuple[float, float]
"""(step, loss)"""

_MOST_POINTS = 400
"""About as many as the curve has pixels; of twice as many, neighbours are averaged, and from then
on so many new ones become one point."""
_SMOOTHING = 0.9
"""Share of the past in the moving average that the bold line shows."""
_COLOR = "#4f9cff"


class LossCurve(QWidget):
    """Loss against step: every value faint, a moving average bold."""

    def __init__(self) -> None:
        super().__init__()
        self._points: list[Point] = []
        self._fresh: list[Point] = []
        self._together = 1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Loss against training step; the bold line is its moving average")

    def add(self, step: int, loss: float) -> None:
        """Add a point; one that is not a finite number is left out."""
        if not math.isfinite(loss):
            return
        self._fresh.append((float(step), loss))
        if len(self._fresh) < self._together:
            return
        self._points.append(_middle(self._fresh))
        self._fresh = []
        if len(self._points) == 2 * _MOST_POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [_middle(pair) for pair in pairs]
            self._together *= 2
        self.update()

    def clear(self) -> None:
        """Begin a new curve."""
        self._points, self._fresh, self._together = [], [], 1
        self.update()

    def points(self) -> list[Point]:
        """(step, loss) as they are shown."""
        return list(self._points)

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As wide as there is room."""
        return QSize(200, 84)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's name
        """The two lines in a faint frame, with the latest average as a number."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(self.foregroundRole())
        faint = QColor(text)
        faint.setAlpha(20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(faint)
        box = QRectF(self.rect())
        painter.drawRoundedRect(box, 4, 4)
        faint.setAlpha(150)
        painter.setPen(faint)
        if len(self._points) < 2:
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, "loss")
        else:
            self._paint_lines(painter, box.adjusted(8, 8, -8, -8))
            latest = _averages([loss for _, loss in self._points])[-1]
            corner = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop
            painter.setPen(faint)
            painter.drawText(box.adjusted(0, 5, -8, 0), corner, f"loss {latest:.3f}")
        painter.end()

    def _paint_lines(self, painter: QPainter, box: QRectF) -> None:
        steps = [step for step, _ in self._points]
        losses = [loss for _, loss in self._points]
        averages = _averages(losses)
        # One wild step must not flatten the rest: the scale follows the average.
        top = max(*averages, sorted(losses)[int(0.95 * (len(losses) - 1))])
        low = min(0.0, *averages)
        line = QColor(_COLOR)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for values, alpha, width in ((losses, 80, 1.0), (averages, 255, 2.0)):
            line.setAlpha(alpha)
            painter.setPen(QPen(line, width))
            painter.drawPolyline(
                QPolygonF(
                    [
                        QPointF(
                            _between(step, steps[0], steps[-1], box.left(), box.right()),
                            _between(min(v, top), low, top, box.bottom(), box.top()),
                        )
                        for step, v in zip(steps, values, strict=True)
                    ]
                )
            )


def _middle(points: Sequence[Point]) -> Point:
    """The mean of some points."""
    n = len(points)
    return sum(step for step, _ in points) / n, sum(loss for _, loss in points) / n


def _averages(values: list[float]) -> list[float]:
    """Moving averages that do not start from zero."""
    averages: list[float] = []
    total = weight = 0.0
    for value in values:
        total = _SMOOTHING * total + (1 - _SMOOTHING) * value
        weight = _SMOOTHING * weight + (1 - _SMOOTHING)
        averages.append(total / weight)
    return averages


def _between(value: float, low: float, high: float, start: float, end: float) -> float:
    return start + (end - start) * ((value - low) / (high - low) if high > low else 0.5)
