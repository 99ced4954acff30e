"""The window on its own: what it opens, and what it says where there can be no window."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from phantoms import TWO_BALLS

from napari_scribseg.cli import main
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.samples import sample_folder
from napari_scribseg.gui import launch
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.io import read_volume
from napari_scribseg.project.folder import Project

HEART = sample_folder("cardiac") / "images" / "heart05_ED.nii.gz"


@pytest.fixture
def window(make_napari_viewer, monkeypatch):
    """A viewer that the launcher gets, and that is closed after the test."""
    viewer = make_napari_viewer()
    monkeypatch.setattr(launch, "_viewer", lambda shown: viewer)
    return viewer


def docks(viewer) -> list[ScribbleDock]:
    return viewer.window._qt_window.findChildren(ScribbleDock)


def missing(monkeypatch, *names: str) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(launch, "find_spec", lambda name: None if name in names else found(name))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["napari"], r"needs napari, which is not installed: pip install 'napari-scribseg\[all\]'"),
        (["PyQt5", "PyQt6", "PySide6"], r"needs a Qt binding.*napari-scribseg\[pyqt5\]"),
    ],
)
def test_what_is_not_installed_is_said_with_what_to_install(monkeypatch, names, sentence) -> None:
    missing(monkeypatch, *names)
    with pytest.raises(InvalidInput, match=sentence):
        launch.refuse_without_window()


def test_no_display_is_one_sentence_and_no_abort_of_qt(monkeypatch, capsys) -> None:
    monkeypatch.setattr(launch.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert main(["app"]) == 2
    assert "There is no display" in capsys.readouterr().err


def test_a_path_that_is_not_there_opens_no_window(monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setattr(launch, "_viewer", lambda shown: pytest.fail("a window"))
    assert main(["app", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"\x1f\x8b but no more")
    assert main(["app", str(broken)]) == 2
    assert "broken.nii.gz" in capsys.readouterr().err


def test_kinds_of_paths(tmp_path) -> None:
    Project.create(tmp_path / "project", TWO_BALLS).close()
    dicom = tmp_path / "dicom"
    dicom.mkdir()
    (dicom / "1").write_bytes(b"\0" * 128 + b"DICM")
    kinds = {
        HEART: "volume",
        tmp_path / "project": "project",
        dicom: "DICOM",
        sample_folder("cardiac"): "dataset",
    }
    assert {path: launch.kind_of(path) for path in kinds} == kinds


def test_without_a_path_the_sample_is_shown_with_the_dock(window) -> None:
    launch.open_window()
    assert len(window.layers) == 3
    assert len(docks(window)) == 1


def test_a_volume_is_chosen_in_the_dock(window) -> None:
    launch.open_window(HEART)
    (dock,) = docks(window)
    shown = dock.session.selected.image
    assert np.array_equal(shown.data, read_volume(HEART).array)


def test_a_project_is_the_docks_project(window, tmp_path) -> None:
    Project.create(tmp_path / "project", TWO_BALLS).close()
    launch.open_window(tmp_path / "project")
    (dock,) = docks(window)
    assert dock.session.project_folder == tmp_path / "project"
    dock.session.set_project(tmp_path / "another")
    assert window.title == "napari-scribseg: another", "the window is called by what is open"


def test_of_a_dataset_the_dock_asks_which_cases(window, qtbot) -> None:
    from napari_scribseg.gui.case.import_dialog import ImportDialog

    launch.open_window(sample_folder("cardiac"))
    (dock,) = docks(window)
    qtbot.waitUntil(lambda: bool(dock.findChildren(ImportDialog)), timeout=60_000)
    dock.findChildren(ImportDialog)[0].reject()
