"""The region of interest: the part of the image outside of which everything is background."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from napari_scribseg.core.region import Region
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, button, note_label, tame

_INSIDE = (
    "Everything outside is background, in training and in predictions of this case. To move the "
    "rectangle choose its layer, then napari's tool for selecting shapes."
)
_WHOLE = "The whole image counts. Outside of a region everything is background."


class RegionPanel(QWidget):
    """Edits a Region."""

    around_asked = Signal()
    whole_asked = Signal()
    slices_changed = Signal(int, int)
    """First slice, and the last one."""
    nothing_asked = Signal()

    def __init__(self, nothing_key: str) -> None:
        super().__init__()
        self._note = note_label(_WHOLE)
        around = button(
            "Around the strokes",
            "The smallest box around the strokes of all structures, 20 mm wider in the slice and "
            "one slice longer on each side",
        )
        self._whole = button("Whole image", "No region: strokes alone say what is background")
        self._first, self._last = QSpinBox(), QSpinBox()
        for spin, words in ((self._first, "First slice"), (self._last, "Last slice")):
            spin.setAccessibleName(f"{words} of the region")
            spin.setToolTip(f"{words} of the region; drag the rectangle on the canvas for the rest")
            spin.setKeyboardTracking(False)
            tame(spin)
            spin.valueChanged.connect(self._entered)
        nothing = button(
            "Nothing here",
            f"Mark the shown slice as background as a whole (key {nothing_key}; Shift+"
            f"{nothing_key}: it and all slices beyond it)",
        )
        around.clicked.connect(self.around_asked)
        self._whole.clicked.connect(self.whole_asked)
        nothing.clicked.connect(self.nothing_asked)
        self._slices = QWidget()
        slices = QHBoxLayout(self._slices)
        slices.setContentsMargins(0, 0, 0, 0)
        slices.setSpacing(GAP)
        for one in (QLabel("Slices"), self._first, QLabel("to"), self._last):
            slices.addWidget(one)
        slices.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(_row(note_label("This slice:"), nothing))
        column.addLayout(_row(note_label("Region:"), around, self._whole))
        column.addWidget(self._slices)
        column.addWidget(self._note)
        self.set_value(None, 1)

    def set_value(self, region: Region | None, n_slices: int) -> None:
        """Show a region of an image with so many slices; nothing is emitted."""
        self._slices.setVisible(region is not None)
        self._whole.setEnabled(region is not None)
        if region is None:
            self._note.setText(_WHOLE)
            return
        self._note.setText(_INSIDE)
        for spin, value in ((self._first, region.z[0]), (self._last, region.z[1] - 1)):
            with QSignalBlocker(spin):
                spin.setRange(0, n_slices - 1)
                spin.setValue(value)

    def _entered(self, _value: int) -> None:
        first, last = sorted((self._first.value(), self._last.value()))
        self.slices_changed.emit(first, last)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(GAP)
    for one in widgets:
        row.addWidget(one)
    row.addStretch()
    return row
