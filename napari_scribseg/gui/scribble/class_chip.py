"""ClassChip: one class as a button - colour, name, key, and how much of it is drawn."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QAbstractButton, QSizePolicy

from napari_scribseg.gui.canvas.label_look import key_of
from napari_scribseg.gui.scribble.presenter import ChipCounts, counted

_HEIGHT = 40
"""Pixels of a chip: two lines, and tall enough for a finger."""
_NAME_FROM, _KEY, _EDGE = 29, 16, 8
"""Pixels in front of the name, for the key, and behind it."""
_SMALLER = 0.82


class ClassChip(QAbstractButton):
    """One class: colour, name, key, and its voxels on the slice and in the volume."""

    def __init__(self, value: int, name: str, color: str, key: str = "") -> None:
        super().__init__()
        self.value = value
        self._key = key or key_of(value)
        self._name = name
        self._color = QColor(color)
        self._counts = ChipCounts()
        self.setCheckable(True)
        self.setText(name)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.set_counts(ChipCounts())

    def set_counts(self, counts: ChipCounts) -> None:
        """Show how many voxels are drawn."""
        self._counts = counts
        key = f"key {self._key}, " if self._key else ""
        self.setToolTip(
            f"{self._name}: {key}{counts.on_slice} voxels drawn on this slice, {counts.in_volume} "
            "voxels in the volume. Click to paint it."
        )
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Wide enough for its name and its key."""
        name = self.fontMetrics().horizontalAdvance(self._name)
        return QSize(_NAME_FROM + name + _KEY + _EDGE + 4, _HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Narrow enough for two beside each other."""
        return QSize(84, _HEIGHT)

    def paintEvent(self, e: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's name
        """A rounded box: swatch, name, key, numbers; framed in its colour when it is painted."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        text = self.palette().color(self.foregroundRole())
        fill, faint, frame = QColor(text), QColor(text), QColor(text)
        fill.setAlpha(32 if self.underMouse() else 18)
        faint.setAlpha(165)
        frame.setAlpha(60)
        if self.isChecked():
            fill, frame = QColor(self._color), QColor(self._color)
            fill.setAlpha(70)
        painter.setBrush(fill)
        painter.setPen(QPen(frame, 2 if self.isChecked() or self.hasFocus() else 1))
        painter.drawRoundedRect(box, 5, 5)
        self._paint_swatch(painter, QPointF(17, box.center().y()))
        key = self._key
        upper = box.adjusted(_NAME_FROM, 3, -_EDGE, -box.height() / 2 + 1)
        lower = box.adjusted(_NAME_FROM, box.height() / 2, -_EDGE, -3)
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(faint)
        painter.drawText(upper, right, key)
        painter.setPen(text)
        name = QFontMetrics(self.font()).elidedText(
            self._name, Qt.TextElideMode.ElideRight, int(upper.width()) - (_KEY if key else 0)
        )
        painter.drawText(upper, left, name)
        small = self.font()
        small.setPointSizeF(max(small.pointSizeF() * _SMALLER, 6.0))
        painter.setFont(small)
        painter.setPen(faint)
        metrics = QFontMetrics(small)
        painter.drawText(lower, left, self._numbers(metrics, int(lower.width())))
        painter.end()

    def _numbers(self, metrics: QFontMetrics, width: int) -> str:
        """The counts in as many words as there is room for; the tooltip has all of them."""
        here, all_in_all = counted(self._counts.on_slice), counted(self._counts.in_volume)
        for words in (f"{here} here · {all_in_all} in all", f"{here} of {all_in_all}"):
            if metrics.horizontalAdvance(words) <= width:
                return words
        return metrics.elidedText(words, Qt.TextElideMode.ElideRight, width)

    def _paint_swatch(self, painter: QPainter, centre: QPointF) -> None:
        """A disc when the class is drawn, a ring as long as it is missing."""
        painter.setPen(QPen(self._color, 2))
        painter.setBrush(self._color if self._counts.in_volume else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, 6, 6)
