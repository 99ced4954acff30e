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
from napari_scribseg.evaluation.clinical import (
    MYOCARDIUM_G_PER_ML,
    Measurement,
    Phase,
    cardiac_measurements,
    is_cardiac,
    volume_measurements,
)
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.gui.results.kept import Key, key_of
from napari_scribseg.gui.results.phases import (
    PhaseCase,
    predicted_cases,
    proposed,
    read_segmentation,
)
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.score_table import Measured
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.style import GAP, button, note_label, tame, tell_in_full

_ROW_HEIGHT = 24

_Found = tuple[tuple[Comparison, ...], tuple[Measurement, ...]]
"""Segmentations, and what was measured on them."""
_Look = tuple[Path, Path, int, frozenset[Key]]
"""The project and the run, how often a run has predicted anew, and what is in memory."""
_Place = tuple[CaseKey | None, Path | None, int]
"""The shown case and run, and how often a run has predicted anew."""


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
            box.setToolTip("A case that the shown run has predicted: All cases predicts all")
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

    def set_phases(
        self, cases: Sequence[PhaseCase], shown: CaseKey | None = None, *, is_heart: bool
    ) -> None:
        """Offer these predicted cases as phases; hidden where the structures are no heart's.

        Two of one patient are proposed, of that of the shown case if it has both.
        """
        keys = [case.key for case in cases]
        for box, case in zip((self.diastole, self.systole), proposed(cases, shown), strict=True):
            chosen = self.chosen(box) if box in self._decided else None
            box.clear()
            for one in cases:
                known = f"  ({one.phase})" if one.phase else ""
                box.addItem(f"{one.key.name}{known}", one.key)
            wanted = chosen if chosen in keys or case is None else case.key
            box.setCurrentIndex(keys.index(wanted) if wanted in keys else 0)
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
        self._place: _Place | None = None
        """What was shown when something was measured last."""
        self._of: tuple[Comparison, ...] = ()
        self._numbers: tuple[Measurement, ...] = ()
        self._looked: _Look | None = None
        """When saved predictions were looked for last."""
        self._saved: tuple[PhaseCase, ...] = ()
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
        self._measure(lambda: ((comparison,), volume_measurements(phase, schema)))

    def measure_function(self) -> None:
        """EF, volumes and mass of the two chosen phases, by the shown run."""
        form, run, cases = self._form, self._presenter.run, self._cases()
        chosen = [form.chosen(box) for box in (form.diastole, form.systole)]
        of = [case for key in chosen for case in cases if case.key == key]
        if run is None or len(of) < len(chosen) or chosen[0] == chosen[1]:
            self._session.say(
                "Predict end diastole and end systole with the same run, and choose both.",
                "warning",
            )
            return
        known, cleaning = self._presenter.kept.comparisons, self._presenter.cleaning
        in_memory = [known.get((case.key, run)) for case in of]
        note = ""
        if of[0].whose != of[1].whose:
            note = f"{of[0].key} and {of[1].key} seem to be of two patients. "

        def measured() -> _Found:
            found = tuple(
                read_segmentation(case, run, cleaning) if one is None else one
                for case, one in zip(of, in_memory, strict=True)
            )
            diastole, systole = map(_phase_of, found)
            return found, cardiac_measurements(diastole, systole, found[0].prediction.schema)

        self._measure(measured, note)

    # Inside

    def _cases(self) -> list[PhaseCase]:
        """What the shown run has predicted as a whole: saved, or in memory only."""
        run = self._presenter.run
        saved = [*self._saved]
        known = {case.key for case in saved}
        fresh = [
            PhaseCase(case)
            for (case, of), one in self._presenter.kept.comparisons.items()
            if of == run and case not in known and one.prediction.z is None
        ]
        return saved + fresh

    def _offer_phases(self) -> None:
        """Offer the predicted cases of the shown run as phases of a heart."""
        session, presenter = self._session, self._presenter
        kept, is_heart = presenter.kept, is_cardiac(session.schema)
        project, run = session.project_folder, presenter.run
        if is_heart and run is not None:
            look = (project, run, kept.forgotten, frozenset(kept.predictions))
            if look != self._looked:
                if self._looked is None or self._looked[:2] != look[:2]:
                    self._saved = ()
                self._looked = look
                session.run(
                    lambda: predicted_cases(project, run), lambda found: self._found(look, found)
                )
        self._form.set_phases(self._cases(), presenter.case, is_heart=is_heart)

    def _found(self, look: _Look, saved: tuple[PhaseCase, ...]) -> None:
        if look == self._looked:
            self._saved = saved
            self._offer_phases()

    def _measure(self, job: Callable[[], _Found], note: str = "") -> None:
        """Show what a job measures, and on which segmentations; a note is a doubt about them."""
        place = self._shown()

        def show(found: _Found) -> None:
            of, numbers = found
            if not self._are_current(place, of):
                return
            self._place, self._of, self._numbers = place, of, numbers
            self._form.set_value(numbers)
            text = f"{note}Measured from the shown segmentation: for research only."
            self._session.say(text, "warning" if note else "info")

        self._session.run(job, show)

    def _shown(self) -> _Place:
        presenter = self._presenter
        return presenter.case, presenter.run, presenter.kept.forgotten

    def _are_current(self, place: _Place | None, of: Sequence[Comparison]) -> bool:
        """Whether numbers belong to what is shown, and their segmentations are still the same.

        One that was read from the disk is so as long as it would be cleaned up like that.
        """
        known, cleaning = self._presenter.kept.comparisons, self._presenter.cleaning
        return place == self._shown() and all(
            _is_same(one, known.get(key_of(one.prediction)), cleaning) for one in of
        )


def _is_same(one: Comparison, other: Comparison | None, cleaning: PostProcessing) -> bool:
    """Whether a comparison in memory is of the same segmentation; their references may differ."""
    if other is None:
        return one.prediction.corrected or one.cleaning == cleaning
    return one.prediction is other.prediction and one.cleaning == other.cleaning


def _phase_of(comparison: Comparison) -> Phase:
    frame = comparison.shown.frame
    name = comparison.prediction.case.name + ("" if frame is None else f", frame {frame}")
    return Phase(name, comparison.shown.array, comparison.shown.spacing)
