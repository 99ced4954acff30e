"""Opening cases: ask for files, read them in the background, show one case at a time."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_scribseg.cases import CaseFiles, Dataset
from napari_scribseg.datasets import read_dataset
from napari_scribseg.gui import layers, opening
from napari_scribseg.gui.case_chooser import CaseChooser
from napari_scribseg.gui.session import Session
from napari_scribseg.io import EXTENSIONS
from napari_scribseg.labels import LabelSchema
from napari_scribseg.samples import SampleName, sample_folder

_FILE_FILTER = f"Volumes ({' '.join(f'*{extension}' for extension in EXTENSIONS)})"


class CaseOpener:
    """Opens cases in a viewer; what was drawn on the case before is kept until it comes back.

    Args:
        parent: over which the dialogs appear.
        session: what the window works on.
    """

    def __init__(self, parent: QWidget, session: Session) -> None:
        self._parent = parent
        self._session = session
        self._viewer = session.viewer
        self._shelf: dict[str, list[Layer]] = {}
        """Scribbles layers of the cases that were open before, by case id."""

    def ask(self, what: str) -> None:
        """Ask the user for a "dataset", "file" or "dicom" folder; or open "sample:" and a name."""
        if what.startswith("sample:"):
            name = cast("SampleName", what.removeprefix("sample:"))
            self.open_dataset(sample_folder(name))
        elif what == "file":
            path, _ = QFileDialog.getOpenFileName(self._parent, "Open a volume", "", _FILE_FILTER)
            if path:
                self.open_volume(Path(path))
        else:
            title = "Open a dataset folder" if what == "dataset" else "Open a DICOM folder"
            folder = QFileDialog.getExistingDirectory(self._parent, title)
            if folder:
                (self.open_dataset if what == "dataset" else self.open_volume)(Path(folder))

    def open_dataset(self, folder: Path) -> None:
        """Read a dataset folder and ask which of its cases to open."""
        self._session.say(f"Reading {folder.name} …")
        self._session.run(lambda: read_dataset(folder), self.choose_case)

    def open_case(self, files: CaseFiles, schema: LabelSchema) -> None:
        """Show a case of a dataset."""
        self._session.say(f"Opening {files.id} …")
        self._session.run(lambda: opening.layers_of_case(files, schema), self.show)

    def open_volume(self, path: Path) -> None:
        """Show a volume file or a DICOM folder."""
        self._session.say(f"Opening {path.name} …")
        self._session.run(lambda: opening.layers_of_path(path), self.show)

    def choose_case(self, dataset: Dataset) -> None:
        """Ask which case of a dataset to open; not if there is only one."""
        if not dataset.cases:
            self._session.refuse(f"{dataset.title} has no cases.")
            return
        if len(dataset.cases) == 1:
            self.open_case(dataset.cases[0], dataset.schema)
            return
        self._session.say(f"{dataset.title}: {len(dataset.cases)} cases.")
        chooser = CaseChooser(dataset, self._parent)
        chooser.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        chooser.accepted.connect(lambda: self._case_chosen(chooser, dataset.schema))
        chooser.open()

    def show(self, data: list[layers.LayerData]) -> None:
        """Put a case into the viewer, in the place of the one that is there."""
        made = [layers.layer_of(one) for one in data]
        case = layers.case_of(made[0]) or made[0].name
        put_away = self._put_away()
        kept = [
            layer
            for layer in self._shelf.pop(case, [])
            if layer.data.shape == made[0].data.shape[-3:]
        ]
        if kept:  # what was drawn here is newer than what is in the file
            made = [layer for layer in made if layers.role_of(layer) != "scribbles"] + kept
        for layer in made:
            self._viewer.add_layer(layer)
        self._viewer.reset_view()
        others = sorted(put_away - {case})
        told = f" The strokes on {', '.join(others)} are kept until it is opened again."
        self._session.say(f"{case} is open.{told if others else ''}")

    def _put_away(self) -> set[str]:
        """Take the layers of all cases out of the viewer; gives the cases with drawn strokes."""
        drawn: set[str] = set()
        for layer in list(self._viewer.layers):
            role, case = layers.role_of(layer), layers.case_of(layer)
            if role is None or case is None:
                continue
            self._viewer.layers.remove(layer)
            if role == "scribbles" and layer.data.any():
                self._shelf.setdefault(case, []).append(layer)
                drawn.add(case)
        return drawn

    def _case_chosen(self, chooser: CaseChooser, schema: LabelSchema) -> None:
        if chooser.chosen is not None:
            self.open_case(chooser.chosen, schema)
