"""Orientation letters at the borders of the canvas: quiet labels that let the mouse through."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_scribseg.gui.canvas.canvas_marks import LetterMarks
from napari_scribseg.gui.canvas.drawing_context import canvas_in
from napari_scribseg.gui.canvas.orientation import BorderLetters
from napari_scribseg.gui.canvas.shown_directions import letters_on
from napari_scribseg.gui.session import Session


class CanvasLetters(QObject):
    """Shows where A, P, L, R, S and I are, while the image's true geometry is known.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._marks: LetterMarks | None = None
        session.selected_changed.connect(self.refresh)
        for event in (session.viewer.dims.events.order, session.viewer.dims.events.ndisplay):
            event.connect(self.refresh)

    def attach(self, window: QWidget) -> None:
        """Put the letters over the canvas of a window; once is enough."""
        canvas = canvas_in(window)
        if canvas is None or self._marks is not None:
            return
        self._marks = LetterMarks(canvas)
        self.refresh()

    def letters(self) -> BorderLetters | None:
        """What is to be shown; None when the orientation is not known or makes no sense."""
        return letters_on(self._session.viewer, self._session.selected.image)

    def refresh(self, _event: Any = None) -> None:
        """Show the letters of now."""
        if self._marks is not None:
            self._marks.show(self.letters())

    def end(self) -> None:
        """Take the letters away."""
        dims = self._session.viewer.dims
        for event in (dims.events.order, dims.events.ndisplay):
            event.disconnect(self.refresh)
        if self._marks is not None:
            self._marks.end()
            self._marks = None
