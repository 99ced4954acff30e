"""Growth: the strokes of the shown slice grown over it, as a layer that follows the pen."""

from __future__ import annotations

from functools import partial

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import targets_of
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.slices import shown_slice
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.session import Session
from napari_scribseg.propagate.instant import grow_slice

_DELAY_MS = 120
"""Growing starts when nothing was drawn for this long."""
_NOTHING_TO_GROW = "Growing needs strokes of two classes on this slice, background being one."


class Growth(QObject):
    """Grows the shown slice while it is switched on.

    One slice at a time is grown, in the background; what was asked meanwhile makes the result
    stale, which is then thrown away and made again.

    Args:
        session: what the window works on.
    """

    switched = Signal(bool)
    """It was switched on or off."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._is_on = False
        self._asked = 0
        self._is_growing = False
        self._has_told = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._grow)
        session.strokes_drawn.connect(self._ask)
        session.selected_changed.connect(self._other_layers)
        session.viewer.dims.events.current_step.connect(self._ask)

    @property
    def is_on(self) -> bool:
        """Whether it follows the strokes."""
        return self._is_on

    @property
    def layer(self) -> Layer | None:
        """The layer that shows what was grown."""
        case = self._session.case
        return None if case is None else layers.find(self._session.viewer.layers, "growth", case)

    def switch(self, *, on: bool) -> None:
        """Follow the strokes from now on, or take the layer away."""
        if on == self._is_on:
            return
        self._is_on, self._has_told = on, False
        self.switched.emit(on)
        if on:
            self._ask()
        else:
            self._remove()

    def end(self) -> None:
        """Follow nothing any more."""
        self._is_on = False
        self._timer.stop()
        self._session.viewer.dims.events.current_step.disconnect(self._ask)

    def _ask(self, _event: object = None) -> None:
        if self._is_on:
            self._asked += 1
            self._timer.start()

    def _grow(self) -> None:
        if not self._is_on:
            return
        if self._is_growing:
            return  # `_take` asks again
        chosen = self._session.selected
        z = shown_slice(self._session.viewer, chosen.scribbles)
        if chosen.image is None or chosen.scribbles is None or z is None:
            return
        try:
            image = layers.volume_of(chosen.image)
            drawn = layers.volume_of(chosen.scribbles).array[z].copy()
        except ScribsegError as error:
            self._tell_once(str(error))
            return
        if image.shape[1:] != drawn.shape:
            return
        self._is_growing = True
        self._session.background.run(
            lambda: grow_slice(image.array[z], targets_of(drawn), image.spacing[1:]),
            partial(self._take, self._asked, z, image),
            self._fail,
        )

    def _take(self, asked: int, z: int, image: Volume, grown: Array | None) -> None:
        self._is_growing = False
        if not self._is_on:
            return
        if asked != self._asked:
            self._timer.start()
            return
        if grown is None:
            self._tell_once(_NOTHING_TO_GROW)
            grown = np.zeros(image.shape[1:], np.uint8)
        self._show(z, image, grown)

    def _tell_once(self, why: str) -> None:
        """Tell why nothing grows: once, not on every slice that is passed."""
        if not self._has_told:
            self._session.say(why)
            self._has_told = True

    def _show(self, z: int, image: Volume, grown: Array) -> None:
        case = self._session.case
        if case is None:
            return
        layer = self.layer
        if layer is None or layer.data.shape != image.shape:
            empty = Volume(np.zeros(image.shape, np.uint8), image.grid)
            data = layers.growth_data(empty, self._session.schema, case=case)
            layer = self._session.put(data, "growth", case)
        layer.data[:] = 0
        layer.data[z] = grown
        layer.refresh()

    def _fail(self, message: str) -> None:
        self._is_growing = False
        self._session.refuse(message)

    def _other_layers(self) -> None:
        if not self._is_on:
            return
        known = self._session.viewer.layers
        for old in [one for one in known if layers.role_of(one) == "growth"]:
            if layers.case_of(old) != self._session.case:
                known.remove(old)
        self._ask()

    def _remove(self) -> None:
        self._timer.stop()
        known = self._session.viewer.layers
        for old in [one for one in known if layers.role_of(one) == "growth"]:
            known.remove(old)
