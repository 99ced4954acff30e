"""PlaneCanvas: one further canvas of napari's in the window, with letters and the other planes."""

from __future__ import annotations

from typing import Any, cast

from napari.components import ViewerModel
from napari.layers import Layer
from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_scribseg.gui.canvas.canvas_marks import BoxMarks, CrossMarks, LetterMarks
from napari_scribseg.gui.canvas.drawing_context import hide_brush_box, keep_canvas_current
from napari_scribseg.gui.canvas.shown_directions import letters_on, plane_name, turn_upright
from napari_scribseg.gui.canvas.side_by_side import camera_of
from napari_scribseg.gui.qt import single_shot

_NAME_STYLE = (
    "color: #d0d0d0; background: rgba(0, 0, 0, 140); border-radius: 3px; padding: 0px 2px;"
)
_LETTER_SIZE = 10
_CORNER = 6
_LOWEST = 120
"""Pixels: lower canvases can't be drawn on."""


class PlaneCanvas(QWidget):
    """Shows a viewer model until `end`; nobody else may show it.

    Args:
        model: what is shown.
    """

    def __init__(self, model: ViewerModel) -> None:
        super().__init__()
        self.model = model
        self._image: Layer | None = None
        self._fitted = 0.0
        """The zoom at which everything was seen; another one is the user's."""
        self._fitting = single_shot(self, 0, self._fit)
        self._viewer: Any = QtViewer(model)
        self._viewer.setAcceptDrops(False)  # files are opened by the window
        hide_brush_box(model)
        self._end_context = keep_canvas_current(model, self.native)
        self._letters = LetterMarks(self.native, _LETTER_SIZE)
        self._cross = CrossMarks(model, self.native)
        self.region = BoxMarks(model, self.native)
        self._name = QLabel(self.native)
        self._name.setStyleSheet(_NAME_STYLE)
        self._name.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._name.move(_CORNER, _CORNER)
        self.native.setMinimumHeight(_LOWEST)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._viewer)
        model.dims.events.order.connect(self._show_directions)
        self.native.installEventFilter(self)

    @property
    def native(self) -> QWidget:
        """The widget that napari draws on."""
        return cast("QWidget", self._viewer.canvas.native)

    def show_image(self, image: Layer | None) -> None:
        """Tell of which image of the window this is a plane; another one is shown as a whole."""
        is_other = image is not self._image
        self._image = image
        self._show_directions()
        if is_other:
            self._fitting.start(0)

    def end(self) -> None:
        """Close for good."""
        self._fitting.stop()
        self._end_context()
        self._cross.end()
        self.region.end()
        self.model.dims.events.order.disconnect(self._show_directions)
        self.native.removeEventFilter(self)
        self._viewer.close()
        self._viewer = None

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Show everything in a canvas of another size, unless somebody has zoomed."""
        is_resized = a1 is not None and a1.type() == QEvent.Type.Resize
        if a0 is self.native and is_resized and self._fitted in (0, camera_of(self.model).zoom):
            self._fitting.start(0)  # napari is still to hear of the size
        return False

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As large as a slice needs to be drawn on."""
        return QSize(300, 240)

    def _fit(self) -> None:
        if self.model.layers:
            self.model.reset_view()
            self._fitted = camera_of(self.model).zoom
            self._cross.refresh()
            self.region.refresh()

    def _show_directions(self, _event: object = None) -> None:
        turn_upright(self.model, self._image)
        self._letters.show(letters_on(self.model, self._image))
        self._name.setText(plane_name(self.model, self._image))
        self._name.adjustSize()
