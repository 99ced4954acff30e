"""Hiding squares of slices, and turning slices there and back (CycleMix, ExMod)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def hidden_squares(centres: Tensor, side: int, shape: tuple[int, int]) -> Tensor:
    """Where the squares lie: (B, 1, Y, X) bool; what sticks out of the slice is cut off.

    Args:
        centres: (B, 2), position (y, x) of each centre as a share 0..1 of the slice.
        side: pixels; 0 hides nothing.
        shape: pixels (y, x) of the slices.
    """
    inside: list[Tensor] = []
    for axis, n in enumerate(shape):
        first = (centres[:, axis] * n).floor() - side // 2
        offset = torch.arange(n, device=centres.device) - first[:, None]
        inside.append((offset >= 0) & (offset < side))
    rows, columns = inside
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)


def turned(slices: Tensor, radians: Tensor) -> Tensor:
    """Slices (B, C, Y, X) turned about their centres, interpolated linearly, zero from outside.

    `turned(turned(x, a), -a)` is x, smoothed, except for corners that left the frame.

    Args:
        slices: (B, C, Y, X) float.
        radians: (B,), from the axis y towards the axis x.
    """
    height, width = slices.shape[-2:]
    cos, sin = radians.cos(), radians.sin()
    zero = torch.zeros_like(cos)
    # affine_grid wants output (x, y) -> input (x, y), each axis scaled to -1..1.
    matrix = torch.stack(
        [
            torch.stack([cos, -sin * height / width, zero], 1),
            torch.stack([sin * width / height, cos, zero], 1),
        ],
        1,
    )
    # Positions in half precision would be off by a tenth of a pixel.
    with torch.autocast(slices.device.type, enabled=False):
        grid = F.affine_grid(matrix.float(), list(slices.shape), align_corners=False)
        found = F.grid_sample(
            slices.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
    return found.to(slices.dtype)
