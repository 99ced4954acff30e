"""Volumes as napari layers and back.

Besides this only `painting`, `brush`, `pen` and `layer_twin` know what napari's layers are made of.

Layers lie in a world in millimetres whose axes are those of the volume's grid, turned around where
that gives the view a radiologist expects (up is anterior or superior, right is the patient's
left). An oblique volume is therefore shown as it was acquired, volumes of one acquisition lie on
each other, and napari never has to resample. The true affine travels in the layer's metadata, as
does the layer's role; layers are found by role, never by name.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case, CaseKey
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.gui.canvas import layer_grid
from napari_scribseg.gui.canvas.label_look import label_look
from napari_scribseg.gui.canvas.world import placement

Role = Literal[
    "image",
    "series",
    "sequence",
    "scribbles",
    "reference",
    "segmentation",
    "uncertainty",
    "preview",
    "proposal",
    "automatic",
    "difference",
    "doubt",
    "probabilities",
    "learnt",
    "comparison",
    "region",
    "others",
    "agreement",
]
LayerData = tuple[Any, dict[str, Any], str]

METADATA_KEY = "scribseg"
"""Everything we note about a layer stands under this key of its metadata."""

OUTLINE_WIDTH = 1
"""Width in voxels of a segmentation drawn as an outline."""
REFERENCE_WIDTH = 2
"""Width of the outline of a reference: where a segmentation is right, it lies on its outer half."""
_PALE = 0.6
"""Share of white in the colours of a reference, which tells it from what a run says."""


def image_data(volume: Volume, *, case: CaseKey, name: str | None = None) -> LayerData:
    """The image layer of a volume, called like its case and sequence unless a name is given."""
    low, high = np.percentile(_sample(volume.array), (0.5, 99.5))
    limits = (float(low), float(high)) if high > low else None
    more = {"colormap": "gray", "contrast_limits": limits}
    called = name or image_name(case.name, volume.sequence)
    return made(volume, "image", "image", case, called, more)


def image_name(title: str, sequence: str) -> str:
    """What an image layer is called: like its case, and what it shows if that is known."""
    return f"{title} {sequence}".strip()


def scribbles_data(
    grid: Grid, schema: LabelSchema, *, case: CaseKey, array: Array | None = None
) -> LayerData:
    """The scribbles layer of a case; empty when no array (z, y, x) is given."""
    scribbles = np.zeros(grid.shape, np.uint8) if array is None else array.astype(np.uint8)
    schema.check_scribbles(scribbles)
    more = {**label_look(schema, schema.scribble_colors), "opacity": 0.9}
    return made(Volume(scribbles, grid), "labels", "scribbles", case, "scribbles", more, schema)


def reference_data(volume: Volume, schema: LabelSchema, *, case: CaseKey) -> LayerData:
    """The layer of a reference: a pale outline, so that nothing lies under the brush."""
    more = {**label_look(schema, _pale_colors(schema)), "opacity": 0.8}
    array, settings, kind = made(volume, "labels", "reference", case, "reference", more, schema)
    settings["metadata"][METADATA_KEY]["contour"] = REFERENCE_WIDTH
    return array, settings, kind


def segmentation_data(
    volume: Volume,
    schema: LabelSchema,
    *,
    case: CaseKey,
    outline: bool = True,
    title: str = "",
    run: str | None = None,
) -> LayerData:
    """The layer of a segmentation, as an outline or filled; `title` and `run` tell whose it is.

    It is called by the title alone: napari cuts long names in the middle.
    """
    more = {**label_look(schema, schema.segmentation_colors), "opacity": 1.0 if outline else 0.6}
    array, settings, kind = made(
        volume, "labels", "segmentation", case, title or "segmentation", more, schema
    )
    settings["metadata"][METADATA_KEY]["run"] = run
    settings["metadata"][METADATA_KEY]["contour"] = OUTLINE_WIDTH if outline else 0
    return array, settings, kind


def preview_data(volume: Volume, schema: LabelSchema, *, case: CaseKey) -> LayerData:
    """The layer of what a training makes of a case at the moment, filled and faint."""
    more = {**label_look(schema, schema.segmentation_colors), "opacity": 0.3}
    return made(volume, "labels", "preview", case, "preview of the training", more, schema)


def proposal_data(grid: Grid, schema: LabelSchema, *, case: CaseKey, array: Array) -> LayerData:
    """The layer of strokes that may become scribbles (z, y, x), fainter than those."""
    more = {**label_look(schema, schema.scribble_colors), "opacity": 0.6}
    return made(Volume(array, grid), "labels", "proposal", case, "proposal", more, schema)


def plain_labels_data(volume: Volume, *, case: CaseKey) -> LayerData:
    """A labels layer without a role, that may be chosen as scribbles or as reference.

    Its values are whole numbers from 0 to 65535, of any type.
    """
    array, settings, kind = made(volume, "labels", None, case, case.name, {})
    return as_labels(array), settings, kind


def case_data(case: Case, schema: LabelSchema, key: CaseKey | None = None) -> list[LayerData]:
    """The layers of a case: its image, its reference if it has one, and its scribbles on top.

    Args:
        case: its volumes.
        schema: its structures.
        key: which case it is, where that is not what it says itself.
    """
    key = key or case.key
    layers = [image_data(case.image, case=key)]
    if case.reference is not None:
        reference = Volume(case.reference, case.grid)
        layers.append(reference_data(reference, schema, case=key))
    drawn, settings, kind = scribbles_data(case.grid, schema, case=key, array=case.scribbles)
    if case.region is not None:
        settings["metadata"][METADATA_KEY]["region"] = case.region.model_dump()
    layers.append((drawn, settings, kind))
    return layers


def layer_of(data: LayerData) -> Layer:
    """The layer of layer data, not yet in a viewer."""
    layer = Layer.create(*data)
    contour = notes(layer).get("contour")
    if isinstance(layer, Labels) and contour is not None:
        layer.contour = contour
    return layer


def notes(layer: Layer) -> dict[str, Any]:
    """What we noted about a layer (role, case, affine, frame, ...), empty for a strange one."""
    found = layer.metadata.get(METADATA_KEY)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def role_of(layer: Layer) -> Role | None:
    """What a layer is for, None when it came from elsewhere."""
    return notes(layer).get("role")


def case_of(layer: Layer) -> CaseKey | None:
    """Which case a layer belongs to, None when it came from elsewhere and nobody asked yet."""
    noted = notes(layer)
    if noted.get("case") is None:
        return None
    return CaseKey(noted.get("source", ""), noted["case"], noted.get("title", ""))


def identified(layer: Layer) -> CaseKey:
    """Which case a layer belongs to.

    A strange layer is a case of its own. It gets its identity here, once, and keeps it whatever
    it is called later: that of its file, or a random one.
    """
    known = case_of(layer)
    if known is not None:
        return known
    path = layer.source.path
    if path is None:
        key = CaseKey(f"layer:{secrets.token_hex(8)}", safe_id(layer.name), layer.name)
    else:  # a file may hold several images
        key = CaseKey.of_file(Path(path), safe_id(layer.name), layer.name)
    note_case(layer, key)
    return key


def note_case(layer: Layer, case: CaseKey) -> None:
    """Note on a layer which case it belongs to."""
    note(layer, case=case.id, source=case.source, title=case.title)


def schema_of(layer: Layer) -> LabelSchema | None:
    """The schema a layer was drawn with, None when it came from elsewhere."""
    stored = notes(layer).get("schema")
    return None if stored is None else LabelSchema.model_validate(stored)


def find(
    layers: Iterable[Layer], role: Role, case: CaseKey | None = None, run: str | None = None
) -> Layer | None:
    """The last layer with this role, of this case and of this run if they are given."""
    found = None
    for layer in layers:
        of_run = run is None or notes(layer).get("run") == run
        if role_of(layer) == role and case in (None, case_of(layer)) and of_run:
            found = layer
    return found


def usable_as(layer: Layer, role: Role) -> bool:
    """Whether a layer may be chosen for a role: it has it, or it has none and the right kind.

    An image that was converted to labels still bears its old role, which then means nothing.
    """
    has = role_of(layer)
    if isinstance(layer, Image):
        return role == "image" and has in (None, "image", "series")
    stale = has in ("image", "series", "sequence", "uncertainty")
    return isinstance(layer, Labels) and role != "image" and (stale or has in (None, role))


def note(layer: Layer, **changes: Any) -> None:
    """Add to what is noted about a layer."""
    layer.metadata = {**layer.metadata, METADATA_KEY: {**notes(layer), **changes}}


def volume_of(layer: Layer, frame: int | None = None) -> Volume:
    """The volume of an image or labels layer; the array is the layer's own, not a copy.

    Args:
        layer: (z, y, x), or (t, z, y, x).
        frame: which time point of a 4D layer to take; there is no time point by default.

    Raises:
        InvalidInput: no volume, a time series without a frame, or a layer whose place can't be
            told, see `layer_grid.locate`.
    """
    array = layer_grid.frame_of(layer, frame)
    chosen = frame if is_series(layer) else notes(layer).get("frame")
    return Volume(array, grid_of(layer), frame=chosen)


def grid_of(layer: Layer, over: Layer | None = None) -> Grid:
    """Where a layer's voxels lie in the patient, also after it was moved, cropped or binned.

    Args:
        layer: an image or labels layer.
        over: a layer that tells what the axes of the window mean, if this one came from elsewhere.

    Raises:
        InvalidInput: see `layer_grid.locate`.
    """
    world = None if over is None else layer_grid.world_of([(over, notes(over))])
    return layer_grid.locate(layer, notes(layer), world).grid


def is_series(layer: Layer) -> bool:
    """Whether a layer has an axis in front of (z, y, x)."""
    return layer.ndim == layer_grid.SERIES_AXES


def recolour(layer: Layer, schema: LabelSchema) -> None:
    """Give a labels layer the look of a reference in this schema."""
    labels = cast("Labels", layer)
    look = label_look(schema, _pale_colors(schema))
    labels.colormap = look["colormap"]
    labels.features = look["features"]
    labels.contour = REFERENCE_WIDTH
    note(labels, schema=schema.model_dump())


def refill(layer: Layer, array: Array) -> bool:
    """Show other values on the same voxels; False = the shapes differ, nothing was done."""
    labels = cast("Any", layer)
    if tuple(labels.data.shape) != array.shape:
        return False
    labels.data = array
    return True


def empty(layer: Layer) -> bool:
    """Erase a layer of labels; False = it has no plain voxels, nothing was done."""
    return refill(layer, np.zeros(layer_grid.voxels_of(layer).shape, np.uint8))


def set_outline(layer: Layer, *, outline: bool) -> None:
    """Show a segmentation as an outline, or filled and half transparent."""
    labels = cast("Labels", layer)
    labels.contour = OUTLINE_WIDTH if outline else 0
    labels.opacity = 1.0 if outline else 0.6


def as_labels(array: Array) -> Array:
    """Whole numbers as uint8 when they fit, else as uint16."""
    small = float(array.max()) <= np.iinfo(np.uint8).max
    return np.rint(array).astype(np.uint8 if small else np.uint16)


def made(
    volume: Volume,
    kind: str,
    role: Role | None,
    case: CaseKey,
    name: str,
    more: dict[str, Any],
    schema: LabelSchema | None = None,
) -> LayerData:
    """Layer data of a volume, with what is noted about every layer of ours.

    Args:
        volume: its voxels and where they lie.
        kind: what napari calls such a layer.
        role: what it is for; None = that is open.
        case: which case it belongs to.
        name: of the layer.
        more: further settings of napari's; those that are None are left to napari.
        schema: its structures, if it has any.
    """
    scale, translate = placement(volume.grid)
    noted = {
        "role": role,
        "case": case.id,
        "source": case.source,
        "title": case.title,
        "affine": volume.grid.affine.tolist(),
        "shape": list(volume.grid.shape),
        "frame": volume.frame,
        "oriented": volume.grid.oriented,
        "schema": None if schema is None else schema.model_dump(),
    }
    settings = {
        "name": name,
        "scale": scale,
        "translate": translate,
        "units": ("mm", "mm", "mm"),
        "axis_labels": ("z", "y", "x"),
        "metadata": {METADATA_KEY: noted},
        **more,
    }
    return volume.array, {k: v for k, v in settings.items() if v is not None}, kind


def _pale_colors(schema: LabelSchema) -> dict[int, str]:
    """The colours of a reference: those of its structures, mixed with white."""
    return {value: pale(color) for value, color in schema.segmentation_colors.items()}


def pale(color: str) -> str:
    """A colour (#rrggbb) as a reference has it: mixed with white."""
    parts = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * _PALE):02x}" for part in parts)


def _sample(array: Array) -> Array:
    """About a million voxels, evenly taken: enough for percentiles."""
    step = max(1, int(np.ceil((array.size / 1e6) ** (1 / 3))))
    return array[::step, ::step, ::step]
