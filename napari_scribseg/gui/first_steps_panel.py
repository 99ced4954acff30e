"""The first steps above the tabs: a dot for every step, and the one that is next."""

from __future__ import annotations

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout

from napari_scribseg.gui.first_steps import ALL_DONE, STEPS, FirstSteps
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, LEVEL_COLORS, MARGIN, button, quiet

_DOT_SIZE = 12
_NEXT_COLOR, _LATER_COLOR = "#3f80e4", "#858b94"
_BUTTONS = f"""
QPushButton {{ padding: 4px 12px; border-radius: 3px; border: 1px solid transparent; }}
QToolButton {{ border: 1px solid transparent; border-radius: 3px; }}
QPushButton:focus, QToolButton:focus {{ border: 1px solid {_NEXT_COLOR}; }}
"""
"""napari's own style does not show which button the keyboard is on."""


class FirstStepsPanel(QFrame):
    """Shows `FirstSteps`, and asks for what the current step needs."""

    step_asked = Signal(str)
    """A StepName."""
    hide_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("first_steps")
        self.setStyleSheet(
            "QFrame#first_steps { border-bottom: 1px solid rgba(128, 128, 128, 110); }"
        )
        self._step = ""
        self.dots = [QLabel() for _ in STEPS]
        self.count, self.title = QLabel(), QLabel()
        self.count.setStyleSheet(quiet())
        self.title.setStyleSheet("font-weight: 600;")
        self.title.setWordWrap(True)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.action = button("")
        self.action.setStyleSheet(_BUTTONS)
        self.action.clicked.connect(self._ask)
        self.hide_button = QToolButton()
        self.hide_button.setStyleSheet(_BUTTONS)
        self.hide_button.setText("Hide")
        self.hide_button.setToolTip("Put the first steps away; Open > First steps shows them again")
        self.hide_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.hide_button.clicked.connect(self.hide_asked)
        self._lay_out()

    def show_steps(self, steps: FirstSteps) -> None:
        """Show how far somebody is, or nothing when the steps are hidden."""
        self.setVisible(not steps.hidden)
        current = steps.current
        for dot, step in zip(self.dots, STEPS, strict=True):
            is_done, is_next = step.name in steps.done, step is current
            dot.setPixmap(_dot(is_done=is_done, is_next=is_next))
            state = "done" if is_done else "next" if is_next else "to do"
            dot.setToolTip(f"{step.title} ({state})")
        self._step = "" if current is None else current.name
        self.action.setVisible(current is not None)
        if current is None:
            self.count.setText(f"First steps: all {len(STEPS)} done")
            self.title.setText(ALL_DONE)
            self.title.setToolTip("")
            return
        self.count.setText(f"First steps: {steps.number} of {len(STEPS)}")
        self.title.setText(current.title)
        self.title.setToolTip(current.tip)
        self.action.setText(current.action)
        self.action.setToolTip(current.tip)
        self.action.setAccessibleName(f"{current.action}: {current.title}")

    def _lay_out(self) -> None:
        above, below = QHBoxLayout(), QHBoxLayout()
        above.setSpacing(GAP)
        below.setSpacing(GAP)
        for dot in self.dots:
            above.addWidget(dot)
        above.addWidget(self.count)
        above.addStretch()
        above.addWidget(self.hide_button)
        below.addWidget(self.title, 1)
        below.addWidget(self.action)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        layout.setSpacing(GAP // 2)
        layout.addLayout(above)
        layout.addLayout(below)

    def _ask(self) -> None:
        self.step_asked.emit(self._step)


def _dot(*, is_done: bool, is_next: bool) -> QPixmap:
    """Filled when done, a ring with a point for the next one, a ring for those to come."""
    pixmap = QPixmap(_DOT_SIZE, _DOT_SIZE)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    color = QColor(LEVEL_COLORS["good"] if is_done else _NEXT_COLOR if is_next else _LATER_COLOR)
    centre, radius = QPointF(_DOT_SIZE / 2, _DOT_SIZE / 2), _DOT_SIZE / 2 - 1.5
    painter.setPen(QPen(color, 1.5))
    if is_done:
        painter.setBrush(color)
    painter.drawEllipse(centre, radius, radius)
    if is_next:
        painter.setBrush(color)
        painter.drawEllipse(centre, 1.5, 1.5)
    painter.end()
    return pixmap
