"""A shown viewer for tests of drawing, without the list of methods."""

from __future__ import annotations

import pytest

from napari_scribseg.gui import catalogue


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    monkeypatch.setattr(catalogue, "methods", lambda: ())
    return make_napari_viewer(show=True)
