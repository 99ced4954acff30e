"""People in a real viewer: two draw apart, compare, agree; every stroke has its author."""

from __future__ import annotations

import json

import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.gui import autosave
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.chosen_layers import strokes_of
from napari_scribseg.gui.case.people_screen import screen_of
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.project_cases import effort_behind, is_blind, other_cases
from napari_scribseg.io import read_labels
from napari_scribseg.project.annotator import given_name, set_annotator
from napari_scribseg.project.teamwork import CaseTeam
from napari_scribseg.project.versions import Version, strokes_of_case, versions_of

CASE = "patient00"


@pytest.fixture
def project(tmp_path):
    return tmp_path / "project"


@pytest.fixture
def dock(make_napari_viewer, project, tmp_path, qtbot):
    """The dock with two cases without strokes, the first of which is shown."""
    viewer = make_napari_viewer(show=True)
    one = ScribbleDock(viewer, project)
    viewer.window.add_dock_widget(one, name="Scribble segmentation", area="right")
    files = read_dataset(phantom_dataset(tmp_path / "data", 2)).cases
    bare = [case.model_copy(update={"scribbles": None}) for case in files]
    one.case_tab.opener.open_files(bare, TWO_BALLS)
    qtbot.waitUntil(lambda: one.case_tab.cases.list.count() == 2, timeout=60_000)
    qtbot.waitUntil(lambda: str(one.session.case) == CASE, timeout=60_000)
    people(one).fold.open()
    yield one
    viewer.window.remove_dock_widget(one)


def people(dock):
    return dock.case_tab.people


def type_name(dock, name: str) -> None:
    field = people(dock).panel.name
    field.selectAll()
    QTest.keyClicks(field, name)
    QTest.keyClick(field, Qt.Key.Key_Return)


def draw(dock, row: int, value: int, columns=range(3, 9)) -> np.ndarray:
    layer = dock.session.selected.scribbles
    layer.brush_size = 1
    for column in columns:
        layer.paint((1, row, column), value)
    return layer.data.copy()


def save(dock, qtbot) -> None:
    done = []
    dock.case_tab.autosave.save(lambda: done.append(1))
    qtbot.waitUntil(lambda: bool(done), timeout=60_000)


def own_version(dock, name: str):
    return lambda: (
        strokes_of(dock.session.selected.scribbles) == name
        and people(dock).panel.name.text() == name
    )


def test_the_name_is_asked_once_and_kept(dock, qtbot):
    question = people(dock).question
    assert question.isVisibleTo(dock)
    assert question.name.text(), "the name of the login is proposed"
    question.name.setText("")
    QTest.mouseClick(question.accept, Qt.MouseButton.LeftButton)
    assert "empty" in dock.status.text()
    assert given_name() is None
    question.name.setText("Ana")
    QTest.mouseClick(question.accept, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not question.isVisibleTo(dock))
    assert given_name() == "Ana"
    qtbot.waitUntil(lambda: people(dock).panel.name.text() == "Ana")


def test_the_key_of_a_class_after_return_does_not_go_into_the_name(dock):
    panel = people(dock).panel
    panel.name.setFocus()
    assert panel.focusWidget() is panel.name
    type_name(dock, "Ben")
    assert panel.focusWidget() is panel.apart


def test_a_stroke_has_its_author_and_time_and_leaving_a_case_makes_none(dock, project, qtbot):
    set_annotator("Ana")
    type_name(dock, "Ana")
    qtbot.waitUntil(lambda: dock.case_tab.store.annotator == "Ana")
    draw(dock, 3, 1)
    save(dock, qtbot)
    dock.case_tab.cases.step(1)
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient01", timeout=60_000)
    dock.case_tab.cases.step(-1)
    qtbot.waitUntil(lambda: str(dock.session.case) == CASE, timeout=60_000)
    dock.case_tab.autosave.wait()
    (stroke,) = strokes_of_case(project, CASE)
    assert (stroke.by, stroke.slices, stroke.drawn) == ("Ana", (1,), {1: 6})
    assert strokes_of_case(project, "patient01") == ()
    qtbot.waitUntil(lambda: "Ana: 1 slice, 6 voxels" in people(dock).panel.rows.text())


def test_two_people_draw_apart_compare_and_agree(dock, project, qtbot):
    panel = people(dock).panel
    type_name(dock, "Ana")
    qtbot.waitUntil(lambda: dock.case_tab.store.annotator == "Ana")
    QTest.mouseClick(panel.apart, Qt.MouseButton.LeftButton, pos=panel.apart.rect().center() * 0.1)
    qtbot.waitUntil(own_version(dock, "Ana"), timeout=60_000)
    qtbot.waitUntil(panel.apart.isChecked, timeout=60_000)
    ana = draw(dock, 3, 1)
    save(dock, qtbot)

    type_name(dock, "Ben")
    qtbot.waitUntil(own_version(dock, "Ben"), timeout=60_000)
    assert not dock.session.selected.scribbles.data.any(), "Ben does not see what Ana drew"
    hidden = "Hidden until you are done: Ana"
    qtbot.waitUntil(lambda: hidden in panel.compare.toolTip(), timeout=60_000)
    assert not panel.compare.isEnabled()
    assert panel.offered.count() == 1
    kept = dock.session.kept
    assert is_blind(project, kept), "nor what learnt from Ana's strokes"
    ben = draw(dock, 3, 1, range(3, 7))
    ben = draw(dock, 3, 2, range(7, 11))
    ben = draw(dock, 5, BACKGROUND)  # where Ana drew nothing
    save(dock, qtbot)

    people(dock)._set_done(True)
    qtbot.waitUntil(panel.compare.isEnabled, timeout=60_000)
    assert not is_blind(project, kept)
    assert panel.others.currentText() == "Ana"
    QTest.mouseClick(panel.compare, Qt.MouseButton.LeftButton)
    found = lambda role: layers.find(dock.session.viewer.layers, role, dock.session.case)  # noqa: E731
    qtbot.waitUntil(lambda: found("agreement") is not None, timeout=60_000)
    assert np.count_nonzero(found("agreement").data == 1) == 4
    assert np.count_nonzero(found("agreement").data == 2) == 2
    np.testing.assert_array_equal(found("others").data, ana)
    assert not found("others").editable
    assert dock.session.viewer.layers[-1] is found("agreement"), "conflicts can be seen"
    assert "Ben and Ana both drew" in panel.result.text()
    assert "67%" in panel.result.text()
    assert "bright 0.80" in panel.result.text()
    assert "nan" not in panel.result.text()
    dock.session.viewer.dims.set_current_step(0, 3)
    QTest.mouseClick(panel.conflict, Qt.MouseButton.LeftButton)
    assert dock.session.viewer.dims.current_step[0] == 1

    panel.how.setCurrentIndex(0)
    QTest.mouseClick(panel.consensus, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "consensus" in panel.rows.text(), timeout=60_000)
    panel.open_asked.emit("consensus")
    qtbot.waitUntil(
        lambda: strokes_of(dock.session.selected.scribbles) == "consensus", timeout=60_000
    )
    layer = dock.session.selected.scribbles
    assert not layer.editable
    expected = ana.copy()
    expected[1, 3, 7:9] = 0  # one against one
    expected[1, 3, 9:11] = 2
    expected[1, 5, 3:9] = BACKGROUND  # drawn by one alone
    np.testing.assert_array_equal(layer.data, expected)
    shown = dock.session.snapshot()
    assert shown.strokes_of == "consensus"
    assert "2 annotators" in effort_behind(shown, [])
    by_name = {one.name: read_labels(one.path).array for one in versions_of(project, CASE)}
    np.testing.assert_array_equal(by_name["Ana"], ana)
    np.testing.assert_array_equal(by_name["Ben"], ben)
    assert other_cases(project, shown, project / "runs") == {}


def test_strokes_that_are_not_saved_yet_are_in_the_effort_of_a_run(dock, project, qtbot):
    type_name(dock, "Ana")
    qtbot.waitUntil(lambda: dock.case_tab.store.annotator == "Ana")
    draw(dock, 3, 1)
    qtbot.waitUntil(lambda: dock.case_tab.autosave.state.unsaved, timeout=5000)
    assert not (project / "cases" / CASE / "strokes.jsonl").exists()
    text = effort_behind(dock.session.snapshot(), [])
    assert "1 annotator, 1 slice" in text


def test_a_second_window_may_look_but_change_nothing_of_the_people(dock, project, qtbot):
    lock = json.loads((project / "project.lock").read_text())
    assert lock["pid"]
    screen = screen_of(None, "Ana", "", read_only=True)
    assert screen.read_only
    panel = people(dock).panel
    team = CaseTeam(CASE, "Ana", True, True, (Version("Ben", project, "Ben"),), ())
    panel.set_value(screen_of(team, "Ana", "", read_only=True))
    assert not panel.apart.isEnabled()
    assert not panel.done.isEnabled()
    assert not panel.consensus.isEnabled()
    assert panel.compare.isEnabled(), "looking is allowed"


def test_the_pen_is_timed_from_the_first_movement_to_the_last(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(autosave.time, "monotonic", lambda: now[0])
    clock = autosave.PenClock()
    assert clock.taken() == 0
    for at in (100.0, 101.0, 101.5):
        now[0] = at
        clock.moved()
    now[0] = 109.0
    assert clock.taken() == 1.5
    assert clock.taken() == 0
    clock.moved()
    now[0] = 120.0  # it rested: something was drawn that changed nothing
    clock.moved()
    now[0] = 120.5
    clock.moved()
    assert clock.taken() == 0.5
