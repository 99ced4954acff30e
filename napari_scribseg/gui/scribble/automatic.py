"""AutomaticMask: what the strokes so far amount to, as a faint outline that follows the pen.

The warm child makes it: first of the shown slice, then of the volume. Answers that are older than
the strokes are dropped, and drawing waits for none of them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.region import Region
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.automatic_layer import automatic_data
from napari_scribseg.gui.canvas.layer_grid import voxels_of
from napari_scribseg.gui.canvas.sequence_layers import image_of
from napari_scribseg.gui.latest_only import Job, LatestOnly
from napari_scribseg.gui.project_cases import is_blind
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.scribble.presenter import Source, told_source
from napari_scribseg.gui.session import Session
from napari_scribseg.propagate.outline import outline, outlines
from napari_scribseg.runs.messages import Message
from napari_scribseg.runs.newest import newest_run

SLICE_MS: Final = 40
"""The mask of a slice is asked for when nothing was drawn for this long."""
VOLUME_MS: Final = 150
"""That of the volume follows the feed of strokes after this time."""
NEIGHBOURS: Final = 2
"""Slices on each side whose strokes count for a slice."""


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is needed to ask the child."""

    image: Volume
    key: str
    layer: Layer


class AutomaticMask(QObject):
    """Shows the automatic mask while it is switched on.

    Args:
        session: what the window works on.
    """

    switched = Signal(bool)
    """It was switched on or off."""
    told = Signal(str)
    """Who made the mask, in a sentence; "" = there is none."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._is_on = False
        self._asked_for = False
        """Whether it was switched on for what is shown now."""
        self._source: Source = Source()
        self._keys: WeakKeyDictionary[Layer, tuple[int, str]] = WeakKeyDictionary()
        self._network: Array | None = None
        self.labels: Array | None = None
        """The mask of the volume (z, y, x), class indices; None = there is none yet."""
        run = session.background.run
        self._slice = LatestOnly(
            self, run, self._slice_job, self._fail, delay_ms=SLICE_MS, drops_stale=True
        )
        self._volume = LatestOnly(
            self, run, self._volume_job, self._fail, delay_ms=VOLUME_MS, drops_stale=True
        )
        session.strokes_drawn.connect(self._ask_slice)
        session.strokes_counted.connect(self._ask_volume)
        session.run_chosen.connect(self._ask_volume)
        session.run_completed.connect(self._ask_volume)
        session.region_changed.connect(self._ask_volume)
        session.selected_changed.connect(self._start_anew)

    @property
    def is_on(self) -> bool:
        """Whether it follows the strokes."""
        return self._is_on

    @property
    def network(self) -> Array | None:
        """The mask of the volume if a network made it, which the drawn voxels do not overrule."""
        return self._network

    @property
    def layer(self) -> Layer | None:
        """The layer that shows it."""
        case = self._session.case
        return None if case is None else layers.find(self._session.viewer.layers, "automatic", case)

    def switch(self, *, on: bool) -> None:
        """Follow the strokes from now on, or take the layer away."""
        if on == self._is_on:
            return
        self._is_on = on
        self.switched.emit(on)
        self._start_anew()
        self._asked_for = on

    def end(self) -> None:
        """Follow nothing any more."""
        self._is_on = False
        self._slice.forget()
        self._volume.forget()

    def _ask_slice(self, _news: object = None) -> None:
        if self._is_on:
            self._slice.ask()

    def _ask_volume(self, _news: object = None) -> None:
        if self._is_on:
            self._volume.ask()

    def _start_anew(self) -> None:
        """Other layers: what was made of those before is of no use."""
        self._slice.forget()
        self._volume.forget()
        self._asked_for = False
        self._source, self.labels, self._network = Source(), None, None
        known = self._session.viewer.layers
        for old in [one for one in known if layers.role_of(one) == "automatic"]:
            if not self._is_on or layers.case_of(old) != self._session.case:
                known.remove(old)
        self.told.emit("")
        if self._is_on and self._session.selected.scribbles is not None:
            self._session.warm.begin()
            self._volume.ask()

    def _what(self) -> _Asked | None:
        """The chosen image, if it and the scribbles can be used."""
        chosen = self._session.selected
        if chosen.image is None or chosen.scribbles is None:
            return None
        try:
            image = image_of(chosen.image, self._session.viewer.layers)
            drawn = voxels_of(chosen.scribbles)
        except ScribsegError:
            return None  # a series without a frame: the Case tab tells what to do
        if image.shape != drawn.shape:
            return None
        marked = id(chosen.image.data)
        known = self._keys.get(chosen.image)
        if known is None or known[0] != marked:
            known = marked, secrets.token_hex(8)
            self._keys[chosen.image] = known
        return _Asked(image, known[1], chosen.scribbles)

    def _slice_job(self) -> Job[Any] | None:
        what = self._what()
        plane = self._session.plane
        if what is None or plane is None or not plane.is_acquired or not self._is_on:
            return None  # of another plane the mask of the volume tells, a moment later
        z = plane.index
        first = max(z - NEIGHBOURS, 0)
        drawn = voxels_of(what.layer)[first : z + NEIGHBOURS + 1].astype(np.uint8)
        if not drawn[z - first].any():
            return None  # the volume's mask says what is known here
        warm, region = self._session.warm, self._session.region
        fields = {"z": z, "first": first, "source": self._source.name}

        def work() -> Array | None:
            answer = warm.ask(
                "slice", {**_place(what.image), **fields}, {"drawn": drawn}, shared=_shared(what)
            )
            return _lines(_inside(answer, region, z), what.image.spacing)

        return Job(work, lambda lines: self._show_slice(what, z, lines))

    def _volume_job(self) -> Job[Any] | None:
        what, look = self._what(), self._session.look
        if what is None or look is None or look.layer is not what.layer or not self._is_on:
            return None
        session = self._session
        warm, project, names = session.warm, session.project_folder, session.schema.names
        stored = session.stored
        case = "" if stored is None else stored.id_among(project)
        region = session.region

        def work() -> tuple[Message, Array | None]:
            run = None if is_blind(project, stored) else newest_run(project, names)
            more = {"run": None if run is None else str(run), "case": case}
            answer = warm.ask(
                "volume",
                {**_place(what.image), **more},
                {"drawn": look.planes.array().astype(np.uint8)},
                shared=_shared(what),
            )
            inside = _inside(answer, region)
            return inside, _lines(inside, what.image.spacing)

        return Job(work, lambda made: self._show_volume(what, *made))

    def _show_slice(self, what: _Asked, z: int, lines: Array | None) -> None:
        if lines is None or not self._is_on or self._session.case is None:
            return
        layer = self._shown(what.image)
        layer.data[z] = lines
        layer.visible = True  # somebody draws: Results may have hidden it
        layer.refresh(extent=False)
        if not self._source.name:
            self._source = Source("walk")
            self.told.emit(told_source(self._source))

    def _show_volume(self, what: _Asked, answer: Message, lines: Array | None) -> None:
        if not self._is_on or self._session.case is None:
            return
        fields = answer.fields
        self._source = Source(
            str(fields.get("source", "")), dict(fields.get("scores", {})), fields.get("step")
        )
        self.labels = answer.arrays.get("labels")
        self._network = answer.arrays.get("said")
        self.told.emit(told_source(self._source))
        if lines is None and self.layer is None:
            return
        layer = self._shown(what.image)
        layer.data[:] = 0 if lines is None else lines
        layer.refresh(extent=False)

    def _shown(self, image: Volume) -> Any:
        case = self._session.case
        assert case is not None
        layer = self.layer
        if layer is None or layer.data.shape != image.shape:
            empty = Volume(np.zeros(image.shape, np.uint8), image.grid)
            layer = self._session.put(
                automatic_data(empty, self._session.schema, case=case), "automatic", case
            )
            # Beside a result the two would be taken for one another, unless somebody asks for both.
            known = self._session.viewer.layers
            layer.visible = self._asked_for or layers.find(known, "segmentation", case) is None
        return layer

    def _fail(self, sentence: str) -> None:
        """Told once: a mask that can't be made must not talk at every stroke."""
        self.switch(on=False)
        self._session.say(f"The automatic mask is off: {sentence}", "warning")


def _place(image: Volume) -> dict[str, Any]:
    return {
        "affine": image.grid.affine.tolist(),
        "oriented": image.grid.oriented,
        "sequence": image.sequence,
    }


def _shared(what: _Asked) -> dict[str, tuple[str, Array]]:
    further = {
        f"sequence:{name}": (f"{what.key}:{name}", array)
        for name, array in what.image.further.items()
    }
    return {"image": (what.key, what.image.array), **further}


def _inside(answer: Message, region: Region | None, z: int | None = None) -> Message:
    """An answer whose mask is background outside of the region of interest."""
    labels = answer.arrays.get("labels")
    if labels is None or region is None:
        return answer
    kept = np.zeros_like(labels)
    if z is None:
        kept[region.slices] = labels[region.slices]
    elif region.z[0] <= z < region.z[1]:
        kept[region.slices[1:]] = labels[region.slices[1:]]
    return Message(answer.fields, {**answer.arrays, "labels": kept})


def _lines(answer: Message, spacing: tuple[float, float, float]) -> Array | None:
    """The outlines of an answer's mask, of a slice or a volume; None without one."""
    labels = answer.arrays.get("labels")
    if labels is None:
        return None
    sureness = answer.arrays["sureness"] / np.float32(255)
    if labels.ndim == 2:
        return outline(labels, sureness, spacing[1:])
    return outlines(labels, sureness, spacing)
