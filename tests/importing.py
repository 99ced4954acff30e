"""Opening files and folders in the window for tests, as a user does who confirms the list."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_scribseg.gui.case.import_dialog import ImportDialog


def shown_lists():
    """The lists of found cases that are in sight."""
    every = QApplication.topLevelWidgets()
    return [one for one in every if isinstance(one, ImportDialog) and one.isVisible()]


def add_paths(importer, paths, qtbot, wanted=None):
    """Open these, and confirm the list; only the rows in which `wanted` stands stay ticked."""
    importer.open_paths(paths)
    qtbot.waitUntil(lambda: bool(shown_lists()), timeout=30_000)
    (dialog,) = shown_lists()
    if wanted is not None:
        for row in range(dialog.table.rowCount()):
            cells = [dialog.table.item(row, x) for x in range(dialog.table.columnCount())]
            is_wanted = any(wanted in cell.text() for cell in cells if cell is not None)
            state = Qt.CheckState.Checked if is_wanted else Qt.CheckState.Unchecked
            cells[0].setCheckState(state)
    dialog.accept()
