"""What was said last, the warnings of the run, and what is missing for a training.

It all stays until something else is true or said.
"""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout

from napari_scribseg.gui.presenter import Phase, Screen
from napari_scribseg.gui.style import GAP, LEVEL_COLORS, MARGIN, QUIET


class StatusLine(QFrame):
    """The foot of the dock."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet("StatusLine { border-top: 1px solid rgba(128, 128, 128, 110); }")
        self._text = _line()
        self._wanted = _line()
        self._wanted.setStyleSheet(QUIET)
        self._warnings = _line()
        self._warnings.setStyleSheet(f"color: {LEVEL_COLORS['warning']};")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        layout.setSpacing(GAP)
        layout.addWidget(self._warnings)
        layout.addWidget(self._text)
        layout.addWidget(self._wanted)

    def text(self) -> str:
        """What was said last."""
        return self._text.text()

    def show_screen(self, screen: Screen) -> None:
        """Show the status, the warnings, and why Train does not work yet."""
        color = LEVEL_COLORS[screen.status.level]
        self._text.setStyleSheet(f"color: {color};" if color else "")
        self._text.setText(screen.status.text)
        wanted = screen.why_not_train if screen.phase is Phase.IDLE else None
        self._wanted.setText(wanted or "")
        self._wanted.setVisible(bool(wanted))
        self._warnings.setText("\n".join(screen.warnings))
        self._warnings.setVisible(bool(screen.warnings))


def _line() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
