"""Orientation letters at the borders of the canvas: quiet labels that let the mouse through."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QLabel, QMainWindow, QOpenGLWidget, QWidget

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.volume import Grid
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.orientation import BorderLetters, border_letters
from napari_scribseg.gui.session import Session

_MARGIN = 8
_STYLE = "color: #e8c547; background: transparent; font-weight: 600; font-size: 13pt; padding: 0px;"
_SAME_DIRECTION = 1e-6
_FLAT = 2
"""Axes on the screen when letters make sense."""


class CanvasLetters(QObject):
    """Shows where A, P, L, R, S and I are, while the image's true geometry is known.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._labels: dict[str, QLabel] = {}
        session.selected_changed.connect(self.refresh)
        for event in (session.viewer.dims.events.order, session.viewer.dims.events.ndisplay):
            event.connect(self.refresh)

    def attach(self, window: QWidget) -> None:
        """Put the letters over the canvas of a window; once is enough."""
        centre = cast("QMainWindow", window).centralWidget()
        canvas = None if centre is None else centre.findChild(QOpenGLWidget)
        if canvas is None or self._labels:
            return
        for side in ("left", "right", "top", "bottom"):
            label = QLabel(canvas)
            label.setObjectName(f"orientation-{side}")
            label.setStyleSheet(_STYLE)
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            self._labels[side] = label
        canvas.installEventFilter(self)
        self.refresh()

    def letters(self) -> BorderLetters | None:
        """What is to be shown; None when the orientation is not known or makes no sense."""
        image, dims = self._session.selected.image, self._session.viewer.dims
        if image is None or dims.ndisplay != _FLAT or layers.notes(image).get("affine") is None:
            return None
        displayed = [axis - (dims.ndim - 3) for axis in dims.displayed]
        if min(displayed) < 0:
            return None
        try:
            grid = layers.grid_of(image)
        except ScribsegError:
            return None
        if not layers.notes(image).get("oriented", True):
            return None
        # The screen shows what `placement` makes of the true axes, so they must still be these.
        true = Grid(grid.shape, np.asarray(layers.notes(image)["affine"], dtype=np.float64))
        known = np.allclose(grid.directions, true.directions, atol=_SAME_DIRECTION)
        return border_letters(grid, displayed) if known else None

    def refresh(self, _event: Any = None) -> None:
        """Show the letters of now."""
        letters = self.letters()
        for side, label in self._labels.items():
            label.setText("" if letters is None else getattr(letters, side))
            label.setVisible(letters is not None)
            label.adjustSize()
            canvas = label.parentWidget()
            if canvas is not None:
                self._place(canvas)

    def end(self) -> None:
        """Take the letters away."""
        dims = self._session.viewer.dims
        for event in (dims.events.order, dims.events.ndisplay):
            event.disconnect(self.refresh)
        for label in self._labels.values():
            label.deleteLater()
        self._labels = {}

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Follow the size of the canvas."""
        if a1 is not None and a1.type() == QEvent.Type.Resize and isinstance(a0, QWidget):
            self._place(a0)
        return False

    def _place(self, canvas: QWidget) -> None:
        width, height = canvas.width(), canvas.height()
        for side, label in self._labels.items():
            x, y = (width - label.width()) // 2, (height - label.height()) // 2
            if side in ("left", "right"):
                x = _MARGIN if side == "left" else width - label.width() - _MARGIN
            else:
                y = _MARGIN if side == "top" else height - label.height() - _MARGIN
            label.move(x, y)
