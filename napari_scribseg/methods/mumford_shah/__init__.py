"""MLoss: partial cross-entropy, and classes that are regions of one grey level (Mumford-Shah)."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, NonNegative
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS


class MumfordShahConfig(MethodConfig):
    """How much the regions weigh."""

    region_weight: NonNegative = Field(
        default=0.79,
        description="Weight of the Mumford-Shah term, a mean over pixels; 0.79 is the 1e-6 of "
        "WSL4MIS on the sum over 12 slices of 256 x 256 pixels.",
    )


SPEC: Final = MethodSpec(
    name="mumford_shah",
    title="Mumford-Shah loss",
    summary="Partial cross-entropy, and classes are pushed to be regions of one grey level.",
    source=(
        "Kim & Ye, Mumford-Shah loss functional for image segmentation with deep learning, "
        "IEEE TIP 2020; trained as in https://github.com/HiLab-git/WSL4MIS"
    ),
    group="baseline",
    Config=MumfordShahConfig,
    # Quick for a CPU; paper as in WSL4MIS.
    presets={
        "quick": Preset("Minutes on a CPU.", MumfordShahConfig(), QUICK),
        "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", MumfordShahConfig(), WSL4MIS),
    },
    code="napari_scribseg.methods.mumford_shah.method:MumfordShah",
)
