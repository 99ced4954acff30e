"""A plot of one number per slice, painted by hand; a click jumps to the slice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_scribseg.gui.qt import Signal

_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 10, 10, 20
_TICKS = 3
_CURSOR = "#4f9cff"
_DOT = 3.2


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


class SlicePlot(QWidget):
    """Lines against the slice; left and right arrow and clicks choose a slice."""

    slice_asked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._lines: tuple[SliceLine, ...] = ()
        self._n_slices = 0
        self._limits: tuple[float, float] | None = None
        self._shown: int | None = None
        self._what = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
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
        self._what = what
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
        box = self._box()
        last = max(self._n_slices - 1, 1)
        return box.left() + box.width() * z / last

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As wide as there is room."""
        return QSize(200, 120)

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802  Qt's name
        """Ask for the slice under the mouse."""
        if a0 is not None and self._n_slices:
            box = self._box()
            share = (a0.pos().x() - box.left()) / max(box.width(), 1)
            self._ask(round(share * (self._n_slices - 1)))

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:  # noqa: N802  Qt's name
        """Left and right step through the slices."""
        key = None if a0 is None else a0.key()
        step = (key == Qt.Key.Key_Right) - (key == Qt.Key.Key_Left)
        if step and self._n_slices:
            self._ask((self._shown or 0) + step)
        elif a0 is not None:
            super().keyPressEvent(a0)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's name
        """Frame, axis, the shown slice, and the lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(self.foregroundRole())
        faint = QColor(text)
        faint.setAlpha(20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(faint)
        painter.drawRoundedRect(QRectF(self.rect()), 4, 4)
        text.setAlpha(170)
        painter.setPen(text)
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() - 1.5))
        painter.setFont(font)
        if not self._n_slices:
            painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, self._what)
        else:
            low, high = self._limits or (0.0, _highest(self._lines))
            self._paint_axes(painter, text, low, high)
            if self.hasFocus():
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(QColor(_CURSOR), 1))
                painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
            for line in self._lines:
                self._paint_line(painter, line, low, high)
        painter.end()

    def _paint_axes(self, painter: QPainter, text: QColor, low: float, high: float) -> None:
        box = self._box()
        grid = QColor(text)
        grid.setAlpha(35)
        for i in range(_TICKS):
            value = low + (high - low) * i / (_TICKS - 1)
            y = box.bottom() - box.height() * i / (_TICKS - 1)
            painter.setPen(grid)
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
            painter.setPen(text)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            words = f"{value:.0f}" if high >= 10 else f"{value:.1f}"
            painter.drawText(QRectF(0, y - 8, _LEFT - 6, 16), right, words)
        foot = QRectF(box.left() - 8, box.bottom() + 4, box.width() + 16, _BOTTOM - 4)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, "slice 0")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, str(self._n_slices - 1))
        if self._shown is not None:
            x = self.x_of(self._shown)
            painter.setPen(QPen(QColor(_CURSOR), 1.5))
            painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()))
            if 0 < self._shown < self._n_slices - 1:
                painter.drawText(
                    QRectF(x - 20, foot.top(), 40, foot.height()),
                    Qt.AlignmentFlag.AlignHCenter,
                    str(self._shown),
                )

    def _paint_line(self, painter: QPainter, line: SliceLine, low: float, high: float) -> None:
        box, color = self._box(), QColor(line.color)
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
            share = (min(max(value, low), high) - low) / max(high - low, 1e-9)
            point = QPointF(self.x_of(z), box.bottom() - box.height() * share)
            piece.append(point)
            if not line.dashed:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(color)
                painter.drawEllipse(point, _DOT, _DOT)

    def _ask(self, z: int) -> None:
        self.slice_asked.emit(min(max(z, 0), self._n_slices - 1))

    def _box(self) -> QRectF:
        return QRectF(self.rect()).adjusted(_LEFT, _TOP, -_RIGHT, -_BOTTOM)

    def _words(self, z: int | None) -> str:
        if z is None:
            return ""
        told = [f"{line.name} {line.values[z]:.2f}" for line in self._lines if z in line.values]
        return f"slice {z}: " + ", ".join(told)


def _highest(lines: Sequence[SliceLine]) -> float:
    values = [v for line in lines for v in line.values.values() if math.isfinite(v)]
    return max([*values, 1e-9]) * 1.05
