"""EFFDNet: mean teacher, foreground-background separation, and pasted foregrounds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from napari_scribseg.core.config import (
    Fraction,
    MethodConfig,
    NonNegative,
    Positive,
    PositiveInt,
)
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS


class EFFDNetConfig(MethodConfig):
    """The numbers of the paper, and two that make short trainings possible."""

    gone: ClassVar = {"ramp_from": 0.0, "confidence": 0.0}

    fbsl: bool = Field(default=True, description="Foreground-background separation loss.")
    fadc: bool = Field(default=True, description="Foreground augmentation with diverse context.")
    pseudo_weight: NonNegative = Field(
        default=0.6, description="Weight of the pseudo-labels (lambda)."
    )
    fbsl_weight: NonNegative = Field(
        default=0.3, description="Weight of FBSL within lambda (delta)."
    )
    blocks: PositiveInt = Field(default=8, description="FBSL: regions per side (K).")
    temperature: Positive = Field(
        default=0.07, description="FBSL: temperature; the paper is silent, its code takes 0.07."
    )
    teacher_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.99, description="How slowly the teacher follows the student (alpha)."
    )
    box: Literal["all", "foreground"] = Field(
        default="all",
        description="FADC: box around all strokes (authors' code) or foreground strokes.",
    )
    fadc_from: Fraction = Field(
        default=0.0,
        description="FADC: share of the budget before it begins; 0 = at once (paper).",
    )
    ramp_up: Fraction = Field(
        default=0.0,
        description="Share of the budget over which lambda grows from 0; 0 = at once (paper).",
    )


SPEC: Final = MethodSpec(
    name="effdnet",
    title="EFFDNet",
    summary="Mean teacher, foreground-background separation and pasted foregrounds (2025).",
    source=(
        "Liu et al., EFFDNet: a scribble-supervised medical image segmentation method with "
        "enhanced foreground feature discrimination, MICCAI 2025; "
        "https://github.com/Aurora-003-web/EFFDNet (not used: it has no licence)"
    ),
    group="paper",
    Config=EFFDNetConfig,
    # Quick for a CPU; paper as published.
    presets={
        "quick": Preset(
            "Minutes on a CPU: small batches, pseudo-labels join slowly, pasted slices late.",
            EFFDNetConfig(ramp_up=1.0, fadc_from=0.5),
            QUICK.updated({"batch_size": 6}),
        ),
        "paper": Preset("As published: 60 000 steps, for a GPU.", EFFDNetConfig(), WSL4MIS),
    },
    code="napari_scribseg.methods.effdnet.method:EFFDNet",
)
