"""The window on its own: napari with the dock at its side, as `scribseg app` opens it."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from napari_scribseg.core.errors import InvalidInput

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scribseg.gui.dock import ScribbleDock

PLUGIN: Final = "napari-scribseg"
DOCK: Final = "Scribble segmentation"
SAMPLE: Final = "cardiac"

_BINDINGS: Final = ("PyQt6", "PyQt5", "PySide6")
_PROJECT: Final = "project.json"

Kind = Literal["volume", "project", "DICOM", "dataset"]


def refuse_without_window() -> None:
    """See that napari can open a window here.

    Raises:
        InvalidInput: napari or Qt is not installed, or there is no display.
    """
    if find_spec("napari") is None:
        raise InvalidInput(
            "The window needs napari, which is not installed: pip install 'napari-scribseg[all]'. "
            "All other commands work without it."
        )
    if not any(find_spec(name) for name in _BINDINGS):
        raise InvalidInput(
            "napari needs a Qt binding, and none is installed: pip install "
            "'napari-scribseg[pyqt5]', or [pyqt6], or [pyside6]."
        )
    asked = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in asked):
        raise InvalidInput(
            "There is no display (DISPLAY and WAYLAND_DISPLAY are empty). Work at the machine's "
            "own desktop, over a remote desktop or `ssh -X`; every other command works without."
        )


def kind_of(path: Path) -> Kind:
    """What lies at a path, from its folder's contents; a file is a volume.

    Raises:
        InvalidInput: nothing is there.
    """
    from napari_scribseg.gui.plugin import get_reader

    if path.is_file():
        return "volume"
    if not path.is_dir():
        raise InvalidInput(
            f"There is no {path}. Give a volume, a DICOM folder, a dataset folder or a project."
        )
    if (path / _PROJECT).is_file():
        return "project"
    return "DICOM" if get_reader(str(path)) is not None else "dataset"


def open_window(path: Path | None = None) -> Viewer:
    """Open napari with the dock, and in it what lies at a path; the caller runs the event loop.

    Args:
        path: a volume, DICOM folder, dataset folder or project; the synthetic heart when None.

    Raises:
        InvalidInput: there is no window to be had, or the path can't be opened.
    """
    refuse_without_window()
    kind = None if path is None else kind_of(path)
    if path is None or kind is None:
        return _with_sample()
    if kind == "project":
        return _with_project(path)
    if kind == "volume" or (kind == "DICOM" and _is_one_series(path)):
        return _with_layers(path)
    return _with_question(path)


def run_window(path: Path | None = None) -> None:
    """Open the window, see `open_window`, and wait until it is closed."""
    viewer = open_window(path)
    import napari

    viewer.window.activate()
    napari.run()


def _with_sample() -> Viewer:
    viewer = _viewer("synthetic heart")
    viewer.open_sample(PLUGIN, SAMPLE)
    _dock(viewer)
    return viewer


def _with_project(path: Path) -> Viewer:
    """Its last case is shown, as at every start of the dock."""
    from napari_scribseg.gui.dock import ScribbleDock
    from napari_scribseg.project.folder import Project

    Project.open(path, read_only=True)  # a damaged one is told before there is a window
    viewer = _viewer(path.name)
    dock = ScribbleDock(viewer, path)
    viewer.window.add_dock_widget(dock, name=f"{DOCK} ({PLUGIN})")
    _entitle_by_project(viewer, dock)
    return viewer


def _with_layers(path: Path) -> Viewer:
    from napari.utils.notifications import show_info

    from napari_scribseg.gui.canvas.layers import layer_of
    from napari_scribseg.gui.canvas.opening import layers_of_path, note_of

    made = layers_of_path(path)  # an unreadable file is told before there is a window
    viewer = _viewer(path.name)
    for data in made:
        viewer.add_layer(layer_of(data))
    viewer.reset_view()
    _dock(viewer)
    for note in filter(None, map(note_of, made)):
        show_info(note)
    return viewer


def _with_question(path: Path) -> Viewer:
    """The dock lists the cases that are in a folder."""
    viewer = _viewer(path.name)
    _dock(viewer).case_tab.importer.open_paths([path])
    return viewer


def _is_one_series(path: Path) -> bool:
    from napari_scribseg.io.series import list_series

    return len(list_series(path)) == 1


def _viewer(shown: str) -> Viewer:
    import napari

    return napari.Viewer(title=_title(shown))


def _title(shown: str) -> str:
    return f"{PLUGIN}: {shown}"


def _entitle_by_project(viewer: Viewer, dock: ScribbleDock) -> None:
    """Let the window be called by the project that is opened in it later."""

    def entitle(folder: Path) -> None:
        viewer.title = _title(folder.name)

    dock.session.project_changed.connect(entitle)


def _dock(viewer: Viewer) -> ScribbleDock:
    from napari_scribseg.gui.dock import ScribbleDock

    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    assert isinstance(dock, ScribbleDock)
    _entitle_by_project(viewer, dock)
    return dock
