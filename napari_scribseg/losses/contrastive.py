"""Losses that pull features together and push them apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.core.labels import IGNORE


def block_labels(target: Tensor, blocks: int) -> Tensor:
    """Which blocks of a grid contain a foreground scribble: (B, blocks, blocks) bool.

    Args:
        target: (B, Y, X), class index or IGNORE.
        blocks: blocks per side (K of the paper).
    """
    foreground = ((target > 0) & (target != IGNORE)).float().unsqueeze(1)
    return F.adaptive_max_pool2d(foreground, blocks)[:, 0] > 0


def foreground_background_separation(
    features: Tensor, target: Tensor, *, blocks: int = 8, temperature: float = 0.07
) -> Tensor:
    """FBSL: blocks with and without foreground scribbles get features that differ.

    Every block's mean feature is an anchor; blocks of the batch with the same label are its
    positives, those with the other label its negatives. The mean over all positives, then over all
    anchors, of -log(e^p / (e^p + sum of e^n)). Zero where only one label occurs.

    Args:
        features: (B, F, Y, X), those before the output convolution.
        target: (B, Y, X), class index or IGNORE.
        blocks: blocks per side.
        temperature: tau; the paper is silent, its code takes 0.07.

    Source: EFFDNet (Liu et al., MICCAI 2025), equations 3 to 5. The paper's index limits in
    equation 5 don't fit equation 3; K regions per side is right (and what the code does).
    """
    label = block_labels(target, blocks).flatten()
    z = F.normalize(F.adaptive_avg_pool2d(features.float(), blocks), dim=1)
    z = z.permute(0, 2, 3, 1).flatten(0, 2)
    if label.all() or not label.any():
        return features.float().sum() * 0.0
    # Autocast would take the product in half precision, and the temperature magnifies its error.
    with torch.autocast(z.device.type, enabled=False):
        similarity = z @ z.T / temperature
    same = label[:, None] == label[None, :]
    negatives = similarity.masked_fill(same, -torch.inf).logsumexp(1, keepdim=True)
    pairs = torch.logaddexp(similarity, negatives) - similarity
    positive = same & ~torch.eye(len(label), dtype=torch.bool, device=label.device)
    per_anchor = (pairs * positive).sum(1) / positive.sum(1).clamp_min(1)
    return per_anchor.mean()
