"""A new project: its name, the folder that is made for it, and its classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.gui import recent
from napari_scribseg.gui.case.class_choices import OWN, ready_choices, schema_of_text
from napari_scribseg.gui.case.import_request import free_folder
from napari_scribseg.gui.widgets.style import GAP, LEVEL_COLORS, MARGIN, button, note_label


@dataclass(frozen=True)
class NewProject:
    """What a new project is to be."""

    title: str
    folder: Path
    schema: LabelSchema


class NewProjectDialog(QDialog):
    """Asks for name and classes; `value` is what was said.

    Args:
        home: the folder in which the project's own folder is made.
        parent: over which it appears.
    """

    def __init__(self, home: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New project")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(460)
        self._home = home
        self._choices = ready_choices()
        self.name, self.own = QLineEdit("My project"), QLineEdit()
        self.name.selectAll()
        self.own.setPlaceholderText("names with commas between, such as liver, tumour")
        self.classes = QComboBox()
        self.classes.addItems([choice.title for choice in self._choices])
        self.place, self.why = note_label(), QLabel()
        self.why.setWordWrap(True)
        self.why.setStyleSheet(f"color: {LEVEL_COLORS['warning']};")
        change = button("Folder …", "Make the new project in another folder")
        self.make = button("Make the project", "", primary=True)
        self.make.setDefault(True)
        cancel = QPushButton("Cancel")
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.name, 1)
        row.addWidget(change)
        form = QFormLayout()
        form.setVerticalSpacing(GAP)
        form.addRow("Name", row)
        form.addRow("", self.place)
        form.addRow("Classes", self.classes)
        form.addRow("", self.own)
        buttons = QHBoxLayout()
        buttons.addWidget(self.why, 1)
        buttons.addStretch()
        buttons.addWidget(cancel)
        buttons.addWidget(self.make)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.addLayout(form)
        layout.addLayout(buttons)
        for signal in (self.name.textChanged, self.own.textChanged):
            signal.connect(self._show)
        self.classes.activated.connect(self._show)
        change.clicked.connect(self._choose_home)
        self.make.clicked.connect(self.accept)
        cancel.clicked.connect(self.reject)
        self._show()

    def value(self) -> NewProject:
        """What was said.

        Raises:
            InvalidInput: the name or the classes are missing.
        """
        title = self.name.text().strip()
        if not title:
            raise InvalidInput("Give the project a name.")
        choice = self._choices[self.classes.currentIndex()]
        schema = schema_of_text(self.own.text()) if choice.schema is None else choice.schema
        return NewProject(title, free_folder(self._home, title), schema)

    def _show(self, _news: object = None) -> None:
        self.own.setVisible(self._choices[self.classes.currentIndex()] is OWN)
        why = ""
        try:
            self.value()
        except InvalidInput as error:
            why = str(error)
        self.place.setText(str(free_folder(self._home, self.name.text())))
        self.why.setText(why)
        self.make.setEnabled(not why)

    def _choose_home(self) -> None:
        home = QFileDialog.getExistingDirectory(self, "Where new projects are made")
        if home:
            self._home = Path(home)
            self._show()


def projects_home() -> Path:
    """The folder in which new projects are made: beside the last one."""
    newest = recent.newest_project()
    return recent.default_project().parent if newest is None else newest.parent
