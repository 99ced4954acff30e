"""The card of the training that goes on, in sight whatever tab is open."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QVBoxLayout

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.train.screen import Phase, TrainingScreen
from napari_scribseg.gui.widgets.style import GAP, MARGIN, button, note_label

_PARTS = 1000
_SMALL = "QPushButton { padding: 3px 10px; border-radius: 3px; }"


class ProgressCard(QFrame):
    """Method, steps of about how many, time left; pause, finish, abort; at the end the result."""

    pause_asked = Signal(bool)
    """Whether the training shall halt."""
    finish_asked = Signal()
    abort_asked = Signal()
    result_asked = Signal()
    """What the training has learnt shall be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet("ProgressCard { border-top: 1px solid rgba(128, 128, 128, 110); }")
        self._screen = TrainingScreen()
        self._dismissed = ""
        self.title, self.text = QLabel(), note_label()
        self.title.setWordWrap(True)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setStyleSheet("font-weight: 600;")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self._pause = button("Pause", "Halt after this step; the memory stays in use")
        self._pause.clicked.connect(lambda: self.pause_asked.emit(not self._screen.paused))
        self._finish = button("Finish now", "End now, keep the best weights, and predict")
        self._finish.clicked.connect(self.finish_asked)
        self._abort = button("Abort", "Stop now; what was saved can be resumed")
        self._abort.clicked.connect(self.abort_asked)
        self._result = button("Show result", "Go to the Results tab")
        self._result.clicked.connect(self._show_result)
        self._close = button("Close", "Put this line away")
        self._close.clicked.connect(self._dismiss)
        self._lay_out()
        self.show_screen(self._screen)

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show how far a training is, or how the last one ended."""
        self._screen = screen
        going = screen.phase is not Phase.IDLE
        if going:
            self._dismissed = ""
        self.setVisible(going or bool(screen.result and screen.result != self._dismissed))
        paused = " · paused" if screen.paused else ""
        then = f" · then {screen.waiting} more" if screen.waiting and screen.queue_on else ""
        self.title.setText(f"{screen.title or 'Training'}{paused}{then}")
        self.title.setVisible(going)
        doing = {Phase.PREPARING: "Preparing …", Phase.STOPPING: "Stopping …"}
        text = screen.progress_text or doing.get(screen.phase, "Starting …")
        self.text.setText(text if going else screen.result)
        self.bar.setVisible(going)
        if screen.share is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _PARTS)
            self.bar.setValue(round(screen.share * _PARTS))
        self._pause.setText("Continue" if screen.paused else "Pause")
        for one in (self._pause, self._finish, self._abort):
            one.setVisible(going)
            one.setEnabled(screen.can_stop)
        self._result.setVisible(not going)
        self._close.setVisible(not going)

    def buttons(self) -> dict[str, bool]:
        """The buttons that are there, by their text, and whether they can be pressed."""
        every = (self._pause, self._finish, self._abort, self._result, self._close)
        return {one.text(): one.isEnabled() for one in every if not one.isHidden()}

    def press(self, text: str) -> None:
        """Press the button with this text."""
        every = (self._pause, self._finish, self._abort, self._result, self._close)
        next(one for one in every if one.text() == text and not one.isHidden()).click()

    def _show_result(self) -> None:
        """Who looks at the result needs its line no more."""
        self._dismiss()
        self.result_asked.emit()

    def _dismiss(self) -> None:
        self._dismissed = self._screen.result
        self.hide()

    def _lay_out(self) -> None:
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        above = QHBoxLayout()
        above.setSpacing(2 * GAP)
        above.addWidget(self.title)
        above.addWidget(self.text, 1)
        above.addWidget(self._result)
        above.addWidget(self._close)
        below = QHBoxLayout()
        below.setSpacing(GAP)
        for one in (self._pause, self._finish, self._abort):
            one.setStyleSheet(_SMALL)
            below.addWidget(one, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        layout.setSpacing(4)
        layout.addLayout(above)
        layout.addWidget(self.bar)
        layout.addLayout(below)
