"""Which layers are the image, the scribbles and the reference."""

from __future__ import annotations

from collections.abc import Sequence

from napari.layers import Layer
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from napari_scribseg.gui.canvas.chosen_layers import SLOTS, Selected, Slot
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, button, tame

_NOTHING = {
    "image": "choose an image",
    "scribbles": "none yet",
    "reference": "none",
}


class InputsPanel(QWidget):
    """Edits a `Selected`."""

    value_changed = Signal()
    new_scribbles_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._boxes: dict[Slot, QComboBox] = {}
        self._layers: dict[Slot, list[Layer]] = {slot: [] for slot in SLOTS}
        self._new = button("New", "Make an empty scribbles layer on the grid of the image")
        self._new.clicked.connect(self.new_scribbles_asked)
        asides: dict[Slot, QWidget] = {"scribbles": self._new}
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
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(form)
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

    def _chosen(self, slot: Slot) -> Layer | None:
        index = self._boxes[slot].currentIndex() - 1
        return self._layers[slot][index] if 0 <= index < len(self._layers[slot]) else None

    def _position(self, slot: Slot, layer: Layer | None) -> int:
        """Where a layer stands in its combo box; 0 = nothing is chosen."""
        offered = self._layers[slot]
        return offered.index(layer) + 1 if layer is not None and layer in offered else 0
