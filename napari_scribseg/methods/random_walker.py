"""Random walker: grow the scribbles into seeds once, then train on the seeds."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import Fraction, MethodConfig, NonNegative, Positive, TrainConfig
from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.data.case import Case
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy, partial_dice
from napari_scribseg.methods.base import Maps, Preset
from napari_scribseg.methods.unet_method import UNetMethod
from napari_scribseg.propagate.random_walker import random_walker_seeds


class RandomWalkerConfig(MethodConfig):
    """How far the scribbles grow, and how cross-entropy and Dice are weighed."""

    tau: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.99,
        description="A pixel becomes a seed where its likeliest class is likelier than this.",
    )
    beta: Positive = Field(
        default=130.0, description="How much an edge of the image stops the growing."
    )
    ce_weight: NonNegative = Field(default=1.0, description="Weight of cross-entropy on the seeds.")
    balance: Fraction = Field(
        default=0.5,
        description="Cross-entropy: 0 = every seed counts the same, 1 = every class does; seeds "
        "are nine tenths background, which otherwise drowns the structures in short trainings.",
    )
    dice_weight: NonNegative = Field(default=1.0, description="Weight of Dice on the seeds.")


class RandomWalker(UNetMethod):
    """Cross-entropy and Dice on seeds grown from the scribbles."""

    name = "random_walker"
    title = "Random walker seeds"
    summary = "Grows the strokes to precise seeds, then learns from those: the quick default."
    source = (
        "Grady, Random walks for image segmentation, PAMI 2006; seeds as in Can et al., "
        "Learning to segment medical images with scribble-supervision alone, DLMIA 2018"
    )
    Config = RandomWalkerConfig
    prepared_from = ("tau", "beta")
    options: RandomWalkerConfig

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU."""
        return {"quick": Preset("Minutes on a CPU.", RandomWalkerConfig(), TrainConfig())}

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:
        """The seeds of a case: class index or IGNORE."""
        assert isinstance(options, RandomWalkerConfig)
        if case.scribbles is None:
            return {"seeds": np.full(case.image.shape, IGNORE, np.int16)}
        seeds = random_walker_seeds(
            case.image.array, targets_of(case.scribbles), tau=options.tau, beta=options.beta
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
