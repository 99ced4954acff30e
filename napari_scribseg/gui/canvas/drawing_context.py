"""The drawing context of the canvas is current while layers leave or come.

napari finishes pending drawing commands when a layer is removed. Outside of a paint event no
context need be current, so these commands are lost, and the next paint reads buffers that were
never filled: with software drawing that ends the process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from qtpy.QtWidgets import QMainWindow, QOpenGLWidget, QWidget

if TYPE_CHECKING:
    import napari.viewer


def canvas_in(window: QWidget) -> Any:
    """The canvas of napari's main window, a QOpenGLWidget; None where there is none."""
    centre = cast("QMainWindow", window).centralWidget()
    return None if centre is None else cast("Any", centre).findChild(QOpenGLWidget)


def keep_current(viewer: napari.viewer.Viewer, window: QWidget) -> Callable[[], None]:
    """Make the canvas's context current whenever a layer comes or goes; gives what ends that.

    Args:
        viewer: whose layers.
        window: its main window.
    """
    canvas = canvas_in(window)
    events = viewer.layers.events

    def make_current(_event: Any = None) -> None:
        try:
            if canvas is not None and canvas.isValid():
                canvas.makeCurrent()
        except RuntimeError:  # the window is gone
            end()

    def end() -> None:
        for event in (events.inserting, events.removing):
            if make_current in event.callbacks:
                event.disconnect(make_current)

    for event in (events.inserting, events.removing):
        event.connect(make_current)
    return end
