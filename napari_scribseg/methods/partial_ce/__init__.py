"""Partial cross-entropy, alone and with partial Dice: the honest baselines."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, NonNegative
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS


class PartialCEDiceConfig(MethodConfig):
    """How cross-entropy and Dice are weighed."""

    ce_weight: NonNegative = Field(default=1.0, description="Weight of partial cross-entropy.")
    dice_weight: NonNegative = Field(default=1.0, description="Weight of partial Dice.")


SPEC: Final = MethodSpec(
    name="partial_ce",
    title="Partial cross-entropy",
    summary="Cross-entropy on the drawn pixels only: the baseline every paper compares with.",
    source=(
        "Tang et al., On regularized losses for weakly-supervised CNN segmentation, ECCV 2018; "
        "trained as in https://github.com/HiLab-git/WSL4MIS"
    ),
    group="baseline",
    Config=MethodConfig,
    # Quick for a CPU; paper as in WSL4MIS.
    presets={
        "quick": Preset("Minutes on a CPU.", MethodConfig(), QUICK),
        "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", MethodConfig(), WSL4MIS),
    },
    code="napari_scribseg.methods.partial_ce.method:PartialCE",
)


PARTIAL_CE_DICE: Final = MethodSpec(
    name="partial_ce_dice",
    title="Partial cross-entropy + Dice",
    summary="Learns from the strokes alone, with the partial loss of nnU-Net's ignore label.",
    source=(
        "Gotkowski et al., Embarrassingly simple scribble supervision for 3D medical "
        "segmentation, arXiv 2403.12834; https://github.com/MIC-DKFZ/nnUNet"
    ),
    group="baseline",
    Config=PartialCEDiceConfig,
    # Quick for a CPU; nnU-Net's own network and schedule are a different program.
    presets={"quick": Preset("Minutes on a CPU.", PartialCEDiceConfig(), QUICK)},
    code="napari_scribseg.methods.partial_ce.method:PartialCEDice",
)
