"""The part "People" of the Case tab: who draws, who has drawn, compare, consensus."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.evaluation.consensus import HOWS, TITLES
from napari_scribseg.gui.case.people_screen import PeopleScreen
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.help import help_button
from napari_scribseg.gui.widgets.style import GAP, button, note_label, tame, tell_in_full
from napari_scribseg.project.annotator import LONGEST_NAME

PAGE: Final = "how-to/work-as-a-team.md#in-the-window"


class NameQuestion(QWidget):
    """Asks once who draws."""

    named = Signal(str)
    """This is the name."""

    def __init__(self, proposed: str) -> None:
        super().__init__()
        self.name = QLineEdit(proposed)
        self.name.setMaxLength(LONGEST_NAME)
        self.name.setToolTip("Every stroke is noted under this name; asked once, for all projects")
        self.accept = button("OK", "Draw under this name; it can be changed under People")
        for signal in (self.name.returnPressed, self.accept.clicked):
            signal.connect(lambda *_: self.named.emit(self.name.text()))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(QLabel("Who draws?"))
        layout.addWidget(self.name, 1)
        layout.addWidget(self.accept)


class PeoplePanel(QWidget):
    """Shows a PeopleScreen and asks for what the user wants."""

    named = Signal(str)
    """The user wants to be called so."""
    apart_asked = Signal(bool)
    """Everybody shall, or shall not, draw strokes of their own."""
    done_asked = Signal(bool)
    """The user is, or is not, done with the case."""
    open_asked = Signal(str)
    """Show the strokes of this person."""
    compare_asked = Signal(str)
    """Compare what is shown with the strokes of this person."""
    conflict_asked = Signal()
    """Show the next slice with conflicts."""
    consensus_asked = Signal(str)
    """Make a consensus by this method."""
    told = Signal()
    """A result stands at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.name = QLineEdit()
        self.name.setMaxLength(LONGEST_NAME)
        self.name.setToolTip("Your name: every stroke that you draw is noted under it")
        self.name.editingFinished.connect(self._name_given)
        self.name.returnPressed.connect(self._leave_name)
        self.apart = QCheckBox("Everybody draws apart")
        self.apart.setToolTip(
            "Everybody has strokes of their own and sees those of others only when done with the "
            "case"
        )
        self.done = QCheckBox("I am done here")
        self.rows = note_label()
        self.offered, self.others, self.how = QComboBox(), QComboBox(), QComboBox()
        self.offered.setToolTip(
            "Whose strokes are shown, and learnt from by a training; yours can be drawn on"
        )
        self.how.addItems([TITLES[how] for how in HOWS])
        self.compare = button("Compare", "")
        self.conflict = button("Next conflict", "Show the next slice with conflicts")
        self.consensus = button("Make consensus", "")
        self.result = note_label()
        for box in (self.offered, self.others, self.how):
            tame(box)
        self.apart.clicked.connect(self.apart_asked)
        self.done.clicked.connect(self.done_asked)
        self.offered.activated.connect(self._open)
        self.compare.clicked.connect(lambda: self.compare_asked.emit(self.others.currentText()))
        self.conflict.clicked.connect(self.conflict_asked)
        self.consensus.clicked.connect(
            lambda: self.consensus_asked.emit(HOWS[self.how.currentIndex()])
        )
        self._lay_out()
        self.tell("", has_conflicts=False)

    def set_value(self, screen: PeopleScreen) -> None:
        """Show this."""
        if not self.name.hasFocus():
            self.name.setText(screen.own)
        self.apart.setChecked(screen.apart)
        self.done.setChecked(screen.done)
        self.rows.setText("\n".join(screen.rows))
        self._offer(self.offered, screen.offered, screen.shown)
        self._offer(self.others, screen.others, self.others.currentText())
        self.offered.setEnabled(bool(screen.offered))
        self.others.setEnabled(bool(screen.others))
        self.apart.setEnabled(not screen.read_only)
        may_be_done = not screen.read_only and not screen.why_not_done
        self.done.setEnabled(may_be_done)
        self.done.setToolTip(screen.why_not_done or "You see the strokes of others from then on")
        self.compare.setEnabled(not screen.why_not_compare)
        self.compare.setToolTip(
            screen.why_not_compare or "Where both drew: who agrees, and where are conflicts?"
        )
        self.consensus.setEnabled(not screen.why_not_consensus and not screen.read_only)
        self.consensus.setToolTip(
            screen.why_not_consensus
            or "Make one set of strokes of everybody's, kept as a version of its own"
        )

    def tell(self, text: str, *, has_conflicts: bool) -> None:
        """Show the result of a comparison, or of a consensus."""
        self.result.setText(text)
        self.result.setVisible(bool(text))
        self.conflict.setVisible(has_conflicts)
        if text:
            self.told.emit()

    def _offer(self, box: QComboBox, names: tuple[str, ...], chosen: str) -> None:
        with QSignalBlocker(box):
            box.clear()
            box.addItems(list(names))
            if chosen in names:
                box.setCurrentIndex(names.index(chosen))
        tell_in_full(box)

    def _open(self, _index: int) -> None:
        self.open_asked.emit(self.offered.currentText())

    def _name_given(self) -> None:
        self.named.emit(self.name.text())

    def _leave_name(self) -> None:
        """Who has pressed Return draws next: the key of a class must not go into the name."""
        self.apart.setFocus()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        for parts in (
            (QLabel("You are"), self.name, help_button("People", PAGE)),
            (self.apart, self.done),
            (self.rows,),
            (QLabel("Strokes of"), self.offered),
            (QLabel("With"), self.others, self.compare, self.conflict),
            (self.how, self.consensus),
            (self.result,),
        ):
            row = QHBoxLayout()
            row.setSpacing(GAP)
            for part in parts:
                stretches = isinstance(part, QLineEdit | QComboBox) or len(parts) == 1
                row.addWidget(part, int(stretches))
            layout.addLayout(row)
