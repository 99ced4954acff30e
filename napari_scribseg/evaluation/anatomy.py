"""What the schema says of each structure, as a clean-up and as findings.

A schema may say that a structure is one piece, lies inside another, touches others, or has at most
so many mL. A segmentation that contradicts this is wrong somewhere, without any reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.evaluation.pieces import Mask, grown, labelled, largest
from napari_scribseg.evaluation.pieces import sizes as piece_sizes

Segmentation = npt.NDArray[np.uint8]

_SMALL_ML: Final = 0.05
"""Further pieces below this are noise at a border and are not told."""
_LISTED: Final = 6
"""Slices that a finding lists."""


def cleaned_by_anatomy(segmentation: Segmentation, schema: LabelSchema) -> Segmentation:
    """The segmentation without what the schema says can't be; the given one stays as it is.

    First, of structures that touch each other and are one piece each, only the largest piece of
    all together stays: an island of a neighbour's colour doesn't decide which piece is kept. Then
    the largest piece of each. Last, in every slice, pieces that don't touch the structure that
    they should lie inside of are removed, where that structure was found at all. What is removed
    becomes background.

    Args:
        segmentation: (z, y, x), class indices.
        schema: what is said of each structure.
    """
    kept = segmentation.copy()
    for group in _groups(schema):
        together = np.isin(kept, group)
        kept[together & ~largest(together)] = 0
        for k in group:
            mask = kept == k
            kept[mask & ~largest(mask)] = 0
    for k, host in _hosts(schema):
        outer = kept == host
        if outer.any():
            kept[_apart(kept == k, outer)] = 0
    return kept


def anatomy_findings(
    segmentation: Segmentation, schema: LabelSchema, spacing: tuple[float, float, float]
) -> tuple[str, ...]:
    """Where a segmentation contradicts what the schema says, a sentence each.

    Args:
        segmentation: (z, y, x), class indices.
        schema: what is said of each structure.
        spacing: mm (z, y, x).
    """
    ml = float(np.prod(spacing)) / 1000
    found: list[str] = []
    for k, item in enumerate(schema.classes, start=1):
        mask = segmentation == k
        if not mask.any():
            continue
        if item.one_piece:
            sizes = sorted(piece_sizes(mask), reverse=True)
            rest = [n * ml for n in sizes[1:] if n * ml >= _SMALL_ML]
            if rest:
                found.append(
                    f"{item.name} should be one piece, but beside the largest with "
                    f"{sizes[0] * ml:.1f} mL there are more: {sum(rest):.1f} mL in "
                    f"{len(rest)} {'piece' if len(rest) == 1 else 'pieces'}."
                )
        if item.most_ml is not None and mask.sum() * ml > item.most_ml:
            found.append(
                f"{item.name} has {mask.sum() * ml:.1f} mL, more than the {item.most_ml:g} mL "
                "that its class allows."
            )
        for name in item.touches:
            other = segmentation == schema.names.index(name)
            if other.any() and not (grown(mask) & other).any():
                found.append(f"{item.name} should touch {name}, but nowhere does.")
    for k, host in _hosts(schema):
        outer = segmentation == host
        alone = np.flatnonzero(_apart(segmentation == k, outer).any((1, 2)))
        if outer.any() and len(alone):
            found.append(
                f"{schema.names[k]} should lie inside {schema.names[host]}, but doesn't touch it "
                f"on {_slices(alone.tolist())}."
            )
    return tuple(found)


def anatomy_in_words(schema: LabelSchema) -> str:
    """What the schema says of its structures, "RV, MYO: one piece; LV: inside MYO"; "" = nothing.

    Only what a clean-up can act on: sizes and neighbours are findings alone.
    """
    one = [item.name for item in schema.classes if item.one_piece]
    parts = [f"{', '.join(one)}: one piece"] if one else []
    parts += [f"{item.name}: inside {item.inside}" for item in schema.classes if item.inside]
    return "; ".join(parts)


def _groups(schema: LabelSchema) -> list[list[int]]:
    """Class indices of structures of one piece, those together that touch one another."""
    one = {k for k, item in enumerate(schema.classes, start=1) if item.one_piece}
    groups: list[set[int]] = [{k} for k in sorted(one)]
    for k in sorted(one):
        item = schema.classes[k - 1]
        names = (*item.touches, *((item.inside,) if item.inside else ()))
        for other in {schema.names.index(name) for name in names} & one:
            joined = [group for group in groups if k in group or other in group]
            groups = [group for group in groups if group not in joined] + [set().union(*joined)]
    return [sorted(group) for group in groups]


def _hosts(schema: LabelSchema) -> list[tuple[int, int]]:
    """(class index, class index of what it lies inside of), for those of which it is said."""
    return [
        (k, schema.names.index(item.inside))
        for k, item in enumerate(schema.classes, start=1)
        if item.inside
    ]


def _apart(inner: Mask, outer: Mask) -> Mask:
    """The in-plane pieces of a structure, slice by slice, that don't touch the other one."""
    apart = np.zeros(inner.shape, np.bool_)
    for z in np.flatnonzero(inner.any((1, 2))):
        pieces = labelled(inner[z])
        near = np.unique(pieces[grown(outer[z])])
        apart[z] = (pieces > 0) & ~np.isin(pieces, near)
    return apart


def _slices(places: Sequence[int]) -> str:
    """Slices in words, counted from 0, as napari's slider and `--slice` do."""
    if len(places) == 1:
        return f"slice {places[0]} (counted from 0)"
    shown = ", ".join(str(z) for z in places[:_LISTED])
    more = ", ..." if len(places) > _LISTED else ""
    return f"{len(places)} slices ({shown}{more}, counted from 0)"
