"""SmoothCE: partial cross-entropy, and predictions that change little from pixel to pixel."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, NonNegative, TrainConfig
from napari_scribseg.core.method_spec import MethodSpec, Preset


class SmoothCEConfig(MethodConfig):
    """How much smoothness counts."""

    smoothness: NonNegative = Field(default=0.1, description="Weight of total variation.")


SPEC: Final = MethodSpec(
    name="smooth_ce",
    title="Smooth cross-entropy",
    summary="Cross-entropy on the drawn pixels, and predictions with short borders.",
    source="Rudin, Osher and Fatemi, Nonlinear total variation, Physica D 1992 (an example)",
    group="baseline",
    Config=SmoothCEConfig,
    presets={"quick": Preset("Minutes on a CPU.", SmoothCEConfig(), TrainConfig())},
    code="scribseg_smooth_ce.method:SmoothCE",
)
