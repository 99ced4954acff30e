"""Metrics of single slices, and where a segmentation and a reference differ.

The definitions are those of `metrics`, applied in the plane: a surface voxel has one of its four
neighbours in the slice outside the structure, and distances are in mm within the slice. On a
partial reference a slice is scored on the voxels that are labelled there, and one without any has
no score. The same rule for empty structures holds, slice by slice, so a slice with the structure in
neither has no Dice and is left out of a plot, while one where it was invented or missed has Dice 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN, LabelSchema, labelled_voxels
from napari_scribseg.core.types import Array
from napari_scribseg.evaluation.metrics import NAN, Spacing, Status, dice, surface_distances

MISSED: Final = 1
"""Value of `comparison_map` where the reference has a structure and the segmentation none."""
EXTRA: Final = 2
"""Value of `comparison_map` where the segmentation has a structure and the reference none."""
WRONG_CLASS: Final = 3
"""Value of `comparison_map` where both have a structure, but not the same."""
COMPARISON_NAMES: Final = {MISSED: "missed", EXTRA: "extra", WRONG_CLASS: "wrong class"}


@dataclass(frozen=True)
class SliceScore:
    """One class on one slice.

    Args:
        z: index of the slice.
        name: name of the class.
        index: its class index.
        status: "scored" or "not applicable" (empty in both, or nothing is known of the slice).
        dice: 0 to 1.
        hd95_mm: 95th percentile Hausdorff distance within the slice.
        area_mm2: area of the segmentation.
        reference_area_mm2: area of the reference; NaN without one, or where it is partial.
    """

    z: int
    name: str
    index: int
    status: Status
    dice: float
    hd95_mm: float
    area_mm2: float
    reference_area_mm2: float


def score_slices(
    segmentation: Array, reference: Array | None, spacing: Spacing, schema: LabelSchema
) -> tuple[SliceScore, ...]:
    """The scores of every foreground class on every slice, slice after slice.

    Args:
        segmentation: (z, y, x) class indices.
        reference: (z, y, x) class indices, UNKNOWN where a partial one says nothing; or None: then
            there are only areas.
        spacing: mm along (z, y, x).
        schema: the classes.

    Raises:
        InvalidInput: the shapes differ or a value is not in the schema.
    """
    _check_pair(segmentation, reference, schema)
    return tuple(
        _score(
            z, index, name, segmentation[z], None if reference is None else reference[z], spacing
        )
        for z in range(len(segmentation))
        for index, name in enumerate(schema.names)
        if index > 0
    )


def comparison_map(segmentation: Array, reference: Array) -> npt.NDArray[np.uint8]:
    """Where a segmentation differs from the reference, and how; 0 where they agree.

    Where a partial reference says nothing there is no difference.

    Args:
        segmentation: (z, y, x) class indices.
        reference: (z, y, x) class indices or UNKNOWN.

    Raises:
        InvalidInput: the shapes differ.
    """
    _check_shapes(segmentation, reference)
    found = np.zeros(segmentation.shape, np.uint8)
    different = (segmentation != reference) & (reference != UNKNOWN)
    found[different] = WRONG_CLASS
    found[different & (segmentation == 0)] = MISSED
    found[different & (reference == 0)] = EXTRA
    return found


def _score(
    z: int, index: int, name: str, ours: Array, theirs: Array | None, spacing: Spacing
) -> SliceScore:
    plane = spacing[1:]
    pixel = float(np.prod(plane))
    mask = ours == index
    area = float(np.count_nonzero(mask)) * pixel
    if theirs is None:
        return SliceScore(z, name, index, "not applicable", NAN, NAN, area, NAN)
    truth = theirs == index
    labelled = labelled_voxels(theirs)
    reference_area = NAN
    if labelled is None:
        reference_area = float(np.count_nonzero(truth)) * pixel
    else:
        mask = mask & labelled
    overlap = dice(mask, truth)
    return SliceScore(
        z,
        name,
        index,
        "not applicable" if np.isnan(overlap) else "scored",
        overlap,
        surface_distances(mask, truth, plane, labelled).hd95_mm,
        area,
        reference_area,
    )


def _check_pair(segmentation: Array, reference: Array | None, schema: LabelSchema) -> None:
    schema.check_segmentation(segmentation, "The segmentation")
    if reference is not None:
        schema.check_reference(reference)
        _check_shapes(segmentation, reference)


def _check_shapes(segmentation: Array, reference: Array) -> None:
    if segmentation.shape != reference.shape:
        raise InvalidInput(
            f"Segmentation and reference must have one shape, got {segmentation.shape} and "
            f"{reference.shape}."
        )
