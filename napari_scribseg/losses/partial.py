"""Losses over the voxels that somebody labelled; every other voxel has a gradient of exactly zero.

Logits are (B, K, *S), targets (B, *S) int64 with class index or IGNORE. Where nothing is labelled,
each loss is a zero that still hangs on the graph, so training goes on.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.core.labels import IGNORE

Reduction = Literal["labelled", "all_pixels"]


def partial_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    reduction: Reduction = "labelled",
    class_weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy over the labelled voxels of the batch.

    Args:
        logits: (B, K, *S).
        target: (B, *S), class index or IGNORE.
        reduction: "labelled" averages over labelled voxels (WSL4MIS); "all_pixels" divides by the
            number of all voxels (CycleMix), which makes the term 25 to 100 times smaller.
        class_weights: (K,), or None for equal weights; a weighted mean is divided by the weights.

    Source: Tang et al., "On regularized losses for weakly-supervised CNN segmentation", ECCV 2018.
    """
    summed = F.cross_entropy(
        logits.float(), target, class_weights, ignore_index=IGNORE, reduction="sum"
    )
    labelled = target != IGNORE
    if reduction == "all_pixels":
        return summed / target.numel()
    if class_weights is None:
        return summed / labelled.sum().clamp_min(1)
    return summed / class_weights[target[labelled]].sum().clamp_min(1e-8)


def soft_partial_cross_entropy(
    logits: Tensor, target: Tensor, *, reduction: Reduction = "labelled"
) -> Tensor:
    """Cross-entropy against labels that may be shared between classes.

    Args:
        logits: (B, K, *S).
        target: (B, K, *S), share of every class; all zero where nothing is labelled.
        reduction: "labelled" divides by the sum of all shares, "all_pixels" by the number of
            pixels.

    Source: CycleMix (Zhang and Zhuang, CVPR 2022), for mixed labels.
    """
    summed = -(target * logits.float().log_softmax(1)).sum()
    if reduction == "all_pixels":
        return summed / (target.numel() / target.shape[1])
    return summed / target.sum().clamp_min(1)


def shares_of(target: Tensor, n_classes: int) -> Tensor:
    """Labels as shares of classes (B, K, *S) float: one-hot, all zero where the target is IGNORE.

    Args:
        target: (B, *S), class index or IGNORE.
        n_classes: K.
    """
    return _one_hot(target, n_classes) * (target != IGNORE).unsqueeze(1)


def class_weights(target: Tensor, n_classes: int, balance: float) -> Tensor:
    """Weights (K,) that make up for how differently often the classes occur in a batch.

    Args:
        target: (B, *S), class index or IGNORE.
        n_classes: K.
        balance: 0 = every voxel counts the same; 1 = every class that occurs counts the same;
            between: the weight is the class's share of the labelled voxels to the power -balance.
    """
    counts = torch.bincount(target[target != IGNORE], minlength=n_classes).float()
    return (counts.clamp_min(1) / counts.sum().clamp_min(1)) ** -balance


def partial_dice(logits: Tensor, target: Tensor, *, smooth: float = 1e-5) -> Tensor:
    """One minus the soft Dice over labelled voxels, averaged over the classes of the batch.

    Prediction and target are multiplied by the mask of labelled voxels; voxels of the whole batch
    count together, and classes that no labelled voxel of the batch has are left out.

    Args:
        logits: (B, K, *S).
        target: (B, *S), class index or IGNORE.
        smooth: keeps the ratio finite.

    Source: the ignore label of nnU-Net (Gotkowski et al., "Embarrassingly simple scribble
    supervision for 3D medical segmentation", 2024), with its batch Dice.
    """
    labelled = (target != IGNORE).unsqueeze(1)
    probabilities = logits.float().softmax(1) * labelled
    truth = _one_hot(target, logits.shape[1]) * labelled
    axes = (0, *range(2, logits.ndim))
    overlap = (probabilities * truth).sum(axes)
    size = probabilities.sum(axes) + truth.sum(axes)
    present = truth.sum(axes) > 0
    dice = (2 * overlap + smooth) / (size + smooth)
    return ((1 - dice) * present).sum() / present.sum().clamp_min(1)


def _one_hot(target: Tensor, n_classes: int) -> Tensor:
    """(B, K, *S) float; IGNORE becomes background, so mask it."""
    one_hot = F.one_hot(target.clamp_min(0), n_classes)
    return torch.movedim(one_hot, -1, 1).float()
