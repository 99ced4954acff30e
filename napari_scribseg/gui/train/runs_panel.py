"""The runs of the project: their list, and the card of the chosen one with curves and preview."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

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

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.train.preview_dice import mean_scores
from napari_scribseg.gui.train.run_cards import Action, RunCard
from napari_scribseg.gui.widgets.line_plot import Line, LinePlot
from napari_scribseg.gui.widgets.style import (
    GAP,
    LEVEL_COLORS,
    Panel,
    button,
    note_label,
    quiet,
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
_BACKGROUND, _GREY = "background", "#858b94"
_TREND_LEVELS = {"better": "good", "worse": "warning"}
"""Only a score on something that was not learnt is worth a colour."""
_ROWS = 4
_ROWS_BESIDE_A_TRAINING = 1
_ON_THE_CARD: Final = frozenset({"pause", "go on", "finish", "abort"})
"""What the card of the training does for the run that is trained."""


class RunsPanel(Panel):
    """Lists runs; shows and works the chosen one."""

    chosen = Signal(object)
    """The folder of the run that the user chose."""
    asked = Signal(str, object)
    """An Action, and the folder of the run."""
    delete_asked = Signal(object)
    """The folders of the runs that shall be deleted."""
    preview_asked = Signal(int)
    """The step whose preview shall be shown."""
    preview_shown = Signal(bool)
    """Whether previews shall be shown at all."""

    def __init__(self) -> None:
        super().__init__("Runs", page="guide/train.md#runs")
        self._cards: tuple[RunCard, ...] = ()
        self._steps: tuple[int, ...] = ()
        self._preview_scores: Mapping[int, Mapping[str, float | None]] = {}
        self._history: History | None = None
        self._trained: Path | None = None
        self.empty = note_label("No run yet. Every training appears here, and stays.")
        self.list = QListWidget()
        self.list.setAccessibleName("Runs")
        self.list.setToolTip(
            "The runs of the project, newest first; the chosen one predicts. Shift and Ctrl select "
            "several, to delete them."
        )
        self.list.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.currentRowChanged.connect(self._row_changed)
        self.list.itemSelectionChanged.connect(self._show_actions)
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
        for widget in (self.trend, self._preview_row, self.losses, self.scores):
            self.body.addWidget(widget)
        self.show_cards((), None)
        self.show_history(None, {})
        self.show_previews((), {})

    def show_cards(
        self, cards: Sequence[RunCard], chosen: Path | None, trained: Path | None = None
    ) -> None:
        """Show these runs, one of them chosen; what is selected besides stays so.

        Args:
            cards: newest first.
            chosen: the one that is looked at.
            trained: the one whose training has a card of its own.
        """
        selected = set(self.selected())
        self._cards, self._trained = tuple(cards), trained
        self.list.blockSignals(True)
        self.list.clear()
        for card in cards:
            item = QListWidgetItem(f"{card.title}\n      {card.status_text}")
            item.setIcon(swatch(_STATE_COLORS.get(card.state, "#858b94"), 10))
            item.setToolTip(f"{card.status_text}\n{card.message or card.folder.name}")
            self.list.addItem(item)
        folders = [card.folder for card in cards]
        self.list.setCurrentRow(folders.index(chosen) if chosen in folders else -1)
        for row, folder in enumerate(folders):
            item = self.list.item(row)
            if item is not None and folder in selected and len(selected) > 1:
                item.setSelected(True)
        self.list.blockSignals(False)
        self.empty.setVisible(not cards)
        self.list.setVisible(bool(cards))
        height = self.list.sizeHintForRow(0) if cards else 0
        rows = _ROWS if trained is None else _ROWS_BESIDE_A_TRAINING
        self.list.setFixedHeight(min(len(cards), rows) * max(height, 20) + 6)
        self._show_actions()

    def show_history(self, history: History | None, colors: dict[str, str]) -> None:
        """Show curves and trend; `colors` are those of the classes by name."""
        self._history = history
        losses = [] if history is None else history.losses
        validations = [] if history is None else history.validations
        self.losses.setVisible(bool(losses))
        self._colors, self._validated = colors, bool(validations)
        self.scores.setVisible(self._validated or (bool(losses) and bool(self._preview_scores)))
        self.trend.setVisible(bool(losses))
        if history is None or not losses:
            return
        terms = list(dict.fromkeys(name for point in losses for name in point.terms))
        lines = [Line("total loss", "#4f9cff", [(p.step, p.loss) for p in losses], bold=True)]
        if len(terms) > 1:
            lines += [
                Line(
                    term_title(name),
                    _PALETTE[i % len(_PALETTE)],
                    [(p.step, p.terms[name]) for p in losses if name in p.terms],
                )
                for i, name in enumerate(terms)
            ]
        self.losses.set_lines(lines)
        if validations:
            measure = "Dice" if validations[-1].measure == "dice" else "agreement"
            self._show_scores(f"held-out {measure}", {v.step: v.scores for v in validations})
        self._show_trend()

    def _show_trend(self) -> None:
        """Say how the shown run stands."""
        if self._history is None:
            return
        card = self._current()
        training = TrainConfig() if card is None else card.training
        enough = training.steps if card is None else card.usual_steps
        scores, fewest = mean_scores(self._preview_scores), training.fewest_steps(enough)
        trend = trend_of(self._history, scores, enough, fewest)
        color = LEVEL_COLORS[_TREND_LEVELS.get(trend.verdict, "info")]
        self.trend.setStyleSheet(f"color: {color};" if color else quiet())
        self.trend.setText(trend.sentence)

    def _show_scores(
        self, mean_name: str, scores: Mapping[int, Mapping[str, float | None]]
    ) -> None:
        """Draw scores by step and class, and their mean in bold."""
        names = list(dict.fromkeys(name for one in scores.values() for name in one))
        lines = [
            Line(
                name,
                self._colors.get(name, _GREY if name == _BACKGROUND else _PALETTE[i % 6]),
                [(step, s) for step, one in scores.items() if (s := one.get(name)) is not None],
            )
            for i, name in enumerate(names)
        ]
        mean = list(mean_scores(scores).items())
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
        self._show_trend()
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

    def show_budget(self, words: str) -> None:
        """Say for how long "Train more" would train."""
        self._buttons["more"].setText(f"Train more ({words})")

    def selected(self) -> list[Path]:
        """The folders of the selected runs."""
        return [
            card.folder
            for row, card in enumerate(self._cards)
            if (item := self.list.item(row)) is not None and item.isSelected()
        ]

    def offered(self) -> list[Action]:
        """What the buttons offer now."""
        return [action for action, made in self._buttons.items() if not made.isHidden()]

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
        card, several = self._current(), len(self.selected())
        actions: Collection[Action] = card.actions if card else ()
        if several > 1:
            actions = ("delete",)
        elif card is not None and card.folder == self._trained:
            actions = [action for action in actions if action not in _ON_THE_CARD]
        for action, made in self._buttons.items():
            made.setVisible(action in actions)
        self._buttons["delete"].setText(f"Delete {several} …" if several > 1 else "Delete …")
        self.status.setText(card.message if card else "")
        self.status.setVisible(bool(card and card.message))

    def _ask(self, action: Action, _checked: bool = False) -> None:
        card = self._current()
        if action == "delete":
            self.delete_asked.emit(self.selected())
        elif card is not None:
            self.asked.emit(action, card.folder)


def term_title(name: str) -> str:
    """What a term of the loss is called: never so that it could be taken for the Dice itself."""
    words = name.replace("_", " ").replace("dice", "Dice")
    return words if words.endswith("loss") or "Dice" not in words else f"{words} loss"
