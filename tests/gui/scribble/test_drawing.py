"""The Scribble tab in a real viewer, with real keys: slices, widths, history, proposals, pen."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import TWO_BALLS, two_ball_case
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtTest import QTest

from napari_scribseg.annotation.outer_background import empty_slices
from napari_scribseg.core.labels import BACKGROUND, PRESETS, LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas import brush, layers
from napari_scribseg.gui.canvas.slices import Plane, show_slice, shown_slice
from napari_scribseg.gui.canvas.tools import Widths
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.scribble import automatic
from napari_scribseg.runs.messages import Message

CASE = two_ball_case((6, 48, 48))
LEFT = Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def dock(viewer, tmp_path, qtbot) -> ScribbleDock:
    for data in layers.case_data(CASE, TWO_BALLS):
        viewer.add_layer(layers.layer_of(data))
    dock = ScribbleDock(viewer, tmp_path)
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    dock.tabs.setCurrentWidget(dock.scribble_tab)
    scribbles(dock).data[:] = 0
    dock.session.touch_strokes()
    qtbot.waitUntil(lambda: bool(dock.scribble_tab.scan.facts) and not drawn(dock))
    viewer.window._qt_window.activateWindow()
    canvas(dock).setFocus()
    return dock


def scribbles(dock):
    return dock.session.selected.scribbles


def drawn(dock) -> int:
    return sum(sum(one.voxels.values()) for one in dock.scribble_tab.scan.facts)


def canvas(dock):
    return dock.session.viewer.window._qt_window._qt_viewer.canvas.native


def press(dock, key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(canvas(dock), key, modifier)


def strokes(dock, *places) -> None:
    """Write bars of 2 x 20 voxels: (z, row, value), each in a step of its own."""
    for z, row, value in places:
        values = np.zeros(CASE.image.shape, np.uint8)
        values[z, row : row + 2, 10:30] = value
        brush.write(scribbles(dock), values)


def test_slices_pass_by_key_while_brush_and_tool_stay(dock, viewer):
    layer = scribbles(dock)
    press(dock, Qt.Key.Key_2)
    layer.brush_size = 5
    show_slice(viewer, layer, 2)
    seen = []
    for key in (Qt.Key.Key_D, Qt.Key.Key_PageDown, Qt.Key.Key_A, Qt.Key.Key_PageUp):
        press(dock, key)
        seen.append(shown_slice(viewer, layer))
    assert seen == [3, 4, 3, 2]
    assert (layer.mode, layer.brush_size, layer.selected_label) == ("paint", 5, 2)
    for _ in range(9):
        press(dock, Qt.Key.Key_A)
    assert shown_slice(viewer, layer) == 0, "there is nothing before the first"


def test_slices_are_those_of_the_scribbles_also_where_the_view_is_turned(viewer):
    affine = np.diag([-1.0, 1, 1, 1]) @ Grid.from_spacing((6, 8, 8), (5.0, 1.0, 1.0)).affine
    affine[2] *= -1  # z runs downwards
    volume = Volume(np.zeros((6, 8, 8), np.uint8), Grid((6, 8, 8), affine))
    layer = layers.layer_of(layers.scribbles_data(volume.grid, TWO_BALLS, case=CaseKey("", "one")))
    viewer.add_layer(layer)
    for z in range(6):
        show_slice(viewer, layer, z)
        assert shown_slice(viewer, layer) == z


def test_eraser_and_brush_keep_their_own_widths(dock):
    layer, panel = scribbles(dock), dock.scribble_tab.brush
    press(dock, Qt.Key.Key_P)
    panel.set_value(Widths(2, 2))
    panel._spins["erase"].setValue(11)
    assert layer.brush_size == 2
    press(dock, Qt.Key.Key_E)
    assert layer.brush_size == 11
    press(dock, Qt.Key.Key_BracketRight)
    assert layer.brush_size == 12
    assert panel.value() == Widths(2, 12)
    press(dock, Qt.Key.Key_P)
    assert layer.brush_size == 2
    assert panel._tools["paint"].isChecked()
    press(dock, Qt.Key.Key_B)
    assert panel._protect.isChecked()


def test_a_hundred_steps_across_slices_are_taken_back_and_done_again(dock, viewer):
    layer = scribbles(dock)
    layer.mode, layer.brush_size = "paint", 1
    for n in range(99):
        show_slice(viewer, layer, n % 6)
        layer.paint((n % 6, 2 + n // 3, 5 + n % 3), 1 + n % 2)
    strokes(dock, (slice(0, 6), 44, BACKGROUND))
    full = layer.data.copy()
    for _ in range(100):
        press(dock, Qt.Key.Key_Z, CONTROL)
    assert not layer.data.any()
    for _ in range(100):
        press(dock, Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_array_equal(layer.data, full)


def test_what_is_taken_back_is_counted(dock, qtbot):
    strokes(dock, (3, 10, 1))
    qtbot.waitUntil(lambda: drawn(dock) == 40)
    press(dock, Qt.Key.Key_Z, CONTROL)
    qtbot.waitUntil(lambda: drawn(dock) == 0)


def test_chips_and_checklist_follow_strokes_and_slices(dock, viewer, qtbot):
    tab = dock.scribble_tab
    strokes(dock, (3, 10, 1), (4, 10, 1), (4, 30, 2))
    qtbot.waitUntil(lambda: drawn(dock) == 120)
    show_slice(viewer, scribbles(dock), 4)
    assert "20 voxels" not in tab.classes._chips[0].toolTip()
    assert "40 voxels drawn on this slice, 80 voxels" in tab.classes._chips[0].toolTip()
    (first, *_) = tab.checklist.value()
    assert (first.state, first.z) == ("to do", 4)
    assert "background" in first.text
    tab.checklist.slice_asked.emit(0)
    assert shown_slice(viewer, scribbles(dock)) == 0
    assert "0 voxels drawn on this slice, 80 voxels" in tab.classes._chips[0].toolTip()


def test_a_contour_closed_with_the_mouse_is_filled_in_a_step_of_its_own(dock, viewer, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    tab.brush._fill.setChecked(True)
    press(dock, Qt.Key.Key_2)
    middle = QPoint(canvas(dock).width() // 2, canvas(dock).height() // 2)
    corners = [middle + QPoint(x, y) for x, y in ((0, 0), (120, 0), (120, 120), (0, 120), (0, 0))]
    QTest.mouseMove(canvas(dock), corners[0])
    QTest.mousePress(canvas(dock), LEFT, Qt.KeyboardModifier.NoModifier, corners[0])
    for corner in corners[1:]:
        QTest.mouseMove(canvas(dock), corner)
        qtbot.wait(10)
    outline = (layer.data > 0).sum()
    QTest.mouseRelease(canvas(dock), LEFT, Qt.KeyboardModifier.NoModifier, corners[-1])
    qtbot.waitUntil(lambda: (layer.data > 0).sum() > outline)
    assert set(np.unique(layer.data)) == {0, 2}
    press(dock, Qt.Key.Key_Z, CONTROL)
    assert (layer.data > 0).sum() == outline
    press(dock, Qt.Key.Key_C)
    assert (layer.data > 0).sum() > outline, "by key, too"


def test_interpolated_strokes_are_proposed_then_drawn_in_one_step(dock, viewer, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    strokes(dock, (1, 10, 1), (4, 13, 1))
    qtbot.waitUntil(tab.strokes._interpolate.isEnabled)
    before = layer.data.copy()
    press(dock, Qt.Key.Key_I)
    qtbot.waitUntil(lambda: tab.proposal.layer is not None)
    np.testing.assert_array_equal(layer.data, before)
    assert not tab.strokes._bar.isHidden()
    assert viewer.layers.selection.active is layer
    press(dock, Qt.Key.Key_Y)
    assert tab.proposal.layer is None
    assert [int(plane.sum()) for plane in layer.data] == [0, 40, 40, 40, 40, 0]
    press(dock, Qt.Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(layer.data, before)
    press(dock, Qt.Key.Key_I)
    qtbot.waitUntil(lambda: tab.proposal.layer is not None)
    press(dock, Qt.Key.Key_U)
    assert tab.proposal.layer is None
    np.testing.assert_array_equal(layer.data, before)
    assert "dropped" in dock.status.text()


def test_accepting_never_overwrites_what_was_drawn_meanwhile(dock, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    strokes(dock, (1, 10, 1), (3, 10, 1))
    tab.proposal.interpolate()
    qtbot.waitUntil(lambda: tab.proposal.layer is not None)
    strokes(dock, (2, 10, 2))
    tab.proposal.accept()
    assert set(np.unique(layer.data[2])) == {0, 2}


def test_simulated_strokes_fit_the_reference_and_can_be_taken_back(dock, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    tab.strokes.simulate_asked.emit("interior+boundary", 2)
    qtbot.waitUntil(lambda: tab.proposal.layer is not None)
    tab.proposal.accept()
    targets = TWO_BALLS.to_targets(layer.data)
    assert (targets[targets >= 0] == CASE.reference[targets >= 0]).all()
    assert (layer.data.any(axis=(1, 2))).sum() == 3
    tab.drawing.undo()
    assert not layer.data.any()


def test_the_automatic_mask_follows_the_pen_and_goes_when_switched_off(dock, viewer, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    show_slice(viewer, layer, 2)
    press(dock, Qt.Key.Key_G)
    assert tab.automatic.is_on
    assert tab.strokes._automatic.isChecked()
    brush.write(layer, CASE.scribbles[2], Plane(0, 2))
    qtbot.waitUntil(lambda: tab.automatic.labels is not None, timeout=60_000)
    found, truth = tab.automatic.labels[2], CASE.reference[2]
    assert 2 * ((found == 1) & (truth == 1)).sum() > 0.9 * ((found == 1).sum() + (truth == 1).sum())
    shown = tab.automatic.layer
    assert shown.data[2].any()
    assert (shown.data[2] > 0).sum() < (found > 0).sum() / 2, "an outline only"
    assert viewer.layers.selection.active is layer
    assert "random walk" in tab.strokes._source.text()
    assert dock.session.warm.starts == 1
    brush.write(layer, CASE.scribbles[3], Plane(0, 3))
    show_slice(viewer, layer, 3)
    before = tab.automatic.labels
    qtbot.waitUntil(lambda: tab.automatic.labels is not before, timeout=60_000)
    assert dock.session.warm.starts == 1, "the child stays warm"
    press(dock, Qt.Key.Key_G)
    assert tab.automatic.layer is None
    assert layers.find(viewer.layers, "automatic") is None
    case, image = dock.session.case, layers.volume_of(dock.session.selected.image)
    result = layers.segmentation_data(Volume(CASE.reference, image.grid), TWO_BALLS, case=case)
    dock.session.put(result, "segmentation", case)
    press(dock, Qt.Key.Key_G)
    qtbot.waitUntil(lambda: tab.automatic.layer is not None, timeout=60_000)
    assert tab.automatic.layer.visible, "it was asked for, also beside a result"
    viewer.layers.remove(tab.automatic.layer)
    dock.session.selected_changed.emit()  # as when the case is opened again
    qtbot.waitUntil(lambda: tab.automatic.layer is not None, timeout=60_000)
    assert not tab.automatic.layer.visible, "the result is what is looked at"
    dock.case_tab.opener.put_away()  # as when another case is opened
    assert not viewer.layers, "the mask goes with its case"


@pytest.mark.parametrize("blind", [True, False])
def test_no_run_makes_the_automatic_mask_of_whoever_draws_blind(
    dock, viewer, qtbot, monkeypatch, blind
):
    asked: list[object] = []

    def ask(kind, fields, *_arrays, **_more):
        asked.append(fields["run"] if kind == "volume" else "slice")
        return Message({"source": "walk"}, {})

    monkeypatch.setattr(dock.session.warm, "ask", ask)
    monkeypatch.setattr(automatic, "is_blind", lambda _project, _kept: blind)
    monkeypatch.setattr(automatic, "newest_run", lambda _project, _names: "the newest run")
    show_slice(viewer, scribbles(dock), 2)
    press(dock, Qt.Key.Key_G)
    brush.write(scribbles(dock), CASE.scribbles[2], Plane(0, 2))
    qtbot.waitUntil(lambda: any(one != "slice" for one in asked), timeout=60_000)
    assert {one for one in asked if one != "slice"} == {None if blind else "the newest run"}


def test_the_keyboard_pen_draws_without_a_mouse(dock, viewer):
    layer, pen = scribbles(dock), dock.scribble_tab.pen
    press(dock, Qt.Key.Key_2)
    layer.brush_size = 1
    z = shown_slice(viewer, layer)
    press(dock, Qt.Key.Key_K)
    assert pen.is_on
    assert viewer.layers.selection.active is layer
    start = pen.place
    press(dock, Qt.Key.Key_Return)
    assert np.argwhere(layer.data == 2).tolist() == [[z, *start]]
    press(dock, Qt.Key.Key_Q)
    for _ in range(5):
        press(dock, Qt.Key.Key_Right)
    press(dock, Qt.Key.Key_Q)
    press(dock, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert (layer.data == 2).sum() == 6
    assert abs(pen.place[0] - start[0]) == 10
    press(dock, Qt.Key.Key_D)
    assert shown_slice(viewer, layer) == z + 1
    press(dock, Qt.Key.Key_K)
    assert not pen.is_on
    assert [one.name for one in viewer.layers if one.name == "keyboard pen"] == []


def test_a_schema_that_would_lose_strokes_is_refused(dock, qtbot):
    strokes(dock, (3, 10, 2))
    qtbot.waitUntil(lambda: drawn(dock) == 40)
    dock.scribble_tab.classes.schema_asked.emit(PRESETS["structure"])
    assert dock.session.schema == TWO_BALLS
    assert "strokes of dim" in dock.status.text()
    dock.scribble_tab.classes.schema_asked.emit(PRESETS["cardiac"])
    assert dock.session.schema == PRESETS["cardiac"]


def test_classes_go_to_a_file_and_come_back(dock, tmp_path, qtbot):
    path, tab = tmp_path / "labels.json", dock.scribble_tab
    tab.write_schema(path)
    qtbot.waitUntil(path.exists)
    dock.session.set_schema(LabelSchema.of("other"))
    tab.read_schema(path)
    qtbot.waitUntil(lambda: dock.session.schema == TWO_BALLS)
    (tmp_path / "broken.json").write_text("{}", encoding="utf-8")
    tab.read_schema(tmp_path / "broken.json")
    qtbot.waitUntil(lambda: "broken.json" in dock.status.text())
    assert dock.session.schema == TWO_BALLS


def test_keys_go_back_to_napari_when_the_dock_is_closed(dock, viewer):
    layer = scribbles(dock)
    viewer.window.remove_dock_widget(dock)
    z = shown_slice(viewer, layer)
    viewer.layers.selection.active = layer
    press(dock, Qt.Key.Key_D)
    assert shown_slice(viewer, layer) == z
    dock.deleteLater()


def test_one_key_says_that_nothing_is_on_a_slice(dock, viewer, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    brush.write(layer, CASE.scribbles[2], Plane(0, 2))
    qtbot.waitUntil(lambda: bool(drawn(dock)))
    show_slice(viewer, layer, 2)
    press(dock, Qt.Key.Key_O)
    assert "erase them first" in dock.status.text()
    show_slice(viewer, layer, 4)
    press(dock, Qt.Key.Key_O, Qt.KeyboardModifier.ShiftModifier)
    assert empty_slices(layer.data).tolist() == [False] * 4 + [True] * 2
    assert "slices 4 to 5" in dock.status.text()
    qtbot.waitUntil(lambda: not dock.session.has_new_strokes)
    show_slice(viewer, layer, 1)
    tab.drawing.undo()
    assert not empty_slices(layer.data).any()
    assert shown_slice(viewer, layer) == 4, "what is undone is shown"
    assert "Undo changed slice 4" in dock.status.text()


def test_class_keys_work_wherever_the_mouse_draws(dock, viewer):
    layer = scribbles(dock)
    relay = dock.scribble_tab.relay

    def key(focused, number: Qt.Key, text: str) -> bool:
        modifiers = Qt.KeyboardModifier.NoModifier
        return relay.take(focused, QKeyEvent(QEvent.Type.KeyPress, number, modifiers, text))

    viewer.mouse_over_canvas = True
    assert not key(canvas(dock), Qt.Key.Key_2, "2"), "the layer has it itself"
    assert key(dock.tabs, Qt.Key.Key_2, "2")
    assert layer.selected_label == 2
    shapes = viewer.add_shapes([np.array([[0, 0], [5, 5]])], shape_type="rectangle")
    viewer.layers.selection.active = shapes
    assert key(canvas(dock), Qt.Key.Key_0, "0")
    assert layer.selected_label == BACKGROUND
    assert viewer.layers.selection.active is layer
    viewer.layers.selection.active = shapes
    assert not key(canvas(dock), Qt.Key.Key_S, "s"), "letters are the shapes' own"
    other = viewer.add_labels(np.zeros(layer.data.shape, np.uint8), name="mine")
    viewer.layers.selection.active = other
    assert not key(canvas(dock), Qt.Key.Key_1, "1")
    assert "layer 'mine'" in dock.status.text()
    viewer.mouse_over_canvas = False
    viewer.layers.selection.active = layer
    assert not key(dock.tabs, Qt.Key.Key_1, "1")


def test_the_tab_takes_the_brush_and_lights_a_class_only_while_it_is_drawn(dock, viewer):
    layer, tab = scribbles(dock), dock.scribble_tab
    layer.mode = "pan_zoom"
    assert tab.classes.value() is None
    assert "digits: class" in layer.help
    dock.tabs.setCurrentWidget(dock.case_tab)
    dock.tabs.setCurrentWidget(tab)
    assert str(layer.mode) == "paint"
    assert tab.classes.value() == layer.selected_label
    layer.mode = "erase"
    assert tab.classes.value() is None
    assert "digits: class" in layer.help


def test_a_region_goes_around_the_strokes_and_travels_with_the_case(dock, viewer, qtbot):
    layer, tab = scribbles(dock), dock.scribble_tab
    brush.write(layer, CASE.scribbles[2], Plane(0, 2))
    qtbot.waitUntil(lambda: bool(drawn(dock)))
    tab.region.around_strokes()
    region = dock.session.region
    assert region.z == (1, 4)
    assert dock.session.snapshot().region == region
    (shapes,) = [one for one in viewer.layers if one.name == "region of interest"]
    assert viewer.layers.selection.active is layer
    shapes.data = [np.array([(9.5, 9.5), (9.5, 29.5), (19.5, 29.5), (19.5, 9.5)])]
    assert (dock.session.region.y, dock.session.region.x) == ((10, 20), (10, 30))
    tab.region_panel.whole_asked.emit()
    assert dock.session.region is None
    assert shapes not in viewer.layers


def test_the_brush_can_be_a_ball(dock):
    layer = scribbles(dock)
    press(dock, Qt.Key.Key_S)
    assert layer.n_edit_dimensions == 3
    assert dock.scribble_tab.brush._sphere.isChecked()
    press(dock, Qt.Key.Key_S)
    assert layer.n_edit_dimensions == 2
