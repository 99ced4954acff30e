"""Losses that ask predictions to agree: with themselves without islands, and with mixed ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.core.types import Array
from napari_scribseg.evaluation.pieces import largest


def cosine_distance(first: Tensor, second: Tensor) -> Tensor:
    """One minus the mean over all pixels of the cosine between two class vectors.

    A pixel whose vector is zero on one side counts as cosine 0 and has no gradient.

    Args:
        first: (B, K, *S).
        second: (B, K, *S).

    Source: "negative cosine similarity" of CycleMix and ExMod; the papers leave out the 1.
    """
    return 1 - F.cosine_similarity(first.float(), second.float(), dim=1).mean()


def local_consistency(probabilities: Tensor, *, connected_foreground: bool = False) -> Tensor:
    """How far predictions are from themselves with only the largest piece of every structure.

    Args:
        probabilities: (B, K, Y, X).
        connected_foreground: see `largest_pieces`.

    Source: ExMod, L_con-l; the target has no gradient, as in CycleMix's code.
    """
    segmentation = probabilities.detach().argmax(1).cpu().numpy()
    kept = largest_pieces(
        segmentation, probabilities.shape[1], connected_foreground=connected_foreground
    )
    target = F.one_hot(torch.from_numpy(kept), probabilities.shape[1]).movedim(-1, 1)
    return cosine_distance(probabilities, target.to(probabilities.device))


def largest_pieces(
    segmentation: Array, n_classes: int, *, connected_foreground: bool = False
) -> npt.NDArray[np.int64]:
    """Slices in which every structure is one piece; what is taken away becomes background.

    Pieces are connected through edges, not corners, within a slice. Of pieces of the same size the
    first in reading order stays.

    Args:
        segmentation: (B, Y, X), class index; not modified.
        n_classes: K, background included.
        connected_foreground: keep only what is also in the largest piece of all structures taken
            together (CycleMix's code; neither paper says so).
    """
    kept = np.zeros(segmentation.shape, np.int64)
    for labels, out in zip(segmentation, kept, strict=True):
        for k in range(1, n_classes):
            out[largest(labels == k)] = k
        if connected_foreground:
            out[~largest(labels > 0)] = 0
    return kept
