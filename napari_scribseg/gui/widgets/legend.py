"""A line that says how things look on the canvas, so that they are told apart at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

_ICON, _GAP = 20, 12
_IMAGE = QColor("#3a3f47")
"""Behind every sign: a grey as images have it, in light themes, too."""


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
            box = QRectF(x, middle - 7, _ICON, 14)
            _paint(painter, sign, box)
            x += _ICON + 5
            painter.setPen(words)
            wide = painter.fontMetrics().horizontalAdvance(sign.text)
            painter.drawText(
                QRectF(x, 0, wide + 4, self.height()), Qt.AlignmentFlag.AlignVCenter, sign.text
            )
            x += wide + _GAP
        painter.end()


def _paint(painter: QPainter, sign: Sign, box: QRectF) -> None:
    color = QColor(sign.color)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_IMAGE)
    painter.drawRoundedRect(box, 2, 2)
    if sign.look == "filled":
        painter.setPen(_thick(color))
        painter.drawLine(
            QPointF(box.left() + 5, box.bottom() - 4), QPointF(box.right() - 5, box.top() + 4)
        )
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    wide = 1.5 if sign.look == "outline" else 3.0
    painter.setPen(QPen(color, wide))
    painter.drawRoundedRect(box.adjusted(4, 3, -4, -3), 3, 3)


def _thick(color: QColor) -> QPen:
    pen = QPen(color, 4)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    return pen
