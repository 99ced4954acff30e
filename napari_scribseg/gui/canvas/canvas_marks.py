"""Marks over a canvas: letters of directions, where the other planes are, the region of interest.

Quiet widgets that let the mouse through; nothing is drawn by the canvas itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QLabel, QWidget

from napari_scribseg.core.types import Array
from napari_scribseg.gui.canvas.orientation import BorderLetters
from napari_scribseg.gui.canvas.side_by_side import camera_of

_SIDES: Final = ("left", "right", "top", "bottom")
_MARGIN: Final = 8
_STYLE: Final = (
    "color: #e8c547; background: rgba(0, 0, 0, 140); border-radius: 3px; font-weight: 600; "
    "font-size: {size}pt; padding: 0px 2px;"
)
"""Readable on the light canvas of napari's light theme, too."""
_LINE_STYLE: Final = "background-color: rgba(232, 197, 71, 110); border: none;"
_BOX_STYLE: Final = "background-color: #f0e442; border: none;"
"""Yellow, as the rectangle of the region of interest in the window."""
_GAP: Final = 14
"""Pixels around the point that no line covers."""
_FLAT: Final = 2


class LetterMarks(QObject):
    """Letters at the borders of a canvas.

    Args:
        canvas: the widget that napari draws on.
        size: of the letters, in points.
    """

    def __init__(self, canvas: QWidget, size: int = 13) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._labels: dict[str, QLabel] = {}
        for side in _SIDES:
            label = QLabel(canvas)
            label.setObjectName(f"orientation-{side}")
            label.setStyleSheet(_STYLE.format(size=size))
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            self._labels[side] = label
        canvas.installEventFilter(self)

    def show(self, letters: BorderLetters | None) -> None:
        """Show these letters; None = it is not known what they are."""
        for side, label in self._labels.items():
            label.setText("" if letters is None else getattr(letters, side))
            label.setVisible(letters is not None)
            label.adjustSize()
        self._place()

    def end(self) -> None:
        """Take the letters away."""
        for label in self._labels.values():
            label.deleteLater()
        self._labels = {}

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Follow the size of the canvas."""
        if a0 is self._canvas and a1 is not None and a1.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        width, height = self._canvas.width(), self._canvas.height()
        for side, label in self._labels.items():
            x, y = (width - label.width()) // 2, (height - label.height()) // 2
            if side in ("left", "right"):
                x = _MARGIN if side == "left" else width - label.width() - _MARGIN
            else:
                y = _MARGIN if side == "top" else height - label.height() - _MARGIN
            label.move(x, y)


class _LineMarks(QObject):
    """Four lines over a canvas that follow its camera and its planes, until `end`.

    Args:
        viewer: what the canvas shows.
        canvas: the widget that napari draws on.
        name: of the lines.
        style: of the lines.
    """

    def __init__(self, viewer: Any, canvas: QWidget, name: str, style: str) -> None:
        super().__init__(canvas)
        self._viewer, self._canvas = viewer, canvas
        self._lines: list[QFrame] = []
        for _ in range(4):
            line = QFrame(canvas)
            line.setObjectName(name)
            line.setStyleSheet(style)
            line.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            self._lines.append(line)
        canvas.installEventFilter(self)
        camera, dims = camera_of(viewer).events, viewer.dims.events
        self._events = (
            camera.center,
            camera.zoom,
            camera.orientation,
            dims.point,
            dims.order,
            dims.ndisplay,
        )
        for event in self._events:
            event.connect(self.refresh)
        self.refresh()

    def refresh(self, _event: Any = None) -> None:
        """Show the lines of now."""
        rectangles = self._rectangles()
        for line, rectangle in zip(self._lines, rectangles or [None] * 4, strict=True):
            line.setVisible(rectangle is not None)
            if rectangle is not None:
                line.setGeometry(*rectangle)

    def end(self) -> None:
        """Take the lines away."""
        for event in self._events:
            event.disconnect(self.refresh)
        lines, self._lines = self._lines, []
        with suppress(RuntimeError):  # the canvas is gone, and they with it
            self._canvas.removeEventFilter(self)
            for line in lines:
                line.hide()
                line.deleteLater()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Follow the size of the canvas."""
        if a0 is self._canvas and a1 is not None and a1.type() == QEvent.Type.Resize:
            self.refresh()
        return False

    def _rectangles(self) -> list[tuple[int, int, int, int]] | None:
        """Left, top, width and height of the four lines; None where they can't be told."""
        raise NotImplementedError

    def _pixel_of(self, point: Sequence[float] | Array) -> tuple[int, int] | None:
        """The pixel (x, y) of a point of the world; None where it can't be told."""
        dims, camera = self._viewer.dims, camera_of(self._viewer)
        grid: Any = getattr(self._viewer, "canvas", self._viewer).grid
        if dims.ndisplay != _FLAT or grid.enabled or not self._viewer.layers:
            return None
        shown = np.array([point[axis] for axis in dims.displayed])
        away = (shown - np.array(camera.center[-_FLAT:])) * camera.zoom
        signs = [-1 if str(one) in ("up", "left") else 1 for one in camera.orientation2d]
        y, x = away * signs + np.array([self._canvas.height(), self._canvas.width()]) / 2
        return round(float(x)), round(float(y))


class CrossMarks(_LineMarks):
    """Two lines over a canvas where the other planes cut it, until `end`.

    Args:
        viewer: what the canvas shows.
        canvas: the widget that napari draws on.
    """

    def __init__(self, viewer: Any, canvas: QWidget) -> None:
        super().__init__(viewer, canvas, "other-plane", _LINE_STYLE)

    def _rectangles(self) -> list[tuple[int, int, int, int]] | None:
        place = self._pixel_of(self._viewer.dims.point)
        if place is None:
            return None
        (x, y), width, height = place, self._canvas.width(), self._canvas.height()
        return [
            (0, y, max(x - _GAP, 0), 1),
            (x + _GAP, y, max(width - x - _GAP, 0), 1),
            (x, 0, 1, max(y - _GAP, 0)),
            (x, y + _GAP, 1, max(height - y - _GAP, 0)),
        ]


class BoxMarks(_LineMarks):
    """The border of a box over a canvas, on the planes that cut the box, until `end`.

    Args:
        viewer: what the canvas shows.
        canvas: the widget that napari draws on.
    """

    def __init__(self, viewer: Any, canvas: QWidget) -> None:
        self._corners: tuple[Array, Array] | None = None
        super().__init__(viewer, canvas, "region", _BOX_STYLE)

    def show(self, corners: tuple[Array, Array] | None) -> None:
        """Show a box by two opposite corners (z, y, x) of the world; None = there is none."""
        self._corners = corners
        self.refresh()

    def _rectangles(self) -> list[tuple[int, int, int, int]] | None:
        dims = self._viewer.dims
        if self._corners is None or dims.ndim != len(self._corners[0]):
            return None
        low, high = np.minimum(*self._corners), np.maximum(*self._corners)
        if any(not low[axis] <= dims.point[axis] <= high[axis] for axis in dims.not_displayed):
            return None
        ends = [self._pixel_of(corner) for corner in self._corners]
        if ends[0] is None or ends[1] is None:
            return None
        (left, right), (top, bottom) = (sorted(one) for one in zip(*ends, strict=True))
        wide, tall = right - left + 1, bottom - top + 1
        return [
            (left, top, wide, 1),
            (left, bottom, wide, 1),
            (left, top, 1, tall),
            (right, top, 1, tall),
        ]
