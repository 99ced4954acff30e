"""Test-time augmentation: an image is also shown turned a little, and the answers are averaged.

Only small turns in the plane: they are among those of training, and a heart that is mirrored is
none. Three turns take three times as long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

UPRIGHT: Final = (0.0,)
"""The image as it is, degrees."""

TURNS: Final = (0.0, -10.0, 10.0)
"""How test-time augmentation shows an image, degrees in its plane."""


def turned(maps: Tensor, degrees: float, *, outside: str = "border") -> Tensor:
    """Maps turned about their centre, of the same size, linearly interpolated.

    Args:
        maps: (N, C, y, x) with square pixels.
        degrees: from the x axis towards the y axis.
        outside: what comes in at the edges: "border" = the nearest pixel, "zeros".
    """
    if not degrees:
        return maps
    y, x = maps.shape[2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # Places are counted from -1 to 1 along either axis, so their ratio is that of the sides.
    back = torch.tensor([[cos, sin * y / x, 0.0], [-sin * x / y, cos, 0.0]], device=maps.device)
    grid = F.affine_grid(back.expand(len(maps), 2, 3), list(maps.shape), align_corners=False)
    return F.grid_sample(maps.float(), grid, padding_mode=outside, align_corners=False)


def mean_over_turns(
    probabilities: Callable[[Tensor], Tensor], images: Tensor, turns: tuple[float, ...]
) -> Tensor:
    """Probabilities of images, averaged over how they are turned.

    What a turn moves out of sight is averaged over the other turns.

    Args:
        probabilities: of images (N, C, y, x): (N, K, y, x).
        images: (N, C, y, x) with square pixels.
        turns: degrees; at least one is 0.

    Returns:
        (N, K, y, x).
    """
    if turns == UPRIGHT:
        return probabilities(images)
    return _mean([(angle, probabilities(turned(images, angle))) for angle in turns])


def means_over_turns(
    pieces: Callable[[Tensor], Iterator[tuple[int, Tensor]]],
    slices: Tensor,
    turns: tuple[float, ...],
) -> Iterator[tuple[int, Tensor]]:
    """The same for a volume whose probabilities come in pieces, always the same ones.

    Args:
        pieces: of slices (Z, C, y, x): the index of the first slice, (K, n, y, x).
        slices: (Z, C, y, x) with square pixels.
        turns: degrees; at least one is 0.
    """
    if turns == UPRIGHT:
        yield from pieces(slices)
        return
    for seen in zip(*(pieces(turned(slices, angle)) for angle in turns), strict=True):
        (first, *_), maps = zip(*seen, strict=True)
        mean = _mean([(a, piece.movedim(1, 0)) for a, piece in zip(turns, maps, strict=True)])
        yield first, mean.movedim(0, 1)


def _mean(seen: list[tuple[float, Tensor]]) -> Tensor:
    """Mean of what was found of turned images, turned back."""
    summed = weights = torch.zeros(())
    for angle, maps in seen:
        inside = turned(torch.ones_like(maps[:1, :1]), -angle, outside="zeros")
        summed = summed.to(maps.device) + inside * turned(maps, -angle, outside="zeros")
        weights = weights.to(maps.device) + inside * inside
    return summed / weights
