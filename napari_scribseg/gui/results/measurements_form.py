"""Clinical numbers: volumes of the shown case, or ED and ES of a heart side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_scribseg.data.case import CaseKey
from napari_scribseg.data.patients import patient_of
from napari_scribseg.evaluation.clinical import (
    MYOCARDIUM_G_PER_ML,
    Measurement,
    Phase,
    cardiac_measurements,
    is_cardiac,
    volume_measurements,
)
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.gui.results.kept import key_of
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.score_table import Measured
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.style import GAP, button, note_label, tame, tell_in_full

_ROW_HEIGHT = 24


class MeasurementsForm(QWidget):
    """Chooses phases, asks for numbers, and shows them with what they are made of."""

    volumes_asked = Signal()
    function_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.diastole, self.systole = QComboBox(), QComboBox()
        self._decided: set[QComboBox] = set()
        """Where the user has chosen, so that nothing is proposed any more."""
        for box in (self.diastole, self.systole):
            box.activated.connect(partial(self._decide, box))
        self._labels = [note_label("End diastole"), note_label("End systole")]
        volumes = button("Volumes", "Volume of every class of the shown segmentation, in mL")
        volumes.clicked.connect(self.volumes_asked)
        self.function = button(
            "EF and mass",
            "EDV, ESV, stroke volume and EF of the two phases; mass with a myocardial density of "
            f"{MYOCARDIUM_G_PER_ML} g/mL",
        )
        self.function.clicked.connect(self.function_asked)
        self.table = QTableWidget(0, 2)
        self._prepare_table()
        self._source = note_label()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(GAP)
        for row, (label, box) in enumerate(
            zip(self._labels, (self.diastole, self.systole), strict=True)
        ):
            tame(box)
            box.setToolTip("A predicted case; predict both phases first")
            label.setBuddy(box)
            grid.addWidget(label, row, 0)
            grid.addWidget(box, row, 1)
        grid.setColumnStretch(1, 1)
        grid.addWidget(volumes, 2, 0)
        grid.addWidget(self.function, 2, 1)
        grid.addWidget(self.table, 3, 0, 1, 2)
        grid.addWidget(self._source, 4, 0, 1, 2)
        self.set_phases((), is_heart=False)
        self.set_value(())

    def set_phases(self, cases: Sequence[CaseKey], *, is_heart: bool) -> None:
        """Offer these predicted cases as phases; hidden where the structures are no heart's.

        The two that are proposed are of one patient, where the names tell that.
        """
        diastoles = {patient_of(case.name) for case in cases if "ED" in case.name}
        both = {p for c in cases if (p := patient_of(c.name)) in diastoles and "ES" in c.name}
        for box, default in ((self.diastole, "ED"), (self.systole, "ES")):
            chosen = self.chosen(box) if box in self._decided else None
            box.clear()
            for case in cases:
                box.addItem(case.name, case)
            matches = [case for case in cases if default in case.name]
            matches.sort(key=lambda case: patient_of(case.name) not in both)
            wanted = chosen if chosen in cases else next(iter(matches), None)
            box.setCurrentIndex(cases.index(wanted) if wanted is not None else 0)
            tell_in_full(box)
            box.setVisible(is_heart)
        for label in self._labels:
            label.setVisible(is_heart)
        self.function.setVisible(is_heart)
        self.function.setEnabled(len(cases) > 1)

    def chosen(self, box: QComboBox) -> CaseKey | None:
        """The case that is chosen in a box of phases."""
        return box.currentData()

    def set_value(self, measurements: Sequence[Measurement]) -> None:
        """Show these numbers."""
        self.table.setRowCount(len(measurements))
        for y, each in enumerate(measurements):
            name = QTableWidgetItem(each.name)
            known = not math.isnan(each.value)
            number = QTableWidgetItem(f"{each.value:.1f} {each.unit}" if known else "\N{EN DASH}")
            number.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            for x, item in enumerate((name, number)):
                item.setToolTip(each.source)
                self.table.setItem(y, x, item)
            self.table.setRowHeight(y, _ROW_HEIGHT)
        self.table.setFixedHeight(_ROW_HEIGHT * len(measurements) + 4)
        self.table.setVisible(bool(measurements))
        self._source.setText("\n".join(f"{each.name}: {each.source}" for each in measurements))
        self._source.setVisible(bool(measurements))

    def _decide(self, box: QComboBox, _row: int) -> None:
        self._decided.add(box)

    def _prepare_table(self) -> None:
        table = self.table
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        rows, columns = table.verticalHeader(), table.horizontalHeader()
        if rows is not None:
            rows.setVisible(False)
        if columns is not None:
            columns.setVisible(False)
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)


class MeasurementsController:
    """Measures what its form asks for, of the shown run.

    Args:
        form: the phases, and where the numbers are shown.
        session: what the window works on.
        presenter: has the segmentations.
    """

    def __init__(
        self, form: MeasurementsForm, session: Session, presenter: ResultsPresenter
    ) -> None:
        self._form = form
        self._session = session
        self._presenter = presenter
        self._place: tuple[CaseKey | None, Path | None] = (None, None)
        """The case and the run that were shown when something was measured last."""
        self._of: tuple[Comparison, ...] = ()
        self._numbers: tuple[Measurement, ...] = ()
        form.volumes_asked.connect(self.measure_volumes)
        form.function_asked.connect(self.measure_function)

    @property
    def measured(self) -> Measured | None:
        """The numbers that stand in the form."""
        if not self._numbers:
            return None
        title = self._presenter.title_of(self._of[0].prediction.run)
        return Measured(self._of, title, self._numbers)

    def follow(self) -> None:
        """Something else may be shown now: numbers of another case or segmentation go."""
        if self._numbers and not self._are_current(self._place, self._of):
            self._of, self._numbers = (), ()
            self._form.set_value(())
        self._offer_phases()

    def measure_volumes(self) -> None:
        """The volume of every class of the shown segmentation."""
        comparison = self._presenter.shown
        if comparison is None:
            self._session.say("Predict this volume first.", "warning")
            return
        phase, schema = _phase_of(comparison), comparison.prediction.schema
        self._measure((comparison,), lambda: volume_measurements(phase, schema))

    def measure_function(self) -> None:
        """EF, volumes and mass of the two chosen phases, by the shown run."""
        form, run = self._form, self._presenter.run
        found = [
            None
            if run is None or case is None
            else self._presenter.kept.comparisons.get((case, run))
            for case in (form.chosen(form.diastole), form.chosen(form.systole))
        ]
        if found[0] is None or found[1] is None or found[0] is found[1]:
            self._session.say(
                "Predict end diastole and end systole with the same run, and choose both.",
                "warning",
            )
            return
        of = (found[0], found[1])
        schema = of[0].prediction.schema
        diastole, systole = (_phase_of(one) for one in of)
        self._measure(of, lambda: cardiac_measurements(diastole, systole, schema))

    # Inside

    def _offer_phases(self) -> None:
        """Offer the predicted cases of the shown run as phases of a heart."""
        shown = self._presenter.run
        cases = [case for case, run in self._presenter.kept.comparisons if run == shown]
        self._form.set_phases(cases, is_heart=is_cardiac(self._session.schema))

    def _measure(
        self, of: tuple[Comparison, ...], job: Callable[[], tuple[Measurement, ...]]
    ) -> None:
        place = self._shown()

        def show(numbers: tuple[Measurement, ...]) -> None:
            if not self._are_current(place, of):
                return
            self._place, self._of, self._numbers = place, of, numbers
            self._form.set_value(numbers)
            self._session.say("Measured from the shown segmentation: for research only.")

        self._session.run(job, show)

    def _shown(self) -> tuple[CaseKey | None, Path | None]:
        return self._presenter.case, self._presenter.run

    def _are_current(
        self, place: tuple[CaseKey | None, Path | None], of: Sequence[Comparison]
    ) -> bool:
        """Whether numbers belong to what is shown, and their segmentations are still the same."""
        known = self._presenter.kept.comparisons
        now = [known.get(key_of(one.prediction)) for one in of]
        return place == self._shown() and all(
            other is not None and _is_same(one, other) for one, other in zip(of, now, strict=True)
        )


def _is_same(one: Comparison, other: Comparison) -> bool:
    """Whether two comparisons are of the same segmentation; their references may differ."""
    return one.prediction is other.prediction and one.cleaning == other.cleaning


def _phase_of(comparison: Comparison) -> Phase:
    frame = comparison.shown.frame
    name = comparison.prediction.case.name + ("" if frame is None else f", frame {frame}")
    return Phase(name, comparison.shown.array, comparison.shown.spacing)
