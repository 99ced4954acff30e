"""StrokeWatch: what is drawn on the chosen scribbles layer, and with which value."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer

from napari_scribseg.annotation.counts import count_drawn
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.gui.background import Background
from napari_scribseg.gui.canvas import layers, painting
from napari_scribseg.gui.qt import Signal

_COUNT_DELAY_MS = 300
"""Strokes are counted when nothing was drawn for this long."""


class StrokeWatch(QObject):
    """Follows one scribbles layer at a time, and counts its voxels in the background.

    Args:
        parent: its owner, with which it ends.
        background: where voxels are counted.
        failed: is told in a sentence when counting failed.
    """

    drawn_on = Signal()
    """Something was drawn just now."""
    counted = Signal()
    """`drawn` is up to date."""
    value_selected = Signal(int)
    """The layer paints this value from now on."""

    def __init__(
        self, parent: QObject, background: Background, failed: Callable[[str], None]
    ) -> None:
        super().__init__(parent)
        self.layer: Layer | None = None
        self.drawn: dict[int, int] | None = None
        """Voxels by scribble value; None = not counted yet."""
        self._background = background
        self._failed = failed
        self._stop_watching = _nothing
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_COUNT_DELAY_MS)
        self._timer.timeout.connect(self.count)

    def follow(self, layer: Layer | None) -> None:
        """Follow another layer from now on, or none."""
        self.end()
        self.layer, self.drawn = layer, None
        if layer is None:
            return
        self._stop_watching = painting.watch_drawing(
            layer, drawn=self._drew, selected=partial(self._tell_value, layer)
        )
        self._tell_value(layer)
        self.count()

    def count(self) -> None:
        """Count now; `counted` tells when that is done."""
        layer = self.layer
        if layer is None:
            return
        try:
            scribbles = layers.volume_of(layer).array
        except ScribsegError:
            return  # the presenter is told of the problem with the inputs
        self._background.run(
            lambda: count_drawn(scribbles), partial(self._take, layer), self._failed
        )

    def touch(self) -> None:
        """Take note of a change that napari does not tell: undo and redo."""
        self._drew()

    def end(self) -> None:
        """Stop watching."""
        self._stop_watching()
        self._stop_watching = _nothing

    def _drew(self) -> None:
        self._timer.start()
        self.drawn_on.emit()

    def _tell_value(self, layer: Layer) -> None:
        self.value_selected.emit(painting.selected_value(layer))

    def _take(self, layer: Layer, drawn: dict[int, int]) -> None:
        if layer is not self.layer:
            return
        self.drawn = drawn
        self.counted.emit()


def _nothing() -> None:
    pass
