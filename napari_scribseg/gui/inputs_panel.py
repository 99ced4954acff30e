"""Which layers are the image, the scribbles and the reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from napari.layers import Layer
from qtpy.QtCore import (
    QSignalBlocker,
    Signal,  # pyright: ignore[reportAttributeAccessIssue]  qtpy adds it at run time
)
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QMenu, QSizePolicy, QWidget

from napari_scribseg.gui.selection import SLOTS, Selected, Slot
from napari_scribseg.gui.style import GAP, Panel, button, note_label, tame

_NOTHING = {
    "image": "choose an image",
    "scribbles": "none yet",
    "reference": "none",
}


class InputsPanel(Panel):
    """Edits a `Selected`."""

    value_changed = Signal()
    new_scribbles_asked = Signal()
    frame_asked = Signal()
    open_asked = Signal(str)
    """"dataset", "file", "dicom", or "sample:" and the name of a sample."""

    def __init__(self) -> None:
        self._open = button("Open case", "Open a dataset folder, a file, a DICOM folder, a sample")
        super().__init__("Case", aside=self._open)
        self._open.setMenu(self._menu())
        self._boxes: dict[Slot, QComboBox] = {}
        self._layers: dict[Slot, list[Layer]] = {slot: [] for slot in SLOTS}
        self._new = button("New", "Make an empty scribbles layer on the grid of the image")
        self._new.clicked.connect(self.new_scribbles_asked)
        self._frame = button("Use this frame", "Take the time point that is shown as the image")
        self._frame.clicked.connect(self.frame_asked)
        self._frame.setVisible(False)
        asides: dict[Slot, QWidget] = {"image": self._frame, "scribbles": self._new}
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(GAP)
        for slot in SLOTS:
            box = QComboBox()
            tame(box)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.currentIndexChanged.connect(self.value_changed)
            self._boxes[slot] = box
            row = QHBoxLayout()
            row.setSpacing(GAP)
            row.addWidget(box, 1)
            if slot in asides:
                row.addWidget(asides[slot])
            form.addRow(slot.capitalize(), row)
        self.body.addLayout(form)
        self._facts = note_label()
        self.body.addWidget(self._facts)
        for slot in SLOTS:
            self.set_choices(slot, [])

    def value(self) -> Selected:
        """The chosen layers."""
        return Selected(**{slot: self._chosen(slot) for slot in SLOTS})

    def set_value(self, value: Selected) -> None:
        """Choose these layers, as far as they are offered."""
        before = [self._chosen(slot) for slot in SLOTS]
        for slot in SLOTS:
            layer: Layer | None = getattr(value, slot)
            with QSignalBlocker(self._boxes[slot]):
                self._boxes[slot].setCurrentIndex(self._position(slot, layer))
        if before != [self._chosen(slot) for slot in SLOTS]:
            self.value_changed.emit()

    def set_choices(self, slot: Slot, layers: Sequence[Layer]) -> None:
        """Offer these layers; the chosen one stays chosen while it is among them."""
        chosen = self._chosen(slot)
        box = self._boxes[slot]
        with QSignalBlocker(box):
            box.clear()
            box.addItem(_NOTHING[slot])
            box.addItems([layer.name for layer in layers])
            self._layers[slot] = list(layers)
            box.setCurrentIndex(self._position(slot, chosen))
        if self._chosen(slot) is not chosen:
            self.value_changed.emit()

    def show_facts(self, text: str, *, is_series: bool) -> None:
        """Say what the image is; a time series gets a button to take one frame."""
        self._facts.setText(text)
        self._facts.setVisible(bool(text))
        self._frame.setVisible(is_series)

    def _chosen(self, slot: Slot) -> Layer | None:
        index = self._boxes[slot].currentIndex() - 1
        return self._layers[slot][index] if 0 <= index < len(self._layers[slot]) else None

    def _position(self, slot: Slot, layer: Layer | None) -> int:
        """Where a layer stands in its combo box; 0 = nothing is chosen."""
        offered = self._layers[slot]
        return offered.index(layer) + 1 if layer is not None and layer in offered else 0

    def _ask_to_open(self, what: str, *_checked: bool) -> None:
        self.open_asked.emit(what)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        for what, text in (
            ("dataset", "Dataset folder …"),
            ("file", "Volume file …"),
            ("dicom", "DICOM folder …"),
            ("", ""),
            ("sample:cardiac", "Sample: cardiac phantom"),
            ("sample:prostate", "Sample: prostate phantom"),
        ):
            if not what:
                menu.addSeparator()
                continue
            action = QAction(text, menu)
            action.triggered.connect(partial(self._ask_to_open, what))
            menu.addAction(action)
        return menu
