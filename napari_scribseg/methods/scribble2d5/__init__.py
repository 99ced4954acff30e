"""Scribble2D5: a 2.5D network that learns from supervoxels and from borders."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from napari_scribseg.core.config import Fraction, NonNegative, Positive, TrainConfig
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import REACH, SCRIBBLE2D5
from napari_scribseg.methods.unet25d_config import ANISOTROPY, UNet25DConfig


class Scribble2D5Config(UNet25DConfig):
    """The paper's numbers; where it is silent, those of its code or of our measurements."""

    gone: ClassVar = {"head_width": None, "head_norm": False, "residual_head": False}

    lpm: Literal["supervoxels", "random_walker", "both", "none"] = Field(
        default="supervoxels",
        description="Label propagation: how strokes grow before training; both = structures where "
        "supervoxels and the random walker agree, background as the walker has it; none = strokes "
        "only.",
    )
    tau: Fraction = Field(
        default=0.99, description="Label propagation: how sure the random walker must be."
    )
    grow_background: bool = Field(
        default=True,
        description="Label propagation by the random walker: whether background grows too; else it "
        "is what was drawn and what lies outside.",
    )
    sbpm: bool = Field(
        default=True, description="Static boundary prediction: a branch that learns image edges."
    )
    abl: bool = Field(
        default=True,
        description="Active boundary loss: small surfaces around regions of even grey level.",
    )
    boundary_weight: NonNegative = Field(
        default=0.3, description="Weight of the static boundary (beta 1)."
    )
    active_weight: NonNegative = Field(
        default=0.3, description="Weight of the active boundary (beta 2)."
    )
    inner_weight: NonNegative = Field(
        default=1.0, description="Active boundary: unevenness within a region (lambda 1)."
    )
    outer_weight: NonNegative = Field(
        default=0.1, description="Active boundary: unevenness around it (lambda 2)."
    )
    supervoxel_mm3: Positive = Field(
        default=1000.0,
        description="Size of a supervoxel in cubic mm; 500 to 2000 for hearts (paper silent).",
    )
    compactness: Positive = Field(
        default=0.1, description="Supervoxels: less follows the image more closely."
    )
    edges: str = Field(
        default="gradient",
        description="Edge detector of the static boundary: gradient, or the name of one that an "
        "installed package offers.",
    )
    dice_weight: NonNegative = Field(
        default=0.0, description="Weight of a Dice over the labelled voxels; 0 in the paper."
    )
    flat_heads: bool = Field(
        default=False,
        description="The heads look within slices only, where most of the arithmetic is.",
    )
    balance: Fraction = Field(
        default=0.0,
        description="Cross-entropy: 0 = every labelled voxel counts the same (paper), 1 = every "
        "class does.",
    )


SPEC: Final = MethodSpec(
    name="scribble2d5",
    title="Scribble2D5",
    summary="A 2.5D network for thick slices, with supervoxels and boundary losses (2022).",
    source=(
        "Chen and Hong, Scribble2D5: weakly-supervised volumetric image segmentation via scribble "
        "annotations, MICCAI 2022; https://github.com/Qybc/Scribble2D5 (not used: it has no "
        "licence)"
    ),
    group="paper",
    Config=Scribble2D5Config,
    # Quick for a CPU; paper as published.
    presets={
        "quick": Preset(
            "Half the width, from half resolution, structures grown by the walker: for a CPU.",
            Scribble2D5Config(
                base_width=8,
                full_resolution=False,
                flat_heads=True,
                lpm="random_walker",
                tau=0.99,
                grow_background=False,
                boundary_weight=0.02,
                dice_weight=1.0,
            ),
            TrainConfig(
                start="anatomy",
                batch_size=2,
                patch=(128, 128),
                learning_rate=2e-3,
                outer_background=4.0,
                reach=REACH,
                dropout=0.0,
            ),
        ),
        "paper": Preset(
            "As published: 200 epochs of 140 volumes, for a GPU.",
            Scribble2D5Config(anisotropy=ANISOTROPY),
            SCRIBBLE2D5,
        ),
    },
    code="napari_scribseg.methods.scribble2d5.method:Scribble2D5",
)
