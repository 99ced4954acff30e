"""What the values of a segmentation mean that is scored: class indices, unless its file tells.

A reference may be stored with other values, and a segmentation by another program may have these,
too. Where that can't be told from class indices it is not guessed: `predict` writes class indices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN, LabelSchema
from napari_scribseg.core.types import Array


def class_indices(
    stored: Array,
    told: ScribbleConvention | None,
    reference: ScribbleConvention | None,
    schema: LabelSchema,
) -> tuple[Array, str]:
    """Class indices of a segmentation, and what is doubtful about them, a sentence or "".

    Args:
        stored: (z, y, x) values as they are in the file.
        told: how its file says that it is written, as one of 3D Slicer does; None = it says
            nothing.
        reference: how the reference is written; None = class indices.
        schema: the classes.

    Raises:
        InvalidInput: a value is no class index, and that it is a value of the reference can't be
            told, since the reference uses class indices for other classes.
    """
    if told is not None:
        indices = told.read_reference(stored)
        return np.where(indices == UNKNOWN, np.uint8(0), indices), ""
    own = range(1, schema.n_classes)
    if reference is None or reference.unlabelled is not None or reference.classes == (*own,):
        return stored, ""
    found = {int(value) for value in np.unique(stored)} - {0}
    if not found <= {*reference.classes}:
        return stored, ""
    if not {*reference.classes} & {*own}:
        return reference.read_reference(stored), ""
    if found <= {*own}:
        return stored, _doubt(found, reference, schema)
    raise InvalidInput(
        f"The segmentation has the value(s) {_listing(found - {*own})}, expected class numbers "
        f"({_meanings(own, schema)}). The reference has other values for these classes "
        f"({_meanings(reference.classes, schema)}), and some values are in both lists, so it can't "
        "be told which are meant: write the segmentation with class numbers, or as a .seg.nrrd "
        "file that names its segments."
    )


def _doubt(found: set[int], reference: ScribbleConvention, schema: LabelSchema) -> str:
    """A sentence where values of a segmentation mean something else in its reference."""
    if all(reference.classes[value - 1] == value for value in found):
        return ""
    return (
        "The segmentation is read as class numbers, as predict writes them "
        f"({_meanings(range(1, schema.n_classes), schema)}); its reference has other values "
        f"({_meanings(reference.classes, schema)}). If the segmentation has these, too, write it "
        "with class numbers, or as a .seg.nrrd file that names its segments."
    )


def _meanings(values: Sequence[int], schema: LabelSchema) -> str:
    return ", ".join(f"{v} = {name}" for v, name in zip(values, schema.names[1:], strict=True))


def _listing(values: set[int]) -> str:
    return ", ".join(map(str, sorted(values)[:8]))
