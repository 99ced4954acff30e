"""Layers can leave the canvas, all of them, while it is drawn by software."""

from __future__ import annotations

import numpy as np
from qtpy.QtGui import QOpenGLContext

from napari_scribseg.gui.canvas.drawing_context import canvas_in, hide_brush_box, keep_current


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


def test_the_last_layer_leaves_after_one_was_added_under_the_brush(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    hide_brush_box(viewer)
    viewer.add_image(np.random.default_rng(0).random((3, 64, 64)))
    viewer.add_labels(np.zeros((3, 64, 64), int)).mode = "paint"
    qtbot.wait(300)
    viewer.add_labels(np.zeros((3, 64, 64), int))
    qtbot.wait(300)
    for layer in list(viewer.layers):
        viewer.layers.remove(layer)
    qtbot.wait(1000)  # with the box this ends the process
    assert not viewer.layers
