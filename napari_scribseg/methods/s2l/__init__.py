"""S2L (Scribble2Label): pseudo-labels from a running average of the network's predictions."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, NonNegative, PositiveInt
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS


class S2LConfig(MethodConfig):
    """The numbers of WSL4MIS, but for how often the average is moved."""

    warm_up: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1, description="Share of the budget that learns from the scribbles alone."
    )
    updates: PositiveInt = Field(
        default=54,
        description="How often, from then on, all training cases are predicted for the average; "
        "54 = every 1000 of 60 000 steps, where WSL4MIS takes every 100.",
    )
    newest: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.2, description="Share of the newest prediction in the running average."
    )
    threshold: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        default=0.8, description="A pixel is learnt from where its class's average exceeds this."
    )
    pseudo_weight: NonNegative = Field(
        default=0.5, description="Weight of cross-entropy on the pseudo-labels (lambda)."
    )


SPEC: Final = MethodSpec(
    name="s2l",
    title="Scribble2Label",
    summary="Fills in where its averaged predictions have become sure (2020).",
    source=(
        "Lee & Jeong, Scribble2Label: scribble-supervised cell segmentation via self-generating "
        "pseudo-labels with consistency, MICCAI 2020; as in https://github.com/HiLab-git/WSL4MIS"
    ),
    group="baseline",
    Config=S2LConfig,
    # Quick for a CPU; paper as in WSL4MIS.
    presets={
        "quick": Preset(
            "Minutes on a CPU: a longer warm-up and few updates, which predict all cases.",
            S2LConfig(warm_up=0.3, updates=5),
            QUICK,
        ),
        "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", S2LConfig(), WSL4MIS),
    },
    code="napari_scribseg.methods.s2l.method:S2L",
)
