"""Losses against a target that knows the class of every voxel: a reference, or pseudo-labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.core.labels import IGNORE


def dense_dice(logits: Tensor, target: Tensor, *, smooth: float = 1e-5) -> Tensor:
    """One minus the soft Dice with squared denominators, averaged over all classes.

    2 sum(p t) / (sum(p^2) + sum(t^2)), over the voxels of the whole batch. Every class counts,
    background and those that the target lacks too: dense targets know that these are absent.
    Voxels outside the image have the target IGNORE and are left out.

    Args:
        logits: (B, K, *S).
        target: (B, *S), class index or IGNORE.
        smooth: keeps the ratio finite.

    Source: the Dice of HiLab-git/WSL4MIS; the squares are those of Milletari et al., "V-Net",
    3DV 2016.
    """
    inside = (target != IGNORE).unsqueeze(1)
    probabilities = logits.float().softmax(1) * inside
    one_hot = F.one_hot(target.clamp_min(0), logits.shape[1])
    truth = torch.movedim(one_hot, -1, 1).float() * inside
    axes = (0, *range(2, logits.ndim))
    overlap = (probabilities * truth).sum(axes)
    size = probabilities.square().sum(axes) + truth.sum(axes)
    return (1 - (2 * overlap + smooth) / (size + smooth)).mean()
