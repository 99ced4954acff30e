"""The layers that were chosen as image, scribbles and reference, and whether they fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from napari.layers import Layer

from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.labels import BACKGROUND, LabelSchema, reference_of_scribbles
from napari_scribseg.core.region import Region
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas import layer_grid, layers
from napari_scribseg.gui.canvas.sequence_layers import image_of
from napari_scribseg.gui.values import Snapshot

_SAME_GRID = 0.05
"""Largest distance in voxels between layers that lie on one grid."""

_FEWEST_STROKES = 0.01
"""Share of the drawn voxels that strokes of background have at least; fewer may be a slip."""

Slot = Literal["image", "scribbles", "reference"]
SLOTS: tuple[Slot, ...] = ("image", "scribbles", "reference")


@dataclass(frozen=True, eq=False)
class Selected:
    """The chosen layers."""

    image: Layer | None = None
    scribbles: Layer | None = None
    reference: Layer | None = None


def still_offered(chosen: Selected, offered: Callable[[Slot], Sequence[Layer]]) -> Selected:
    """The chosen layers without those that can't be chosen any more."""
    return Selected(
        **{
            slot: next((one for one in offered(slot) if one is getattr(chosen, slot)), None)
            for slot in SLOTS
        }
    )


def snapshot_of(
    chosen: Selected,
    schema: LabelSchema,
    kept: CaseKey | None = None,
    shown: Iterable[Layer] = (),
) -> Snapshot:
    """The chosen layers as they are now.

    Args:
        chosen: the layers.
        schema: the structures.
        frame: which time point of a series.
        kept: the case of the project that keeps these strokes on this image, if there is one.
        shown: all layers, among which further sequences of the image may be.

    Raises:
        InvalidInput: no image is chosen, or a layer can't be used; so can't a time series, whose
            frames are cases of their own.
    """
    if chosen.image is None:
        raise InvalidInput("Choose an image, or open a case.")
    return Snapshot(
        case=layers.identified(chosen.image),
        image=image_of(chosen.image, shown),
        scribbles=None if chosen.scribbles is None else _bytes_of(chosen.scribbles),
        reference=None if chosen.reference is None else _reference_of(chosen.reference),
        schema=schema,
        kept=kept,
        file=file_of(chosen.image),
        region=region_of(chosen.scribbles),
        strokes_of=strokes_of(chosen.scribbles),
    )


def region_of(scribbles: Layer | None) -> Region | None:
    """The region of interest that is noted on scribbles: outside everything is background."""
    stored = None if scribbles is None else layers.notes(scribbles).get("region")
    return None if stored is None else Region.model_validate(stored)


def note_region(scribbles: Layer, region: Region | None) -> None:
    """Note the region of interest on scribbles."""
    layers.note(scribbles, region=None if region is None else region.model_dump())


def kept_as(layer: Layer, project: Path) -> str | None:
    """The id of the case of a project that a layer belongs to."""
    noted = layers.notes(layer)
    return noted.get("kept_as") if noted.get("project") == str(project.resolve()) else None


def note_kept(layer: Layer, case: str, project: Path, strokes_of: str = "") -> None:
    """Note on a layer to which case of a project it belongs, and whose strokes they are."""
    place = str(project.resolve())
    layers.note(layer, kept_as=case, project=place, strokes_of=strokes_of)


def strokes_of(scribbles: Layer | None) -> str:
    """Whose version of the strokes of a case a layer is; "" = the one that all share."""
    return "" if scribbles is None else layers.notes(scribbles).get("strokes_of", "")


def file_of(image: Layer) -> Path | None:
    """The file or DICOM folder that an image is from, as far as it is known."""
    case = layers.case_of(image)
    noted = layers.notes(image).get("file") or (case.source if case is not None else "")
    return Path(noted) if Path(noted).is_absolute() else None


def mismatch_of(chosen: Selected) -> str | None:
    """That strokes or a reference were made on another image than the chosen one, in a sentence."""
    if chosen.image is None:
        return None
    case = layers.identified(chosen.image)
    for layer, words in ((chosen.scribbles, "strokes"), (chosen.reference, "reference")):
        if layer is None or layers.role_of(layer) not in ("scribbles", "reference"):
            continue
        theirs = layers.case_of(layer)
        if theirs is not None and theirs != case:
            verb = "are" if words == "strokes" else "is"
            return (
                f"The {words} in '{layer.name}' {verb} of {theirs.name}, the image of {case.name}."
            )
    return None


def _bytes_of(layer: Layer) -> Array:
    """A copy of a labels layer as uint8.

    Raises:
        InvalidInput: a value does not fit.
    """
    array = layers.volume_of(layer).array
    if array.dtype != np.uint8 and (array.min() < 0 or array.max() > 255):
        raise InvalidInput(
            f"The layer '{layer.name}' has values from {array.min()} to {array.max()}; scribbles "
            "and references have values from 0 to 255."
        )
    return array.astype(np.uint8)


def _reference_of(layer: Layer) -> Array:
    """A reference as class indices, UNKNOWN where it says nothing.

    Scribbles, ours or somebody's with strokes of background, are a partial reference.
    """
    array = _bytes_of(layer)
    role = layers.role_of(layer)
    strokes = np.count_nonzero(array == BACKGROUND)
    drawn = strokes > _FEWEST_STROKES * np.count_nonzero(array)
    is_scribbles = role == "scribbles" or (role != "reference" and drawn)
    return reference_of_scribbles(array) if is_scribbles else array


def facts_of(image: Layer | None) -> str:
    """What an image is, in a line; empty when it can't be used."""
    if image is None:
        return ""
    try:
        return str(layers.grid_of(image))
    except ScribsegError:
        return ""


def problem_of(chosen: Selected) -> str | None:
    """Why the chosen layers can't be used together, in a sentence."""
    if chosen.image is None:
        return None
    try:
        for layer in (chosen.image, chosen.scribbles, chosen.reference):
            if layer is not None and layers.is_series(layer):
                return layer_grid.series_problem(layer)
        grid = layers.grid_of(chosen.image)
        for layer in (chosen.scribbles, chosen.reference):
            if layer is None:
                continue
            offset = layers.grid_of(layer, over=chosen.image).offset_from(grid)
            if offset > _SAME_GRID:
                return (
                    f"'{layer.name}' does not lie on the voxels of '{chosen.image.name}': choose "
                    "another layer, or make new scribbles."
                )
    except ScribsegError as error:
        return str(error)
    return None


def is_oriented(image: Layer) -> bool:
    """Whether it is known how an image lies in the patient."""
    noted = layers.notes(image)
    return noted.get("affine") is not None and bool(noted.get("oriented", True))


def fitting_reference(reference: Layer | None, image: Volume) -> Array | None:
    """The voxels of a reference, if they lie on the image."""
    try:
        array = None if reference is None else layers.volume_of(reference).array
    except ScribsegError:
        return None
    return array if array is not None and array.shape == image.shape else None
