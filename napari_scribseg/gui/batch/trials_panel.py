"""The trials of an experiment: how each one is, how far all are, stop and continue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from qtpy.QtWidgets import QHBoxLayout, QProgressBar

from napari_scribseg.gui.batch.screen import BatchScreen, Phase
from napari_scribseg.gui.batch.trials import CardState, TrialCard
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, LEVEL_COLORS, Panel, button, note_label
from napari_scribseg.gui.widgets.table import Field, SortedTable

_COLUMNS: Final = (
    ("Method", "The method's name in this experiment"),
    ("Fold", "Which patients are tested"),
    ("Seed", "Random seed of the training"),
    ("Share %", "Share of the annotation that is learnt from"),
    ("State", "How the trial is now"),
    ("Dice", "Mean of its test cases and structures"),
    ("Budget", "How long it is trained"),
    ("Train", "What it learns from"),
    ("Test", "What it is tested on"),
)
_SEED, _SHARE = 2, 3
_COLORS: Final[dict[CardState, str]] = {
    "preparing": "#4f9cff",
    "running": "#4f9cff",
    "scoring": "#4f9cff",
    "finished": LEVEL_COLORS["good"],
    "failed": LEVEL_COLORS["error"],
    "interrupted": LEVEL_COLORS["warning"],
    "outdated": LEVEL_COLORS["warning"],
}
_ORDER: Final[tuple[CardState, ...]] = (
    *("failed", "running", "scoring", "preparing", "interrupted", "outdated", "waiting"),
    "finished",
)
"""Of the column State: first what asks for attention."""
_PARTS: Final = 1000


class BatchTrialsPanel(Panel):
    """Shows trials; hidden as long as there are none."""

    stop_asked = Signal()
    continue_asked = Signal()
    repeat_asked = Signal()
    run_asked = Signal(str)
    """The run of the trial of this name shall be shown in the main dock."""

    def __init__(self) -> None:
        super().__init__("Trials", page="guide/batch.md#while-it-runs")
        self._cards: dict[str, TrialCard] = {}
        self.table = SortedTable(_COLUMNS)
        self.table.setAccessibleName("Trials")
        self.table.setToolTip("A trial is one method on one fold; double-click opens its run")
        self.table.chosen.connect(self._show_chosen)
        self.table.opened.connect(self._ask_for)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.text, self.reason = note_label(), note_label()
        self.reason.setStyleSheet(f"color: {LEVEL_COLORS['error']};")
        self.stop = button("Stop", "Save what runs and stop; Continue goes on later")
        self.go_on = button("Continue", "Compute what is not finished")
        self.repeat = button("Repeat failed", "Compute the failed trials again")
        self.open_run = button("Open run", "Show the training of this trial in the main dock")
        self.stop.clicked.connect(self.stop_asked)
        self.go_on.clicked.connect(self.continue_asked)
        self.repeat.clicked.connect(self.repeat_asked)
        self.open_run.clicked.connect(lambda: self._ask_for(self.table.chosen_key() or ""))
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for made in (self.stop, self.go_on, self.repeat, self.open_run):
            row.addWidget(made)
        row.addStretch()
        for widget in (self.bar, self.text):
            self.body.addWidget(widget)
        self.body.addLayout(row)
        self.body.addWidget(self.table)
        self.body.addWidget(self.reason)
        self.set_cards(())
        self.show_screen(BatchScreen())

    def set_cards(self, cards: Sequence[TrialCard]) -> None:
        """Show these trials."""
        self._cards = {card.name: card for card in cards}
        self.table.set_rows({card.name: _fields(card) for card in cards})
        self.table.setVisible(bool(cards))
        self.table.setColumnHidden(_SEED, len({card.random_seed for card in cards}) < 2)
        self.table.setColumnHidden(_SHARE, len({card.share for card in cards}) < 2)
        self._show_chosen(self.table.chosen_key() or "")

    def show_screen(self, screen: BatchScreen) -> None:
        """Show how far it is, and which buttons work."""
        busy = screen.phase is not Phase.IDLE
        self.setVisible(busy or bool(self._cards))
        self.bar.setVisible(busy)
        if screen.share is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _PARTS)
            self.bar.setValue(round(screen.share * _PARTS))
        self.text.setText(screen.progress_text)
        self.text.setVisible(bool(screen.progress_text))
        self.stop.setVisible(busy)
        self.stop.setEnabled(screen.can_stop)
        self.go_on.setVisible(screen.can_continue)
        self.repeat.setVisible(screen.can_repeat)
        self.open_run.setVisible(screen.folder is not None and bool(self._cards))

    def _show_chosen(self, name: str) -> None:
        card = self._cards.get(name)
        self.open_run.setEnabled(card is not None and card.state != "waiting")
        self.reason.setText(card.reason if card is not None else "")
        self.reason.setVisible(bool(self.reason.text()))

    def _ask_for(self, name: str) -> None:
        card = self._cards.get(name)
        if card is not None and card.state != "waiting":
            self.run_asked.emit(name)


def _fields(card: TrialCard) -> tuple[Field, ...]:
    unknown = math.isnan(card.dice)
    return (
        Field(card.label, card.label),
        Field(card.fold, card.fold),
        Field(str(card.random_seed), card.random_seed),
        Field(f"{card.share:g}", card.share),
        Field(
            card.state_text,
            f"{_ORDER.index(card.state)} {card.progress:.3f}",
            _COLORS.get(card.state, ""),
            card.reason,
        ),
        Field("" if unknown else f"{card.dice:.3f}", -1.0 if unknown else card.dice),
        Field(card.budget, card.budget),
        Field(card.train, card.train),
        Field(card.test, card.test),
    )
