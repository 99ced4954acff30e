"""Strokes that the computer proposes: interpolated, grown, simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from qtpy.QtCore import QSignalBlocker
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.annotation.simulate import STYLES
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.scribble.presenter import KeyAction
from napari_scribseg.gui.widgets.style import GAP, Fold, Panel, button, note_label, tame

_WORDS = {
    "skeleton": "Middle line",
    "interior": "Inside",
    "boundary": "Along the border",
    "interior+boundary": "Inside and border",
}


class StrokesPanel(Panel):
    """Asks for proposals, and what becomes of them.

    Args:
        keys: which key does what.
    """

    interpolate_asked = Signal()
    carry_here_asked = Signal()
    carry_asked = Signal(str)
    """The id of the case to carry strokes from."""
    automatic_switched = Signal(bool)
    simulate_asked = Signal(str, int)
    """Style, every how many slices."""
    accept_asked = Signal()
    drop_asked = Signal()

    def __init__(self, keys: Mapping[KeyAction, str]) -> None:
        super().__init__("Help with strokes", page="guide/scribble.md#help-with-strokes")
        self._interpolate_tip = (
            f"Propose strokes on the slices between scribbled ones (key {keys['interpolate']})"
        )
        self._interpolate = button("Interpolate slices", self._interpolate_tip)
        self._carry = button(
            "Carry over",
            "Propose strokes that were drawn elsewhere, where their anatomy lies here: those of "
            f"the nearest slice (key {keys['carry']}), of the other phase, of an earlier scan",
        )
        self._sources = QMenu(self._carry)
        self._sources.aboutToShow.connect(self._offer)
        self._carry.setMenu(self._sources)
        self.list_sources: Callable[[], Sequence[str]] = tuple
        """Gives the cases that strokes can be carried from, when the menu opens."""
        self._automatic = QCheckBox("Automatic mask")
        self._automatic.setToolTip(
            "Show while you draw what the strokes so far amount to, as an outline: solid where it "
            f"is sure, dashed where it is not (key {keys['grow']}). It is only shown, not drawn."
        )
        self._source = note_label("")
        self._source.hide()
        first = QHBoxLayout()
        first.setSpacing(GAP)
        first.addWidget(self._interpolate)
        first.addWidget(self._carry)
        first.addStretch()
        self._interpolate.clicked.connect(self.interpolate_asked)
        self._automatic.toggled.connect(self.automatic_switched)
        self.body.addLayout(first)
        self.body.addWidget(self._automatic)
        self.body.addWidget(self._source)
        self.body.addWidget(self._answer(keys))
        self.body.addWidget(Fold("Simulate from a reference", self._simulation()))
        self.set_state(None, None, has_proposal=False, busy=False)

    def set_state(
        self,
        why_not_interpolate: str | None,
        why_not_simulate: str | None,
        *,
        has_proposal: bool,
        busy: bool,
    ) -> None:
        """Show what can be asked now; a reason greys a button out and is its tooltip."""
        self._interpolate.setEnabled(why_not_interpolate is None and not busy)
        self._interpolate.setToolTip(why_not_interpolate or self._interpolate_tip)
        self._simulate.setEnabled(why_not_simulate is None and not busy)
        self._simulate.setToolTip(why_not_simulate or "Propose strokes that fit the reference")
        self._carry.setEnabled(not busy)
        self._bar.setVisible(has_proposal)

    def show_automatic(self, *, on: bool) -> None:
        """Show whether the automatic mask is on; nothing is emitted."""
        with QSignalBlocker(self._automatic):
            self._automatic.setChecked(on)

    def tell_source(self, sentence: str) -> None:
        """Show who made the automatic mask; "" = there is none."""
        self._source.setText(sentence)
        self._source.setVisible(bool(sentence))

    def _offer(self) -> None:
        """List what strokes can be carried from."""
        self._sources.clear()
        self._add_source("From the nearest drawn slice to this one", self.carry_here_asked.emit)
        self._sources.addSeparator()
        names = self.list_sources()
        for name in names:
            self._add_source(f"From {name}", partial(self.carry_asked.emit, name))
        if not names:
            self._add_source("No other case of this patient has strokes", None)

    def _add_source(self, text: str, ask: Callable[[], None] | None) -> None:
        action = QAction(text, self._sources)
        action.setEnabled(ask is not None)
        if ask is not None:
            action.triggered.connect(lambda: ask())  # noqa: PLW0108  not with Qt's `checked`
        self._sources.addAction(action)

    def _answer(self, keys: Mapping[KeyAction, str]) -> QWidget:
        self._bar = QWidget()
        row = QHBoxLayout(self._bar)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        accept = button(
            "Accept",
            f"Draw what is proposed, in one step that can be undone (key {keys['accept']})",
            primary=True,
        )
        drop = button("Drop", f"Take the proposal away (key {keys['drop']})")
        accept.clicked.connect(self.accept_asked)
        drop.clicked.connect(self.drop_asked)
        row.addWidget(QLabel("Proposed strokes:"))
        row.addStretch()
        row.addWidget(accept)
        row.addWidget(drop)
        return self._bar

    def _simulation(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        self._style = QComboBox()
        self._style.addItems([_WORDS[style] for style in STYLES])
        self._style.setCurrentIndex(STYLES.index("interior+boundary"))
        self._style.setToolTip("Where in each structure the strokes run")
        self._every = QSpinBox()
        self._every.setRange(1, 50)
        self._every.setPrefix("every ")
        self._every.setSuffix(". slice")
        self._every.setSpecialValueText("every slice")
        self._every.setToolTip("Draw on every n-th slice")
        self._simulate = button("Simulate")
        for one in (self._style, self._every):
            tame(one)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self._style, 1)
        row.addWidget(self._every)
        row.addWidget(self._simulate)
        column.addLayout(row)
        column.addWidget(
            note_label(
                "For trying methods out. The strokes know the reference: report results on them "
                "as simulated."
            )
        )
        self._simulate.clicked.connect(self._ask_to_simulate)
        return content

    def _ask_to_simulate(self) -> None:
        self.simulate_asked.emit(STYLES[self._style.currentIndex()], self._every.value())
