"""StrokeScan: facts of every slice of the chosen scribbles, kept up to date in the background."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_scribseg.annotation.checklist import SliceFacts, near_edges, scan_slice
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.types import Array, Mask
from napari_scribseg.core.volume import Volume
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.session import Session

_DELAY_MS = 200
"""Strokes are scanned when nothing was drawn for this long."""


@dataclass(frozen=True, eq=False)
class _Scan:
    """What one scan saw and found."""

    image: Array | None
    near_edge: Mask | None
    seen: Array
    facts: tuple[SliceFacts, ...]


class StrokeScan(QObject):
    """Follows the chosen scribbles and scans the slices that changed.

    Args:
        session: what the window works on.
    """

    scanned = Signal()
    """`facts` are up to date."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._last: _Scan | None = None
        self._is_scanning = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self.scan)
        session.strokes_drawn.connect(self._timer.start)
        session.selected_changed.connect(self._start_anew)
        self._start_anew()

    @property
    def facts(self) -> tuple[SliceFacts, ...]:
        """Of every slice; empty when no scribbles are chosen or they were not scanned yet."""
        return self._last.facts if self._last is not None else ()

    def seen(self, z: int) -> Array | None:
        """A slice (y, x) of the scribbles as it was at the last scan."""
        return None if self._last is None else self._last.seen[z]

    def scan(self) -> None:
        """Scan now; `scanned` tells when that is done."""
        if self._is_scanning:
            self._timer.start()
            return
        chosen = self._session.selected
        if chosen.scribbles is None:
            return
        try:
            scribbles = layers.volume_of(chosen.scribbles)
            image = self._image()
        except ScribsegError:
            return  # the Case tab tells what is wrong with the layers
        if image is not None and image.shape != scribbles.shape:
            image = None
        self._is_scanning = True
        self._session.background.run(
            partial(_scan, scribbles, image, self._last),
            partial(self._take, chosen.scribbles),
            self._fail,
        )

    def _image(self) -> Volume | None:
        """The volume to look for edges in; None for a series, in which no frame is meant."""
        image = self._session.selected.image
        return None if image is None or layers.is_series(image) else layers.volume_of(image)

    def _take(self, layer: object, result: _Scan) -> None:
        self._is_scanning = False
        if layer is not self._session.selected.scribbles:
            self.scan()
            return
        is_news = self._last is None or result.facts != self._last.facts
        self._last = result
        if is_news:
            self.scanned.emit()

    def _fail(self, message: str) -> None:
        self._is_scanning = False
        self._session.refuse(message)

    def _start_anew(self) -> None:
        self._last = None
        self.scanned.emit()
        self.scan()


def _scan(scribbles: Volume, image: Volume | None, last: _Scan | None) -> _Scan:
    """Scan the slices that differ from the last time; all of them when the image is another."""
    now = scribbles.array.copy()
    shown = None if image is None else image.array
    same_image = last is not None and last.image is shown
    near = last.near_edge if last is not None and same_image else None
    if near is None and image is not None:
        near = near_edges(image.array, image.spacing)
    usable = last is not None and same_image and last.seen.shape == now.shape
    facts: list[SliceFacts] = []
    for z, drawn in enumerate(now):
        if usable and last is not None and np.array_equal(drawn, last.seen[z]):
            facts.append(last.facts[z])
        else:
            edges = None if near is None else near[z]
            facts.append(scan_slice(drawn, edges, scribbles.spacing[1:]))
    return _Scan(shown, near, now, tuple(facts))
