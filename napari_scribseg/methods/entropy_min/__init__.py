"""EntMin: partial cross-entropy, and predictions that are sure everywhere."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, NonNegative
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS


class EntropyMinConfig(MethodConfig):
    """How much sureness weighs."""

    entropy_weight: NonNegative = Field(
        default=0.1, description="Weight of the entropy, which is between 0 and 1."
    )


SPEC: Final = MethodSpec(
    name="entropy_min",
    title="Entropy minimisation",
    summary="Partial cross-entropy, and predictions are pushed to be sure on every pixel.",
    source=(
        "Grandvalet & Bengio, Semi-supervised learning by entropy minimization, NeurIPS 2004; "
        "trained as in https://github.com/HiLab-git/WSL4MIS"
    ),
    group="baseline",
    Config=EntropyMinConfig,
    # Quick for a CPU; paper as in WSL4MIS.
    presets={
        "quick": Preset("Minutes on a CPU.", EntropyMinConfig(), QUICK),
        "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", EntropyMinConfig(), WSL4MIS),
    },
    code="napari_scribseg.methods.entropy_min.method:EntropyMin",
)
