"""LayerTwin: a layer of the window in another viewer - same voxels, same look, same history.

napari keeps with a layer how it is sliced, so one layer can't be in two viewers. Its twin is a
layer of its own that shares the array, and everything that can be set on one is set on the other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from napari.layers import Image, Labels, Layer

_LOOK: Final = (
    "visible",
    "opacity",
    "blending",
    "colormap",
    "contrast_limits",
    "gamma",
    "contour",
    "features",
    "show_selected_label",
    "contiguous",
    "preserve_labels",
    "n_edit_dimensions",
    "selected_label",
    "mode",
    "brush_size",
)
_PLACE: Final = ("scale", "translate", "rotate", "shear", "affine")
_VOLUME: Final = 3


def can_have_twin(layer: Layer) -> bool:
    """Whether a layer is a volume (z, y, x) that can be shown in another viewer, too."""
    plain = isinstance(layer, Image | Labels) and layer.ndim == _VOLUME
    return plain and not layer.multiscale and not getattr(layer, "rgb", False)


class LayerTwin:
    """Keeps a layer and its twin in step until `end`.

    Args:
        layer: of the window.
        drawn: is called when somebody draws on the twin.
        outdated: is called when a layer shows what the other does not yet; is given which one has
            shown it already.
        moved: is called when the layer has other voxels or lies elsewhere, so that it needs
            another twin.
    """

    def __init__(
        self,
        layer: Layer,
        drawn: Callable[[], None],
        outdated: Callable[[Layer], None],
        moved: Callable[[], None],
    ) -> None:
        self.layer = layer
        self.twin = _twin_of(layer)
        self._is_setting = False
        self._connections: list[tuple[Any, Callable[[Any], None]]] = []
        for name in _LOOK:
            if hasattr(layer.events, name):
                self._keep_equal(layer, self.twin, name)
                self._keep_equal(self.twin, layer, name)
        for name in (*_PLACE, "data"):
            self._on(layer, name, moved)
        if isinstance(layer, Labels):
            self._on(layer, "labels_update", lambda: outdated(layer))
            self._on(self.twin, "labels_update", lambda: (outdated(self.twin), drawn()))
            self._share_history(layer, self.twin)

    def end(self) -> None:
        """Let both be."""
        for emitter, react in self._connections:
            emitter.disconnect(react)
        self._connections = []

    def _on(self, layer: Layer, name: str, call: Callable[[], Any]) -> None:
        def react(_event: Any) -> None:
            call()

        emitter = getattr(layer.events, name)
        emitter.connect(react)
        self._connections.append((emitter, react))

    def _keep_equal(self, one: Layer, other: Layer, name: str) -> None:
        def follow() -> None:
            if self._is_setting:
                return
            self._is_setting = True
            try:
                _set_equal(one, other, name)
            finally:
                self._is_setting = False

        self._on(one, name, follow)

    def _share_history(self, layer: Any, twin: Any) -> None:
        """What is drawn on either is taken back on either; voxels mean the same on both."""
        with suppress(AttributeError):  # a napari that keeps it elsewhere: twins keep their own
            twin._undo_history = layer._undo_history  # noqa: SLF001  no public way
            twin._redo_history = layer._redo_history  # noqa: SLF001
            # The keys that are bound on one layer; all that we bind comes to the twin at once.
            twin._keymap = layer._keymap  # noqa: SLF001
        twin.undo, twin.redo = layer.undo, layer.redo

        def tell(event: Any) -> None:
            layer.events.paint(value=event.value)

        twin.events.paint.connect(tell)
        self._connections.append((twin.events.paint, tell))


def _twin_of(layer: Layer) -> Layer:
    twin = Layer.create(*layer.as_layer_data_tuple())
    for name in _LOOK:
        if hasattr(layer, name) and hasattr(twin, name):
            _set_equal(layer, twin, name)
    return twin


def _set_equal(one: Layer, other: Layer, name: str) -> None:
    value, known = getattr(one, name), getattr(other, name)
    is_plain = isinstance(value, str | int | float | bool | list | tuple)
    if value is known or (is_plain and value == known):
        return
    setattr(other, name, value)
