"""What is stored in files of labels, as our scribbles and references."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN, LabelSchema
from napari_scribseg.core.types import Array


def read_reference(
    stored: Array, convention: ScribbleConvention | None, schema: LabelSchema, name: str
) -> npt.NDArray[np.uint8]:
    """The reference in a file: class indices, and UNKNOWN where a partial one says nothing.

    Args:
        stored: integers of any shape.
        convention: how they are written; None = class indices, every voxel labelled.
        schema: the classes.
        name: what the labels are, for sentences.

    Raises:
        InvalidInput: a value is no class, or nothing is labelled at all.
    """
    if convention is None:
        schema.check_segmentation(stored, name)
        return stored.astype(np.uint8)
    try:
        reference = convention.read_reference(stored)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from error
    schema.check_reference(reference, name)
    if (reference == UNKNOWN).all():
        raise InvalidInput(
            f"{name}: no voxel is labelled (all have the value {convention.unlabelled} of "
            f"'{convention.title}'), so there is nothing to compare with."
        )
    return reference


def partial_note(reference: npt.NDArray[np.uint8], name: str) -> tuple[str, ...]:
    """What is to be said of a reference that labels only some of the voxels."""
    known = float((reference != UNKNOWN).mean())
    return () if known == 1 else (f"{name} is partial: it labels {known:.2%} of the voxels.",)


def read_scribbles(
    stored: Array, convention: ScribbleConvention | None, schema: LabelSchema, name: str
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Scribbles of stored ones, checked against the schema, and what was converted."""
    if convention is None:
        schema.check_scribbles(stored, name)
        return stored.astype(np.uint8), ()
    try:
        scribbles, converted = convention.read(stored)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from error
    schema.check_scribbles(scribbles, name)
    counts = ", ".join(f"{change} ({n} voxels)" for change, n in converted.items())
    return scribbles, (f"{name}: converted from '{convention.title}': {counts}.",)
