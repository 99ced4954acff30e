"""A line that says how things look on the canvas, so that they are told apart at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

_ICON, _GAP = 16, 12


@dataclass(frozen=True)
class Sign:
    """How one kind of thing looks.

    Args:
        text: what it is.
        look: drawn as a thin outline, a wide pale one, or filled.
        color: #rrggbb.
    """

    text: str
    look: Literal["outline", "pale", "filled"]
    color: str


class Legend(QWidget):
    """Shows signs in one line."""

    def __init__(self) -> None:
        super().__init__()
        self._signs: tuple[Sign, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_signs(self, signs: Sequence[Sign]) -> None:
        """Show these."""
        self._signs = tuple(signs)
        self.setAccessibleName("How it looks: " + ", ".join(s.text for s in signs))
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """One line."""
        return QSize(200, self.fontMetrics().height() + 4)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's name
        """Every sign, and its word."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        words = self.palette().color(self.foregroundRole())
        words.setAlpha(190)
        middle, x = self.height() / 2, 1.0
        for sign in self._signs:
            box = QRectF(x, middle - 5, _ICON - 4, 10)
            _paint(painter, sign, box)
            x += _ICON
            painter.setPen(words)
            wide = painter.fontMetrics().horizontalAdvance(sign.text)
            painter.drawText(
                QRectF(x, 0, wide + 4, self.height()), Qt.AlignmentFlag.AlignVCenter, sign.text
            )
            x += wide + _GAP
        painter.end()


def _paint(painter: QPainter, sign: Sign, box: QRectF) -> None:
    color = QColor(sign.color)
    if sign.look == "filled":
        painter.setPen(_thick(color))
        painter.drawLine(
            QPointF(box.left() + 1, box.bottom() - 2), QPointF(box.right() - 1, box.top() + 2)
        )
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    wide = 1.5 if sign.look == "outline" else 3.0
    painter.setPen(QPen(color, wide))
    painter.drawRoundedRect(box, 3, 3)


def _thick(color: QColor) -> QPen:
    pen = QPen(color, 4)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    return pen
