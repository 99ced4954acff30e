"""Every panel's ? opens a page and a heading of the documentation that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from qtpy.QtGui import QDesktopServices

from napari_scribseg.gui.batch.widget import BatchEvaluation
from napari_scribseg.gui.case.people_panel import PAGE
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.widgets.help import DOCUMENTATION, address_of, help_button
from napari_scribseg.gui.widgets.style import Panel

ROOT = Path(__file__).parents[2]


def _headings(page: str) -> set[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("made", [ScribbleDock, BatchEvaluation])
def test_every_panel_is_explained_by_a_heading_that_exists(made, make_napari_viewer, qtbot):
    widget = made(make_napari_viewer())
    qtbot.addWidget(widget)
    panels = widget.findChildren(Panel)
    assert panels
    for panel in panels:
        assert panel.page is not None, type(panel).__name__
        file, _, heading = panel.page.partition("#")
        assert heading in _headings(file), panel.page


def test_people_are_explained_by_a_heading_that_exists():
    file, _, heading = PAGE.partition("#")
    assert heading in _headings(file)


def test_the_button_opens_the_page_in_the_browser(qtbot, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    button = help_button("Brush", "guide/scribble.md#brush")
    qtbot.addWidget(button)
    button.click()
    assert opened == [f"{DOCUMENTATION}guide/scribble/#brush"]


def test_the_address_is_that_of_the_project():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Documentation"] == DOCUMENTATION
    assert address_of("benchmarks.md") == f"{DOCUMENTATION}benchmarks/"
