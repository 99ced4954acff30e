"""Learning from dense references: when it is possible, the target, and the loss."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from napari_scribseg.core.labels import IGNORE, REFERENCE_MAP, targets_of_reference
from napari_scribseg.data.case import Case
from napari_scribseg.losses.dense import dense_dice
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.base import Maps, Task

_HALF = 0.5
"""Cross-entropy and Dice count the same (WSL4MIS)."""


def references_missing(task: Task) -> str | None:
    """Why full supervision can't do the task, in one sentence; None when it can."""
    if task.n_references == 0:
        return (
            "No training case has a dense reference, and full supervision learns from nothing "
            "else: choose a method that learns from scribbles."
        )
    return None


def reference_map(case: Case) -> Maps:
    """The reference of a case as a target; IGNORE throughout where it has none."""
    if case.reference is None:
        return {REFERENCE_MAP: np.full(case.image.shape, IGNORE, np.int16)}
    return {REFERENCE_MAP: targets_of_reference(case.reference)}


def reference_losses(logits: Tensor, reference: Tensor) -> dict[str, Tensor]:
    """Half cross-entropy, half Dice.

    Args:
        logits: (B, K, *S).
        reference: (B, *S), class index or IGNORE.
    """
    return {
        "cross_entropy": _HALF * partial_cross_entropy(logits, reference),
        "dice": _HALF * dense_dice(logits, reference),
    }
