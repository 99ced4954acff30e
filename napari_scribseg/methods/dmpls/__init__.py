"""DMPLS: two decoders that disagree, and pseudo-labels mixed from both with a random share."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, NonNegative
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS


class DMPLSConfig(MethodConfig):
    """How much the mixed pseudo-labels weigh."""

    pseudo_weight: NonNegative = Field(
        default=0.5, description="Weight of Dice against the mixed pseudo-labels (lambda)."
    )


SPEC: Final = MethodSpec(
    name="dmpls",
    title="DMPLS",
    summary="Two decoders teach each other with dynamically mixed pseudo-labels (2022).",
    source=(
        "Luo et al., Scribble-supervised medical image segmentation via dual-branch network and "
        "dynamically mixed pseudo labels supervision, MICCAI 2022; "
        "https://github.com/HiLab-git/WSL4MIS"
    ),
    group="baseline",
    Config=DMPLSConfig,
    # Quick for a CPU; paper as published.
    presets={
        "quick": Preset("Minutes on a CPU.", DMPLSConfig(), QUICK),
        "paper": Preset("As published: 60 000 steps, for a GPU.", DMPLSConfig(), WSL4MIS),
    },
    code="napari_scribseg.methods.dmpls.method:DMPLS",
)
