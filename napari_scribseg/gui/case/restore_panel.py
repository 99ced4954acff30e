"""What earlier sittings left unsaved, offered until somebody decides: restore or discard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout

from napari_scribseg.core.wording import counted
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, button, note_label
from napari_scribseg.project.journals import Restored

_STYLE = """
RestorePanel { background-color: rgba(201, 143, 6, 45); border-left: 3px solid #c98f06; }
"""


class RestorePanel(QFrame):
    """One offer at a time, the oldest first; hidden while there is none."""

    restore_asked = Signal(object)
    """A Restored."""
    discard_asked = Signal(object)
    """A Restored."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet(_STYLE)
        self._offers: tuple[Restored, ...] = ()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._more = note_label()
        self.restore = button("Restore", "Save these strokes in their project and open the case")
        self.discard = button("Discard", "Delete these strokes for good")
        self.restore.clicked.connect(self._ask_restore)
        self.discard.clicked.connect(self._ask_discard)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self._more, 1)
        row.addWidget(self.restore)
        row.addWidget(self.discard)
        layout = QVBoxLayout(self)
        layout.setSpacing(GAP)
        layout.addWidget(self._text)
        layout.addLayout(row)
        self.set_offers(())

    def set_offers(self, offers: Sequence[Restored]) -> None:
        """Offer these, one after the other."""
        self._offers = tuple(offers)
        self.setVisible(bool(offers))
        if not offers:
            return
        self._text.setText(offer_text(self._offers[0]))
        more = len(self._offers) - 1
        self._more.setText(f"{more} more" if more else "")

    def _ask_restore(self) -> None:
        if self._offers:
            self.restore_asked.emit(self._offers[0])

    def _ask_discard(self) -> None:
        if self._offers:
            self.discard_asked.emit(self._offers[0])


def offer_text(left: Restored) -> str:
    """What is offered, in a sentence."""
    when = datetime.fromtimestamp(left.changed).astimezone()
    was = "was" if left.strokes == 1 else "were"
    cut = " The last one was cut off and is left out." if left.is_cut else ""
    return (
        f"{counted(left.strokes, 'stroke')} on {left.header.case} (project "
        f"{Path(left.header.project).name}) from {when:%d %B, %H:%M} {was} not saved when "
        f"napari ended.{cut}"
    )
