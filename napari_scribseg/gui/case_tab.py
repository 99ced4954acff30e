"""The Case tab: what is opened, and which layers are the image, the scribbles, the reference."""

from __future__ import annotations

from napari_scribseg.gui.case_opener import CaseOpener
from napari_scribseg.gui.inputs_panel import InputsPanel
from napari_scribseg.gui.selection import SLOTS, facts_of
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.style import Tab


class CaseTab(Tab):
    """Open a case, and choose among layers.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.opener = CaseOpener(self, session)
        self.inputs = InputsPanel()
        self.column.addWidget(self.inputs)
        self.inputs.value_changed.connect(lambda: session.set_selected(self.inputs.value()))
        self.inputs.new_scribbles_asked.connect(session.new_scribbles)
        self.inputs.frame_asked.connect(session.use_frame)
        self.inputs.open_asked.connect(self.opener.ask)
        session.offers_changed.connect(self._show_offers)
        session.selected_changed.connect(self._show_selected)
        self._show_offers()

    def _show_offers(self) -> None:
        for slot in SLOTS:
            self.inputs.set_choices(slot, self._session.offered(slot))
        self._show_selected()

    def _show_selected(self) -> None:
        selected = self._session.selected
        self.inputs.set_value(selected)
        self.inputs.show_facts(facts_of(selected.image), is_series=self._session.is_series)
