"""No test of the window writes into the state or data folders of the user."""

from __future__ import annotations

import pytest

from napari_scribseg.gui.scribble.habits import DrawingHabits


@pytest.fixture(autouse=True)
def private_folders(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(home / name))


@pytest.fixture(autouse=True)
def no_automatic_mask(monkeypatch):
    """It starts a process; whoever tests it switches it on."""
    off = DrawingHabits(automatic_mask=False)
    monkeypatch.setattr("napari_scribseg.gui.scribble.tab.load_habits", lambda: off)
