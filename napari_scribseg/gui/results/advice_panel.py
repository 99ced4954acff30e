"""Draw here next: slices in the order in which strokes help most, each with its reason."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QListWidget, QListWidgetItem

from napari_scribseg.core.wording import counted
from napari_scribseg.evaluation.disagreement import Suggestion
from napari_scribseg.gui.canvas import brush
from napari_scribseg.gui.canvas.slices import show_slice
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.advice import Advice
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.shown_layers import ShownLayers
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.style import GAP, Panel, button, note_label

NEXT_KEY = "N"
_MOST = 8
_ROW_HEIGHT = 38
_ROWS = 4
_HINT = "Slices where ticked runs disagree, or where the only one is unsure, are ranked here."


class AdvicePanel(Panel):
    """Lists slices worth drawing on."""

    advice_asked = Signal()
    next_asked = Signal()
    suggestion_chosen = Signal(object)
    """Suggestion."""
    map_changed = Signal(bool)
    visited = Signal()
    """A suggested slice is shown."""

    def __init__(self) -> None:
        super().__init__("Draw here next", page="guide/results.md#draw-here-next")
        self._hint = note_label(_HINT)
        find = button("Find slices", "Rank the slices by doubt, leaving out what you drew on")
        find.clicked.connect(self.advice_asked)
        self._next = button(
            f"Next ({NEXT_KEY})", f"Go to the next ranked slice and take the brush ({NEXT_KEY})"
        )
        self._next.clicked.connect(self.next_asked)
        self._map = QCheckBox("Map")
        self._map.setToolTip("Show where the doubt is, as a layer")
        self._map.toggled.connect(self.map_changed)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(find, 1)
        row.addWidget(self._next, 1)
        row.addWidget(self._map)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName("Slices to draw on next")
        self.list.itemActivated.connect(self._chosen)
        self.list.itemClicked.connect(self._chosen)
        self.body.addWidget(self._hint)
        self.body.addLayout(row)
        self.body.addWidget(self.list)
        self.gain = note_label()
        self.body.addWidget(self.gain)
        self.clear()

    @property
    def shows_map(self) -> bool:
        """Whether the doubt is shown as a layer."""
        return self._map.isChecked()

    def clear(self) -> None:
        """Nothing was found, or it was about another case."""
        self.list.clear()
        self.list.setVisible(False)
        self._map.setEnabled(False)
        self._hint.setText(_HINT)
        self._hint.setVisible(True)

    def set_value(self, advice: Advice) -> None:
        """List the first of these suggestions."""
        self.list.clear()
        for suggestion in advice.suggestions[:_MOST]:
            item = QListWidgetItem(f"Slice {suggestion.z}: {suggestion.reason}")
            item.setData(Qt.ItemDataRole.UserRole, suggestion)
            self.list.addItem(item)
        n = self.list.count()
        self.list.setVisible(n > 0)
        self.list.setFixedHeight(_ROW_HEIGHT * min(max(n, 1), _ROWS) + 6)
        self._map.setEnabled(True)
        self._hint.setText(advice.too_early)
        self._hint.setVisible(bool(advice.too_early))

    def take_next(self) -> Suggestion | None:
        """Choose the suggestion after the chosen one, the first again after the last."""
        if not self.list.count():
            return None
        row = (self.list.currentRow() + 1) % self.list.count()
        self.list.setCurrentRow(row)
        item = self.list.item(row)
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def _chosen(self, item: QListWidgetItem) -> None:
        self.suggestion_chosen.emit(item.data(Qt.ItemDataRole.UserRole))


class AdviceController:
    """Shows where to draw next, and goes there.

    Args:
        panel: lists the slices.
        session: what the window works on.
        presenter: has the predictions.
        shown: shows the map of doubt.
    """

    def __init__(
        self, panel: AdvicePanel, session: Session, presenter: ResultsPresenter, shown: ShownLayers
    ) -> None:
        self._panel = panel
        self._session = session
        self._presenter = presenter
        self._shown = shown
        self._advice: Advice | None = None
        panel.advice_asked.connect(presenter.advise)
        panel.next_asked.connect(self.next)
        panel.suggestion_chosen.connect(self.go_to)
        panel.map_changed.connect(self._show_map)

    def show(self, advice: Advice) -> None:
        """List the slices, and say how many there are."""
        self._advice = advice
        self._panel.set_value(advice)
        self._show_map(self._panel.shows_map)
        n = len(advice.suggestions)
        if advice.too_early:
            self._session.say(advice.too_early, "warning")
        elif n:
            are = "is" if n == 1 else "are"
            self._session.say(
                f"{counted(n, 'slice')} {are} in doubt; {NEXT_KEY} goes from one to the next."
            )
        else:
            self._session.say("No slice is in doubt where you have not drawn.", "good")

    def clear(self) -> None:
        """Forget what was about another case."""
        self._panel.clear()
        self._advice = None

    def go_to(self, suggestion: Suggestion) -> None:
        """Show a suggested slice and take the brush."""
        session = self._session
        layer = session.selected.scribbles or session.selected.image
        if layer is None:
            return
        show_slice(session.viewer, layer, suggestion.z)
        self.take_brush()
        session.say(f"Slice {suggestion.z}: {suggestion.reason}")
        self._panel.visited.emit()

    def next(self) -> None:
        """Go to the next suggested slice; the first time they are looked for."""
        suggestion = self._panel.take_next()
        if suggestion is None:
            self._presenter.advise()
        else:
            self.go_to(suggestion)

    def take_brush(self) -> None:
        """Make the scribbles active, with a tool in the hand."""
        scribbles = self._session.selected.scribbles
        if scribbles is not None:
            self._session.viewer.layers.selection.active = scribbles
            if brush.tool_of(scribbles) is None:
                brush.take_tool(scribbles, "paint")

    def _show_map(self, on: bool) -> None:
        self._shown.show_doubt(self._advice, on=on)
