"""The Case tab in a real viewer: open, draw, be killed, restore, close; nothing is lost."""

from __future__ import annotations

import time

import nibabel
import numpy as np
import pytest
from dicom_files import SHAPE, VOXELS, write_slice
from importing import add_paths
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.region import Region
from napari_scribseg.data.case import CaseKey
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.gui import drawn_strokes, recent
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.case.tab import CaseTab
from napari_scribseg.gui.closing import CloseQuestion, Leaving, Running, ask_all
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.status_line import StatusLine
from napari_scribseg.io import read_labels, read_volume
from napari_scribseg.project import journal, journals
from napari_scribseg.project.folder import Project
from napari_scribseg.project.journal import Journal
from napari_scribseg.project.journal_records import JournalHeader
from napari_scribseg.project.shown import Kept


class Dock(QWidget):
    """The Case tab and the status line alone."""

    def __init__(self, viewer, project) -> None:
        super().__init__()
        self.session = Session(viewer, project)
        self.status = StatusLine(self.session)
        self.tab = CaseTab(self.session)
        self.tab.save_state_changed.connect(self.status.show_saved)
        layout = QVBoxLayout(self)
        layout.addWidget(self.tab, 1)
        layout.addWidget(self.status)
        self.session.adopt()

    @property
    def scribbles(self):
        return self.session.selected.scribbles


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def project(tmp_path):
    return tmp_path / "project"


@pytest.fixture
def files(tmp_path):
    return read_dataset(phantom_dataset(tmp_path / "data", 3)).cases


@pytest.fixture
def opened(viewer, project, files, qtbot):
    """The tab with a project of three cases, the first of which is shown."""
    dock = show(viewer, project)
    dock.tab.opener.open_files(files, TWO_BALLS)
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient00")
    qtbot.waitUntil(lambda: dock.tab.cases.list.count() == 3)
    yield dock
    end(dock)


def show(viewer, project) -> Dock:
    dock = Dock(viewer, project)
    viewer.window.add_dock_widget(dock, name="Case", area="right")
    dock.window().activateWindow()
    return dock


def end(dock: Dock) -> None:
    dock.tab.end()
    dock.session.end()


def soon(qtbot, until) -> None:
    """A busy machine may take its time."""
    qtbot.waitUntil(until, timeout=60_000)


def draw(dock: Dock, value: int = 1, row: int = 3) -> np.ndarray:
    """Paint a short line the way napari's brush does; what is there afterwards."""
    dock.scribbles.brush_size = 1
    for column in range(3, 9):
        dock.scribbles.paint((1, row, column), value)
    return dock.scribbles.data.copy()


def stored(project, case="patient00") -> np.ndarray:
    return read_labels(project / "cases" / case / "scribbles.nii.gz").array


def test_a_stroke_is_kept_within_two_seconds_and_saved_on_demand(opened, project, qtbot):
    dock = opened
    assert dock.status.case.text() == "patient00"
    before = stored(project)
    began = time.monotonic()
    drawn = draw(dock)
    qtbot.waitUntil(lambda: dock.tab.autosave.state.unsaved, timeout=2000)
    assert time.monotonic() - began < 2
    (path,) = journals.private_folder().glob("*.strokes")
    np.testing.assert_array_equal(journals.read(path).scribbles, drawn)
    np.testing.assert_array_equal(stored(project), before)
    assert dock.status.saved.text() == "strokes kept"
    QTest.keyClick(dock.window(), Qt.Key.Key_F2)
    qtbot.waitUntil(lambda: not dock.tab.autosave.state.unsaved)
    np.testing.assert_array_equal(stored(project), drawn)
    assert not path.exists()
    assert dock.status.saved.text().startswith("saved ")


def test_going_through_the_cases_by_key_saves_and_brings_back(opened, project, qtbot):
    dock = opened
    drawn = draw(dock, value=2)
    alt = Qt.KeyboardModifier.AltModifier
    QTest.keyClick(dock.window(), Qt.Key.Key_PageDown, alt)
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient01")
    qtbot.waitUntil(lambda: np.array_equal(stored(project), drawn))
    assert len(dock.session.viewer.layers) == 3
    QTest.keyClick(dock.window(), Qt.Key.Key_D, alt)
    qtbot.waitUntil(lambda: dock.tab.store.state().cases[1].progress == "reviewed")
    QTest.keyClick(dock.window(), Qt.Key.Key_G, alt)
    qtbot.waitUntil(lambda: dock.tab.store.state().cases[1].flagged)
    QTest.keyClick(dock.window(), Qt.Key.Key_PageUp, alt)
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient00")
    np.testing.assert_array_equal(dock.scribbles.data, drawn)
    segmentation = two_ball_case().reference
    data = layers.segmentation_data(
        layers.volume_of(dock.session.selected.image), TWO_BALLS, case=dock.session.case
    )
    dock.session.put((segmentation, *data[1:]), "segmentation", dock.session.case)
    qtbot.waitUntil(lambda: dock.tab.store.state().cases[0].progress == "predicted")


def test_cases_that_were_segmented_together_are_predicted(opened, qtbot):
    dock = opened
    dock.tab.store.mark("patient01", progress="done", by="ann")
    here = dock.session.project_folder
    dock.tab.note_predictions([CaseKey.in_project(here.parent / "other", "patient02")])
    keys = [CaseKey.in_project(here, name) for name in ("patient00", "patient01", "gone")]
    dock.tab.note_predictions(keys)

    def states() -> list[str]:
        return [case.progress for case in dock.tab.store.state().cases]

    qtbot.waitUntil(lambda: states() == ["predicted", "done", "scribbled"])
    assert dock.tab.store.state().cases[1].by == "ann", "it was further"


@pytest.mark.parametrize("how", ["its layer is deleted", "its case is put away"])
def test_the_last_stroke_is_saved_when_it_goes_at_once(opened, project, qtbot, how):
    """Also shortly after a save, before anybody has looked at the stroke."""
    dock, saved = opened, []
    draw(dock)
    qtbot.waitUntil(lambda: dock.tab.autosave.state.unsaved)
    qtbot.waitUntil(lambda: not dock.session.has_new_strokes)
    dock.tab.autosave.save(lambda: saved.append(True))
    qtbot.waitUntil(lambda: saved == [True])
    drawn = draw(dock, value=2, row=5)
    if how == "its layer is deleted":
        dock.session.viewer.layers.remove(dock.scribbles)
    else:
        dock.tab.opener.put_away()
    qtbot.waitUntil(lambda: np.array_equal(stored(project), drawn))


def test_region_and_structures_that_were_changed_last_are_saved(opened, qtbot):
    dock = opened
    other = TWO_BALLS.model_copy(update={"title": "other balls"})
    region = Region.parse("0:2,2:20,2:20")
    dock.session.set_region(region)
    dock.session.set_schema(other)
    dock.tab.opener.put_away()
    qtbot.waitUntil(lambda: dock.tab.store.state().cases[0].region == region)
    qtbot.waitUntil(lambda: dock.tab.store.load("patient00").schema == other)


def test_the_next_start_shows_the_project_and_the_case_again(viewer, project, files, qtbot):
    dock = show(viewer, project)
    dock.tab.opener.open_files(files[:2], TWO_BALLS)
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient00")
    drawn = draw(dock)
    qtbot.waitUntil(lambda: dock.tab.autosave.state.unsaved)
    viewer.window.remove_dock_widget(dock)
    end(dock)
    viewer.layers.clear()
    again = show(viewer, None)
    qtbot.waitUntil(lambda: str(again.session.case) == "patient00")
    assert again.session.project_folder == project
    np.testing.assert_array_equal(again.scribbles.data, drawn)
    end(again)


@pytest.mark.parametrize("is_shown", [False, True])
def test_what_a_killed_window_left_is_offered_and_restored(viewer, project, files, qtbot, is_shown):
    """Also while the case is shown as it was saved, which is what the next start does."""
    scribbles = left_strokes(project, files[0])
    if is_shown:
        recent.remember(project, "patient00")
    dock = show(viewer, project)
    qtbot.waitUntil(lambda: not dock.tab.restore.isHidden())
    offer = dock.tab.restore._text.text()
    assert offer.startswith("1 stroke on patient00 (project project) from ")
    assert offer.endswith(" was not saved when napari ended.")
    older = None
    if is_shown:
        qtbot.waitUntil(lambda: dock.session.look is not None)
        older = dock.scribbles
    qtbot.mouseClick(dock.tab.restore.restore, Qt.MouseButton.LeftButton)
    soon(qtbot, lambda: dock.scribbles not in (None, older))
    assert str(dock.session.case) == "patient00"
    np.testing.assert_array_equal(dock.scribbles.data, scribbles)
    qtbot.waitUntil(dock.tab.restore.isHidden)
    dock.tab.autosave.wait()
    np.testing.assert_array_equal(stored(project), scribbles)
    assert list(journals.private_folder().iterdir()) == []
    drawn = draw(dock)
    end(dock)
    np.testing.assert_array_equal(stored(project), drawn)


def test_what_was_drawn_before_restoring_is_kept_beside(viewer, project, files, qtbot):
    scribbles = left_strokes(project, files[0])
    recent.remember(project, "patient00")
    dock = show(viewer, project)
    qtbot.waitUntil(lambda: not dock.tab.restore.isHidden())
    qtbot.waitUntil(lambda: dock.session.look is not None)
    older, drawn = dock.scribbles, draw(dock)
    qtbot.mouseClick(dock.tab.restore.restore, Qt.MouseButton.LeftButton)
    soon(qtbot, lambda: dock.scribbles not in (None, older))
    dock.tab.autosave.wait()
    np.testing.assert_array_equal(stored(project), scribbles)
    (beside,) = (project / "cases" / "patient00").glob("scribbles.*-*.nii.gz")
    np.testing.assert_array_equal(read_labels(beside).array, drawn)
    end(dock)


def test_a_case_can_be_drawn_on_when_restoring_failed(viewer, project, files, monkeypatch, qtbot):
    left_strokes(project, files[0])
    recent.remember(project, "patient00")
    dock = show(viewer, project)
    qtbot.waitUntil(lambda: not dock.tab.restore.isHidden())
    qtbot.waitUntil(lambda: dock.session.look is not None)
    was_locked: list[bool] = []

    def refuse(_left):
        was_locked.append(not dock.scribbles.editable)
        raise InvalidInput("The project can't be changed.")

    monkeypatch.setattr(dock.tab.store, "restore", refuse)
    qtbot.mouseClick(dock.tab.restore.restore, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "can't be changed" in dock.status.text())
    assert was_locked == [True]
    assert dock.scribbles.editable
    drawn = draw(dock)
    end(dock)
    np.testing.assert_array_equal(stored(project), drawn)


def left_strokes(project, files) -> np.ndarray:
    """A project whose case has strokes that were not saved; what a window left that was killed."""
    with Project.create(project, TWO_BALLS) as made:
        made.add_case(files, copy=False)
        saved = made.load_case("patient00").scribbles
        sha256 = made.scribbles_sha256("patient00")
    scribbles = saved.copy()
    scribbles[2, 5:9, 5:20] = 2
    header = JournalHeader.begin(
        project, "patient00", saved.shape, TWO_BALLS, scribbles_sha256=sha256
    )
    Journal(journals.private_folder(), header, saved).record(scribbles)
    return scribbles


def test_closing_asks_once_and_every_answer_holds(opened, project, monkeypatch, qtbot):
    dock, window = opened, opened.window()
    asked: list[CloseQuestion] = []
    answers = {"then": None}

    def answer(question):
        asked.append(question)
        if answers["then"] is None:
            return 0
        question.choices[0][answers["then"]].setChecked(True)
        return 1

    monkeypatch.setattr(CloseQuestion, "exec_", answer, raising=False)
    assert dock.tab.leaving.ask(), "nothing to ask"
    drawn = draw(dock)
    event = QCloseEvent()
    QApplication.sendEvent(window, event)
    assert not event.isAccepted()
    assert window.isVisible()
    assert len(asked) == 1
    answers["then"] = "keep"
    assert dock.tab.leaving.ask()
    (path,) = journals.private_folder().glob("*.strokes")
    np.testing.assert_array_equal(journals.read(path).scribbles, drawn)
    assert dock.tab.leaving.ask()
    assert len(asked) == 2, "an answer holds until something is drawn"
    dock.scribbles.data[2, 10:14, 20] = 2
    drawn = dock.scribbles.data.copy()
    answers["then"] = "save"
    assert dock.tab.leaving.ask()
    np.testing.assert_array_equal(stored(project), drawn)
    assert dock.tab.leaving.ask()
    assert len(asked) == 3, "all is saved now"


class Work:
    """Trainings or experiments that run."""

    def __init__(self, running: int) -> None:
        self.running, self.begun = running, 1

    def let_go(self) -> None:
        self.running = 0


def test_one_dialog_asks_about_everything_and_no_answer_is_asked_for_twice(qtbot, monkeypatch):
    training, experiment = Work(2), Work(1)
    leavings = [
        Leaving([Running(training, "training")], pytest.fail),
        Leaving([Running(experiment, "experiment")], pytest.fail),
    ]
    asked: list[CloseQuestion] = []

    def answer(question):
        qtbot.addWidget(question)
        asked.append(question)
        question.choices[-1]["stop"].setChecked(True)
        return 1

    monkeypatch.setattr(CloseQuestion, "exec_", answer, raising=False)
    assert ask_all(leavings)
    (question,) = asked
    assert question.answers() == ["detach", "stop"], "to go on is proposed, the rest was chosen"
    assert (training.running, experiment.running) == (0, 1)
    assert ask_all(leavings)
    assert len(asked) == 1
    experiment.begun += 1
    assert ask_all(leavings)
    assert len(asked) == 2, "that is another experiment"


def test_a_layer_from_elsewhere_becomes_a_case_when_it_is_drawn_on(viewer, project, qtbot):
    case = two_ball_case()
    viewer.add_image(case.image.array, name="My image")
    dock = show(viewer, project)
    assert not project.exists()
    dock.session.new_scribbles()
    assert not dock.tab.autosave.is_unsaved()
    drawn = draw(dock)
    dock.tab.autosave.keep()
    dock.tab.autosave.save()
    assert dock.tab.autosave.save_before_the_end() == ""
    np.testing.assert_array_equal(stored(project, safe_id("My image")), drawn)
    qtbot.waitUntil(lambda: dock.tab.cases.list.count() == 1)
    draw(dock, row=5)
    qtbot.waitUntil(lambda: dock.tab.autosave.state.unsaved)
    assert dock.tab.cases.list.count() == 1, "saving three ways at once made one case"
    assert not dock.tab.store.state().cases[0].oriented
    assert dock.tab.letters.letters() is None, "nobody knows where left is"
    end(dock)


def test_a_full_disk_is_told_and_nothing_is_lost(opened, project, monkeypatch, qtbot):
    dock = opened

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "write", full)
        drawn = draw(dock)
        qtbot.waitUntil(lambda: "in memory only" in dock.status.text())
        assert dock.status.saved.text() == "● strokes not kept"
    dock.tab.opener.open_case("patient01")
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient01")
    qtbot.waitUntil(lambda: np.array_equal(stored(project), drawn))


def test_a_second_window_reads_only(viewer, project, files, qtbot):
    with Project.create(project, TWO_BALLS) as first:
        first.add_case(files[0], copy=False)
        dock = show(viewer, project)
        qtbot.waitUntil(lambda: dock.tab.cases.list.count() == 1)
        assert "open elsewhere" in dock.tab._project.text()
        dock.tab.opener.open_case("patient00")
        qtbot.waitUntil(lambda: str(dock.session.case) == "patient00")
        assert not dock.scribbles.editable
        qtbot.waitUntil(lambda: dock.status.saved.text() == "read-only")
        dock.tab._save.click()
        assert "read-only" in dock.status.text()
        end(dock)


def test_frames_of_a_cine_become_cases_and_ed_is_remembered(viewer, project, tmp_path, qtbot):
    case = two_ball_case()
    frames = np.stack([case.image.array + k for k in range(4)]).transpose(3, 2, 1, 0)
    cine = nibabel.Nifti1Image(frames, np.diag([-2.0, -2.0, 8.0, 1.0]))
    cine.header.set_xyzt_units("mm", "msec")
    nibabel.save(cine, tmp_path / "cine.nii.gz")
    dock = show(viewer, project)
    add_paths(dock.tab.importer, [tmp_path / "cine.nii.gz"], qtbot)
    qtbot.waitUntil(lambda: dock.session.is_series)
    assert not dock.tab.frames.isHidden()
    viewer.dims.set_current_step(0, 2)
    dock.tab.frames._set["ES"].click()
    qtbot.waitUntil(lambda: dock.tab.frames._frames["ES"].text() == "frame 3")
    dock.tab.frames._open["ES"].click()
    qtbot.waitUntil(lambda: str(dock.session.case) == "cine_frame03")
    assert not dock.session.is_series
    shown = layers.volume_of(dock.session.selected.image)
    np.testing.assert_array_equal(shown.array, case.image.array + 2)
    qtbot.waitUntil(lambda: not dock.tab.frames._series.isHidden())
    dock.tab.frames._series.click()
    qtbot.waitUntil(lambda: dock.session.is_series)
    qtbot.waitUntil(dock.tab.frames._open["ES"].isEnabled)
    assert [entry.phase for entry in dock.tab.store.state().cases] == ["ES"]
    end(dock)


def test_one_of_several_dicom_series_is_copied_into_the_project(viewer, project, tmp_path, qtbot):
    folder = tmp_path / "DOE_JANE"
    folder.mkdir()
    for number, text in enumerate(("scout", "cine SAX")):
        for k in range(SHAPE[0]):
            write_slice(
                folder,
                k,
                f"{number}{k}",
                voxels=VOXELS[k] + number,
                SeriesInstanceUID=f"1.2.{number}",
                SeriesDescription=text,
            )
    dock = show(viewer, project)
    add_paths(dock.tab.importer, [folder], qtbot, wanted="cine SAX")
    qtbot.waitUntil(lambda: dock.session.selected.image is not None, timeout=30_000)
    assert "cine-sax" in str(dock.session.case).casefold().replace(" ", "-")
    assert "DOE" not in str(dock.session.case)
    (image,) = (dock.session.project_folder / "cases").glob("*/image.nii.gz")
    np.testing.assert_array_equal(read_volume(image).array, VOXELS + 1)
    end(dock)


def test_a_dicom_cine_is_shown_as_a_series_whose_frames_become_cases(
    viewer, project, tmp_path, qtbot
):
    folder = tmp_path / "DOE_JANE"
    folder.mkdir()
    for phase in range(2):
        for k in range(SHAPE[0]):
            write_slice(
                folder, k, f"{phase}{k}", voxels=VOXELS[k] + phase, TriggerTime=str(40 * phase)
            )
    dock = show(viewer, project)
    add_paths(dock.tab.importer, [folder], qtbot)
    qtbot.waitUntil(lambda: dock.session.is_series)
    assert dock.session.selected.image.data.shape == (2, *SHAPE)
    dock.tab.opener.open_frame(folder, 1)
    qtbot.waitUntil(lambda: str(dock.session.case or "").endswith("_frame02"))
    assert "DOE" not in str(dock.session.case)
    shown = layers.volume_of(dock.session.selected.image)
    np.testing.assert_array_equal(shown.array, VOXELS + 1)
    end(dock)


def test_letters_stand_at_the_borders_of_the_canvas(opened):
    dock = opened
    letters = {side: label.text() for side, label in dock.tab.letters._marks._labels.items()}
    assert letters == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    dock.session.viewer.dims.order = (1, 0, 2)
    letters = {side: label.text() for side, label in dock.tab.letters._marks._labels.items()}
    assert letters["left"] == "R"
    assert {letters["top"], letters["bottom"]} == {"S", "I"}
    dock.session.viewer.dims.ndisplay = 3
    assert all(label.isHidden() for label in dock.tab.letters._marks._labels.values())


def test_saving_never_makes_the_window_wait(opened, monkeypatch, qtbot):
    """What the GUI thread does at the end of a stroke is only to start a job."""
    dock = opened
    monkeypatch.setattr(
        drawn_strokes, "keep", lambda *_: time.sleep(1.0) or (_nothing_kept(), False)
    )
    began = time.monotonic()
    dock.tab.autosave.keep()
    dock.tab.autosave.keep()
    assert time.monotonic() - began < 0.2


def _nothing_kept():
    return Kept("", unsaved=False)
