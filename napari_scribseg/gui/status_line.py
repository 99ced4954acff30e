"""The foot of the dock: what was said last, and always the case, the device and what is unsaved."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout

from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.autosave import SaveState
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.style import GAP, LEVEL_COLORS, MARGIN, ElidedLabel, quiet


class StatusLine(QFrame):
    """Shows the last sentence, whatever tab is open, and under it how things stand.

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
        self.case, self.device, self.saved = ElidedLabel(), QLabel(), QLabel()
        self.case.setToolTip("The case that is worked on")
        self.device.setToolTip("What computes at the moment")
        self.saved.setToolTip(
            "Whether the strokes are safe. Kept: they are on the disk and come back after a crash; "
            "they go into the project by F2, every 3 minutes, and when you open another case."
        )
        row = QHBoxLayout()
        row.setSpacing(2 * GAP)
        for label in (self.case, self.device, self.saved):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setStyleSheet(quiet())
            row.addWidget(label)
        self.case.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row.setStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        layout.setSpacing(GAP)
        layout.addWidget(self._text)
        layout.addLayout(row)
        session.said.connect(self.say)
        session.case_changed.connect(self.show_case)
        session.device_used.connect(self.show_device)
        self.show_case(session.case)
        self.show_device("")
        self.show_saved(SaveState())

    def text(self) -> str:
        """What was said last."""
        return self._text.text()

    def say(self, text: str, level: str) -> None:
        """Show a sentence in the colour of its level."""
        color = LEVEL_COLORS[level]
        self._text.setStyleSheet(f"color: {color};" if color else "")
        self._text.setText(text)

    def show_case(self, case: CaseKey | None) -> None:
        """Show which case is worked on."""
        self.case.setText(str(case or "no case"))

    def show_device(self, device: str) -> None:
        """Show what computes; "" = nothing does."""
        self.device.setText(device or "idle")

    def show_saved(self, state: SaveState) -> None:
        """Show whether the strokes are safe."""
        color = ""
        if state.read_only:
            text = "read-only"
        elif not state.kept:
            text, color = "● strokes not kept", LEVEL_COLORS["warning"]
        elif state.unsaved:
            text = "strokes kept"
        else:
            text = f"saved {state.saved_at}" if state.saved_at else "nothing unsaved"
        self.saved.setText(text)
        self.saved.setStyleSheet(f"color: {color};" if color else quiet())
