"""A plot of one number per slice; a click jumps to the slice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.plot import Plot

_CURSOR = "#4f9cff"
_DOT = 3.2
_ABOVE = 1.25
"""Infinite values stand so far above the largest finite one, with their sign."""


@dataclass(frozen=True)
class SliceLine:
    """One line of the plot.

    Args:
        name: what it is, for the tooltip.
        color: #rrggbb.
        values: number by slice; slices without one, and NaN, make a gap; infinity stands on top.
        dashed: whether it is a second line of something, such as the reference's.
    """

    name: str
    color: str
    values: Mapping[int, float]
    dashed: bool = False


class SlicePlot(Plot):
    """Lines against the slice; left and right arrow and clicks choose a slice."""

    slice_asked = Signal(int)

    def __init__(self) -> None:
        super().__init__("", top=12, bottom=20, height=124)
        self._lines: tuple[SliceLine, ...] = ()
        self._n_slices = 0
        self._limits: tuple[float, float] | None = None
        self._shown: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def set_lines(
        self,
        lines: Sequence[SliceLine],
        n_slices: int,
        what: str,
        limits: tuple[float, float] | None = None,
    ) -> None:
        """Show these lines.

        Args:
            lines: one per structure.
            n_slices: of the volume.
            what: what the numbers are, for tooltip and empty plot.
            limits: fixed ends of the axis; None = from 0 to the largest number.
        """
        self._lines, self._n_slices, self._limits = tuple(lines), n_slices, limits
        self.what = what
        self.setToolTip(f"{what} of every slice. Click, or press Left and Right, to go to a slice.")
        self.setAccessibleName(f"{what} per slice")
        self.update()

    def set_shown(self, z: int | None) -> None:
        """Mark the slice that the viewer shows."""
        if z != self._shown:
            self._shown = z
            self.setAccessibleDescription(self._words(z))
            self.update()

    def lines(self) -> tuple[SliceLine, ...]:
        """What is shown."""
        return self._lines

    def x_of(self, z: int) -> float:
        """Where a slice lies, in pixels from the left."""
        box = self.box()
        last = max(self._n_slices - 1, 1)
        return box.left() + box.width() * z / last

    def has_content(self) -> bool:
        """Whether there are slices."""
        return bool(self._n_slices)

    def value_range(self) -> tuple[float, float]:
        """The fixed ends, or 0 and a little more than the largest number."""
        if self._limits is not None:
            return self._limits
        values = [v for line in self._lines for v in line.values.values() if not math.isnan(v)]
        finite = max([v for v in values if math.isfinite(v)], default=0.0)
        room = _ABOVE if any(map(math.isinf, values)) else 1.05
        return 0.0, (finite * room) or 1.0

    def told_at(self, x: float) -> str:
        """The numbers of the slice under the mouse."""
        return self._words(self._slice_at(x), "\n")

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802  Qt's name
        """Ask for the slice under the mouse."""
        if a0 is not None and self._n_slices:
            self._ask(self._slice_at(float(a0.pos().x())))

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:  # noqa: N802  Qt's name
        """Left and right step through the slices."""
        key = None if a0 is None else a0.key()
        step = (key == Qt.Key.Key_Right) - (key == Qt.Key.Key_Left)
        if step and self._n_slices:
            self._ask((self._shown or 0) + step)
        elif a0 is not None:
            super().keyPressEvent(a0)

    def paint_content(self, painter: QPainter, box: QRectF, text: QColor) -> None:
        """The shown slice, and the lines."""
        foot = QRectF(box.left() - 8, box.bottom() + 4, box.width() + 16, 16)
        painter.setPen(text)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, "slice 0")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, str(self._n_slices - 1))
        if self._shown is not None:
            x = self.x_of(self._shown)
            painter.setPen(QPen(QColor(_CURSOR), 1.5))
            painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()))
            if 0 < self._shown < self._n_slices - 1:
                middle = Qt.AlignmentFlag.AlignHCenter
                painter.drawText(QRectF(x - 20, foot.top(), 40, 16), middle, str(self._shown))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(_CURSOR), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        for line in self._lines:
            self._paint_line(painter, line, text)

    def _paint_line(self, painter: QPainter, line: SliceLine, text: QColor) -> None:
        color = QColor(line.color)
        pen = QPen(color, 1.2 if line.dashed else 2.0)
        if line.dashed:
            pen.setStyle(Qt.PenStyle.DashLine)
        piece: list[QPointF] = []
        for z in range(self._n_slices + 1):
            value = line.values.get(z, math.nan)
            if math.isnan(value):
                painter.setPen(pen)
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawPolyline(QPolygonF(piece))
                piece = []
                continue
            point = QPointF(self.x_of(z), self.y_of(value))
            piece.append(point)
            if math.isinf(value):
                painter.setPen(text)
                painter.drawText(
                    QRectF(point.x() - 8, 0, 16, 11), Qt.AlignmentFlag.AlignCenter, "∞"
                )
            if not line.dashed:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(color)
                painter.drawEllipse(point, _DOT, _DOT)

    def _slice_at(self, x: float) -> int:
        box = self.box()
        share = (x - box.left()) / max(box.width(), 1)
        return min(max(round(share * (self._n_slices - 1)), 0), self._n_slices - 1)

    def _ask(self, z: int) -> None:
        self.slice_asked.emit(min(max(z, 0), self._n_slices - 1))

    def _words(self, z: int | None, between: str = ", ") -> str:
        """The numbers of a slice, named."""
        if z is None:
            return ""
        told = [
            f"{line.name} {_number(line.values[z])}" for line in self._lines if z in line.values
        ]
        return between.join([f"slice {z}", *told])


def _number(value: float) -> str:
    if math.isnan(value):
        return "\N{EN DASH}"
    return "∞" if math.isinf(value) else f"{value:.2f}" if value < 100 else f"{value:.0f}"
