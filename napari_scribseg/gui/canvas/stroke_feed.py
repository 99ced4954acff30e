"""StrokeFeed: what changes on the chosen scribbles layer, found once for everybody who listens.

Counts, checklist, journal and automatic mask hear from here which slices changed, and share the one
copy of the strokes that is kept (`Planes`). Nothing is compared in the GUI thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import UNLABELLED
from napari_scribseg.core.planes import Planes
from napari_scribseg.core.types import Array
from napari_scribseg.gui.background import Background
from napari_scribseg.gui.canvas import layers, painting
from napari_scribseg.gui.latest_only import Job, LatestOnly
from napari_scribseg.gui.qt import Signal

QUIET_MS = 120
"""A stroke has ended when nothing was drawn for this long."""
LONGEST_MS = 800
"""Of somebody who never pauses is taken note this often."""


@dataclass(frozen=True, eq=False)
class Look:
    """The strokes at one moment.

    Args:
        layer: the scribbles layer.
        planes: its slices.
        changed: which of them are others than at the last look.
        is_first: whether there was no look before this one: the layer is newly followed.
        drawn: voxels by scribble value in the volume, without the unlabelled ones.
        counts: of every value 0 to 255 in the volume, as a vector.
    """

    layer: Layer
    planes: Planes
    changed: tuple[int, ...]
    is_first: bool
    drawn: Mapping[int, int]
    counts: Array


class StrokeFeed(QObject):
    """Follows one scribbles layer at a time.

    Args:
        parent: its owner, with which it ends.
        background: where slices are compared.
        failed: is told in a sentence when that failed.
    """

    drawn_on = Signal()
    """Something was drawn just now."""
    looked = Signal(object)
    """A Look: slices changed, or another layer was looked at for the first time."""
    value_selected = Signal(int)
    """The layer paints this value from now on."""

    def __init__(
        self, parent: QObject, background: Background, failed: Callable[[str], None]
    ) -> None:
        super().__init__(parent)
        self.layer: Layer | None = None
        self.last: Look | None = None
        """The newest look; None = the layer was not looked at yet."""
        self._stop_watching = _nothing
        self._drawn = self._seen = 0
        self._looking = LatestOnly(
            self, background.run, self._prepare, failed, delay_ms=QUIET_MS, longest_ms=LONGEST_MS
        )

    def follow(self, layer: Layer | None) -> None:
        """Follow another layer from now on, or none."""
        self.end()
        self.layer, self.last, self._seen = layer, None, self._drawn
        if layer is None:
            return
        self._stop_watching = painting.watch_drawing(
            layer, drawn=self.touch, selected=partial(self._tell_value, layer)
        )
        self._tell_value(layer)
        self.look()

    def look(self) -> None:
        """Look now; `looked` tells when that is done, if something changed."""
        if self.layer is not None:
            self._looking.ask()
            self._looking.begin()

    def touch(self) -> None:
        """Take note of a change; also of one that napari does not tell: undo and redo."""
        self._drawn += 1
        self._looking.ask()
        self.drawn_on.emit()

    @property
    def is_behind(self) -> bool:
        """Whether something was drawn that was not looked at yet."""
        return self._drawn > self._seen

    def end(self) -> None:
        """Stop watching."""
        self._stop_watching()
        self._stop_watching = _nothing
        self._looking.forget()

    def _prepare(self) -> Job[Look] | None:
        layer, last = self.layer, self.last
        if layer is None:
            return None
        try:
            scribbles = layers.volume_of(layer).array
        except ScribsegError:
            return None  # the presenter is told of the problem with the inputs
        drawn = self._drawn
        return Job(lambda: look_at(layer, scribbles, last), lambda look: self._take(look, drawn))

    def _tell_value(self, layer: Layer) -> None:
        self.value_selected.emit(painting.selected_value(layer))

    def _take(self, look: Look, drawn: int) -> None:
        if look.layer is not self.layer:
            return
        self._seen = drawn
        is_news = self.last is None or bool(look.changed)
        self.last = look
        if is_news:
            self.looked.emit(look)


def look_at(layer: Layer, scribbles: Array, last: Look | None) -> Look:
    """What a layer shows now; only slices that differ from the last look are copied and counted.

    Args:
        layer: the scribbles layer.
        scribbles: its voxels (z, y, x); may be drawn on meanwhile.
        last: the look before, of the same layer.
    """
    if last is None or last.planes.shape != scribbles.shape:
        planes, counts = Planes.of(scribbles), np.zeros(256, np.int64)
        changed = planes.changed_since(None)
    else:
        planes, counts = last.planes.follow(scribbles), last.counts.copy()
        changed = planes.changed_since(last.planes)
        for z in changed:
            counts -= _counted(last.planes.slices[z])
    for z in changed:
        counts += _counted(planes.slices[z])
    drawn = {int(v): int(counts[v]) for v in np.flatnonzero(counts) if v != UNLABELLED}
    return Look(layer, planes, changed, last is None, drawn, counts)


def _counted(plane: Array) -> Array:
    """Voxels of a slice by value 0 to 255; others are no scribbles and count nowhere."""
    inside = plane[(plane >= 0) & (plane <= 255)] if plane.dtype != np.uint8 else plane
    return np.bincount(inside.ravel(), minlength=256)


def _nothing() -> None:
    pass
