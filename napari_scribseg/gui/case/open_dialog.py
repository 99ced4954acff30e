"""One dialog for files and folders alike: several files, or folders, are chosen together."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QFileDialog, QLineEdit, QWidget

_SIZE: Final = (780, 480)
_HINT: Final = "Files, or folders of any kind: volumes, DICOM, datasets, projects"


class OpenDialog(QFileDialog):
    """Chooses any files and folders; `chosen` is what was picked.

    The dialogs of operating systems choose either files or folders. A double-click goes into a
    folder, the button takes it as it is.

    Args:
        parent: over which it appears.
        folder: which is shown at first; "" = the one of last time.
    """

    def __init__(self, parent: QWidget | None = None, folder: str = "") -> None:
        super().__init__(parent, "Open files or folders", folder)
        self.setOption(QFileDialog.Option.DontUseNativeDialog)
        self.setFileMode(QFileDialog.FileMode.ExistingFiles)
        self.setNameFilter("All files and folders (*)")
        self.setLabelText(QFileDialog.DialogLabel.FileName, "Name:")
        self.setToolTip(_HINT)
        self.resize(*_SIZE)
        self.chosen: tuple[Path, ...] = ()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def accept(self) -> None:
        """Take what is selected, folders too, or else what was typed, or the shown folder."""
        typed = self.findChildren(QLineEdit, "fileNameEdit")
        text = typed[0].text().strip() if typed else ""
        shown = Path(self.directory().absolutePath())
        paths = [Path(path) for path in self.selectedFiles()]
        if text and '"' not in text:
            path = shown / Path(text).expanduser()
            paths = [path] if path.exists() else paths
        self.chosen = tuple(path for path in paths if path.exists()) or (shown,)
        QDialog.accept(self)
