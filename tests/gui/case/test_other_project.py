"""Another project is opened over strokes: it stays open, and neither gets what is the other's."""

from __future__ import annotations

import pytest
from phantoms import TWO_BALLS, phantom_dataset
from qtpy.QtWidgets import QApplication

from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.io import read_labels
from napari_scribseg.project.store import ProjectStore


@pytest.fixture
def other(tmp_path):
    """A project with a case of the same name and size, on which nothing is drawn."""
    files = read_dataset(phantom_dataset(tmp_path / "more", 1)).cases[0]
    store = ProjectStore(tmp_path / "journals")
    store.ensure_project(tmp_path / "b", TWO_BALLS)
    store.bring_in(files.model_copy(update={"scribbles": None}), TWO_BALLS)
    store.close()
    return tmp_path / "b"


def test_the_other_project_stays_open_and_each_has_its_own_strokes(
    make_napari_viewer, tmp_path, other, qtbot
):
    viewer = make_napari_viewer(show=True)
    dock = ScribbleDock(viewer, tmp_path / "a")
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    files = read_dataset(phantom_dataset(tmp_path / "data", 1)).cases[0]
    bare = files.model_copy(update={"scribbles": None})
    dock.case_tab.opener.open_files([bare], TWO_BALLS)
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient00", timeout=60_000)
    layer = dock.session.selected.scribbles
    layer.brush_size = 1
    layer.paint((1, 3, 3), 1)
    drawn = layer.data.copy()
    dock.case_tab.projects.open(other)
    qtbot.waitUntil(lambda: dock.session.project_folder == other, timeout=60_000)
    for _ in range(3):  # what is saved of the case that was left, and what follows from that
        dock.case_tab.autosave.wait()
        QApplication.processEvents()
    assert dock.case_tab.store.folder == other.resolve()
    assert (read_labels(_scribbles(tmp_path / "a")).array == drawn).all()
    assert not list(other.glob("cases/*/scribbles*"))
    viewer.window.remove_dock_widget(dock)


def _scribbles(project):
    (found,) = project.glob("cases/*/scribbles*.nii.gz")
    return found
