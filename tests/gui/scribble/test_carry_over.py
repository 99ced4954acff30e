"""Strokes of the other phase and of the next slice are proposed here, by menu and key."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scribseg import read_dataset, sample_folder
from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.gui.canvas.slices import show_slice
from napari_scribseg.gui.dock import ScribbleDock

HEARTS = read_dataset(sample_folder("cardiac"))
SLICE = 4


@pytest.fixture
def dock(viewer, tmp_path, qtbot):
    """End-systole without strokes; end-diastole of the heart, and another heart, have some."""
    one = ScribbleDock(viewer, tmp_path / "project")
    viewer.window.add_dock_widget(one, name="Scribble segmentation", area="right")
    diastole, systole, other = HEARTS.cases[:3]
    bare = systole.model_copy(update={"scribbles": None, "reference": None})
    one.case_tab.opener.open_files([bare, diastole, other], HEARTS.schema)
    qtbot.waitUntil(lambda: one.case_tab.cases.list.count() == 3, timeout=60_000)
    qtbot.waitUntil(lambda: str(one.session.case) == systole.id, timeout=60_000)
    one.tabs.setCurrentWidget(one.scribble_tab)
    return one


def offered(dock):
    menu = dock.scribble_tab.strokes._sources
    menu.aboutToShow.emit()
    return {
        action.text(): action for action in menu.actions() if action.isEnabled() and action.text()
    }


def right(strokes, reference) -> float:
    classes = np.where(strokes == BACKGROUND, 0, strokes)
    return (classes == reference)[strokes > 0].mean()


def test_the_other_phase_gives_its_strokes_and_another_patient_does_not(dock, qtbot):
    layer, tab = dock.session.selected.scribbles, dock.scribble_tab
    assert not layer.data.any()
    found = offered(dock)
    diastole, systole = HEARTS.cases[:2]
    assert list(found)[1:] == [f"From {diastole.id}"]
    found[f"From {diastole.id}"].trigger()
    qtbot.waitUntil(lambda: tab.proposal.layer is not None, timeout=60000)
    assert not layer.data.any(), "it is a proposal"
    tab.proposal.accept()
    reference = systole.load(HEARTS.schema).reference
    assert set(np.unique(layer.data)) == {0, 1, 2, 3, BACKGROUND}
    assert right(layer.data, reference) > 0.9


def test_the_nearest_drawn_slice_gives_its_strokes_to_the_shown_one(dock, canvas_of, qtbot):
    layer, tab = dock.session.selected.scribbles, dock.scribble_tab
    show_slice(dock.session.viewer, layer, SLICE)
    tab.proposal.carry_here()
    assert "another slice" in dock.status.text()
    systole = HEARTS.cases[1].load(HEARTS.schema)
    drawn = layer.data.copy()
    drawn[SLICE - 1] = systole.scribbles[SLICE - 1]
    drawn[SLICE, :4] = BACKGROUND
    layer.data = drawn.copy()
    dock.session.touch_strokes()
    QTest.keyClick(canvas_of(dock), Qt.Key.Key_R)
    qtbot.waitUntil(lambda: tab.proposal.layer is not None, timeout=60000)
    made = np.asarray(tab.proposal.layer.data)
    assert np.flatnonzero(made.any(axis=(1, 2))).tolist() == [SLICE]
    assert not made[SLICE, :4].any(), "what is drawn stays"
    assert right(made[SLICE], systole.reference[SLICE]) > 0.85
    tab.proposal.drop()
    np.testing.assert_array_equal(layer.data, drawn)


@pytest.fixture
def canvas_of():
    def canvas(dock):
        native = dock.session.viewer.window._qt_window._qt_viewer.canvas.native
        dock.session.viewer.window._qt_window.activateWindow()
        native.setFocus()
        return native

    return canvas
