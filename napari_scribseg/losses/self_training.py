"""Learning from one's own predictions: how they join, and where they are believed."""

from __future__ import annotations

import math

from torch import Tensor


def ramp_up(t: float) -> float:
    """exp(-5 (1 - t)^2): from 0.007 at t = 0 to 1 at t = 1, and 1 from there on.

    Source: Laine & Aila, "Temporal ensembling for semi-supervised learning", ICLR 2017.
    """
    return math.exp(-5.0 * (1.0 - min(max(t, 0.0), 1.0)) ** 2)


def masked_squared_error(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Squared differences of the masked pixels, summed over classes, over twice their number.

    Zero, but on the graph, where the mask is empty.

    Args:
        first: (B, K, *S) probabilities.
        second: (B, K, *S) probabilities.
        mask: (B, *S) bool, the pixels that count.

    Source: Yu et al., "Uncertainty-aware self-ensembling model", MICCAI 2019, for two classes; its
    followers keep the two for any number of classes.
    """
    squared = (first - second).square().sum(1) * mask
    return squared.sum() / (2 * mask.sum()).clamp_min(1)
