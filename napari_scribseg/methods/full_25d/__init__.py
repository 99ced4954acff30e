"""Full supervision in 2.5D: Scribble2D5's backbone on dense references, the bound beside it."""

from __future__ import annotations

from typing import Final

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import SCRIBBLE2D5
from napari_scribseg.methods.unet25d_config import ANISOTROPY, UNet25DConfig

SPEC: Final = MethodSpec(
    name="full_25d",
    title="Full supervision (2.5D U-Net)",
    summary="Learns volumes from dense references, not from strokes: the bound of Scribble2D5.",
    source=(
        "The row 2.5D U-Net of Chen and Hong, Scribble2D5, MICCAI 2022; network of Wang et al., "
        "Automatic segmentation of vestibular schwannoma, MICCAI 2019, "
        "https://github.com/KCL-BMEIS/VS_Seg"
    ),
    group="full",
    uses_references=True,
    Config=UNet25DConfig,
    # Quick for a CPU; paper as Scribble2D5 trains.
    presets={
        "quick": Preset(
            "Half the width, from half resolution, like that of Scribble2D5: for a CPU.",
            UNet25DConfig(base_width=8, full_resolution=False),
            TrainConfig(
                batch_size=2,
                patch=(128, 128),
                learning_rate=2e-3,
                outer_background=4.0,
                dropout=0.0,
            ),
        ),
        "paper": Preset(
            "As Scribble2D5: 200 epochs of 140 volumes, for a GPU.",
            UNet25DConfig(anisotropy=ANISOTROPY),
            SCRIBBLE2D5,
        ),
    },
    code="napari_scribseg.methods.full_25d.method:Full25D",
)
