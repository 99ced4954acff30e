"""The reference beside the scores: chosen or loaded here, and everything is scored at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QWidget

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.classes import written_by_values
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.data.stored_labels import read_reference
from napari_scribseg.data.told_names import told_by_segments
from napari_scribseg.gui.canvas import layers, painting
from napari_scribseg.gui.qt import Signal, single_shot
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Snapshot
from napari_scribseg.gui.widgets.style import GAP, button, note_label, tame, tell_in_full
from napari_scribseg.io import EXTENSIONS, read_labels

_FILES = f"Volumes ({' '.join(f'*{extension}' for extension in EXTENSIONS)})"
_EDITED_MS = 500
"""Scores follow a reference that is drawn on once it has not changed for this long."""


class ReferenceRow(QWidget):
    """Chooses what the scores compare with."""

    chosen = Signal(object)
    """A layer, or None."""
    load_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layers: list[Layer] = []
        self.box = QComboBox()
        tame(self.box)
        self.box.setToolTip("The truth that the scores compare with")
        self.box.activated.connect(self._choose)
        self.load = button("Load …", "Load a reference from a file; it is scored at once")
        self.load.clicked.connect(self.load_asked)
        label = note_label("Reference")
        label.setWordWrap(False)
        label.setBuddy(self.box)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(label)
        row.addWidget(self.box, 1)
        row.addWidget(self.load)
        self.set_choices((), None)

    def set_choices(self, offered: Sequence[Layer], chosen: Layer | None) -> None:
        """Offer these layers, one of them chosen."""
        self._layers = list(offered)
        with QSignalBlocker(self.box):
            self.box.clear()
            self.box.addItem("none")
            self.box.addItems([layer.name for layer in offered])
            place = next((i for i, layer in enumerate(offered) if layer is chosen), -1)
            self.box.setCurrentIndex(place + 1)
        tell_in_full(self.box)

    def _choose(self, row: int) -> None:
        self.chosen.emit(self._layers[row - 1] if row else None)


class ReferenceController:
    """Chooses and loads references, and has everything scored anew when one changes.

    Args:
        row: where it is chosen.
        session: what the window works on.
        presenter: scores.
    """

    def __init__(self, row: ReferenceRow, session: Session, presenter: ResultsPresenter) -> None:
        self._row = row
        self._session = session
        self._presenter = presenter
        self._reference: Layer | None = None
        self._end_watch = _nothing
        self._soon = single_shot(row, _EDITED_MS, presenter.compare_again)
        row.chosen.connect(self._choose)
        row.load_asked.connect(self.ask)
        session.offers_changed.connect(self._show)
        session.selected_changed.connect(self._selected)
        self._selected()

    def end(self) -> None:
        """Watch nothing any more."""
        self._end_watch()
        self._end_watch = _nothing
        self._soon.stop()

    def ask(self) -> None:
        """Ask for a file, and load it."""
        name, _ = QFileDialog.getOpenFileName(self._row, "Load a reference", "", _FILES)
        if name:
            self.load(Path(name))

    def load(self, path: Path) -> None:
        """Show a file as the reference of the shown case; the project keeps it with the case."""
        session = self._session
        if session.selected.image is None:
            session.say("Open a case first: a reference belongs to an image.", "warning")
            return
        session.say(f"Loading {path.name} …")
        schema = session.schema

        def show(loaded: LoadedReference) -> None:
            if session.case != snapshot.case:
                return
            volume = Volume(loaded.array, snapshot.image.grid)
            layer = session.put(
                layers.reference_data(volume, schema, case=snapshot.case),
                "reference",
                snapshot.case,
            )
            session.choose(reference=layer)
            session.reference_loaded.emit(loaded.array)
            told = " ".join([f"{path.name} is the reference of {snapshot.case}.", *loaded.notes])
            session.say(told, "warning" if loaded.notes else "good")

        # The image decides where it has to lie; what is wrong with the other layers is no matter.
        image = session.selected.image
        try:
            snapshot = Snapshot(
                layers.identified(image), layers.volume_of(image), None, None, schema
            )
        except ScribsegError as error:
            session.refuse(str(error))
            return
        session.run(lambda: load_reference(path, snapshot.image, schema), show)

    def _choose(self, layer: Layer | None) -> None:
        self._session.choose(reference=layer)

    def _show(self) -> None:
        self._row.set_choices(self._session.offered("reference"), self._session.selected.reference)

    def _selected(self) -> None:
        self._show()
        reference = self._session.selected.reference
        if reference is self._reference:
            return
        self._reference = reference
        self._end_watch()
        self._end_watch = _nothing
        if reference is not None:
            self._end_watch = painting.watch_drawing(reference, self._soon.start, _nothing)
        if self._session.selected.image is not None:  # else the case is being closed
            self._presenter.compare_again()


@dataclass(frozen=True, eq=False)
class LoadedReference:
    """A reference from a file.

    Args:
        array: (z, y, x) uint8, class indices on the grid of the image; UNKNOWN where a partial one
            says nothing.
        notes: what was noticed, in sentences.
    """

    array: Array
    notes: tuple[str, ...]


def load_reference(path: Path, image: Volume, schema: LabelSchema) -> LoadedReference:
    """A reference in a file, on the grid of an image.

    Segments of 3D Slicer are taken by their names, whatever their numbers. Other values that are
    no class numbers, such as 200, 500 and 600, are taken in their order, and it is said.

    Raises:
        InvalidInput: it can't be read, lies elsewhere, has values that are no classes, or names
            other segments beside those of the classes.
    """
    name = f"The reference {path.name}"
    array, notes = put_on_grid(read_labels(path), image.grid, name)
    convention, note = told_by_segments(path, schema, name), ""
    if convention is None:
        convention, note = written_by_values([path], schema)
    reference = read_reference(array, convention, schema, name)
    told = (*notes, *([note] if note else []))
    return LoadedReference(np.ascontiguousarray(reference), told)


def _nothing() -> None:
    """Watch nothing."""
