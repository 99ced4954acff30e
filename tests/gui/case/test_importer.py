"""Opening anything in a real viewer: the list, a new project with its folder, one more image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from phantoms import two_ball_case, write_nifti
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_scribseg.data.find import find_cases
from napari_scribseg.gui import plugin, recent
from napari_scribseg.gui.case.import_dialog import ImportDialog
from napari_scribseg.gui.case.open_dialog import OpenDialog
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.project.folder import Project

CASE = two_ball_case((2, 24, 24))


@pytest.fixture
def tree(tmp_path):
    for i, name in enumerate(("p1", "p2")):
        write_nifti(tmp_path / "tree" / name / "image.nii.gz", CASE.image.array + i, CASE.grid)
        reference = np.asarray(CASE.reference).astype(np.uint16) * 200
        write_nifti(tmp_path / "tree" / name / "seg.nii.gz", reference, CASE.grid)
    return tmp_path / "tree"


@pytest.fixture
def dock(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = ScribbleDock(viewer)
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    yield dock
    dock.end()


def shown(kind):
    return [one for one in QApplication.topLevelWidgets() if isinstance(one, kind)]


def test_a_tree_becomes_a_project_of_its_own_and_the_next_image_is_asked_nothing(
    dock, tree, tmp_path, qtbot
):
    before = {path: path.read_bytes() for path in tree.rglob("*.gz")}
    made = plugin.read(str(tree / "p1"))
    assert made == [(None,)], "the dock takes what is opened or dropped in napari"
    plugin.read(str(tree / "p2"))
    qtbot.waitUntil(lambda: bool(shown(ImportDialog)), timeout=30_000)
    (dialog,) = shown(ImportDialog)
    assert dialog.table.rowCount() == 2, "what comes together belongs together"
    assert dialog.add.text() == "Add 2 cases"
    dialog.accept()
    qtbot.waitUntil(lambda: dock.session.selected.image is not None, timeout=30_000)
    qtbot.waitUntil(lambda: dock.case_tab.cases.list.count() == 2, timeout=30_000)
    folder = dock.session.project_folder
    assert folder.name == "tree"
    assert recent.newest_project() == folder
    np.testing.assert_array_equal(dock.session.selected.reference.data, CASE.reference)
    assert {path: path.read_bytes() for path in before} == before
    with Project.open(folder, read_only=True) as project:
        assert {entry.patient for entry in project.cases} == {"p1", "p2"}
    single = write_nifti(tmp_path / "one.nii.gz", CASE.image.array + 7, CASE.grid)
    dock.case_tab.importer.open_paths([single])
    qtbot.waitUntil(lambda: str(dock.session.case) == "one", timeout=30_000)
    assert not [one for one in shown(ImportDialog) if one.isVisible()]


def test_the_button_takes_a_folder_as_it_is(dock, tree, qtbot):
    dialog = OpenDialog(None, str(tree.parent))
    qtbot.addWidget(dialog)
    (name,) = dialog.findChildren(QLineEdit, "fileNameEdit")
    name.setText("tree")
    dialog.accept()
    assert dialog.chosen == (tree,)
    assert len(find_cases(dialog.chosen).cases) == 2


def test_nothing_to_open_is_told_with_the_reason(dock, tmp_path, qtbot):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.txt").write_text("x", encoding="utf-8")
    dock.case_tab.importer.open_paths([tmp_path / "x"])
    said = "No case was found in x. a.txt: text, not images."
    qtbot.waitUntil(lambda: dock.status.text() == said, timeout=30_000)
    dock.case_tab.importer.open_paths([Path(tmp_path / "gone")])
    qtbot.waitUntil(lambda: "There is no" in dock.status.text(), timeout=30_000)
