"""Which runs predict, what they predict, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.run_list import RunEntry
from napari_scribseg.gui.results.screen import ResultsScreen
from napari_scribseg.gui.widgets.style import GAP, Panel, button, note_label

_ROWS = 3
_ROW_HEIGHT = 24
_NO_RUNS = "No run of this project can predict yet: train one, or choose an earlier run."


class PredictPanel(Panel):
    """Ticks runs and asks them for predictions."""

    predict_asked = Signal(str)
    """A Scope."""
    stop_asked = Signal()
    ticked_changed = Signal(object)
    """Folders of the ticked runs, in the order of the list."""
    saved_asked = Signal()
    run_asked = Signal()
    model_asked = Signal()
    """A model file shall predict."""
    refresh_asked = Signal()
    probabilities_changed = Signal(bool)

    def __init__(self) -> None:
        more = QToolButton()
        more.setText("More")
        more.setToolTip("Runs of elsewhere, model files, saved predictions")
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more.setStyleSheet("QToolButton { padding-right: 16px; }")  # the arrow is not its text
        super().__init__("Predict", more, page="guide/results.md#predict")
        more.setMenu(self._menu())
        self._none = note_label(_NO_RUNS)
        self.runs = QListWidget()
        self.runs.setToolTip("Ticked runs predict; tick several to compare them")
        self.runs.setAccessibleName("Runs that predict")
        self.runs.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.runs.itemChanged.connect(self._ticked)
        self.predict = button("Predict volume", primary=True)
        self.predict.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.predict.clicked.connect(partial(self.predict_asked.emit, "volume"))
        self.slice = button("Slice", "Segment the shown slice only")
        self.slice.clicked.connect(partial(self.predict_asked.emit, "slice"))
        self.cases = button(
            "All cases", "Segment every case of the project; each shows it when it is opened"
        )
        self.cases.clicked.connect(partial(self.predict_asked.emit, "cases"))
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.predict, 1)
        row.addWidget(self.slice)
        row.addWidget(self.cases)
        self._going = self._progress()
        self.body.addWidget(self._none)
        self.body.addWidget(self.runs)
        self.body.addLayout(row)
        self.body.addWidget(self._going)
        self._listed: tuple[tuple[RunEntry, ...], tuple[Path, ...]] | None = None
        self.set_runs((), ())

    def set_runs(self, runs: Sequence[RunEntry], ticked: Sequence[Path]) -> None:
        """List these runs, some of them ticked; a list that is the same stays where it is."""
        if self._listed == (tuple(runs), tuple(ticked)):
            return
        self._listed = tuple(runs), tuple(ticked)
        bar = self.runs.verticalScrollBar()
        scrolled = 0 if bar is None else bar.value()
        self.runs.blockSignals(True)
        self.runs.clear()
        for entry in runs:
            item = QListWidgetItem(entry.label)
            item.setToolTip(f"{entry.label}\n{entry.about}")
            item.setData(Qt.ItemDataRole.UserRole, entry.folder)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            on = entry.folder in ticked
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            self.runs.addItem(item)
        self.runs.blockSignals(False)
        self.runs.setVisible(bool(runs))
        self._none.setVisible(not runs)
        self.runs.setFixedHeight(_ROW_HEIGHT * min(max(len(runs), 1), _ROWS) + 6)
        if bar is not None:
            bar.setValue(scrolled)

    def ticked(self) -> tuple[Path, ...]:
        """Folders of the ticked runs."""
        items = [self.runs.item(row) for row in range(self.runs.count())]
        return tuple(
            item.data(Qt.ItemDataRole.UserRole)
            for item in items
            if item is not None and item.checkState() == Qt.CheckState.Checked
        )

    def show_screen(self, screen: ResultsScreen) -> None:
        """Show whether prediction is possible, and how far it is."""
        hints: tuple[tuple[QPushButton, str], ...] = (
            (self.predict, "Segment the chosen image with the ticked runs (Ctrl+Return)"),
            (self.slice, "Segment the shown slice only"),
            (self.cases, "Segment every case of the project; each shows it when it is opened"),
        )
        for widget, hint in hints:
            widget.setEnabled(screen.why_not_predict is None)
            widget.setToolTip(screen.why_not_predict or hint)
        self._going.setVisible(screen.predicting)
        self._bar.setFormat(screen.progress)

    def _ticked(self, _item: QListWidgetItem) -> None:
        self._listed = None  # what the list shows is the user's now
        self.ticked_changed.emit(self.ticked())

    def _progress(self) -> QWidget:
        going = QWidget()
        row = QHBoxLayout(going)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(True)
        stop = button("Stop", "End the prediction; what is done stays")
        stop.clicked.connect(self.stop_asked)
        row.addWidget(self._bar, 1)
        row.addWidget(stop)
        going.setVisible(False)
        return going

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        for text, asked in (
            ("Show saved predictions of this case", self.saved_asked),
            ("Choose an earlier run elsewhere …", self.run_asked),
            ("Load a model file …", self.model_asked),
            ("Look for new runs", self.refresh_asked),
        ):
            action = QAction(text, menu)
            action.triggered.connect(asked)
            menu.addAction(action)
        menu.addSeparator()
        self.probabilities = QAction("Also bring the probability of every class", menu)
        self.probabilities.setToolTip("Hidden layers, one per class; more memory and files")
        self.probabilities.setCheckable(True)
        self.probabilities.toggled.connect(self.probabilities_changed)
        menu.addAction(self.probabilities)
        return menu
