"""Metrics: how well a segmentation matches a reference, in plain numbers and millimetres.

Every function takes boolean masks indexed (z, y, x) and, where lengths matter, the spacing in mm
(z, y, x); masks are not modified. The definitions, here and nowhere else:

* **Surface**: the voxels of a mask that have at least one face neighbour (6-connected) outside it;
  outside the array counts as outside the mask. MONAI and medpy use the same surface. A
  volume of one slice has the surface, and the distances, of that plane: there is no neighbour
  across it.
* **HD95**: the larger of the two directed 95th percentiles (linear interpolation) of the distances
  from surface to surface, as in MONAI. medpy pools both directions before taking the percentile
  and so gives smaller numbers when one direction is worse than the other.
* **ASSD**: the mean over the distances of both directions pooled, as in MONAI and medpy.
* **Precision** TP / (TP + FP), **recall** TP / (TP + FN).

The rule for empty structures, the same in every part of the product:

| segmentation | reference | Dice | distances | precision | recall | status         |
|--------------|-----------|------|-----------|-----------|--------|----------------|
| empty        | empty     | NaN  | NaN       | NaN       | NaN    | not applicable |
| empty        | there     | 0    | inf       | NaN       | 0      | scored         |
| there        | empty     | 0    | inf       | 0         | NaN    | scored         |
| failed       | any       | 0    | inf       | NaN       | 0      | failed         |
| any          | unusable  | NaN  | NaN       | NaN       | NaN    | no reference   |

"Not applicable" is left out of the means and counted; a failed or missing segmentation counts as
an empty one that should not have been empty. A reference that can't be used (not readable, on
another grid, a value that is no class) says nothing about a segmentation, good or bad: "no
reference" is left out of the means, counted and listed.

A **partial reference** labels some of the voxels; the others are UNKNOWN (nnU-Net's ignore label,
scribbles). Everything is then counted on the labelled voxels alone: overlap, precision and recall,
and the rule for empty structures. A surface is where a labelled voxel of the mask touches a
labelled voxel that is not of it; where the border may lie in unlabelled voxels there is none, and
without any surface on one side, distances are NaN. Distances to the rest of the reference could
only be shorter, so such a distance never flatters. The volume of the segmentation is that of all
of it; that of the reference is not known and NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema, labelled_voxels
from napari_scribseg.core.types import Array

Spacing = tuple[float, float, float]
Status = Literal["scored", "not applicable", "failed", "no reference"]

NAN: Final = float("nan")
INF: Final = float("inf")
MEASURES: Final = ("dice", "hd95_mm", "assd_mm", "precision", "recall")
"""The measures of a `ClassScore` that are averaged over cases, in the order of the tables."""


def dice(segmentation: Array, reference: Array) -> float:
    """Dice overlap 2 |A and B| / (|A| + |B|), 0 to 1; NaN when both are empty."""
    _check_masks(segmentation, reference)
    total = _count(segmentation) + _count(reference)
    return _share(2 * _overlap(segmentation, reference), total)


def precision(segmentation: Array, reference: Array) -> float:
    """Share of the segmentation that is right, 0 to 1; NaN when the segmentation is empty."""
    _check_masks(segmentation, reference)
    return _share(_overlap(segmentation, reference), _count(segmentation))


def recall(segmentation: Array, reference: Array) -> float:
    """Share of the reference that was found, 0 to 1; NaN when the reference is empty."""
    _check_masks(segmentation, reference)
    return _share(_overlap(segmentation, reference), _count(reference))


def volume_ml(mask: Array, spacing: Spacing) -> float:
    """Volume of a mask in millilitres."""
    return _count(mask) * float(np.prod(spacing)) / 1000.0


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances in mm from each surface voxel of one mask to the nearest of the other.

    Args:
        to_reference: (n,) float64, one per surface voxel of the segmentation.
        to_segmentation: (m,) float64, one per surface voxel of the reference.
            Both are empty when both masks are, or when one has no known surface, and infinite
            when exactly one mask is empty.
    """

    to_reference: npt.NDArray[np.float64]
    to_segmentation: npt.NDArray[np.float64]

    @property
    def hd95_mm(self) -> float:
        """95th percentile Hausdorff distance; NaN if both masks are empty, inf if one is."""
        return self.hausdorff_mm(95.0)

    @property
    def assd_mm(self) -> float:
        """Average symmetric surface distance; NaN if both masks are empty, inf if one is."""
        both = np.concatenate([self.to_reference, self.to_segmentation])
        return float(both.mean()) if both.size else NAN

    def hausdorff_mm(self, percentile: float = 100.0) -> float:
        """The larger of the two directed percentiles; 100 is the Hausdorff distance itself."""
        directions = [d for d in (self.to_reference, self.to_segmentation) if d.size]
        if not directions:
            return NAN
        if any(np.isinf(d).any() for d in directions):
            return INF
        return max(float(np.percentile(d, percentile)) for d in directions)


def surface_distances(
    segmentation: Array,
    reference: Array,
    spacing: tuple[float, ...],
    labelled: Array | None = None,
) -> SurfaceDistances:
    """Distances between the surfaces of two masks, both directions.

    Args:
        segmentation: boolean, of any number of axes.
        reference: likewise, of the same shape.
        spacing: mm along every axis.
        labelled: where a partial reference says anything, likewise; None = everywhere.

    Raises:
        InvalidInput: the masks differ in shape or are not boolean, or a spacing is not positive.
    """
    _check_masks(segmentation, reference)
    if len(spacing) != segmentation.ndim or not all(0 < s < INF for s in spacing):
        raise InvalidInput(
            f"Distances need a positive spacing in mm for each of the {segmentation.ndim} axes, "
            f"got {spacing}."
        )
    masks = (segmentation, reference)
    if labelled is not None:
        masks = (segmentation & labelled, reference & labelled)
    ours, theirs = (_surface(m, labelled) * np.asarray(spacing, dtype=np.float64) for m in masks)
    there = [bool(mask.any()) for mask in masks]
    if there[0] != there[1]:
        missed = (
            np.full(max(len(s), int(n)), INF) for s, n in zip((ours, theirs), there, strict=True)
        )
        return SurfaceDistances(*missed)
    if not (len(ours) and len(theirs)):  # where the surface is unlabelled, it may be anywhere
        ours = theirs = ours[:0]
    return SurfaceDistances(_nearest(ours, theirs), _nearest(theirs, ours))


@dataclass(frozen=True)
class ClassScore:
    """How one class of one case was met; see the module for the rule on empty structures.

    Args:
        name: name of the class.
        index: its class index.
        status: "scored", "not applicable" (empty in both), "failed" (no usable segmentation) or
            "no reference" (none that can be used).
        dice: 0 to 1.
        hd95_mm: 95th percentile Hausdorff distance.
        assd_mm: average symmetric surface distance.
        precision: 0 to 1.
        recall: 0 to 1.
        volume_ml: volume of the segmentation.
        reference_volume_ml: volume of the reference; NaN where the case failed, or the reference
            is partial.
        reference_share: share of the voxels that the reference labels; below 1 it is partial.
    """

    name: str
    index: int
    status: Status
    dice: float
    hd95_mm: float
    assd_mm: float
    precision: float
    recall: float
    volume_ml: float
    reference_volume_ml: float
    reference_share: float = 1.0


def score_case(
    segmentation: Array, reference: Array, spacing: Spacing, schema: LabelSchema
) -> tuple[ClassScore, ...]:
    """The scores of every foreground class of one case, in the order of the schema.

    Args:
        segmentation: (z, y, x) class indices.
        reference: (z, y, x) class indices, UNKNOWN where a partial reference says nothing.
        spacing: mm along (z, y, x).
        schema: the classes.

    Raises:
        InvalidInput: the shapes differ or a value is not in the schema.
    """
    schema.check_segmentation(segmentation, "The segmentation")
    schema.check_reference(reference)
    labelled = labelled_voxels(reference)
    return tuple(
        _score_class(segmentation == index, reference == index, spacing, name, index, labelled)
        for index, name in enumerate(schema.names)
        if index > 0
    )


def unusable_case(schema: LabelSchema) -> tuple[ClassScore, ...]:
    """The scores of a case without a usable reference: there are none."""
    return tuple(
        ClassScore(name, index, "no reference", *([NAN] * 8))
        for index, name in enumerate(schema.names)
        if index > 0
    )


def failed_case(schema: LabelSchema) -> tuple[ClassScore, ...]:
    """The scores of a case without a usable segmentation: Dice 0, distances infinite."""
    return tuple(
        ClassScore(name, index, "failed", 0.0, INF, INF, NAN, 0.0, NAN, NAN)
        for index, name in enumerate(schema.names)
        if index > 0
    )


def _score_class(
    segmentation: Array,
    reference: Array,
    spacing: Spacing,
    name: str,
    index: int,
    labelled: Array | None,
) -> ClassScore:
    _check_masks(segmentation, reference)
    volume, reference_volume, share = volume_ml(segmentation, spacing), NAN, 1.0
    if labelled is None:
        reference_volume = volume_ml(reference, spacing)
    else:
        segmentation, share = segmentation & labelled, float(labelled.mean())
    distances = surface_distances(segmentation, reference, spacing, labelled)
    overlap = dice(segmentation, reference)
    return ClassScore(
        name,
        index,
        "not applicable" if np.isnan(overlap) else "scored",
        overlap,
        distances.hd95_mm,
        distances.assd_mm,
        precision(segmentation, reference),
        recall(segmentation, reference),
        volume,
        reference_volume,
        share,
    )


def _check_masks(segmentation: Array, reference: Array) -> None:
    for mask in (segmentation, reference):
        if mask.dtype != np.bool_:
            raise InvalidInput(f"A metric compares boolean masks, got an array of {mask.dtype}.")
    if segmentation.shape != reference.shape:
        raise InvalidInput(
            f"Segmentation and reference must have one shape, got {segmentation.shape} and "
            f"{reference.shape}."
        )


def _count(mask: Array) -> int:
    return int(np.count_nonzero(mask))


def _overlap(segmentation: Array, reference: Array) -> int:
    return _count(segmentation & reference)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else NAN


def _surface(mask: Array, labelled: Array | None) -> npt.NDArray[np.intp]:
    """(n, number of axes) array indices of the surface voxels."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        return np.empty((0, mask.ndim), dtype=np.intp)
    # One voxel more on every side, which is where the neighbours of the outermost voxels are.
    box = tuple(
        slice(max(side.start - 1, 0), min(side.stop + 1, length))
        for side, length in zip(boxes[0], mask.shape, strict=True)
    )
    inside = mask[box]
    filled = inside if labelled is None else inside | ~labelled[box]
    edges = _neighbours(mask.shape)
    core = np.asarray(ndimage.binary_erosion(filled, edges), dtype=np.bool_)
    found = np.argwhere(inside & ~core)
    return found + np.array([side.start for side in box])


def _neighbours(shape: tuple[int, ...]) -> Array:
    """The face neighbours of a voxel, as a structuring element; in the plane, if there is one."""
    cross = np.asarray(ndimage.generate_binary_structure(len(shape), 1), dtype=np.bool_)
    is_volume = len(shape) > 2
    return np.take(cross, [1], shape.index(1)) if is_volume and 1 in shape else cross


def _nearest(points: Array, others: Array) -> npt.NDArray[np.float64]:
    """(n,) distances from each of the (n, 3) points to the nearest of the (m, 3) others."""
    if len(points) == 0 or len(others) == 0:
        return np.full(len(points), INF)
    return np.asarray(KDTree(others).query(points)[0], dtype=np.float64)
