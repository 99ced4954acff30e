"""Start a training: the form of its settings, what they take, and the button that trains."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.train import budget
from napari_scribseg.gui.train.method_form import MethodForm
from napari_scribseg.gui.train.screen import Phase, TrainingScreen
from napari_scribseg.gui.values import Choice
from napari_scribseg.gui.widgets.style import GAP, LEVEL_COLORS, Panel, button, note_label

_ARROWS = {False: "Show the settings", True: "Hide the settings"}


class TrainingPanel(Panel):
    """The settings, folded while something is trained, and the buttons that train."""

    train_asked = Signal()
    several_asked = Signal()
    """Methods shall be chosen that are trained one after another."""
    command_asked = Signal()
    """The shown settings shall be copied as a command."""
    go_on_asked = Signal()
    """The runs that wait shall be trained."""
    clear_asked = Signal()
    """No run shall wait any more."""

    def __init__(self) -> None:
        self._unfold = QToolButton()
        self._unfold.setCheckable(True)
        self._unfold.setChecked(True)
        self._unfold.setText(_ARROWS[True])
        super().__init__("Training", self._unfold, page="guide/train.md#before")
        self._screen = TrainingScreen()
        self._usual = TrainConfig().steps
        self.form = MethodForm()
        # The button that trains is in sight however long the settings below it are.
        self._add_controls()
        self.body.addWidget(self.form)
        self._unfold.toggled.connect(self._fold)
        self.show_screen(self._screen)

    def value(self) -> Choice | None:
        """What is shown to train; None as long as the methods are loading.

        Raises:
            InvalidInput: a setting is out of its range.
        """
        return self.form.value()

    def change_training(self, **settings: Any) -> None:
        """Show these settings of the engine; the others stay as they are."""
        self.form.change_training(settings)

    def point_to_train(self) -> QWidget:
        """The button that trains, which the next key presses; the settings are shown."""
        self._unfold.setChecked(True)
        self._train.setFocus()
        return self._train

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show which buttons work, what the settings take, and what waits."""
        idle, was_idle = screen.phase is Phase.IDLE, self._screen.phase is Phase.IDLE
        self._screen = screen
        if was_idle and not idle:
            # And it stays so when the training has ended: nothing jumps under the mouse.
            self._unfold.setChecked(False)
            self._unfold.setVisible(True)
        self._train.setEnabled(screen.why_not_train is None)
        self._train.setToolTip(screen.why_not_train or "Train on the chosen layers (background)")
        self._several.setEnabled(screen.why_not_train is None)
        self._set(self._wanted, screen.why_not_train if idle else None)
        self._set(self._warnings, "\n".join(screen.warnings))
        self._set(self._estimate, screen.estimate if self._unfold.isChecked() else None)
        self._show_queue(screen)

    def show_budgets(self, usual: int) -> None:
        """Offer the two budgets that need no thought.

        Args:
            usual: steps that the chosen method wants.
        """
        self._usual = usual
        self._whole.setText(f"Set all {usual} steps")

    def _fold(self, is_open: bool) -> None:
        self._unfold.setText(_ARROWS[is_open])
        self.form.setVisible(is_open)
        self._budgets.setVisible(is_open)
        self._set(self._estimate, self._screen.estimate if is_open else None)

    def _show_queue(self, screen: TrainingScreen) -> None:
        self._queue.setVisible(screen.waiting > 0)
        runs = f"{screen.waiting} run{'s' if screen.waiting != 1 else ''}"
        going = screen.queue_on and screen.phase is not Phase.IDLE
        wait = "waits" if screen.waiting == 1 else "wait"
        self._waiting.setText(f"Then {runs} more." if going else f"{runs} {wait}, never trained.")
        self._go_on.setVisible(screen.phase is Phase.IDLE)

    def _set(self, label: Any, text: str | None) -> None:
        label.setText(text or "")
        label.setVisible(bool(text))

    def _add_controls(self) -> None:
        self._train = button("Train", primary=True)
        self._train.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._train.clicked.connect(self.train_asked)
        self._several = button(
            "Several …", "Choose methods that are trained one after another with this budget"
        )
        self._several.clicked.connect(self.several_asked)
        copy = button("Copy as command", "The same training as a command for a terminal")
        copy.clicked.connect(self.command_asked)
        self._buttons = _row(self._train, self._several, copy)
        minutes = f"Set {budget.SOON_MINUTES:g} minutes"
        soon = button(minutes, "A first look: fill in a training of about two minutes")
        soon.clicked.connect(lambda: self.form.change_training(budget.soon_budget()))
        self._whole = button("All steps", "Fill in as many steps as the method wants")
        self._whole.clicked.connect(
            lambda: self.form.change_training(budget.whole_budget(self._usual))
        )
        self._budgets = _row(soon, self._whole)
        self._wanted, self._warnings, self._estimate = note_label(), note_label(), note_label()
        self._warnings.setStyleSheet(f"color: {LEVEL_COLORS['warning']};")
        self._waiting = note_label()
        self._go_on = button("Go on", "Train them now, one after another")
        self._go_on.clicked.connect(self.go_on_asked)
        clear = button("Clear", "Remove them; none was ever trained")
        clear.clicked.connect(self.clear_asked)
        self._queue = _row(self._waiting, self._go_on, clear)
        for widget in (
            self._buttons,
            self._wanted,
            self._queue,
            self._warnings,
            self._budgets,
            self._estimate,
        ):
            self.body.addWidget(widget)


def _row(*widgets: QWidget) -> QWidget:
    """Widgets side by side, the first as wide as there is room."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    for i, widget in enumerate(widgets):
        layout.addWidget(widget, int(i == 0))
    return row
