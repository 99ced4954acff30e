"""Partial cross-entropy, alone and with partial Dice: the honest baselines."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig, NonNegative, TrainConfig
from napari_scribseg.losses.partial import partial_cross_entropy, partial_dice
from napari_scribseg.methods.base import Preset
from napari_scribseg.methods.recipes import WSL4MIS
from napari_scribseg.methods.unet_method import UNetMethod


class PartialCE(UNetMethod):
    """Cross-entropy on labelled pixels, nothing else."""

    name = "partial_ce"
    title = "Partial cross-entropy"
    summary = "Cross-entropy on the drawn pixels only: the baseline every paper compares with."
    source = (
        "Tang et al., On regularized losses for weakly-supervised CNN segmentation, ECCV 2018; "
        "trained as in https://github.com/HiLab-git/WSL4MIS"
    )
    Config = MethodConfig

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU; paper as in WSL4MIS."""
        return {
            "quick": Preset("Minutes on a CPU.", MethodConfig(), TrainConfig()),
            "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", MethodConfig(), WSL4MIS),
        }

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles."""
        return {"scribbles": partial_cross_entropy(self(batch.image), batch.target)}


class PartialCEDiceConfig(MethodConfig):
    """How cross-entropy and Dice are weighed."""

    ce_weight: NonNegative = Field(default=1.0, description="Weight of partial cross-entropy.")
    dice_weight: NonNegative = Field(default=1.0, description="Weight of partial Dice.")


class PartialCEDice(UNetMethod):
    """Cross-entropy and soft Dice on labelled pixels: nnU-Net's ignore label."""

    name = "partial_ce_dice"
    title = "Partial cross-entropy + Dice"
    summary = "The partial loss of nnU-Net's ignore label: simple, and hard to beat elsewhere."
    source = (
        "Gotkowski et al., Embarrassingly simple scribble supervision for 3D medical "
        "segmentation, arXiv 2403.12834; https://github.com/MIC-DKFZ/nnUNet"
    )
    Config = PartialCEDiceConfig
    options: PartialCEDiceConfig

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU; nnU-Net's own network and schedule are a different program."""
        return {"quick": Preset("Minutes on a CPU.", PartialCEDiceConfig(), TrainConfig())}

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy and Dice on the scribbles."""
        logits = self(batch.image)
        return {
            "cross_entropy": self.options.ce_weight * partial_cross_entropy(logits, batch.target),
            "dice": self.options.dice_weight * partial_dice(logits, batch.target),
        }
