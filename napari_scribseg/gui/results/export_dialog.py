"""The dialog that exports the cases of the project for other programs."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.data.export import Layout
from napari_scribseg.gui.widgets.style import button, note_label

_LAYOUTS: dict[str, Layout] = {
    "NIfTI files (images, scribbles, references)": "nifti",
    "nnU-Net dataset with ignore label": "nnunet",
}


class ExportDialog(QDialog):
    """Asks for layout and folder."""

    def __init__(self, parent: QWidget, project: Path) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export the cases of the project")
        self.layouts = QComboBox()
        self.layouts.addItems(list(_LAYOUTS))
        self.layouts.currentIndexChanged.connect(self._check)
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("a new or empty folder")
        self.folder.textChanged.connect(self._check)
        browse = button("Browse …", "Choose the folder")
        browse.clicked.connect(self._browse)
        self.copies = QCheckBox("Copy the images")
        self.copies.setChecked(True)
        self.copies.setToolTip("Otherwise images.json tells where they are")
        place = QHBoxLayout()
        place.addWidget(self.folder, 1)
        place.addWidget(browse)
        form = QFormLayout()
        form.addRow("Layout", self.layouts)
        form.addRow("Folder", place)
        form.addRow("", self.copies)
        self._buttons = QDialogButtonBox()
        self._buttons.addButton(QDialogButtonBox.StandardButton.Ok)
        self._buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        outer = QVBoxLayout(self)
        note = note_label(
            f"All cases of {project.name}, with the geometry of their images and nothing else of "
            "the headers. What is saved is exported, not unsaved strokes."
        )
        outer.addWidget(note)
        outer.addLayout(form)
        outer.addWidget(self._buttons)
        self.setMinimumWidth(440)
        self._check()

    @property
    def layout_name(self) -> Layout:
        """The chosen layout."""
        return _LAYOUTS[self.layouts.currentText()]

    def _check(self, _change: object = None) -> None:
        accept = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        if accept is not None:
            accept.setText("Export")
            accept.setEnabled(bool(self.folder.text().strip()))
        self.copies.setEnabled(self.layout_name == "nifti")

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Export into this folder")
        if chosen:
            self.folder.setText(chosen)
