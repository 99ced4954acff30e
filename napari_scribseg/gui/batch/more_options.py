"""The rare options of an experiment, which have good defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QSizePolicy, QSpinBox, QWidget

from napari_scribseg.core.conventions import CONVENTIONS
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.schedule import default_jobs
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, tame

_DEVICES = ("auto", "cpu", "cuda", "mps")
_AS_THE_LAYOUT = "as the layout says"
_MOST_THREADS = 1024
_NO_FRAME = -1
_LAST_FRAME = 2**31 - 1


class MoreOptions(QWidget):
    """Edits the fields of a `Recipe` that few people change, and the number of trials at once.

    Args:
        fold_seed: the editor of the seed of the folds, which belongs here, too.
    """

    value_changed = Signal()

    def __init__(self, fold_seed: QWidget) -> None:
        super().__init__()
        self.title, self.seeds, self.shares = QLineEdit(), QLineEdit("0"), QLineEdit("1")
        self.locked, self.patients, self.part = QLineEdit(), QLineEdit(), QLineEdit("all")
        self.shares_of, self.clock, self.device = QComboBox(), QComboBox(), QComboBox()
        self.convention, self.reference_convention = QComboBox(), QComboBox()
        self.frame, self.sequences = QSpinBox(), QLineEdit()
        self.patient_pattern, self.patient_table = QLineEdit(), QLineEdit()
        self.strokes_of = QLineEdit()
        self.threads, self.jobs = QSpinBox(), QSpinBox()
        self.shares_of.addItems(["patients", "strokes"])
        self.clock.addItems(["wall", "cpu"])
        self.device.addItems(_DEVICES)
        self.device.setEditable(True)
        for box in (self.convention, self.reference_convention):
            box.addItems([_AS_THE_LAYOUT, *CONVENTIONS])
        self.frame.setRange(_NO_FRAME, _LAST_FRAME)
        self.frame.setSpecialValueText("none")
        self.threads.setRange(1, _MOST_THREADS)
        self.jobs.setRange(0, _MOST_THREADS)
        self.jobs.setSpecialValueText("as many as fit")
        self.locked.setPlaceholderText("none")
        for edit in (self.patients, self.sequences):
            edit.setPlaceholderText("all")
        self.title.setPlaceholderText("none")
        for edit in (self.patient_pattern, self.patient_table):
            edit.setPlaceholderText("as the dataset says")
        self.strokes_of.setPlaceholderText("as the project says")
        form = QFormLayout(self)
        form.setContentsMargins(12, 0, 0, 0)
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, widget, tip in self._fields(fold_seed):
            tame(widget)
            if isinstance(widget, QComboBox):
                widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            widget.setToolTip(f"<p>{tip}</p>")
            form.addRow(name, widget)
        self._connect()

    def _fields(self, fold_seed: QWidget) -> tuple[tuple[str, QWidget, str], ...]:
        """Title, editor and tooltip of every field."""
        return (
            ("Title", self.title, "What the experiment is called in its report"),
            ("Random seeds", self.seeds, "Every trial is trained once with each: 0, 1, 2"),
            ("Fold seed", fold_seed, "Which patients are in which fold"),
            ("Shares", self.shares, "Learning curve: 0.25, 0.5, 1 of the annotation"),
            ("Shares of", self.shares_of, "Scribbled patients, or the strokes of every patient"),
            ("Locked", self.locked, "Patients kept for the end: names, maag, or split:NAME"),
            ("Patients", self.patients, "Only these take part: names with commas between"),
            (
                "Patient pattern",
                self.patient_pattern,
                r"A regular expression that finds the patient in the name of every case: "
                r"^(patient\d+); (.*) = every case is another patient",
            ),
            (
                "Patient table",
                self.patient_table,
                "Or a CSV file with the columns case and patient",
            ),
            ("Part", self.part, "Split of the dataset that takes part; all = everything"),
            (
                "Strokes of",
                self.strokes_of,
                "Learn from the strokes of this annotator of a project, or from the consensus",
            ),
            ("Scribbles are", self.convention, "How the scribble files are written"),
            ("References are", self.reference_convention, "How the reference files are written"),
            ("Frame", self.frame, "Which frame of files that are a time series, from 0"),
            ("Sequences", self.sequences, "What the networks see of every case: T2, ADC"),
            (
                "Minutes count",
                self.clock,
                "wall: time that passes; cpu: processor time, fair on a busy machine",
            ),
            ("Device", self.device, "auto, cpu, cuda, cuda:1 or mps"),
            ("Threads", self.threads, "CPU threads of every trial; decides the last digits"),
            (
                "Trials at once",
                self.jobs,
                f"As many as fit: {default_jobs(1)} with one thread each",
            ),
        )

    def value(self) -> dict[str, Any]:
        """Fields of a recipe, as JSON values.

        Raises:
            InvalidInput: a number can't be read.
        """
        return {
            "title": self.title.text().strip(),
            "random_seeds": _numbers(self.seeds, "random seeds", int),
            "shares": _numbers(self.shares, "shares", float),
            "shares_of": self.shares_of.currentText(),
            "locked": _words(self.locked),
            "patients": _words(self.patients),
            "patient_pattern": self.patient_pattern.text() or None,
            "patient_table": _path(self.patient_table),
            "part": self.part.text().strip() or "all",
            "strokes_of": self.strokes_of.text().strip() or None,
            "convention": _convention(self.convention),
            "reference_convention": _convention(self.reference_convention),
            "frame": None if self.frame.value() == _NO_FRAME else self.frame.value(),
            "sequences": _words(self.sequences),
            "clock": self.clock.currentText(),
            "device": self.device.currentText().strip(),
            "threads": self.threads.value(),
        }

    @property
    def trials_at_once(self) -> int | None:
        """How many trials are computed at once; None = as many as fit."""
        return self.jobs.value() or None

    def set_value(self, recipe: Recipe) -> None:
        """Show the fields of a recipe."""
        self.title.setText(recipe.title)
        self.seeds.setText(", ".join(map(str, recipe.random_seeds)))
        self.shares.setText(", ".join(f"{share!r}".removesuffix(".0") for share in recipe.shares))
        self.shares_of.setCurrentText(recipe.shares_of)
        self.locked.setText(", ".join(recipe.locked))
        self.patients.setText(", ".join(recipe.patients))
        self.patient_pattern.setText(recipe.patient_pattern or "")
        self.patient_table.setText(recipe.patient_table or "")
        self.part.setText(recipe.part)
        self.strokes_of.setText(recipe.strokes_of or "")
        _show_convention(self.convention, recipe.convention)
        _show_convention(self.reference_convention, recipe.reference_convention)
        self.frame.setValue(_NO_FRAME if recipe.frame is None else recipe.frame)
        self.sequences.setText(", ".join(recipe.sequences))
        self.clock.setCurrentText(recipe.clock)
        self.device.setEditText(recipe.device)
        self.threads.setValue(recipe.threads)

    def _connect(self) -> None:
        words = (self.title, self.seeds, self.shares, self.locked, self.patients, self.part)
        more = (self.patient_pattern, self.patient_table, self.strokes_of, self.sequences)
        for edit in (*words, *more):
            edit.textChanged.connect(self.value_changed)
        conventions = (self.convention, self.reference_convention)
        for box in (self.shares_of, self.clock, self.device, *conventions):
            box.currentTextChanged.connect(self.value_changed)
        for spin in (self.threads, self.jobs, self.frame):
            spin.valueChanged.connect(self.value_changed)


def _convention(box: QComboBox) -> str | None:
    chosen = box.currentText()
    return None if chosen == _AS_THE_LAYOUT else chosen


def _show_convention(box: QComboBox, name: str | None) -> None:
    text = name or _AS_THE_LAYOUT
    if box.findText(text) < 0:
        box.addItem(text)  # the check says which ones there are
    box.setCurrentText(text)


def _path(edit: QLineEdit) -> str | None:
    text = edit.text().strip()
    return str(Path(text).expanduser().absolute()) if text else None


def _words(edit: QLineEdit) -> list[str]:
    return [word.strip() for word in edit.text().split(",") if word.strip()]


def _numbers(edit: QLineEdit, what: str, kind: type[float]) -> list[float]:
    words = _words(edit)
    try:
        return [kind(word) for word in words]
    except ValueError as error:
        raise InvalidInput(
            f"The {what} can't be read: got {edit.text()!r}, expected numbers with commas between."
        ) from error
