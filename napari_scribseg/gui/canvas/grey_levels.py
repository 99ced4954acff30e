"""Window and level: which grey levels of an image are shown, by preset or by dragging over it.

What is shown is width and level (middle) as in the clinic. CT has presets in Hounsfield units; the
numbers of other modalities mean nothing by themselves, so theirs are shares of the voxels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Final, Literal, cast

import numpy as np
from napari.layers import Image, Layer

from napari_scribseg.core.types import Array
from napari_scribseg.gui.canvas.side_by_side import camera_of

Modality = Literal["CT", "other"]

_AIR_HU: Final = -500.0
"""CT reaches air (-1000); MR, ultrasound and PET have no such values."""
_DOUBLE_PX: Final = 150.0
"""Dragging so far to the right makes the width e times as large; so far down moves by a width."""
_LEFT: Final = 1
_SAMPLED: Final = 1e6

WINDOWS: Final[Mapping[str, tuple[float, float]]] = {
    "Abdomen": (40.0, 400.0),
    "Liver": (60.0, 160.0),
    "Mediastinum": (50.0, 350.0),
    "Lung": (-600.0, 1500.0),
    "Bone": (400.0, 1800.0),
    "Brain": (40.0, 80.0),
}
"""Level and width in HU, as viewers of CT commonly have them."""
SHARES: Final[Mapping[str, tuple[float, float]]] = {
    "Usual": (0.5, 99.5),
    "Everything": (0.0, 100.0),
    "Dark tissue": (0.5, 90.0),
    "Bright tissue": (25.0, 99.9),
}
"""Percentiles of the image that become black and white."""


def modality_of(image: Layer) -> Modality:
    """Whether an image has the values of CT."""
    return "CT" if float(sample_of(image).min()) <= _AIR_HU else "other"


def presets_for(modality: Modality) -> tuple[str, ...]:
    """Names of the presets of a modality."""
    return (*WINDOWS, *SHARES) if modality == "CT" else tuple(SHARES)


def show_preset(image: Layer, name: str) -> None:
    """Show the grey levels of a preset, by its name."""
    if name in WINDOWS:
        level, width = WINDOWS[name]
        low, high = level - width / 2, level + width / 2
    else:
        low, high = (float(one) for one in np.percentile(sample_of(image), SHARES[name]))
    if high > low:
        cast("Image", image).contrast_limits = (low, high)


def window_of(image: Layer) -> tuple[float, float]:
    """Level and width that are shown."""
    limits: Any = cast("Image", image).contrast_limits
    low, high = (float(one) for one in limits)
    return (low + high) / 2, high - low


def sample_of(image: Layer) -> Array:
    """About a million voxels of an image, evenly taken; no others are read."""
    data: Any = image.data[-1] if cast("Image", image).multiscale else image.data
    size = math.prod(int(n) for n in data.shape)
    step = max(1, math.ceil((size / _SAMPLED) ** (1 / data.ndim)))
    return np.asarray(data[(slice(None, None, step),) * data.ndim])


class LevelDrag:
    """While it is on, dragging over a canvas changes the grey levels: width across, level down.

    Args:
        viewers: gives those on whose canvases it works.
        image: gives the image that is looked at.
        changed: is called when other levels are shown.
    """

    def __init__(
        self,
        viewers: Callable[[], Iterable[Any]],
        image: Callable[[], Layer | None],
        changed: Callable[[], None],
    ) -> None:
        self._viewers, self._image, self._changed = viewers, image, changed
        self._on: list[Any] = []

    @property
    def is_on(self) -> bool:
        """Whether dragging changes grey levels now."""
        return bool(self._on)

    def start(self) -> None:
        """Dragging changes grey levels from now on; no tool may be in the hand."""
        self.stop()
        for viewer in self._viewers():
            viewer.mouse_drag_callbacks.append(self._drag)
            camera_of(viewer).mouse_pan = False
            self._on.append(viewer)

    def stop(self) -> None:
        """Dragging does what it did before."""
        for viewer in self._on:
            if self._drag in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self._drag)
            active = viewer.layers.selection.active
            camera_of(viewer).mouse_pan = active is None or bool(active.mouse_pan)
        self._on = []

    def _drag(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        image = self._image()
        if image is None or event.button != _LEFT:
            return
        start = np.array(event.pos, float)
        level, width = window_of(image)
        yield
        while event.type == "mouse_move":
            across, down = np.array(event.pos, float) - start
            wide = max(width * float(np.exp(across / _DOUBLE_PX)), 1e-6)
            middle = level + width * down / _DOUBLE_PX
            cast("Image", image).contrast_limits = (middle - wide / 2, middle + wide / 2)
            self._changed()
            yield
