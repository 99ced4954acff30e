"""The other two planes in a real window: drawn on with the mouse, worked on by key, closed."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from napari.qt import QtViewer
from phantoms import TWO_BALLS
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QKeyEvent, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFrame

from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.core.region import Region
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.side_by_side import camera_of
from napari_scribseg.gui.canvas.slices import Plane, show_plane, shown_plane
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.io import read_labels

LEFT = Qt.MouseButton.LeftButton
NOTHING_HELD = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def dock(dock, viewer, qtbot) -> ScribbleDock:
    """The dock with three planes; nothing is drawn."""
    scribbles(dock).data[:] = 0
    dock.session.touch_strokes()
    qtbot.waitUntil(lambda: not dock.session.drawn)
    QTest.keyClick(viewer.window._qt_window._qt_viewer.canvas.native, Qt.Key.Key_T)
    qtbot.waitUntil(lambda: bool(planes(dock).linked.models[0].layers))
    qtbot.wait(200)
    return dock


def scribbles(dock):
    return dock.session.selected.scribbles


def planes(dock):
    return dock.scribble_tab.planes.dock


def model(dock, which=0):
    return planes(dock).linked.models[which]


def canvas(dock, which=0):
    return planes(dock).canvases[which].native


def drag(dock, start: QPoint, end: QPoint) -> None:
    """Draw with the left button on the first of the two canvases."""
    native = canvas(dock)
    QTest.mouseMove(native, start)
    QTest.mousePress(native, LEFT, NOTHING_HELD, start)
    for part in (0.25, 0.5, 0.75, 1.0):
        there = QPointF(start + (end - start) * part)
        glob = QPointF(native.mapToGlobal(there.toPoint()))
        kind, none = QEvent.Type.MouseMove, Qt.MouseButton.NoButton
        QApplication.sendEvent(native, QMouseEvent(kind, there, glob, none, LEFT, NOTHING_HELD))
        QTest.qWait(15)
    QTest.mouseRelease(native, LEFT, NOTHING_HELD, end)


def enter(dock, which=0) -> None:
    """Bring the mouse over one of the two canvases, as napari notes it."""
    dock.session.viewer.mouse_over_canvas = False
    model(dock, which).mouse_over_canvas = True


def test_a_stroke_on_another_plane_is_counted_kept_and_saved(dock, viewer, tmp_path, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    QTest.keyClick(canvas(dock), Qt.Key.Key_2)
    assert (layer.selected_label, layer.mode) == (2, "paint")
    y = shown_plane(model(dock), layer).index
    middle = QPoint(canvas(dock).width() // 2, canvas(dock).height() // 2)
    drag(dock, middle - QPoint(30, 20), middle + QPoint(30, 20))
    drawn = layer.data.copy()
    places = np.argwhere(drawn)
    assert set(np.unique(drawn)) == {0, 2}
    assert (places[:, 1] == y).all()
    assert len(set(places[:, 0])) > 1
    n = len(places)
    qtbot.waitUntil(lambda: dock.session.drawn == {2: n})
    enter(dock)
    words = f"{n} voxels drawn on this slice, {n} voxels"
    qtbot.waitUntil(lambda: words in tab.classes._chips[1].toolTip())
    end = places[np.abs(places[:, 2] - places[:, 2].max()).argmin()]
    assert abs(shown_plane(model(dock, 1), layer).index - end[2]) <= 2, "planes go to its end"
    qtbot.waitUntil(lambda: dock.case_tab.autosave.state.unsaved)
    assert dock.case_tab.autosave.save_before_the_end() == ""
    saved = read_labels(tmp_path / "project" / "cases" / "patient00" / "scribbles.nii.gz").array
    np.testing.assert_array_equal(saved, drawn)
    QTest.keyClick(canvas(dock), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not layer.data.any(), "one step of the history"
    qtbot.waitUntil(lambda: not dock.session.drawn)


def test_keys_work_on_the_plane_under_the_mouse(dock, viewer, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    show_plane(model(dock), layer, Plane(1, 20))
    enter(dock)
    QTest.keyClick(canvas(dock), Qt.Key.Key_D)
    assert shown_plane(model(dock), layer) == Plane(1, 21)
    before = viewer.dims.point[-3]
    main = viewer.window._qt_window._qt_viewer.canvas.native
    QTest.keyClick(main, Qt.Key.Key_A)
    assert shown_plane(model(dock), layer) == Plane(1, 20), "whoever has the focus"
    assert viewer.dims.point[-3] == before
    layer.selected_label = 1
    for z in (0, 3):
        layer.data[z, 20, 4:12] = 1
    layer.data[0:4, 20, (4, 11)] = 1
    tab.drawing.fill_contour()
    assert (layer.data[0:4, 20, 4:12] == 1).all()
    assert (layer.data > 0).sum() == 32
    layer.data[0:4, 26, 4:12] = 1
    tab.proposal.interpolate()
    qtbot.waitUntil(lambda: tab.proposal.layer is not None)
    assert np.flatnonzero(tab.proposal.layer.data.any(axis=(0, 2))).tolist() == [21, 22, 23, 24, 25]
    QTest.keyClick(canvas(dock), Qt.Key.Key_U)
    show_plane(model(dock), layer, Plane(1, 20))
    QTest.keyClick(canvas(dock), Qt.Key.Key_O)
    assert "Plane 20 has strokes" in dock.status.text()
    show_plane(model(dock), layer, Plane(1, 40))
    QTest.keyClick(canvas(dock), Qt.Key.Key_O)
    marks = np.argwhere(layer.data == BACKGROUND)
    assert len(marks)
    assert (marks[:, 1] == 40).all()
    model(dock).mouse_over_canvas = False
    viewer.mouse_over_canvas = True
    assert dock.session.plane.is_acquired


def test_class_keys_reach_the_scribbles_while_a_button_has_the_focus(dock):
    relay = dock.scribble_tab.relay
    key = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_2, NOTHING_HELD, "2")
    dock.session.viewer.mouse_over_canvas = False
    assert not relay.take(dock.tabs, key)
    enter(dock)
    assert relay.take(dock.tabs, key)
    assert scribbles(dock).selected_label == 2
    assert not relay.take(canvas(dock), key), "the layer has it itself"


def test_another_case_and_new_layers_come_to_all_planes(dock, viewer, qtbot):
    first = scribbles(dock)
    mask = np.zeros(first.data.shape, np.uint8)
    volume = type(layers.volume_of(first))(mask, layers.grid_of(first))
    dock.session.put(
        layers.segmentation_data(volume, TWO_BALLS, case=dock.session.case),
        "segmentation",
        dock.session.case,
    )
    qtbot.waitUntil(lambda: len(model(dock).layers) == len(viewer.layers))
    dock.case_tab.opener.open_case("patient01")
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient01")
    qtbot.waitUntil(lambda: planes(dock).linked.twin_of(scribbles(dock), model(dock)) is not None)
    assert planes(dock).linked.twin_of(first, model(dock)) is None
    assert np.shares_memory(
        planes(dock).linked.twin_of(scribbles(dock), model(dock)).data, scribbles(dock).data
    )
    dock.case_tab.opener.put_away()
    qtbot.waitUntil(lambda: not model(dock).layers)
    qtbot.wait(200)


def test_the_planes_close_and_leave_nothing(dock, viewer, qtbot):
    tab = dock.scribble_tab
    assert tab.brush._planes.isChecked()
    dims = viewer.dims.events
    gone = planes(dock)
    tab.brush._planes.click()
    assert planes(dock) is None
    assert not tab.brush._planes.isChecked()
    assert dock.session.front is viewer
    assert gone.linked._show_point not in dims.point.callbacks
    layer = scribbles(dock)
    layer.paint((1, 3, 3), 1)
    assert len([one for one in viewer.mouse_drag_callbacks if "LinkedPlanes" in repr(one)]) == 0
    tab.planes.switch()
    qtbot.waitUntil(lambda: bool(model(dock).layers))
    title = planes(dock).parent()
    title.destroyOnClose()  # napari's x
    assert planes(dock) is None
    assert not tab.brush._planes.isChecked()
    del gone, title
    qtbot.wait(50)
    gc.collect()
    assert len(QtViewer._instances) == 1, "that of the window"


def test_hidden_planes_rest(dock, qtbot):
    planes(dock).parent().hide()
    qtbot.waitUntil(lambda: not model(dock).layers)
    scribbles(dock).paint((1, 3, 3), 1)
    planes(dock).parent().show()
    qtbot.waitUntil(lambda: bool(model(dock).layers))
    twin = planes(dock).linked.twin_of(scribbles(dock), model(dock))
    assert twin.data[1, 3, 3] == 1


def test_the_window_closes_with_its_planes(dock, viewer, qtbot):
    """That nothing is left is looked at by the fixture."""
    assert planes(dock).isVisible()
    viewer.close()


def test_the_region_of_interest_is_shown_on_both_planes_where_they_cut_it(dock, qtbot):
    volume = scribbles(dock).data.shape
    region = Region(z=(1, volume[0]), y=(4, 12), x=(6, 14))
    dock.session.set_region(region)
    show_plane(dock.session.viewer, scribbles(dock), Plane(1, 8))
    show_plane(dock.session.viewer, scribbles(dock), Plane(2, 8))

    def borders(which):
        found = canvas(dock, which).findChildren(QFrame, "region")
        return [line.geometry() for line in found if line.isVisible()]

    qtbot.waitUntil(lambda: len(borders(0)) == len(borders(1)) == 4)
    across = {line.width() for line in borders(0)}  # coronal: x to the right
    side = abs(scribbles(dock).scale[2]) * 8 * camera_of(model(dock, 0)).zoom
    assert max(across) == pytest.approx(side, abs=3)
    show_plane(dock.session.viewer, scribbles(dock), Plane(1, 20))
    qtbot.waitUntil(lambda: not borders(0))
    assert len(borders(1)) == 4
    dock.session.set_region(None)
    qtbot.waitUntil(lambda: not borders(1))
