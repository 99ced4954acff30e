"""The foot of the dock: what was said last. It stays until something else is said."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout

from napari_scribseg.gui.session import Session
from napari_scribseg.gui.style import GAP, LEVEL_COLORS, MARGIN


class StatusLine(QFrame):
    """Shows the last sentence, whatever tab is open.

    Args:
        session: whom to listen to.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setStyleSheet("StatusLine { border-top: 1px solid rgba(128, 128, 128, 110); }")
        self._text = QLabel("Ready.")
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        layout.setSpacing(GAP)
        layout.addWidget(self._text)
        session.said.connect(self.say)

    def text(self) -> str:
        """What was said last."""
        return self._text.text()

    def say(self, text: str, level: str) -> None:
        """Show a sentence in the colour of its level."""
        color = LEVEL_COLORS[level]
        self._text.setStyleSheet(f"color: {color};" if color else "")
        self._text.setText(text)
