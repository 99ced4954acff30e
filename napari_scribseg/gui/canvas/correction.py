"""Correcting a segmentation with the brush: what changes becomes strokes, and comes back on undo.

The segmentation layer itself is painted on. Wherever it differs from what it was at first, the
scribbles get the corrected class (background where something was taken away); where a correction
is taken back, the strokes that were there before come back, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from napari.layers import Labels, Layer

from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.gui.canvas import brush

if TYPE_CHECKING:
    import napari.viewer

_BRUSH_VOXELS = 5


def focus_canvas(viewer: napari.viewer.Viewer) -> None:
    """Give the keyboard to the canvas; napari has no public way."""
    window: Any = viewer.window
    with contextlib.suppress(AttributeError):
        window._qt_window._qt_viewer.canvas.native.setFocus()  # noqa: SLF001


class Correction:
    """One segmentation layer that is being corrected, until `end`.

    Args:
        segmentation: its layer, class indices.
        scribbles: the layer that receives the strokes; None = nobody learns from it.
        schema: the structures.
        changed: called after every finished stroke, undo and redo.
    """

    def __init__(
        self,
        segmentation: Layer,
        scribbles: Layer | None,
        schema: LabelSchema,
        changed: Callable[[], None],
    ) -> None:
        self.layer = cast("Labels", segmentation)
        if scribbles is not None and scribbles.data.shape != segmentation.data.shape:
            scribbles = None  # somebody has chosen the strokes of another image
        self._scribbles = None if scribbles is None else cast("Labels", scribbles)
        self._changed = changed
        self._before = np.array(self.layer.data, np.uint8)
        self._last = self._before.copy()
        self._strokes = None if scribbles is None else np.array(scribbles.data, np.uint8)
        """The scribbles as they were where nothing was corrected."""
        self._n_classes = schema.n_classes
        for digit in range(10):
            self.layer.bind_key(str(digit), self._key(digit), overwrite=True)
        # napari does not tell of undo and redo.
        brush.bind(self.layer, {"Control-Z": self._undo, "Control-Shift-Z": self._redo})
        self.layer.events.selected_label.connect(self._keep_inside)
        self._end_watch = brush.watch_strokes(self.layer, self._drawn)
        self.layer.brush_size = _BRUSH_VOXELS
        self.layer.visible = True
        self.choose(min(1, self._n_classes - 1))

    def end(self) -> None:
        """Give the layer its own keys back."""
        self._end_watch()
        self.layer.events.selected_label.disconnect(self._keep_inside)
        self.layer.mode = "pan_zoom"
        brush.unbind(self.layer, dict.fromkeys(("Control-Z", "Control-Shift-Z")))
        for digit in range(10):
            self.layer.bind_key(str(digit), None, overwrite=True)

    def choose(self, value: int) -> None:
        """Add this class from now on; 0 takes away."""
        if 0 <= value < self._n_classes:
            if value:
                self.layer.selected_label = value
            self.layer.mode = "paint" if value else "erase"

    def _key(self, digit: int) -> Callable[[Any], None]:
        def act(_layer: Any) -> None:
            self.choose(digit)

        return act

    def _undo(self) -> None:
        brush.undo(self.layer)
        self._drawn()

    def _redo(self) -> None:
        brush.redo(self.layer)
        self._drawn()

    def _keep_inside(self, _event: Any) -> None:
        if not 0 < int(self.layer.selected_label) < self._n_classes:
            self.layer.selected_label = 1

    def _drawn(self) -> None:
        now = np.asarray(self.layer.data)
        places = np.nonzero(now != self._last)
        if not len(places[0]):
            return
        values = now[places].astype(np.uint8)
        self._last[places] = values
        self._write(places, values)
        self._changed()

    def _write(self, places: tuple[Any, ...], values: np.ndarray[Any, Any]) -> None:
        """The strokes of what changed just now, in one step of their history."""
        if self._scribbles is None or self._strokes is None:
            return
        strokes = np.where(values == 0, np.uint8(BACKGROUND), values)
        back = values == self._before[places]
        strokes[back] = self._strokes[places][back]
        drawn = np.asarray(self._scribbles.data)[places]
        new = strokes != drawn
        if new.any():
            self._scribbles.data_setitem(tuple(axis[new] for axis in places), strokes[new])
