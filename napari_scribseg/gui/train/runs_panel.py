"""The runs of the project: their list, and the card of the chosen one with curves and preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QWidget,
)

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.train.run_cards import Action, RunCard
from napari_scribseg.gui.widgets.line_plot import Line, LinePlot
from napari_scribseg.gui.widgets.style import (
    GAP,
    LEVEL_COLORS,
    QUIET,
    Panel,
    button,
    note_label,
    swatch,
)
from napari_scribseg.runs.history import History, trend_of

_STATE_COLORS = {
    "running": "#4f9cff",
    "paused": "#c98f06",
    "completed": "#2fa26f",
    "failed": "#ea5c50",
    "crashed": "#ea5c50",
}
_BUTTONS: dict[Action, tuple[str, str]] = {
    "start": ("Start", "Train this run now"),
    "pause": ("Pause", "Halt after this step; the memory stays in use"),
    "go on": ("Continue", "Go on training"),
    "finish": ("Finish now", "End as if the budget were used up, and predict"),
    "abort": ("Abort", "Stop now; what was saved can predict and be resumed"),
    "resume": ("Resume", "Continue where it was interrupted"),
    "more": ("Train more", "A new run that starts from these weights with today's strokes"),
    "log": ("Open log", "Show what the training process printed"),
    "delete": ("Delete …", "Remove the run with its weights and predictions"),
}
_PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#f0e442")
_TREND_LEVELS = {"improving": "good", "flat": "warning", "worse": "warning", "early": ""}
_ROWS = 4


class RunsPanel(Panel):
    """Lists runs; shows and works the chosen one."""

    chosen = Signal(object)
    """The folder of the run that the user chose."""
    asked = Signal(str, object)
    """An Action, and the folder of the run."""
    preview_asked = Signal(int)
    """The step whose preview shall be shown."""
    preview_shown = Signal(bool)
    """Whether previews shall be shown at all."""

    def __init__(self) -> None:
        super().__init__("Runs")
        self._cards: tuple[RunCard, ...] = ()
        self._steps: tuple[int, ...] = ()
        self._preview_scores: Mapping[int, Mapping[str, float | None]] = {}
        self.empty = note_label("No run yet. Every training appears here, and stays.")
        self.list = QListWidget()
        self.list.setAccessibleName("Runs")
        self.list.setToolTip("The runs of the project, newest first; the chosen one predicts")
        self.list.currentRowChanged.connect(self._row_changed)
        self.status = note_label()
        self._buttons: dict[Action, QPushButton] = {a: button(*w) for a, w in _BUTTONS.items()}
        places = QHBoxLayout()
        places.setSpacing(GAP)
        for action, made in self._buttons.items():
            made.clicked.connect(partial(self._ask, action))
            places.addWidget(made)
        places.addStretch()
        self.trend = note_label()
        self.losses = LinePlot("The loss appears here.")
        self.scores = LinePlot("Scores appear here.", (0.0, 1.0))
        self._colors: dict[str, str] = {}
        self._validated = False
        self._add_preview()
        self.body.addWidget(self.empty)
        self.body.addWidget(self.list)
        self.body.addWidget(self.status)
        self.body.addLayout(places)
        for widget in (self.trend, self.losses, self.scores, self._preview_row):
            self.body.addWidget(widget)
        self.show_cards((), None)
        self.show_history(None, {})

    def show_cards(self, cards: Sequence[RunCard], chosen: Path | None) -> None:
        """Show these runs, one of them chosen."""
        self._cards = tuple(cards)
        self.list.blockSignals(True)
        self.list.clear()
        for card in cards:
            item = QListWidgetItem(f"{card.title}\n      {card.status_text}")
            item.setIcon(swatch(_STATE_COLORS.get(card.state, "#858b94"), 10))
            item.setToolTip(card.message or card.folder.name)
            self.list.addItem(item)
        folders = [card.folder for card in cards]
        self.list.setCurrentRow(folders.index(chosen) if chosen in folders else -1)
        self.list.blockSignals(False)
        self.empty.setVisible(not cards)
        self.list.setVisible(bool(cards))
        height = self.list.sizeHintForRow(0) if cards else 0
        self.list.setFixedHeight(min(len(cards), _ROWS) * max(height, 20) + 6)
        self._show_actions()

    def show_history(self, history: History | None, colors: dict[str, str]) -> None:
        """Show curves and trend; `colors` are those of the classes by name."""
        losses = [] if history is None else history.losses
        validations = [] if history is None else history.validations
        self.losses.setVisible(bool(losses))
        self._colors, self._validated = colors, bool(validations)
        self.scores.setVisible(self._validated or (bool(losses) and bool(self._preview_scores)))
        self.trend.setVisible(bool(losses))
        if history is None or not losses:
            return
        terms = list(dict.fromkeys(name for point in losses for name in point.terms))
        lines = [Line("total", "#4f9cff", [(p.step, p.loss) for p in losses], bold=True)]
        if len(terms) > 1:
            lines += [
                Line(
                    name.replace("_", " "),
                    _PALETTE[i % len(_PALETTE)],
                    [(p.step, p.terms[name]) for p in losses if name in p.terms],
                )
                for i, name in enumerate(terms)
            ]
        self.losses.set_lines(lines)
        if validations:
            measure = "Dice" if validations[-1].measure == "dice" else "agreement"
            self._show_scores(f"mean {measure}", {v.step: v.scores for v in validations})
        trend = trend_of(history)
        color = LEVEL_COLORS.get(_TREND_LEVELS[trend.verdict], "")
        self.trend.setStyleSheet(f"color: {color};" if color else QUIET)
        self.trend.setText(trend.sentence)

    def _show_scores(
        self, mean_name: str, scores: Mapping[int, Mapping[str, float | None]]
    ) -> None:
        """Draw scores by step and class, and their mean in bold."""
        names = list(dict.fromkeys(name for one in scores.values() for name in one))
        lines = [
            Line(
                name,
                self._colors.get(name, _PALETTE[i % len(_PALETTE)]),
                [(step, s) for step, one in scores.items() if (s := one.get(name)) is not None],
            )
            for i, name in enumerate(names)
        ]
        known = {step: [s for s in one.values() if s is not None] for step, one in scores.items()}
        mean = [(step, fmean(some)) for step, some in known.items() if some]
        self.scores.set_lines([Line(mean_name, "#4f9cff", mean, bold=True), *lines])

    def show_previews(
        self, steps: Sequence[int], scores: Mapping[int, Mapping[str, float | None]]
    ) -> None:
        """Offer the previews of these steps; the slider follows the newest unless moved back.

        Args:
            steps: ascending.
            scores: Dice of some of them by class, where the shown case has a reference; drawn
                unless the run validates on cases of its own.
        """
        self._preview_scores = scores
        if not self._validated:
            self.scores.setVisible(bool(scores))
            if scores:
                self._show_scores("Dice here", scores)
        at_end = self.slider.value() >= self.slider.maximum()
        shown = self._steps[self.slider.value()] if self._steps else None
        self._steps = tuple(steps)
        self._preview_row.setVisible(bool(steps))
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, len(steps) - 1))
        place = len(steps) - 1
        if not at_end and shown in self._steps:
            place = self._steps.index(shown)
        self.slider.setValue(max(0, place))
        self.slider.blockSignals(False)
        self._label_preview()

    @property
    def shows_previews(self) -> bool:
        """Whether previews shall be seen on the image."""
        return self._preview_on.isChecked()

    @property
    def preview_step(self) -> int | None:
        """The step that the slider stands at."""
        return self._steps[self.slider.value()] if self._steps else None

    def offered(self) -> list[Action]:
        """What the buttons offer now."""
        return [action for action, made in self._buttons.items() if not made.isHidden()]

    @property
    def foot(self) -> QWidget:
        """The lowest part of the card."""
        return self._preview_row if self._steps else self.losses

    def button(self, action: Action) -> QWidget:
        """The button of an action."""
        return self._buttons[action]

    def _add_preview(self) -> None:
        self._preview_row = QWidget()
        row = QHBoxLayout(self._preview_row)
        row.setContentsMargins(0, 0, 0, 0)
        self._preview_on = QCheckBox("Preview")
        self._preview_on.setChecked(True)
        self._preview_on.setToolTip("Show on the image what the training makes of it now")
        self._preview_on.toggled.connect(self.preview_shown)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Step of the preview")
        self.slider.setToolTip("Back through the training (arrow keys); the end follows it live")
        self.slider.valueChanged.connect(self._slid)
        self._preview_text = QLabel()
        self._preview_text.setMinimumWidth(70)
        row.addWidget(self._preview_on)
        row.addWidget(self.slider, 1)
        row.addWidget(self._preview_text)

    def _slid(self) -> None:
        self._label_preview()
        if self.preview_step is not None:
            self.preview_asked.emit(self.preview_step)

    def _label_preview(self) -> None:
        step = self.preview_step
        self._preview_text.setText("" if step is None else f"step {step}")

    def _current(self) -> RunCard | None:
        row = self.list.currentRow()
        return self._cards[row] if 0 <= row < len(self._cards) else None

    def _row_changed(self) -> None:
        self._show_actions()
        card = self._current()
        if card is not None:
            self.chosen.emit(card.folder)

    def _show_actions(self) -> None:
        card = self._current()
        actions = card.actions if card else ()
        for action, made in self._buttons.items():
            made.setVisible(action in actions)
        self.status.setText(card.message if card else "")
        self.status.setVisible(bool(card and card.message))

    def _ask(self, action: Action, _checked: bool = False) -> None:
        card = self._current()
        if card is not None:
            self.asked.emit(action, card.folder)
