"""Taking over parts of a prediction as scribbles, without touching a stroke."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_scribseg.core.config import Config, Fraction, NonNegative
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, LabelSchema
from napari_scribseg.core.types import Array

Spacing = tuple[float, float, float]

_DISTANCE_TOLERANCE: Final = 1e-6


class Acceptance(Config):
    """Which voxels of a prediction become scribbles."""

    z: int | None = Field(default=None, ge=0, description="Only this slice; empty = the volume.")
    most_uncertainty: Fraction | None = Field(
        default=None, description="Only where the uncertainty is at most this; empty = everywhere."
    )
    core_mm: NonNegative = Field(
        default=0.0,
        description="Only what lies farther than this inside its structure, in the slice: the "
        "border is where predictions are wrong most often.",
    )
    background: bool = Field(default=True, description="Also take over the background.")


def accepted(
    segmentation: Array,
    scribbles: Array,
    spacing: Spacing,
    schema: LabelSchema,
    acceptance: Acceptance,
    uncertainty: Array | None = None,
) -> npt.NDArray[np.uint8]:
    """The scribbles that a prediction adds, UNLABELLED where it adds none.

    Only voxels that nobody drew on get a value, so no stroke is ever overwritten.

    Args:
        segmentation: (z, y, x) class indices.
        scribbles: (z, y, x) in the scribble world.
        spacing: mm along (z, y, x).
        schema: the classes.
        acceptance: which voxels.
        uncertainty: (z, y, x), 0 to 1; needed when the acceptance has a limit for it.

    Raises:
        InvalidInput: shapes differ, a value is not in the schema, there is no such slice, the
            uncertainty is missing, or there is no structure to accept.
    """
    schema.check_segmentation(segmentation, "The prediction")
    _check(segmentation, scribbles, uncertainty, acceptance)
    slices = range(len(segmentation)) if acceptance.z is None else (acceptance.z,)
    if not segmentation[list(slices)].any():
        where = "it" if acceptance.z is None else f"slice {acceptance.z}"
        raise InvalidInput(
            f"The prediction has no structure, so all of {where} would become background. If there "
            "is nothing of any structure, say so in the Scribble tab with Nothing here."
        )
    added = np.full(scribbles.shape, UNLABELLED, np.uint8)
    for z in slices:
        wanted = scribbles[z] == UNLABELLED
        if acceptance.most_uncertainty is not None and uncertainty is not None:
            wanted &= uncertainty[z] <= acceptance.most_uncertainty
        if not acceptance.background:
            wanted &= segmentation[z] > 0
        if acceptance.core_mm > 0:
            wanted &= _core(segmentation[z], (spacing[1], spacing[2]), acceptance.core_mm)
        added[z][wanted] = schema.to_scribbles(segmentation[z][wanted])
    return added


def counts_of(added: Array, schema: LabelSchema) -> str:
    """How many voxels of which class were added, for a sentence."""
    values = {value: int((added == value).sum()) for value in schema.scribble_values}
    names = schema.scribble_values
    listed = [f"{names[v]} {n}" for v, n in values.items() if n and v != BACKGROUND]
    if values[BACKGROUND]:
        listed.append(f"{names[BACKGROUND]} {values[BACKGROUND]}")
    return ", ".join(listed) or "none"


def _core(plane: Array, pixel: tuple[float, float], core_mm: float) -> npt.NDArray[np.bool_]:
    """Where the border to another class is farther away than this; the image's edge is none."""
    inside = np.zeros(plane.shape, np.bool_)
    for index in np.unique(plane):
        mask = plane == index
        if mask.all():
            return mask
        distance = np.asarray(ndimage.distance_transform_edt(mask, sampling=pixel))
        inside |= mask & (distance > core_mm + _DISTANCE_TOLERANCE)
    return inside


def _check(
    segmentation: Array, scribbles: Array, uncertainty: Array | None, acceptance: Acceptance
) -> None:
    shapes = {"prediction": segmentation.shape, "scribbles": scribbles.shape}
    if uncertainty is not None:
        shapes["uncertainty"] = uncertainty.shape
    if len(set(shapes.values())) > 1:
        listing = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InvalidInput(f"A prediction is accepted on its own grid only, got {listing}.")
    if acceptance.z is not None and acceptance.z >= len(segmentation):
        raise InvalidInput(
            f"There is no slice {acceptance.z}: the volume has {len(segmentation)} slices."
        )
    if acceptance.most_uncertainty is not None and uncertainty is None:
        raise InvalidInput(
            "A limit for the uncertainty needs the uncertainty of the prediction: predict again "
            "with uncertainty, or accept without a limit."
        )
