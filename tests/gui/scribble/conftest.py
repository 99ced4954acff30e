"""A shown viewer for tests of drawing, without the list of methods; and a dock with two cases."""

from __future__ import annotations

import pytest
from phantoms import TWO_BALLS, phantom_dataset

from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.gui import catalogue
from napari_scribseg.gui.dock import ScribbleDock


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    monkeypatch.setattr(catalogue, "methods", lambda: ())
    return make_napari_viewer(show=True)


@pytest.fixture
def dock(viewer, tmp_path, qtbot) -> ScribbleDock:
    """Two cases of a project, the first of which is shown, in the Scribble tab."""
    dock = ScribbleDock(viewer, tmp_path / "project")
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    files = read_dataset(phantom_dataset(tmp_path / "data", 2)).cases
    dock.case_tab.opener.open_files(files, TWO_BALLS)
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient00")
    dock.tabs.setCurrentWidget(dock.scribble_tab)
    qtbot.waitUntil(lambda: dock.session.selected.scribbles is not None)
    return dock
