"""Planes: the other two planes of the case in a dock, to be drawn on like the first."""

from __future__ import annotations

from typing import Final

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QMainWindow, QWidget

from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.canvas_marks import CrossMarks
from napari_scribseg.gui.canvas.drawing_context import canvas_in
from napari_scribseg.gui.canvas.linked_planes import LinkedPlanes
from napari_scribseg.gui.canvas.plane_canvas import PlaneCanvas
from napari_scribseg.gui.canvas.side_by_side import camera_of
from napari_scribseg.gui.closing import main_window_of
from napari_scribseg.gui.dock_place import dock_of
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.session import Session

_NOT_SHOWN: Final[tuple[layers.Role, ...]] = ("probabilities", "learnt", "comparison")
"""What lies beside the case or is for a look at one canvas."""
_AXES: Final = 3
_NO_SERIES: Final = (
    "The planes show volumes, and this is a time series: go to a frame and press "
    "Work on this frame in the Case tab."
)
_HEIGHT: Final = 250
_SETTLED_MS: Final = 100
"""Qt has laid out the window anew by then."""
_LOWER_CORNERS: Final = {
    Qt.Corner.BottomLeftCorner: Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.Corner.BottomRightCorner: Qt.DockWidgetArea.RightDockWidgetArea,
}


class Planes(QObject):
    """Opens and closes the dock, and tells the session on which plane somebody draws.

    Args:
        session: what the window works on.
    """

    switched = Signal(bool)
    """The dock was opened or closed."""
    pressed = Signal()
    """The mouse was pressed on one of the two, and has not drawn yet."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.dock: PlanesDock | None = None
        """What lies in the dock; None = it is closed."""

    @property
    def is_on(self) -> bool:
        """Whether the dock is open."""
        return self.dock is not None

    @property
    def is_mouse_over(self) -> bool:
        """Whether the mouse is over one of the two canvases."""
        dock = self.dock
        return dock is not None and any(one.mouse_over_canvas for one in dock.linked.models)

    def switch(self) -> None:
        """Open the dock, or close it."""
        if self.dock is not None:
            self.end()
            return
        dock = PlanesDock(self._session)
        dock.linked.pressed.connect(self._tell_pressed)
        dock.ended.connect(self._ended)
        self.dock = dock
        self._session.viewer.window.add_dock_widget(dock, name="Planes", area="bottom")
        self.switched.emit(True)

    def end(self) -> None:
        """Close the dock."""
        dock = self.dock
        if dock is not None:
            dock.end()
            self._session.viewer.window.remove_dock_widget(dock)
            dock.deleteLater()

    def _tell_pressed(self, viewer: object) -> None:
        self._session.use_canvas(viewer)
        if viewer is not self._session.viewer:
            self.pressed.emit()

    def _ended(self) -> None:
        self.dock = None
        self._session.use_canvas(self._session.viewer)
        self.switched.emit(False)


class PlanesDock(QWidget):
    """Two canvases beside each other.

    Args:
        session: what the window works on.
    """

    ended = Signal()
    """It was closed, by whomever."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.linked = LinkedPlanes(session.viewer, self._is_wanted)
        self.canvases: tuple[PlaneCanvas, ...] = tuple(map(PlaneCanvas, self.linked.models))
        self._cross: CrossMarks | None = None
        self._before: tuple[QWidget | None, int] = (None, 0)
        """The canvas of the window, and how high it was."""
        self._zoomed: tuple[float, float] | None = None
        """The zoom of the window before and after its canvas became lower."""
        self._corners: dict[Qt.Corner, Qt.DockWidgetArea] = {}
        """Whose the lower corners of the window were before."""
        self._is_window_closing = False
        self._watched: QMainWindow | None = None
        self._has_ended = False
        # Later: Qt also hides what it is about to destroy, where nothing may be touched any more.
        self._resting = QTimer(self)
        self._resting.setSingleShot(True)
        self._resting.timeout.connect(self._rest)
        self._shrinking = QTimer(self)
        self._shrinking.setSingleShot(True)
        self._shrinking.timeout.connect(self._shrink)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for canvas in self.canvases:
            row.addWidget(canvas, 1)
        self.linked.drawn.connect(session.touch_strokes)
        self.linked.entered.connect(session.use_canvas)
        self.linked.moved.connect(session.plane_changed)
        session.selected_changed.connect(self._other_layers)
        session.region_changed.connect(self._show_region)

    def end(self) -> None:
        """Follow nothing any more; the dock is of no use afterwards."""
        if self._has_ended:
            return
        self._has_ended = True
        self._session.selected_changed.disconnect(self._other_layers)
        self._session.region_changed.disconnect(self._show_region)
        self.linked.end()
        if self._cross is not None:
            self._cross.end()
            self._cross = None
        for canvas in self.canvases:
            canvas.end()
        self.canvases = ()
        camera = camera_of(self._session.viewer)
        if self._zoomed is not None and camera.zoom == self._zoomed[1]:
            camera.zoom = self._zoomed[0]
        window, self._watched = self._watched, None
        if window is not None:
            window.removeEventFilter(self)
            for corner, area in self._corners.items():
                window.setCorner(corner, area)
        self.ended.emit()

    def showEvent(self, a0: QShowEvent | None) -> None:  # noqa: N802  Qt's name
        """Follow the window from now on."""
        super().showEvent(a0)
        if self._has_ended:
            return
        window = main_window_of(self)
        canvas = None if window is None else canvas_in(window)
        if canvas is not None and self._cross is None:
            self._cross = CrossMarks(self._session.viewer, canvas)
        if isinstance(window, QMainWindow) and self._watched is None:
            self._watched = window
            window.installEventFilter(self)
            self._take_place(window, canvas)
        self.linked.wake()
        self._show_image()

    def hideEvent(self, a0: QHideEvent | None) -> None:  # noqa: N802  Qt's name
        """Cost nothing while nobody sees it."""
        super().hideEvent(a0)
        if self._is_window_closing:
            self.end()
        else:
            self._resting.start(0)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Take note that the window is about to close; when it does, we are hidden first."""
        if a0 is self._watched and a1 is not None and a1.type() == QEvent.Type.Close:
            self._is_window_closing = True
            QTimer.singleShot(0, self._stay)  # unless somebody keeps it open
        return False

    def _stay(self) -> None:
        self._is_window_closing = False

    def event(self, a0: QEvent | None) -> bool:
        """Qt's events; napari takes a closed dock out of its window, which ends it."""
        taken_out = a0 is not None and a0.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            self.end()
        return super().event(a0)

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Half as high as the canvas above it."""
        return QSize(600, _HEIGHT)

    def _take_place(self, window: QMainWindow, canvas: QWidget | None) -> None:
        """Lie below the image alone, so that the docks at its sides stay as high as they are."""
        if canvas is not None:
            self._keep_view(canvas, canvas.height())
        for corner, area in _LOWER_CORNERS.items():
            self._corners[corner] = window.corner(corner)
            window.setCorner(corner, area)
        dock = dock_of(self)
        if dock is not None and not dock.isFloating():
            window.resizeDocks([dock], [_HEIGHT], Qt.Orientation.Vertical)

    def _keep_view(self, canvas: QWidget, height: int) -> None:
        """What was seen in the window stays in sight where its canvas becomes lower."""
        self._before = (canvas, height)
        self._shrinking.start(_SETTLED_MS)

    def _shrink(self) -> None:
        (canvas, height), self._before = self._before, (None, 0)
        if self._has_ended or canvas is None or not 0 < canvas.height() < height:
            return
        camera = camera_of(self._session.viewer)
        before = camera.zoom
        camera.zoom = before * canvas.height() / height
        self._zoomed = (before, camera.zoom)

    def _rest(self) -> None:
        if self._has_ended or self.isVisible():
            return
        self.linked.sleep()
        if self._cross is not None:
            self._cross.end()
            self._cross = None
        self._session.use_canvas(self._session.viewer)

    def _is_wanted(self, layer: Layer) -> bool:
        chosen = self._session.selected
        if any(layer is one for one in (chosen.image, chosen.scribbles, chosen.reference)):
            return True
        role = layers.role_of(layer)
        is_shown = role is not None and role not in _NOT_SHOWN
        return is_shown and layers.case_of(layer) == self._session.case is not None

    def _other_layers(self) -> None:
        self.linked.sync()
        self._show_image()

    def _show_image(self) -> None:
        for canvas in self.canvases:
            canvas.show_image(self._session.selected.image)
        self._show_region()
        if self._session.is_series and self.canvases:
            self._session.say(_NO_SERIES, "warning")

    def _show_region(self, _region: object = None) -> None:
        """Show the border of the region of interest on both planes."""
        region, layer = self._session.region, self._session.selected.scribbles
        corners = None
        if region is not None and layer is not None and layer.ndim == _AXES:
            sides = (region.z, region.y, region.x)
            ends = ([side[end] - 0.5 for side in sides] for end in (0, 1))
            low, high = (np.array(layer.data_to_world(end)) for end in ends)
            corners = (low, high)
        for canvas in self.canvases:
            canvas.region.show(corners)
