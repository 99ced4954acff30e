"""Partial cross-entropy, alone and with partial Dice: the honest baselines."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.partial import partial_cross_entropy, partial_dice
from napari_scribseg.methods.partial_ce import PARTIAL_CE_DICE, SPEC, PartialCEDiceConfig
from napari_scribseg.methods.unet_method import UNetMethod


class PartialCE(UNetMethod):
    """Cross-entropy on labelled pixels, nothing else."""

    spec = SPEC

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles."""
        return {"scribbles": partial_cross_entropy(self(batch.image), batch.target)}


class PartialCEDice(UNetMethod):
    """Cross-entropy and soft Dice on labelled pixels: nnU-Net's ignore label."""

    spec = PARTIAL_CE_DICE

    options: PartialCEDiceConfig

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy and Dice on the scribbles."""
        logits = self(batch.image)
        return {
            "cross_entropy": self.options.ce_weight * partial_cross_entropy(logits, batch.target),
            "dice": self.options.dice_weight * partial_dice(logits, batch.target),
        }
