"""Where our docks are in napari's window: tabs beside each other, closed after a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QPushButton, QWidget

from napari_scribseg.gui.closing import Leaving, main_window_of

if TYPE_CHECKING:
    import napari.viewer

_CLOSE_BUTTON: Final = "QTitleBarCloseButton"
"""What napari calls the x of a dock."""
UNDER_TITLE: Final = 8
"""Pixels at the top of a dock that napari's title bar lies over: it is taller than it says."""
_OURS: Final = "scribseg-dock"
"""A property of the widgets in our docks."""


def dock_of(widget: QWidget) -> QDockWidget | None:
    """The dock that a widget lies in."""
    parent: QWidget | None = widget
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def ours_in(window: QWidget | None) -> dict[QDockWidget, QWidget]:
    """Our widgets in the docks of a window, by dock."""
    docks = [] if window is None else window.findChildren(QDockWidget)
    inside = {dock: dock.widget() for dock in docks}
    return {dock: one for dock, one in inside.items() if one is not None and one.property(_OURS)}


def true_viewer(viewer: napari.viewer.Viewer) -> napari.viewer.Viewer:
    """Napari's viewer itself: plugins may be given a proxy, whose layers are no layer's own self.

    Every access to a proxy makes new ones, so `is` would never hold.
    """
    return cast("napari.viewer.Viewer", getattr(viewer, "__wrapped__", viewer))


class DockPlace(QObject):
    """Keeps a dock of ours in its place, and asks before napari's x ends what runs in it.

    Args:
        widget: that lies in the dock.
        leaving: what is asked about when the dock alone closes.
    """

    def __init__(self, widget: QWidget, leaving: Leaving) -> None:
        super().__init__(widget)
        self._widget = widget
        self._leaving = leaving
        self._dock: QDockWidget | None = None
        widget.setProperty(_OURS, True)

    def shown(self) -> None:
        """The widget has come to sight, perhaps for the first time."""
        dock = dock_of(self._widget)
        if dock is None or dock is self._dock:
            return
        self._dock = dock
        # napari makes the title bar anew whenever the dock moves.
        dock.topLevelChanged.connect(self._watch_soon)
        dock.dockLocationChanged.connect(self._watch_soon)
        self._watch()
        QTimer.singleShot(0, self._beside_the_others)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Ask before the x closes the dock for good."""
        if a1 is None or a1.type() != QEvent.Type.MouseButtonRelease:
            return False
        if self._leaving.ask():
            return False
        if isinstance(a0, QPushButton):
            a0.setDown(False)
        return True

    def _watch_soon(self, _where: object = None) -> None:
        QTimer.singleShot(0, self._watch)

    def _watch(self) -> None:
        bar = None if self._dock is None else self._dock.titleBarWidget()
        for label in () if bar is None else bar.findChildren(QLabel):
            label.setText(label.text().partition(" (")[0])  # napari adds whose widget it is
        if self._dock is not None:  # what a tab says where docks share a place
            self._dock.setWindowTitle(self._dock.windowTitle().partition(" (")[0])
        button = None if bar is None else bar.findChild(QPushButton, _CLOSE_BUTTON)
        if button is not None:
            button.removeEventFilter(self)
            button.installEventFilter(self)

    def _beside_the_others(self) -> None:
        """Put the dock behind another one of ours, as a tab, in front."""
        dock, window = self._dock, main_window_of(self._widget)
        if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
            return
        for other in ours_in(window):
            is_apart = other is not dock and dock not in window.tabifiedDockWidgets(other)
            if is_apart and not other.isFloating():
                window.tabifyDockWidget(other, dock)
                dock.show()
                dock.raise_()
                return
