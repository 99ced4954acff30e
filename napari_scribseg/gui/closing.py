"""The question before a window closes: strokes that are not saved, trainings that run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, cast

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

Strokes = Literal["save", "keep"]
Training = Literal["detach", "stop"]


@dataclass(frozen=True)
class Answer:
    """What shall become of strokes and trainings."""

    strokes: Strokes = "save"
    training: Training = "stop"


class CloseQuestion(QDialog):
    """Asks once, about everything.

    Args:
        unsaved: the id of the case with unsaved strokes, None = all is saved.
        trainings: how many run.
        what: what they are called.
        can_detach: whether they can go on without the window.
        parent: the window that closes.
    """

    def __init__(
        self,
        unsaved: str | None,
        trainings: int,
        *,
        what: str = "training",
        can_detach: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Close?")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self._layout.setSpacing(GAP)
        self._strokes: dict[str, QRadioButton] = {}
        self._training: dict[str, QRadioButton] = {}
        if unsaved is not None:
            self._strokes = self._choice(
                f"The last strokes on {unsaved} are not saved in the project yet.",
                {
                    "save": "Save them, then close",
                    "keep": "Close without saving; they are offered at the next start",
                },
            )
        if trainings:
            one = trainings == 1
            going_on = {"detach": f"Let {'it' if one else 'them'} go on without this window"}
            stopping = {"stop": "Stop, and keep what was learnt so far"}
            article = "An" if what[0] in "aeiou" else "A"
            self._training = self._choice(
                f"{article} {what} is running." if one else f"{trainings} {what}s are running.",
                {**(going_on if can_detach else {}), **stopping},
            )
        buttons = QDialogButtonBox()
        close = buttons.addButton("Close", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        if close is not None:
            close.setDefault(True)
        self._layout.addWidget(buttons)

    def answer(self) -> Answer:
        """What was chosen."""
        return Answer(
            cast("Strokes", _checked(self._strokes, "save")),
            cast("Training", _checked(self._training, "stop")),
        )

    def _choice(self, text: str, options: dict[str, str]) -> dict[str, QRadioButton]:
        label = QLabel(text)
        label.setStyleSheet("font-weight: 600;")
        self._layout.addWidget(label)
        group = QButtonGroup(self)
        made: dict[str, QRadioButton] = {}
        for name, words in options.items():
            made[name] = QRadioButton(words)
            made[name].setChecked(len(made) == 1)
            group.addButton(made[name])
            self._layout.addWidget(made[name])
        self._layout.addSpacing(GAP)
        return made


class RunningTrainings(Protocol):
    """What must be known of trainings before the window closes."""

    @property
    def running(self) -> int:
        """How many run now."""
        ...

    @property
    def can_detach(self) -> bool:
        """Whether they can go on without the window."""
        ...

    def let_go(self) -> None:
        """Let them go on without the window."""
        ...


class Leaving:
    """Decides whether a window may close: asks when something would be left undone.

    Args:
        session: what the window works on.
        autosave: knows what is not saved.
    """

    def __init__(self, session: Session, autosave: Autosave) -> None:
        self.trainings: RunningTrainings | None = None
        """Whom to ask about trainings."""
        self._session = session
        self._autosave = autosave

    def ask(self) -> bool:
        """Ask, if there is something to ask, and do what is answered; False = stay open."""
        case = self._session.case
        unsaved = case.name if case is not None and self._autosave.is_unsaved() else None
        trainings = self.trainings
        running = 0 if trainings is None else trainings.running
        if unsaved is None and not running:
            return True
        can_detach = trainings is not None and trainings.can_detach
        parent = QApplication.activeWindow()
        question = CloseQuestion(unsaved, running, can_detach=can_detach, parent=parent)
        if not question.exec_():
            return False
        answer = question.answer()
        problem = self._do_with_strokes(answer.strokes) if unsaved is not None else ""
        if problem:
            self._session.refuse(problem)
            return False
        if trainings is not None and running and answer.training == "detach":
            trainings.let_go()
        return True

    def _do_with_strokes(self, what: Strokes) -> str:
        """Save or keep; gives what went wrong, in a sentence, or ""."""
        try:
            if what == "save":
                return self._autosave.save_before_the_end()
            self._autosave.keep_before_the_end()
        except ScribsegError as error:
            return str(error)
        return ""


class LeavingExperiment:
    """Decides whether a window may close: asks when an experiment runs.

    Args:
        experiments: what runs.
    """

    def __init__(self, experiments: RunningTrainings) -> None:
        self._experiments = experiments

    def ask(self) -> bool:
        """Ask, if there is something to ask, and do what is answered; False = stay open."""
        running = self._experiments.running
        if not running:
            return True
        question = CloseQuestion(
            None,
            running,
            what="experiment",
            can_detach=self._experiments.can_detach,
            parent=QApplication.activeWindow(),
        )
        if not question.exec_():
            return False
        if question.answer().training == "detach":
            self._experiments.let_go()
        return True


class CloseGuard(QObject):
    """Asks before a main window closes; a window that is closed by a program is not asked about.

    Args:
        window: the main window.
        may_close: is asked when the user closes it; False keeps it open.
        is_in_use: whether the viewer still has its layers. napari takes them away before it
            closes a viewer that a program has closed.
        last_words: is called before the window closes.
    """

    def __init__(
        self,
        window: QWidget,
        may_close: Callable[[], bool],
        is_in_use: Callable[[], bool],
        last_words: Callable[[], None],
    ) -> None:
        super().__init__(window)
        # Of the window no reference is held: its parts would outlive it.
        self._may_close = may_close
        self._is_in_use = is_in_use
        self._last_words = last_words
        window.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Stop the closing of the window unless it may close."""
        if a1 is None or a1.type() != QEvent.Type.Close or a0 is not self.parent():
            return False
        if not (a1.spontaneous() or self._is_in_use()) or self._may_close():
            self._last_words()
            return False
        a1.ignore()
        return True

    def end(self) -> None:
        """Ask no more."""
        window = self.parent()
        if window is not None:
            window.removeEventFilter(self)


def main_window_of(widget: QWidget) -> QWidget | None:
    """The main window that a widget belongs to, docked or floating."""
    parent: QWidget | None = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def _checked(options: dict[str, QRadioButton], otherwise: str) -> str:
    return next((name for name, one in options.items() if one.isChecked()), otherwise)
