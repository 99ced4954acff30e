"""The Scribble tab: which structures there are, and which of them the brush paints."""

from __future__ import annotations

from napari_scribseg.gui import painting
from napari_scribseg.gui.classes_panel import ClassesPanel
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.style import Tab
from napari_scribseg.labels import LabelSchema


class ScribbleTab(Tab):
    """Draw.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.classes = ClassesPanel()
        self.classes.set_schema(session.schema)
        self.column.addWidget(self.classes)
        self.classes.value_chosen.connect(self._choose_value)
        self.classes.schema_changed.connect(session.set_schema)
        session.schema_changed.connect(self._show_schema)
        session.value_selected.connect(self.classes.set_value)
        session.strokes_counted.connect(self._show_counts)
        session.selected_changed.connect(self._show_counts)

    def _choose_value(self, value: int) -> None:
        self._session.choose_value(value)

    def _show_schema(self, schema: LabelSchema) -> None:
        self.classes.set_schema(schema)
        scribbles = self._session.selected.scribbles
        if scribbles is not None:
            self.classes.set_value(painting.selected_value(scribbles))

    def _show_counts(self) -> None:
        self.classes.set_drawn(self._session.drawn or {})
