"""FADC: the scribbled region of one slice, pasted over that of another (EFFDNet)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.core.labels import IGNORE

Box = tuple[int, int, int, int]
"""Rows y0:y1 and columns x0:x1, ends excluded."""


def scribble_boxes(target: Tensor, box: Literal["all", "foreground"]) -> list[Box | None]:
    """Smallest box around the scribbles of each slice; None where there are none.

    Args:
        target: (B, Y, X), class index or IGNORE.
        box: around all strokes, background's included, or around foreground strokes only.
    """
    inside = target > 0 if box == "foreground" else target != IGNORE
    return [_bounds(mask) for mask in inside]


def paste_regions(
    image: Tensor,
    labels: Tensor,
    boxes: list[Box | None],
    donors: list[int],
) -> tuple[Tensor, Tensor]:
    """Copies of a batch in which each slice's box holds the region of a donor's box.

    The donor's region is stretched to the box: images linearly, labels by nearest neighbour. A
    slice is left as it is where it or its donor has no box.

    Args:
        image: (B, C, Y, X).
        labels: (B, L, Y, X) int64, label maps that travel with the image.
        boxes: one per slice, ends excluded.
        donors: index of each slice's donor.

    Source: EFFDNet, equations 6 to 8. The authors' code stretches images by nearest neighbour and
    loses the last row and column of each box; neither is intended.
    """
    pasted, pasted_labels = image.clone(), labels.clone()
    for i, donor in enumerate(donors):
        here, there = boxes[i], boxes[donor]
        if here is None or there is None or donor == i:
            continue
        y0, y1, x0, x1 = here
        v0, v1, u0, u1 = there
        size = (y1 - y0, x1 - x0)
        region = image[donor : donor + 1, :, v0:v1, u0:u1].float()
        stretched = F.interpolate(region, size, mode="bilinear", align_corners=False)
        pasted[i, :, y0:y1, x0:x1] = stretched[0].to(image.dtype)
        label_region = labels[donor : donor + 1, :, v0:v1, u0:u1].float()
        nearest = F.interpolate(label_region, size, mode="nearest-exact")
        pasted_labels[i, :, y0:y1, x0:x1] = nearest[0].to(labels.dtype)
    return pasted, pasted_labels


def draw_donors(boxes: list[Box | None], generator: torch.Generator) -> list[int]:
    """A donor for each slice, drawn with replacement from the slices that have a box.

    A slice may be its own donor; without any box in the batch every slice is.
    """
    candidates = [i for i, box in enumerate(boxes) if box is not None]
    if not candidates:
        return list(range(len(boxes)))
    picks = torch.randint(len(candidates), (len(boxes),), generator=generator)
    return [candidates[int(p)] for p in picks]


def _bounds(mask: Tensor) -> Box | None:
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    if not len(rows):
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
