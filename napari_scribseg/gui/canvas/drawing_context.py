"""What keeps software drawing alive where layers come and go.

napari finishes pending drawing commands when a layer is removed. Outside of a paint event no
context need be current, so these commands are lost, and the next paint reads buffers that were
never filled: with software drawing that ends the process. So the context is made current.

napari 0.9 leaves the background box of the brush's circle on the canvas once a layer was added
while a brush was chosen. On a canvas without layers it is all that is drawn, and Mesa's software
drawing (22.3) ends the process in the second frame. Nobody can see that box: it is switched off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from qtpy.QtWidgets import QMainWindow, QOpenGLWidget, QWidget

if TYPE_CHECKING:
    import napari.viewer
    from napari.components import ViewerModel


def canvas_in(window: QWidget) -> Any:
    """The canvas of napari's main window, a QOpenGLWidget; None where there is none."""
    centre = cast("QMainWindow", window).centralWidget()
    return None if centre is None else cast("Any", centre).findChild(QOpenGLWidget)


def hide_brush_box(viewer: ViewerModel) -> None:
    """Switch off the box behind the circle of the brush, where this napari has one."""
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", {})
    circle = overlays.get("_brush_circle")
    if circle is not None and hasattr(circle, "box"):
        circle.box = False


def keep_current(viewer: napari.viewer.Viewer, window: QWidget) -> Callable[[], None]:
    """Make the canvas's context current whenever a layer comes or goes; gives what ends that.

    Args:
        viewer: whose layers.
        window: its main window.
    """
    return keep_canvas_current(viewer, canvas_in(window))


def keep_canvas_current(viewer: ViewerModel, canvas: Any) -> Callable[[], None]:
    """The same for a canvas that may lie anywhere.

    Args:
        viewer: whose layers.
        canvas: a QOpenGLWidget, or None.
    """
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
