"""Which part of a prediction becomes scribbles, and drawing it there."""

from __future__ import annotations

import numpy as np
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QGridLayout, QWidget

from napari_scribseg.annotation.acceptance import Acceptance, accepted, counts_of
from napari_scribseg.core.types import Array
from napari_scribseg.gui.canvas import brush
from napari_scribseg.gui.canvas.slices import shown_slice
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.session import Session
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


class AcceptController:
    """Draws the shown prediction into the scribbles, as its form says.

    Args:
        form: what is accepted.
        session: what the window works on.
        presenter: has the prediction.
    """

    def __init__(self, form: AcceptForm, session: Session, presenter: ResultsPresenter) -> None:
        self._form = form
        self._session = session
        self._presenter = presenter
        form.accept_asked.connect(self.accept)

    def accept(self) -> None:
        """Draw the shown prediction into the scribbles, in one step of the history."""
        session, comparison = self._session, self._presenter.shown
        scribbles, schema = session.selected.scribbles, session.schema
        if comparison is None or scribbles is None:
            session.say("Accepting needs a prediction of this case and scribbles.", "warning")
            return
        z = shown_slice(session.viewer, session.selected.image)
        wanted = self._form.value(z)
        problem = self._problem(z, wanted)
        if problem:
            session.say(problem, "warning")
            return
        unsure = comparison.prediction.uncertainty
        drawn = np.array(scribbles.data, dtype=np.uint8)

        def find() -> Array:
            uncertainty = None if unsure is None else unsure.array
            array, spacing = comparison.shown.array, comparison.shown.spacing
            return accepted(array, drawn, spacing, schema, wanted, uncertainty)

        def draw(added: Array) -> None:
            if session.selected.scribbles is not scribbles:
                return
            n = brush.write(scribbles, added)
            session.touch_strokes()
            session.viewer.layers.selection.active = scribbles
            if n:
                told = counts_of(added, schema)
                session.say(f"Drawn: {told}. Undo takes it all back at once.", "good")
            else:
                session.say("Nothing was drawn: no voxel is sure and far enough inside.")

        session.run(find, draw)

    def _problem(self, z: int | None, wanted: Acceptance) -> str:
        """Why it can't be accepted, in a sentence; "" where it can."""
        comparison = self._presenter.shown
        if comparison is None:
            return "Predict this volume first."
        if z is None and not self._form.whole_volume:
            return "Show a slice of the image first."
        predicted = comparison.prediction.z
        if predicted is not None and wanted.z != predicted:
            return f"Only slice {predicted} was predicted."
        if self._session.schema.names != comparison.prediction.schema.names:
            return "The run knows other structures than the scribbles have."
        if wanted.z is None and not np.any(comparison.shown.array):
            return (
                "Nothing was drawn: the prediction has no structure, so all of it would become "
                "background. Train more, or draw more strokes."
            )
        return ""
