"""The one question before a window, or a dock with a training in it, closes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

import numpy as np
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import (
    QApplication,
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QMainWindow,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.gui.autosave import Autosave
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.style import GAP, MARGIN


@dataclass(frozen=True)
class Question:
    """One thing that would be left undone.

    Args:
        text: what it is, in a sentence.
        options: what can be done about it, by a word; the first is proposed.
        about: an answer holds until this is another.
    """

    text: str
    options: Mapping[str, str]
    about: Hashable


class Matter(Protocol):
    """Something that may have to be asked about before a window closes."""

    def question(self) -> Question | None:
        """What to ask now, if anything."""
        ...

    def do(self, choice: str) -> str:
        """Do what was answered; gives what went wrong, in a sentence, or ""."""
        ...


class CloseQuestion(QDialog):
    """Asks once, about everything.

    Args:
        questions: what to ask.
        parent: the window that closes.
    """

    def __init__(self, questions: Sequence[Question], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Close?")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self._layout.setSpacing(GAP)
        self.choices = [self._choice(question) for question in questions]
        """The buttons of every question by the word of their option."""
        buttons = QDialogButtonBox()
        close = buttons.addButton("Close", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        if close is not None:
            close.setDefault(True)
        self._layout.addWidget(buttons)

    def answers(self) -> list[str]:
        """The words of what was chosen, one for each question."""
        return [next(n for n, one in made.items() if one.isChecked()) for made in self.choices]

    def _choice(self, question: Question) -> dict[str, QRadioButton]:
        label = QLabel(question.text)
        label.setStyleSheet("font-weight: 600;")
        self._layout.addWidget(label)
        group = QButtonGroup(self)
        made: dict[str, QRadioButton] = {}
        for name, words in question.options.items():
            made[name] = QRadioButton(words)
            made[name].setChecked(len(made) == 1)
            group.addButton(made[name])
            self._layout.addWidget(made[name])
        self._layout.addSpacing(GAP)
        return made


class Leaving:
    """Matters that belong together; remembers what was answered.

    An answer holds until what it was about has changed: Qt and napari close a window in several
    steps, and nobody shall be asked at each.

    Args:
        matters: in the order in which they are asked.
        refuse: is told what could not be done.
    """

    def __init__(self, matters: Sequence[Matter], refuse: Callable[[str], None]) -> None:
        self._matters = tuple(matters)
        self._refuse = refuse
        self._settled: dict[int, Hashable] = {}

    def open_questions(self) -> list[tuple[int, Question]]:
        """What is to be asked now, with the place of its matter."""
        asked = ((i, matter.question()) for i, matter in enumerate(self._matters))
        return [
            (i, question)
            for i, question in asked
            if question is not None and self._settled.get(i) != question.about
        ]

    def do(self, place: int, question: Question, choice: str) -> bool:
        """Do what was answered; False = it failed, which is told."""
        problem = self._matters[place].do(choice)
        if problem:
            self._refuse(problem)
            return False
        self._settled[place] = question.about
        return True

    def ask(self) -> bool:
        """Ask, if there is something to ask, and do what is answered; False = stay open."""
        return ask_all([self])


def ask_all(leavings: Sequence[Leaving]) -> bool:
    """Ask about everything in one dialog, and do what is answered; False = stay open."""
    asked = [(one, i, question) for one in leavings for i, question in one.open_questions()]
    if not asked:
        return True
    dialog = CloseQuestion([question for *_, question in asked], QApplication.activeWindow())
    if not dialog.exec_():
        return False
    done = True
    for (one, i, question), choice in zip(asked, dialog.answers(), strict=True):
        done = one.do(i, question, choice) and done
    return done


class UnsavedStrokes:
    """Strokes that the project does not have yet.

    Args:
        session: what the window works on.
        autosave: knows what is not saved.
    """

    def __init__(self, session: Session, autosave: Autosave) -> None:
        self._session = session
        self._autosave = autosave

    def question(self) -> Question | None:
        """Whether to save the strokes of the shown case."""
        case = self._session.case
        if case is None or not self._autosave.is_unsaved():
            return None
        return Question(
            f"The last strokes on {case.name} are not saved in the project yet.",
            {
                "save": "Save them, then close",
                "keep": "Close without saving; they are offered at the next start",
            },
            (case, self._content()),
        )

    def do(self, choice: str) -> str:
        """Save or keep."""
        try:
            if choice == "save":
                return self._autosave.save_before_the_end()
            self._autosave.keep_before_the_end()
        except ScribsegError as error:
            return str(error)
        return ""

    def _content(self) -> int:
        """A number that is another one as soon as a stroke is."""
        scribbles = self._session.selected.scribbles
        return 0 if scribbles is None else crc32(np.ascontiguousarray(scribbles.data).tobytes())


class RunningWork(Protocol):
    """What must be known of trainings or experiments before the window closes."""

    @property
    def running(self) -> int:
        """How many run now that end with the window."""
        ...

    @property
    def begun(self) -> int:
        """How many have been begun so far."""
        ...

    def let_go(self) -> None:
        """Let them go on without the window."""
        ...


class Running:
    """Work that goes on in child processes.

    Args:
        work: what runs; None = it is not known yet.
        what: what one of it is called.
    """

    def __init__(self, work: RunningWork | None, what: str) -> None:
        self.work = work
        self._what = what

    def question(self) -> Question | None:
        """Whether it goes on without the window."""
        if self.work is None or not self.work.running:
            return None
        count, what = self.work.running, self._what
        article = "An" if what[0] in "aeiou" else "A"
        one = count == 1
        return Question(
            f"{article} {what} is running." if one else f"{count} {what}s are running.",
            {
                "detach": f"Let {'it' if one else 'them'} go on without this window",
                "stop": "Stop, and keep what was learnt so far",
            },
            self.work.begun,
        )

    def do(self, choice: str) -> str:
        """Let it go; what is to stop does so when the window has closed."""
        if self.work is not None and choice == "detach":
            self.work.let_go()
        return ""


class CloseGuard(QObject):
    """Asks before a main window closes; a window that is closed by a program is not asked about.

    However many parts of a window have a guard, one dialog asks about all of them.

    Args:
        window: the main window.
        leaving: what is asked about.
        is_in_use: whether the viewer still has its layers. napari takes them away before it
            closes a viewer that a program has closed.
        last_words: is called before the window closes.
    """

    def __init__(
        self,
        window: QWidget,
        leaving: Leaving,
        is_in_use: Callable[[], bool],
        last_words: Callable[[], None],
    ) -> None:
        super().__init__(window)
        # Of the window no reference is held: its parts would outlive it.
        self.leaving = leaving
        self._is_in_use = is_in_use
        self._last_words = last_words
        window.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Stop the closing of the window unless it may close."""
        window = self.parent()
        if a1 is None or a1.type() != QEvent.Type.Close or a0 is not window or window is None:
            return False
        guards = window.findChildren(CloseGuard)
        if not (a1.spontaneous() or self._is_in_use()) or ask_all([g.leaving for g in guards]):
            self._last_words()
            return False
        a1.ignore()
        return True

    def end(self) -> None:
        """Ask no more."""
        window = self.parent()
        if window is not None:
            window.removeEventFilter(self)
            self.setParent(None)


def main_window_of(widget: QWidget) -> QWidget | None:
    """The main window that a widget belongs to, docked or floating."""
    parent: QWidget | None = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent
