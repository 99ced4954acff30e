"""Losses on borders: edges of the image learnt as such, and a surface that wraps even regions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_SMOOTH = 1e-8
"""Keeps the square root of a vanishing gradient differentiable."""


def static_boundary(logits: Tensor, edges: Tensor, inside: Tensor) -> Tensor:
    """Binary cross-entropy of boundary logits against edge strengths.

    Args:
        logits: (B, 1, *S).
        edges: (B, *S), between 0 and 1.
        inside: (B, *S) bool, voxels of the volume; padding is left out.

    Source: Scribble2D5 (2022), L_bry; its boundary map has one channel in the authors' code.
    """
    each = F.binary_cross_entropy_with_logits(
        logits[:, 0].float(), edges.clamp(0, 1), reduction="none"
    )
    return _mean(each, inside)


def active_boundary(
    probabilities: Tensor,
    image: Tensor,
    inside: Tensor,
    *,
    anisotropy: float,
    inner_weight: float = 1.0,
    outer_weight: float = 0.1,
) -> Tensor:
    """Small surfaces around regions of even grey level, summed over the foreground classes.

    For each class, with probability u and grey level v scaled to 0..1: the mean over voxels of
    |grad u| + inner_weight u (v - c1)^2 + outer_weight (1 - u) (v - c2)^2, where c1 and c2 are the
    mean grey levels within and without the region.

    Args:
        probabilities: (B, K, Z, Y, X).
        image: (B, C, Z, Y, X), any scale; of several sequences the regions' terms are means.
        inside: (B, Z, Y, X) bool, voxels of the volume; padding is left out.
        anisotropy: distance of slices over pixel size.
        inner_weight: lambda 1.
        outer_weight: lambda 2.

    Source: Scribble2D5 (2022), L_AB. Taken from probabilities, so that it has a gradient: the
    authors' code takes it from the likeliest class, which has none.
    """
    u = probabilities[:, 1:].float()
    greys = [scaled(grey, inside).unsqueeze(1) for grey in image.split(1, dim=1)]
    within = inside.unsqueeze(1)
    inner, outer = (
        torch.stack([region_scatter(w, v, within) for v in greys]).mean(0) for w in (u, 1 - u)
    )
    each = surface_density(u, anisotropy) + inner_weight * inner + outer_weight * outer
    return _mean(each, within.expand_as(each)) * each.shape[1]


def surface_density(u: Tensor, anisotropy: float) -> Tensor:
    """|grad u| (B, C, Z, Y, X) per pixel; its sum times the voxel's volume is a surface.

    Forward differences; 0 at the last voxel of an axis.

    Args:
        u: (B, C, Z, Y, X), soft regions.
        anisotropy: distance of slices over pixel size.
    """
    z = F.pad(u.diff(dim=-3), (0, 0, 0, 0, 0, 1)) / anisotropy
    y = F.pad(u.diff(dim=-2), (0, 0, 0, 1))
    x = F.pad(u.diff(dim=-1), (0, 1))
    # Without the root of the smoothing term, so that an even region has no surface.
    return (z**2 + y**2 + x**2 + _SMOOTH).sqrt() - _SMOOTH**0.5


def region_scatter(u: Tensor, v: Tensor, inside: Tensor) -> Tensor:
    """Squared distances u (v - c)^2 (B, C, *S), c the mean of v under u; no gradient by c.

    Args:
        u: (B, C, *S), soft regions.
        v: (B, 1, *S), grey levels.
        inside: (B, 1, *S) bool, voxels that count for c.
    """
    with torch.no_grad():
        weight, axes = u * inside, tuple(range(2, u.ndim))
        total = weight.sum(axes, keepdim=True).clamp_min(1e-6)
        mean = (weight * v).sum(axes, keepdim=True) / total
    return u * (v - mean) ** 2


def scaled(image: Tensor, inside: Tensor) -> Tensor:
    """Grey levels (B, *S) of images (B, 1, *S) between 0 and 1 within the volume, per sample."""
    v = image[:, 0].float()
    axes = tuple(range(1, v.ndim))
    low = v.masked_fill(~inside, float("inf")).amin(axes, keepdim=True)
    high = v.masked_fill(~inside, float("-inf")).amax(axes, keepdim=True)
    return ((v - low) / (high - low).clamp_min(1e-6)).nan_to_num(0, 0, 0).clamp(0, 1)


def _mean(values: Tensor, inside: Tensor) -> Tensor:
    """Mean over the voxels inside; a zero that hangs on the graph if there are none."""
    return (values * inside).sum() / inside.sum().clamp_min(1)
