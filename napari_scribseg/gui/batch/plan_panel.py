"""What is compared, on which data, and where the results go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
)

from napari_scribseg.core.config import explain
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.gui.batch.method_rows import MethodRows
from napari_scribseg.gui.batch.more_options import MoreOptions
from napari_scribseg.gui.batch.plan import BatchPlan, proposed_folder
from napari_scribseg.gui.batch.screen import BatchScreen, Phase
from napari_scribseg.gui.batch.split_edit import SplitEdit
from napari_scribseg.gui.catalogue import MethodEntry
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.editors import PlainSpinBox
from napari_scribseg.gui.widgets.style import GAP, SECONDARY, Fold, Panel, button, note_label, tame

_PRESET, _MINUTES, _STEPS = "as the preset says", "minutes", "steps"
_MOST = 10_000_000
_MINUTE_DECIMALS = 6
_FILE = (
    ("experiment", "&Open experiment …", "Show an experiment that is there, and continue it"),
    ("open", "Open &recipe …", "Fill the form from a recipe file"),
    ("save", "&Save recipe …", "Write the plan as a file that the command line repeats"),
)


class BatchPlanPanel(Panel):
    """Edits a `BatchPlan`."""

    value_changed = Signal()
    check_asked = Signal()
    run_asked = Signal()
    dataset_asked = Signal()
    """The folder of the dataset shall be chosen."""
    sample_asked = Signal()
    out_asked = Signal()
    """The folder of the experiment shall be chosen."""
    file_asked = Signal(str)
    """ "experiment", "open" or "save"."""

    def __init__(self) -> None:
        self._file = QPushButton("File")
        self._file.setStyleSheet(SECONDARY)
        super().__init__("Plan", self._file, page="guide/batch.md#plan")
        self._add_menu()
        self.dataset, self.out = QLineEdit(), QLineEdit()
        self._proposed = ""
        self.methods, self.split = MethodRows(), SplitEdit()
        self.budget, self.amount = QComboBox(), PlainSpinBox(0)
        self.more = MoreOptions(self.split.seed)
        self._loading = note_label("Loading the methods …")
        self._lay_out()
        self._add_buttons()
        self.dataset.textChanged.connect(self._edited)
        self.out.textChanged.connect(self.value_changed)
        for part in (self.methods, self.split, self.more):
            part.value_changed.connect(self._edited)
        self.budget.currentTextChanged.connect(self._budget_changed)
        self.amount.valueChanged.connect(self._edited)

    def set_methods(self, entries: Sequence[MethodEntry]) -> None:
        """Offer these methods."""
        self._loading.setVisible(False)
        self.methods.set_methods(entries)

    def value(self) -> BatchPlan:
        """The plan.

        Raises:
            InvalidInput: something is missing or wrong; the message says what.
        """
        budget = self.budget.currentText()
        methods = self.methods.value(has_budget=budget != _PRESET)
        if not self.dataset.text().strip():
            raise InvalidInput("Choose the folder of a dataset, or press Sample.")
        if not self.out.text().strip():
            raise InvalidInput("Choose a folder for the results.")
        if not methods:
            raise InvalidInput("Add a method.")
        values: dict[str, Any] = {
            **self.more.value(),
            "dataset": str(Path(self.dataset.text().strip()).expanduser().absolute()),
            "methods": methods,
            "split": self.split.value(),
            "minutes": self.amount.value() if budget == _MINUTES else None,
            "steps": int(self.amount.value()) if budget == _STEPS else None,
        }
        try:
            recipe = Recipe.model_validate(values)
        except ValidationError as error:
            raise InvalidInput(explain(error, Recipe)) from error
        out = Path(self.out.text().strip()).expanduser().absolute()
        return BatchPlan(recipe, out, self.more.trials_at_once)

    def set_value(self, recipe: Recipe, out: Path | None) -> None:
        """Show a recipe, and the folder of its experiment if that is given.

        Raises:
            InvalidInput: a method or preset is unknown here; the rest is shown.
        """
        if out is not None:
            self._proposed = ""
            self.out.setText(str(out))
        self.dataset.setText(recipe.dataset)
        self.split.set_value(recipe.split)
        self.more.set_value(recipe)
        amount = recipe.minutes or recipe.steps
        kind = _MINUTES if recipe.minutes else _STEPS if recipe.steps else _PRESET
        self.budget.setCurrentText(kind)
        if amount is not None:
            self.amount.setValue(amount)
        self.methods.set_value(recipe.methods)

    def show_screen(self, screen: BatchScreen) -> None:
        """Show which buttons work."""
        for made, why, tip in (
            (
                self._check,
                screen.why_not_check,
                "Read every case and tell what is wrong; nothing is started",
            ),
            (self._run, screen.why_not_run, "Compute all trials in the background"),
        ):
            made.setEnabled(why is None)
            made.setToolTip(why or tip)
        wanted = screen.why_not_check if screen.phase is Phase.IDLE else None
        self._wanted.setText(wanted or "")
        self._wanted.setVisible(bool(wanted) and bool(self.methods.rows))

    def _lay_out(self) -> None:
        browse = button("…", "Choose the folder of a dataset: images, scribbles and references")
        browse.clicked.connect(self.dataset_asked)
        sample = button("Sample", "Take the synthetic hearts that come with the plugin")
        sample.clicked.connect(self.sample_asked)
        place = button("…", "Choose the folder of the results; it is made if needed")
        place.clicked.connect(self.out_asked)
        self.dataset.setPlaceholderText("folder of a dataset")
        self.out.setPlaceholderText("folder of the results")
        self.budget.addItems([_PRESET, _MINUTES, _STEPS])
        self.budget.setToolTip("How long every trial is trained; the same for all methods")
        self.amount.setFixedWidth(80)
        for widget in (self.budget, self.amount):
            tame(widget)
        self.amount.setFixedWidth(80)
        self.budget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._budget_changed(_PRESET)
        methods = QVBoxLayout()
        methods.addWidget(self._loading)
        methods.addWidget(self.methods)
        form = QFormLayout()
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(GAP)
        form.addRow("Dataset", _row(self.dataset, browse, sample))
        form.addRow(QLabel("Methods"))
        form.addRow(methods)
        form.addRow("Split", self.split)
        form.addRow("Budget", _row(self.budget, self.amount))
        form.addRow("Results", _row(self.out, place))
        self.body.addLayout(form)
        self.body.addWidget(Fold("More options", self.more))

    def _add_buttons(self) -> None:
        self._check = button("Check", primary=True)
        self._run = button("Run")
        self._check.clicked.connect(self.check_asked)
        self._run.clicked.connect(self.run_asked)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for made in (self._check, self._run):
            made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            row.addWidget(made, 1)
        self._wanted = note_label()
        self.body.addLayout(row)
        self.body.addWidget(self._wanted)

    def _add_menu(self) -> None:
        menu = QMenu(self._file)
        menu.setToolTipsVisible(True)
        for what, text, tip in _FILE:
            action = QAction(text, menu)
            action.setToolTip(tip)
            action.triggered.connect(partial(self._ask_for_file, what))
            menu.addAction(action)
        self._file.setMenu(menu)

    def _ask_for_file(self, what: str, *_checked: bool) -> None:
        self.file_asked.emit(what)

    def _edited(self, _news: object = None) -> None:
        """Propose a folder that does not exist yet, unless the user has chosen one."""
        text, out = self.dataset.text().strip(), self.out.text().strip()
        if text and out in ("", self._proposed):
            self._proposed = str(proposed_folder(Path(text)))
            self.out.setText(self._proposed)
        for edit in (self.dataset, self.out):
            edit.setToolTip(edit.text())
        self.value_changed.emit()

    def _budget_changed(self, kind: str) -> None:
        self.amount.setVisible(kind != _PRESET)
        self.amount.setDecimals(_MINUTE_DECIMALS if kind == _MINUTES else 0)
        self.amount.setRange(10.0**-_MINUTE_DECIMALS if kind == _MINUTES else 1, _MOST)
        self.amount.setValue(10 if kind == _MINUTES else 400)
        self._edited()


def _row(first: QLineEdit | QComboBox, *others: QPushButton | PlainSpinBox) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(GAP)
    first.setMinimumWidth(60)
    row.addWidget(first, 1)
    for other in others:
        row.addWidget(other)
    return row
