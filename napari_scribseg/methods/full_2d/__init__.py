"""Full supervision: the same small U-Net on dense references, the bound that scribbles aim at."""

from __future__ import annotations

from typing import Final

from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS

SPEC: Final = MethodSpec(
    name="full_2d",
    title="Full supervision (2D U-Net)",
    summary="Learns from dense references, not from strokes: the bound the others aim at.",
    source=(
        "Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, "
        "MICCAI 2015; trained as in https://github.com/HiLab-git/WSL4MIS"
    ),
    group="full",
    uses_references=True,
    Config=MethodConfig,
    # Quick for a CPU; paper as in WSL4MIS, which trains this one with a rate of 0.03.
    presets={
        "quick": Preset("Minutes on a CPU.", MethodConfig(), QUICK),
        "paper": Preset(
            "WSL4MIS: 60 000 steps, for a GPU.",
            MethodConfig(),
            WSL4MIS.updated({"learning_rate": 0.03}),
        ),
    },
    code="napari_scribseg.methods.full_2d.method:Full2D",
)
