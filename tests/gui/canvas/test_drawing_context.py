"""Layers leave while the canvas's drawing context is current: else commands are lost."""

from __future__ import annotations

import numpy as np
from qtpy.QtGui import QOpenGLContext

from napari_scribseg.gui.canvas.drawing_context import canvas_in, keep_current


def test_the_context_is_current_when_a_layer_comes_or_goes(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    window = viewer.window._qt_window
    canvas = canvas_in(window)
    qtbot.waitUntil(canvas.isValid)
    end = keep_current(viewer, window)
    current = []

    def note(_event):
        current.append(QOpenGLContext.currentContext() is canvas.context())

    viewer.layers.events.removed.connect(note)
    layer = viewer.add_image(np.zeros((2, 4, 4)))
    canvas.doneCurrent()
    viewer.layers.remove(layer)
    end()
    layer = viewer.add_image(np.zeros((2, 4, 4)))
    canvas.doneCurrent()
    viewer.layers.remove(layer)
    assert current[0]
    viewer.layers.events.removed.disconnect(note)
