"""S2L (Scribble2Label): pseudo-labels from a running average of the network's predictions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.data.case import Case
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.base import Maps, Shown
from napari_scribseg.methods.s2l import SPEC, S2LConfig
from napari_scribseg.methods.unet_method import UNetMethod

_SLICES_AT_ONCE = 8


class S2L(UNetMethod):
    """Cross-entropy on scribbles, later also where predictions have long agreed."""

    spec = SPEC

    uses_unlabelled = True
    options: S2LConfig

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:  # noqa: ARG003
        """No average yet: IGNORE as the likeliest class, and a confidence of zero."""
        return {
            "likeliest": np.full(case.image.shape, IGNORE, np.int16),
            "confidence": np.zeros(case.image.shape, np.float32),
        }

    @property
    def relabel_at(self) -> tuple[float, ...]:
        """Evenly from the end of the warm-up on, none at the very end."""
        rest = 1.0 - self.options.warm_up
        n = self.options.updates
        return tuple(self.options.warm_up + rest * i / n for i in range(n))

    @property
    def restarts_optimiser(self) -> bool:
        """No: the labels change a little at a time."""
        return False

    def relabel(self, case: Case, maps: Maps, shown: Shown) -> Maps:  # noqa: ARG002
        """The average after taking in what the network predicts now."""
        parts = [self(part).float().softmax(1) for part in shown.image.split(_SLICES_AT_ONCE)]
        probabilities = shown.to_grid(torch.cat(parts))
        likeliest, confidence = moved_average(
            maps["likeliest"], maps["confidence"], probabilities, newest=self.options.newest
        )
        return {"likeliest": likeliest, "confidence": confidence}

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles and, once there are any, on the pseudo-labels."""
        logits = self(batch.image)
        terms = {"scribbles": partial_cross_entropy(logits, batch.target)}
        believed = (batch.maps["confidence"] > self.options.threshold) & (batch.target == IGNORE)
        pseudo = torch.where(believed, batch.maps["likeliest"], IGNORE)
        if (pseudo != IGNORE).any():
            cross_entropy = partial_cross_entropy(logits, pseudo)
            terms["pseudo_labels"] = self.options.pseudo_weight * cross_entropy
        return terms


def moved_average(
    likeliest: npt.NDArray[np.int16],
    confidence: npt.NDArray[np.float32],
    probabilities: npt.NDArray[np.float32],
    *,
    newest: float,
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """The leading class of every voxel's running average, and its average, after one more update.

    Only a class that holds more than half of the average can be a pseudo-label, so only the leading
    class is followed: (1 - newest) of its average stays, and newest of its probability is added.
    When it falls below one half and another class is likelier now, that one takes over with what is
    left of the average, divided among the others as they are likely now. With two classes this
    is the running average itself.

    Args:
        likeliest: (z, y, x) class index; IGNORE before the first update.
        confidence: (z, y, x), its average.
        probabilities: (K, z, y, x), the new prediction.
        newest: its share.
    """
    now = probabilities.argmax(0).astype(np.int16)
    highest = probabilities.max(0)
    leading = np.maximum(likeliest, 0)[None].astype(np.intp)
    its = np.take_along_axis(probabilities, leading, 0)[0]
    kept = (1.0 - newest) * confidence + newest * its
    rest = (1.0 - kept) * highest / np.maximum(1.0 - its, 1e-6)
    first = likeliest == IGNORE
    changed = ~first & (now != likeliest) & (kept < 0.5)
    average = np.where(first, highest, np.where(changed, rest, kept))
    return np.where(first | changed, now, likeliest), average.astype(np.float32)
