"""wPCE: partial cross-entropy in which every class of the batch weighs the same."""

from __future__ import annotations

from typing import Final

from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS

SPEC: Final = MethodSpec(
    name="wpce",
    title="Weighted partial cross-entropy",
    summary="Partial cross-entropy in which rarely drawn classes count as much as background.",
    source=(
        "Valvano et al., Learning to segment from scribbles using multi-scale adversarial "
        "attention gates, IEEE TMI 2021; "
        "https://github.com/gvalvano/multiscale-adversarial-attention-gates (not used)"
    ),
    group="baseline",
    Config=MethodConfig,
    # Quick for a CPU; paper with the schedule of the other 2D baselines.
    presets={
        "quick": Preset("Minutes on a CPU.", MethodConfig(), QUICK),
        "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", MethodConfig(), WSL4MIS),
    },
    code="napari_scribseg.methods.wpce.method:WPCE",
)
