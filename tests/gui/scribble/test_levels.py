"""Window and level: presets by modality, and dragging over the image."""

from __future__ import annotations

import napari
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_scribseg.gui.canvas.grey_levels import (
    SHARES,
    WINDOWS,
    modality_of,
    presets_for,
    show_preset,
    window_of,
)
from napari_scribseg.gui.scribble.habits import load_habits


def test_ct_is_told_by_its_air_and_has_windows_in_hounsfield_units():
    rng = np.random.default_rng(0)
    ct = napari.layers.Image(rng.integers(-1000, 1500, (4, 20, 20)).astype(np.int16))
    mr = napari.layers.Image(rng.integers(0, 900, (4, 20, 20)).astype(np.int16))
    assert (modality_of(ct), modality_of(mr)) == ("CT", "other")
    assert set(presets_for("CT")) == {*WINDOWS, *SHARES}
    assert set(presets_for("other")) == {*SHARES}
    show_preset(ct, "Lung")
    assert tuple(ct.contrast_limits) == (-1350, 150)
    assert window_of(ct) == (-600, 1500)
    show_preset(mr, "Everything")
    assert tuple(mr.contrast_limits) == (mr.data.min(), mr.data.max())


def drag(canvas, right: int, down: int) -> None:
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    QTest.mouseMove(canvas, middle)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    for step in range(1, 6):
        QTest.mouseMove(canvas, middle + QPoint(right * step // 5, down * step // 5))
        QTest.qWait(5)
    end = middle + QPoint(right, down)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)


def test_dragging_changes_width_and_level_draws_nothing_and_gives_the_brush_back(dock, qtbot):
    viewer, chosen = dock.session.viewer, dock.session.selected
    canvas = viewer.window._qt_window._qt_viewer.canvas.native
    before, drawn = window_of(chosen.image), np.array(chosen.scribbles.data)
    centre = tuple(viewer.camera.center)
    QTest.keyClick(canvas, Qt.Key.Key_W)
    assert dock.scribble_tab.levels.drag.is_on
    drag(canvas, 60, 0)
    wide = window_of(chosen.image)
    assert wide[1] == pytest.approx(before[1] * np.exp(60 / 150), rel=0.05)
    assert wide[0] == pytest.approx(before[0])
    drag(canvas, 0, 30)
    assert window_of(chosen.image)[0] > wide[0]
    assert tuple(viewer.camera.center) == centre
    np.testing.assert_array_equal(chosen.scribbles.data, drawn)
    QTest.keyClick(canvas, Qt.Key.Key_W)
    assert not dock.scribble_tab.levels.drag.is_on
    assert str(chosen.scribbles.mode) == "paint"


def test_a_class_ends_dragging_and_a_preset_is_there_for_the_next_image(dock, qtbot):
    levels = dock.scribble_tab.levels
    levels.switch()
    dock.session.choose_value(1)
    assert not levels.drag.is_on
    levels.show("Bright tissue")
    assert load_habits().levels == {"other": "Bright tissue"}
    dock.case_tab.opener.open_case("patient01")
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient01")
    image = dock.session.selected.image
    now = window_of(image)
    show_preset(image, "Usual")
    assert now != window_of(image), "it opened as somebody likes it"
    show_preset(image, "Bright tissue")
    assert now == window_of(image)
