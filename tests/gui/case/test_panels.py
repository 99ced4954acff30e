"""The parts of the Case tab one by one, without a viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from phantoms import two_ball_case
from qtpy.QtCore import Qt

from napari_scribseg.core.volume import Grid
from napari_scribseg.data.find_dicom import series_case_id
from napari_scribseg.gui import recent
from napari_scribseg.gui.canvas.orientation import BorderLetters, border_letters, letters_of
from napari_scribseg.gui.case.case_list import CaseList, aside_of, tip_of
from napari_scribseg.gui.case.frames_panel import FramesPanel
from napari_scribseg.gui.case.open_menu import OpenButton
from napari_scribseg.gui.case.opener import frame_files
from napari_scribseg.io.series import SeriesInfo
from napari_scribseg.project.document import ProjectCase


def case(case_id: str, **more) -> ProjectCase:
    grid = two_ball_case().grid
    return ProjectCase(
        id=case_id,
        patient=case_id,
        image="/somewhere/image.nii.gz",
        image_sha256="0" * 64,
        shape=grid.shape,
        affine=tuple(tuple(row) for row in grid.affine),
        **more,
    )


class TestCaseList:
    @pytest.fixture
    def panel(self, qtbot) -> CaseList:
        panel = CaseList()
        qtbot.addWidget(panel)
        cases = [
            case("a"),
            case("b1", progress="scribbled"),
            case("b2", progress="reviewed", phase="ED"),
            case("c", progress="reviewed", flagged=True),
        ]
        panel.set_cases(cases, "b1")
        return panel

    def test_next_and_previous_follow_the_order(self, panel, qtbot):
        for button, wanted in ((panel.next, "b2"), (panel.previous, "a")):
            with qtbot.waitSignal(panel.case_asked) as asked:
                qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
            assert asked.args == [wanted]

    def test_what_is_open_or_doubtful_comes_first(self, panel, qtbot):
        cases = [case("a", progress="reviewed"), case("b", progress="scribbled"), case("c")]
        panel.order.setCurrentText("open first")
        panel.set_cases(cases, "a")
        assert panel.shown_ids() == ["b", "c", "a"]
        panel.order.setCurrentText("doubt first")
        panel.set_cases(cases, "a")
        panel.set_doubts({"a": 0.1, "c": 0.7})
        assert panel.shown_ids() == ["c", "a", "b"], "b has no prediction"
        with qtbot.waitSignal(panel.case_asked) as asked:
            panel.step(1)
        assert asked.args == ["b"]

    def test_the_line_tells_state_who_and_comments(self, panel, qtbot):
        comment = {"by": "ann", "at": "2026-01-02T03:04:05+00:00", "text": "apex unsure"}
        entry = case("a", progress="done", by="ann", comments=(comment,))
        assert aside_of(entry, 0.25) == "done by ann · 1 comment · doubt 0.25"
        assert aside_of(entry, 0.25, with_state=False) == "1 comment · doubt 0.25"
        assert tip_of(entry, "p1/a").splitlines()[-1] == "2026-01-02 03:04 ann: apex unsure"
        panel.set_cases([entry], "a")
        assert panel.done.isChecked()
        assert panel.list.item(0).text() == "a", "the name alone is what is filtered and read"
        panel.comment.setText(" more ")
        with qtbot.waitSignal(panel.comment_asked) as asked:
            panel.comment.returnPressed.emit()
        assert asked.args == ["more"]

    def test_the_ends_of_the_list_are_ends(self, panel, qtbot):
        with qtbot.assertNotEmitted(panel.case_asked):
            panel.set_cases(panel._cases, "a")
            panel.step(-1)
            panel.set_cases(panel._cases, "c")
            panel.step(1)

    def test_a_filter_narrows_what_next_means(self, panel, qtbot):
        panel._find.setText("b")
        assert panel.shown_ids() == ["b1", "b2"]
        panel._find.setText("")
        panel._status.setCurrentText("flagged")
        assert panel.shown_ids() == ["c"]
        with qtbot.waitSignal(panel.case_asked) as asked:
            panel.step(1)
        assert asked.args == ["c"]

    def test_toggles_show_and_tell_the_state_of_the_shown_case(self, panel, qtbot):
        assert not panel.reviewed.isChecked()
        panel.set_cases(panel._cases, "c")
        assert panel.reviewed.isChecked()
        assert panel.flag.isChecked()
        with qtbot.waitSignal(panel.flagged_asked) as asked:
            qtbot.mouseClick(panel.flag, Qt.MouseButton.LeftButton)
        assert asked.args == [False]

    def test_without_a_shown_case_nothing_can_be_toggled(self, panel):
        panel.set_cases(panel._cases, None)
        assert not panel.reviewed.isEnabled()
        assert panel.list.item(2).text() == "b2  (ED)"
        assert panel.list.item(3).toolTip() == "c: flagged\nFrom: /somewhere/image.nii.gz"

    def test_a_case_whose_name_is_not_its_patient_s_is_found_by_patient_and_folder(self, panel):
        series = case("mr-cine-1").model_copy(
            update={"patient": "patient-9d3a", "image": "/export/PAT001/S0"}
        )
        assert "Patient: patient-9d3a" in tip_of(series, series.id)
        assert "Patient" not in tip_of(case("p1_ED").model_copy(update={"patient": "p1"}), "p1_ED")
        panel.set_cases([series, case("b")], None)
        for typed in ("9d3a", "pat001", "cine"):
            panel._find.setText(typed)
            assert panel.shown_ids() == ["mr-cine-1"]


def series(uid: str = "1.2.3", description: str = "cine SAX") -> SeriesInfo:
    return SeriesInfo(uid, description, "MR", (12, 256, 208), (float("nan"), 1.25, 1.25), 12)


def test_the_id_of_a_series_tells_nothing_of_folder_or_patient():
    one, other = series_case_id(series()), series_case_id(series("1.2.4"))
    assert one.startswith("mr-cine-sax-")
    assert one != other
    assert series_case_id(series(description="Ä / ..")).startswith("mr-")


def test_a_frame_is_a_case_of_its_patient():
    files = frame_files(Path("/data/patient007 4d.nii.gz"), 0)
    assert files.id.endswith("_frame01")
    assert files.frame == 0
    other = frame_files(Path("/data/patient007 4d.nii.gz"), 9)
    assert files.patient == other.patient


def test_frames_are_counted_from_one_and_only_known_phases_open(qtbot):
    panel = FramesPanel()
    qtbot.addWidget(panel)
    panel.show_series(2, 25, {"ED": 0}, can_mark=True)
    assert "Frame 3 of 25" in panel._note.text()
    assert panel._frames["ED"].text() == "frame 1"
    assert panel._open["ED"].isEnabled()
    assert not panel._open["ES"].isEnabled()
    with qtbot.waitSignal(panel.mark_asked) as asked:
        panel._set["ES"].click()
    assert asked.args == ["ES"]
    panel.show_frame(4, {})
    assert panel._work.isHidden()
    assert not panel._series.isHidden()


def test_the_menu_asks_for_one_thing_each(qtbot):
    button = OpenButton()
    qtbot.addWidget(button)
    button.set_recent([Path("/projects/one")])
    asked = []
    button.asked.connect(asked.append)
    button.any.click()
    for action in [*button.more.menu().actions(), *button._recent.actions()]:
        if action.menu() is None and not action.isSeparator():
            action.trigger()
    assert asked[:2] == ["any", "new-project"]
    assert len(set(asked)) == len(asked)
    assert asked[-1] == f"recent:{Path('/projects/one')}"


def test_recent_projects_are_the_newest_first_and_survive_damage(tmp_path):
    for name in ("one", "two", "one"):
        (tmp_path / name).mkdir(exist_ok=True)
        recent.remember(tmp_path / name, f"case of {name}")
    known = recent.load_recent()
    assert [Path(one.folder).name for one in known.projects] == ["one", "two"]
    assert known.case_of(tmp_path / "two") == "case of two"
    assert recent.newest_project() is None, "neither is a project"
    (tmp_path / "two" / "project.json").write_text("{}")
    assert recent.newest_project() == tmp_path / "two"
    recent.document_path().write_text("not JSON")
    assert recent.load_recent().projects == ()
    recent.remember(tmp_path / "two", None)
    assert len(recent.load_recent().projects) == 1


AXIAL = Grid.from_spacing((4, 8, 8), (5.0, 1.0, 1.0))


class TestBorderLetters:
    def test_an_axial_volume_is_seen_from_the_feet(self):
        assert border_letters(AXIAL, (1, 2)) == BorderLetters("R", "L", "A", "P")

    def test_whatever_way_round_the_voxels_are_stored(self):
        for signs in np.ndindex(2, 2, 2):
            flips = np.diag([*(1 - 2 * np.array(signs)), 1.0])
            flipped = Grid(AXIAL.shape, AXIAL.affine @ flips)
            assert border_letters(flipped, (1, 2)) == BorderLetters("R", "L", "A", "P")

    def test_the_other_planes_have_up_above(self):
        coronal = Grid.from_spacing((8, 8, 8), (1.0, 1.0, 1.0))
        affine = coronal.affine.copy()
        affine[:3, :3] = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]], float)
        turned = Grid((8, 8, 8), affine)
        assert border_letters(turned, (1, 2)) == BorderLetters("R", "L", "S", "I")

    def test_an_oblique_axis_has_two_letters_the_stronger_first(self):
        assert letters_of(np.array([0.8, -0.6, 0.0])) == "LA"
        assert letters_of(np.array([0.99, -0.14, 0.0])) == "L"
        assert letters_of(np.array([-0.1, 0.2, -0.97])) == "I"
