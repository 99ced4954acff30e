"""Further sequences of a case as image layers that lie on its image and move with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from napari.layers import Image, Layer

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import Case, CaseKey
from napari_scribseg.data.patients import patient_of
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.data.sequence_files import on_grid_of
from napari_scribseg.gui.canvas import layers

_LINKED: Final = ("scale", "translate", "rotate", "shear", "affine")
"""What layers of one case share: where they lie, and not how they look or whether they show."""


def sequences_data(image: Volume, *, case: CaseKey) -> list[layers.LayerData]:
    """The layers of the further sequences of an image, hidden until somebody looks at one."""
    made: list[layers.LayerData] = []
    for name, array in image.further.items():
        volume = Volume(array, image.grid, frame=image.frame)
        data, settings, kind = layers.image_data(volume, case=case, name=name)
        noted: dict[str, Any] = settings["metadata"][layers.METADATA_KEY]
        noted |= {"role": "sequence", "sequence": name}
        made.append((data, {**settings, "visible": False}, kind))
    return made


def sequence_layers(image: Layer, shown: Iterable[Layer]) -> list[Layer]:
    """The layers of the further sequences of an image layer, on whose voxels they lie."""
    case = layers.case_of(image)
    return [
        layer
        for layer in shown
        if layers.role_of(layer) == "sequence"
        and layers.case_of(layer) == case
        and layer.data.shape == image.data.shape
    ]


def image_of(layer: Layer, shown: Iterable[Layer]) -> Volume:
    """The volume of an image layer with the further sequences that lie on it.

    Raises:
        InvalidInput: a layer can't be used, see `layers.volume_of`.
    """
    image = layers.volume_of(layer)
    further = {
        str(layers.notes(one)["sequence"]): layers.volume_of(one).array
        for one in sequence_layers(layer, shown)
    }
    if not further:
        return image
    return replace(image, sequence=str(layers.notes(layer).get("sequence") or ""), further=further)


def link(image: Layer, viewer: Any) -> None:
    """Let an image and its further sequences move together."""
    beside = sequence_layers(image, viewer.layers)
    if beside:
        viewer.layers.link_layers([image, *beside], _LINKED)


def case_of_layers(chosen: Sequence[Layer], shown: Iterable[Layer]) -> Case:
    """A case in memory whose sequences are these image layers, brought onto the first one's grid.

    Args:
        chosen: image layers of one patient; their names become those of the sequences.
        shown: all layers, the scribbles of the first among them.

    Raises:
        InvalidInput: they are fewer than two, no images or not volumes, two have one name, or one
            lies elsewhere in the patient.
    """
    strange = [layer.name for layer in chosen if not isinstance(layer, Image) or layer.rgb]
    if strange or len(chosen) < 2:
        raise InvalidInput(
            "Select two or more image layers in napari's list of layers (Ctrl+click), then ask "
            f"again; got {', '.join(layer.name for layer in chosen) or 'none'}."
        )
    names = [
        " ".join(layer.name.replace(",", " ").split())[:50].strip() or "image" for layer in chosen
    ]
    if len({name.casefold() for name in names}) < len(names):
        raise InvalidInput(
            f"Two of the layers have one name ({', '.join(names)}): rename them to what they show, "
            "such as T2 and ADC."
        )
    image = layers.volume_of(chosen[0])
    further: dict[str, Array] = {}
    notes = list(image.notes)
    for name, layer in zip(names[1:], chosen[1:], strict=True):
        array, found = on_grid_of(layers.volume_of(layer), image.grid, name)
        further[name] = np.array(array)
        notes += found
    key = layers.identified(chosen[0])
    scribbles = layers.find(shown, "scribbles", key)
    drawn = None if scribbles is None else np.array(layers.volume_of(scribbles).array)
    return Case(
        safe_id(f"{key.id}_{len(names)}_sequences"),
        patient_of(key.id),
        replace(image, array=np.array(image.array), sequence=names[0], further=further, notes=()),
        drawn if drawn is None or drawn.shape == image.shape else None,
        notes=tuple(notes),
        source=key.source,
    )
