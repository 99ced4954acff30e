"""RegionOfInterest: outside of it everything is background; kept with the case."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QObject

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import is_structure
from napari_scribseg.core.region import Region
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.region_layer import RegionLayer
from napari_scribseg.gui.scribble.region_panel import RegionPanel
from napari_scribseg.gui.session import Session

MARGIN_MM: Final = 20.0
"""Around the strokes, in the slice."""


class RegionOfInterest(QObject):
    """Keeps panel, rectangle and case in step.

    Args:
        session: what the window works on.
        panel: shows and asks.
    """

    def __init__(self, session: Session, panel: RegionPanel) -> None:
        super().__init__()
        self._session, self._panel = session, panel
        self._rectangle = RegionLayer(session.viewer, session.set_region)
        panel.around_asked.connect(self.around_strokes)
        panel.whole_asked.connect(lambda: session.set_region(None))
        panel.slices_changed.connect(self._set_slices)
        session.region_changed.connect(self._show)
        session.selected_changed.connect(self._show)
        self._show()

    def around_strokes(self) -> None:
        """Take the smallest region around the strokes of structures, and a margin."""
        look = self._session.look
        if look is None:
            self._session.say("Draw the structures first: the region goes around them.", "warning")
            return
        try:
            spacing = layers.grid_of(look.layer).spacing
        except ScribsegError as error:
            self._session.refuse(str(error))
            return
        drawn = look.planes.array()
        structures = is_structure(drawn)
        margin = (1, *(round(MARGIN_MM / side) for side in spacing[1:]))
        region = Region.around(structures, margin)
        if region is None:
            self._session.say("Draw the structures first: the region goes around them.", "warning")
            return
        self._session.set_region(region)

    def end(self) -> None:
        """Take the rectangle away."""
        self._rectangle.remove()

    def _set_slices(self, first: int, last: int) -> None:
        region = self._session.region
        if region is not None:
            self._session.set_region(region.model_copy(update={"z": (first, last + 1)}))

    def _show(self, _region: object = None) -> None:
        scribbles, region = self._session.selected.scribbles, self._session.region
        n_slices = 1 if scribbles is None else int(scribbles.data.shape[-3])
        self._panel.set_value(region, n_slices)
        self._rectangle.show(region, scribbles)
