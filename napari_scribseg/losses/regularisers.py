"""What is asked of a prediction where nobody drew: to be sure, piecewise constant, and short-edged.

Logits and probabilities are (B, K, Y, X), images (B, C, Y, X). All are means over pixels, so they
don't change with the size of patch and batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def normalised_entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the predicted classes, 0 = sure everywhere, 1 = all classes equally likely.

    Source: entropy minimisation (Grandvalet & Bengio, NeurIPS 2004) as in HiLab-git/WSL4MIS, which
    divides by ln 4 whatever the number of classes; ours divides by ln K.
    """
    log_p = logits.float().log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean() / math.log(logits.shape[1])


def within_class_variance(probabilities: Tensor, image: Tensor) -> Tensor:
    """Sum over classes of p_c (I - m_c)^2, as the mean over pixels.

    m_c is the class's mean grey level in its image, sum(p_c I) / sum(p_c). The term is zero for a
    partition into regions of one grey level each. Of several sequences it is the mean (Chan,
    Sandberg and Vese, "Active contours without edges for vector-valued images", 2000).

    Source: the first term of Mumford-Shah (Kim & Ye, IEEE TIP 2020).
    """
    size = probabilities.sum((2, 3), keepdim=True)
    each: list[Tensor] = []
    for grey in image.split(1, dim=1):
        mean = (probabilities * grey).sum((2, 3), keepdim=True) / size.clamp_min(1e-6)
        each.append((probabilities * (grey - mean).square()).sum(1).mean())
    return torch.stack(each).mean()


def total_variation(probabilities: Tensor) -> Tensor:
    """Sum over classes of |p_c(y + 1, x) - p_c(y, x)| + |p_c(y, x + 1) - p_c(y, x)| per pixel.

    A straight edge between two classes costs 2 for each pixel of its length.
    """
    n = probabilities.shape[0] * probabilities.shape[2] * probabilities.shape[3]
    down = (probabilities[:, :, 1:] - probabilities[:, :, :-1]).abs().sum()
    right = (probabilities[..., 1:] - probabilities[..., :-1]).abs().sum()
    return (down + right) / n


def mumford_shah(logits: Tensor, image: Tensor) -> Tensor:
    """How far the predicted classes are from regions of one grey level with short borders.

    Args:
        logits: (B, K, Y, X).
        image: (B, C, Y, X), grey levels between 0 and 1.

    Source: Kim & Ye, "Mumford-Shah loss functional for image segmentation with deep learning",
    IEEE TIP 2020. HiLab-git/WSL4MIS hands image and prediction over in the wrong order, which
    makes a constant prediction the optimum.
    """
    probabilities = logits.float().softmax(1)
    variance = within_class_variance(probabilities, image.float())
    return variance + total_variation(probabilities)
