"""StrokeScan: facts of every slice of the chosen scribbles, kept up to date in the background."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from qtpy.QtCore import QObject

from napari_scribseg.annotation.checklist import SliceFacts, near_edges, scan_slice
from napari_scribseg.annotation.suspicious import (
    Stroke,
    Suspicion,
    strokes_of,
    suspicions_among,
)
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.planes import Planes
from napari_scribseg.core.types import Array, Mask
from napari_scribseg.core.volume import Volume
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.slices import Plane
from napari_scribseg.gui.latest_only import Job, LatestOnly
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.session import Session

_DELAY_MS = 60
"""The feed waits for the end of a stroke already."""


@dataclass(frozen=True, eq=False)
class _Scan:
    """What one scan saw and found."""

    image: Array | None
    near_edge: Mask | None
    planes: Planes
    facts: tuple[SliceFacts, ...]
    strokes: tuple[tuple[Stroke, ...], ...]
    """Of every slice; none where there is no image."""
    suspicions: tuple[Suspicion, ...]


class StrokeScan(QObject):
    """Scans the slices of the chosen scribbles of which the session tells that they changed.

    Args:
        session: what the window works on.
    """

    scanned = Signal()
    """`facts` are up to date."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._last: _Scan | None = None
        self.network: Callable[[], Array | None] = lambda: None
        """Gives what a network says of the volume (z, y, x), if there is one."""
        self._scanning = LatestOnly(
            self, session.background.run, self._prepare, session.refuse, delay_ms=_DELAY_MS
        )
        session.strokes_counted.connect(self._scanning.ask)
        session.selected_changed.connect(self._start_anew)
        self._start_anew()

    @property
    def facts(self) -> tuple[SliceFacts, ...]:
        """Of every slice; empty when no scribbles are chosen or they were not scanned yet."""
        return self._last.facts if self._last is not None else ()

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """Strokes to look at, as of the last scan."""
        return self._last.suspicions if self._last is not None else ()

    def ask(self, _news: object = None) -> None:
        """Scan again soon: the network says something else."""
        self._scanning.ask()

    def seen(self, plane: Plane) -> Array | None:
        """A plane (2D) of the scribbles as it was at the last look."""
        look = self._session.look
        if look is None:
            return None
        slices = look.planes.slices
        if plane.is_acquired:
            return slices[plane.index]
        return np.stack([one.take(plane.index, plane.axis - 1) for one in slices])

    def _prepare(self) -> Job[_Scan] | None:
        look, chosen = self._session.look, self._session.selected
        if look is None or look.layer is not chosen.scribbles:
            return None  # the look is to come
        try:
            pixel = layers.grid_of(look.layer).spacing[1:]
            image = self._image()
        except ScribsegError:
            return None  # the Case tab tells what is wrong with the layers
        if image is not None and image.shape != look.planes.shape:
            image = None
        last, network = self._last, self.network()
        return Job(lambda: _scan(look.planes, pixel, image, last, network), self._take)

    def _image(self) -> Volume | None:
        """The volume to look for edges in; None for a series, in which no frame is meant."""
        image = self._session.selected.image
        return None if image is None or layers.is_series(image) else layers.volume_of(image)

    def _take(self, result: _Scan) -> None:
        is_news = (
            self._last is None
            or result.facts != self._last.facts
            or result.suspicions != self._last.suspicions
        )
        self._last = result
        if is_news:
            self.scanned.emit()

    def _start_anew(self) -> None:
        self._last = None
        self.scanned.emit()
        self._scanning.forget()
        self._scanning.ask()


def _scan(
    planes: Planes,
    pixel: tuple[float, float],
    image: Volume | None,
    last: _Scan | None,
    network: Array | None,
) -> _Scan:
    """Scan the slices that differ from the last time; all of them when the image is another."""
    shown = None if image is None else image.array
    same_image = last is not None and last.image is shown
    near = last.near_edge if last is not None and same_image else None
    if near is None and image is not None:
        near = near_edges(image.array, image.spacing)
    before = last if same_image else None
    changed = set(planes.changed_since(None if before is None else before.planes))
    facts = tuple(
        scan_slice(drawn, None if near is None else near[z], pixel)
        if before is None or z in changed
        else before.facts[z]
        for z, drawn in enumerate(planes.slices)
    )
    strokes = tuple(
        ()
        if shown is None
        else strokes_of(shown[z], drawn, z)
        if before is None or z in changed
        else before.strokes[z]
        for z, drawn in enumerate(planes.slices)
    )
    usable = network if network is not None and network.shape == planes.shape else None
    found = suspicions_among([one for some in strokes for one in some], usable)
    return _Scan(shown, near, planes, facts, strokes, found)
