"""Labels layers as something to draw on: colours, keys, the painted value, and news of strokes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from weakref import WeakSet

from napari.layers import Labels, Layer

from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, LabelSchema
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.label_look import label_look

_BRUSH_SIZE = 3
"""Voxels: napari's 10 covers half a ventricle."""

_KEYS = "digits: class, 0: background, P: paint, E: erase, F: fill, L: pick, Z: move the view"

_guarded: WeakSet[Labels] = WeakSet()
"""Layers whose selected value is kept inside their schema."""


def dress(layer: Layer, schema: LabelSchema) -> None:
    """Give a labels layer the colours, names and keys of scribbles in this schema.

    Digits 1 to 9 then choose a class and 0 background, and a value that is not in the schema
    can't stay selected. May be called again, with another schema.

    Args:
        layer: the labels layer that is drawn on.
        schema: the structures.
    """
    labels = cast("Labels", layer)
    look = label_look(schema, schema.scribble_colors)
    labels.colormap = look["colormap"]
    labels.features = look["features"]
    layers.note(labels, role="scribbles", schema=schema.model_dump())
    for digit in range(10):
        labels.bind_key(str(digit), _key_action(schema, digit), overwrite=True)
    if labels not in _guarded:
        _guarded.add(labels)
        labels.brush_size = _BRUSH_SIZE
        labels.events.selected_label.connect(lambda: _keep_inside(labels))
        labels.events.help.connect(lambda: _tell_keys(labels))
    _keep_inside(labels)
    _tell_keys(labels)


def select_value(layer: Layer, value: int) -> None:
    """Paint with this value on a labels layer from now on."""
    labels = cast("Labels", layer)
    labels.selected_label = value
    labels.mode = "paint"


def selected_value(layer: Layer) -> int:
    """The value a labels layer paints with."""
    return int(cast("Labels", layer).selected_label)


def watch_drawing(
    layer: Layer, drawn: Callable[[], None], selected: Callable[[], None]
) -> Callable[[], None]:
    """Follow a labels layer; gives what ends that.

    Args:
        layer: the labels layer.
        drawn: called when voxels changed.
        selected: called when another value is painted.
    """
    events = layer.events
    watched = [(events.paint, drawn), (events.labels_update, drawn), (events.data, drawn)]
    watched.append((events.selected_label, selected))
    connections = [(event, _ignoring_the_event(call)) for event, call in watched]
    for event, react in connections:
        event.connect(react)

    def end() -> None:
        for event, react in connections:
            event.disconnect(react)

    return end


def _ignoring_the_event(call: Callable[[], None]) -> Callable[[Any], None]:
    def react(_event: Any) -> None:
        call()

    return react


def _tell_keys(layer: Labels) -> None:
    """Napari's own line says what digits do on other layers; here they are classes."""
    layer.help = _KEYS


def _keep_inside(layer: Labels) -> None:
    schema = layers.schema_of(layer)
    if schema is None:
        return
    allowed = (UNLABELLED, *schema.drawn_values)
    if int(layer.selected_label) not in allowed:
        last = layers.notes(layer).get("selected")
        layer.selected_label = last if last in allowed else allowed[1]
    elif layers.notes(layer).get("selected") != int(layer.selected_label):
        layers.note(layer, selected=int(layer.selected_label))


def _key_action(schema: LabelSchema, digit: int) -> Callable[[Labels], None]:
    value = BACKGROUND if digit == 0 else digit
    known = value in schema.scribble_values

    def act(layer: Labels) -> None:
        # A digit without a class must do nothing, not fall through to napari's tools.
        if known:
            select_value(layer, value)

    return act
