"""Which part of a prediction becomes scribbles."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QGridLayout, QWidget

from napari_scribseg.annotation.acceptance import Acceptance
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, button, note_label, tame

_SLICE, _VOLUME = "the shown slice", "the whole volume"


class AcceptForm(QWidget):
    """Edits an `Acceptance`, and asks for it to be done."""

    accept_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.where = QComboBox()
        self.where.addItems([_SLICE, _VOLUME])
        self.where.setToolTip("Which part of the prediction becomes scribbles")
        tame(self.where)
        self.core = QDoubleSpinBox()
        self.core.setRange(0.0, 30.0)
        self.core.setSingleStep(0.5)
        self.core.setDecimals(1)
        self.core.setValue(2.0)
        self.core.setSuffix(" mm")
        self.core.setToolTip("Leave out what is nearer than this to the border of its structure")
        tame(self.core)
        self.sure = QDoubleSpinBox()
        self.sure.setRange(0.0, 1.0)
        self.sure.setSingleStep(0.05)
        self.sure.setValue(0.3)
        self.sure.setToolTip("Leave out what is more uncertain than this; 1 = nothing")
        tame(self.sure)
        self.background = QCheckBox("Background, too")
        self.background.setChecked(True)
        self.background.setToolTip("Background is a class: methods need strokes of it")
        accept = button(
            "Accept into scribbles", "Only voxels without a stroke are drawn; undo takes all back"
        )
        accept.clicked.connect(self.accept_asked)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(GAP)
        for row, (words, widget) in enumerate(
            (
                ("Take over", self.where),
                ("Keep off borders", self.core),
                ("Most uncertainty", self.sure),
            )
        ):
            label = note_label(words)
            label.setBuddy(widget)
            grid.addWidget(label, row, 0)
            grid.addWidget(widget, row, 1)
        grid.addWidget(self.background, 3, 0)
        grid.addWidget(accept, 3, 1)

    @property
    def whole_volume(self) -> bool:
        """Whether every slice is taken."""
        return self.where.currentText() == _VOLUME

    def value(self, z: int | None) -> Acceptance:
        """What is to be accepted; `z` is the shown slice.

        Args:
            z: index of the shown slice, used unless the whole volume is wanted.
        """
        limit = self.sure.value()
        return Acceptance(
            z=None if self.whole_volume else z,
            most_uncertainty=limit if limit < 1 else None,
            core_mm=self.core.value(),
            background=self.background.isChecked(),
        )
