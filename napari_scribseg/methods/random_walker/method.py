"""Random walker: grow the scribbles into seeds once, then train on the seeds."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.data.case import Case
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy, partial_dice
from napari_scribseg.methods.base import Maps
from napari_scribseg.methods.random_walker import SPEC, RandomWalkerConfig
from napari_scribseg.methods.unet_method import UNetMethod
from napari_scribseg.propagate.random_walker import random_walker_seeds


class RandomWalker(UNetMethod):
    """Cross-entropy and Dice on seeds grown from the scribbles."""

    spec = SPEC

    prepared_from = ("tau", "beta")
    options: RandomWalkerConfig

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:
        """The seeds of a case: class index or IGNORE."""
        assert isinstance(options, RandomWalkerConfig)
        if case.scribbles is None:
            return {"seeds": np.full(case.image.shape, IGNORE, np.int16)}
        seeds = random_walker_seeds(
            case.image.channels, targets_of(case.scribbles), tau=options.tau, beta=options.beta
        )
        return {"seeds": seeds}

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy and Dice on the seeds."""
        logits, seeds = self(batch.image), batch.maps["seeds"]
        weights = class_weights(seeds, self.n_classes, self.options.balance)
        cross_entropy = partial_cross_entropy(logits, seeds, class_weights=weights)
        return {
            "cross_entropy": self.options.ce_weight * cross_entropy,
            "dice": self.options.dice_weight * partial_dice(logits, seeds),
        }
