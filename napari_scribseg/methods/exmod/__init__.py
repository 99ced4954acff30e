"""ExMod and CycleMix: learn from mixed slices, and stay consistent with the plain ones."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from napari_scribseg.core.config import (
    Fraction,
    MethodConfig,
    NonNegative,
    PositiveInt,
    TrainConfig,
    Width,
)
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import REACH, WSL4MIS


class ExModConfig(MethodConfig):
    """The numbers of CycleMix's code, which ExMod takes over, and how wide the network is."""

    base_width: Width = Field(
        default=64, description="Channels of the network at full resolution (paper: 64)."
    )
    convolutions: PositiveInt = Field(
        default=4,
        description="3 x 3 convolutions per block of the network (paper: twice CycleMix's 2).",
    )
    normalised_logits: bool = Field(
        default=True,
        description="Batch norm after the output convolution (CycleMix's code); it keeps the "
        "logits small for so long that short trainings don't become sure.",
    )
    warm_up: Fraction = Field(
        default=0.0,
        description="Share of the budget that learns from the scribbles alone; 0 = none (papers).",
    )
    mixing: bool = Field(
        default=True, description="Learn from mixed slices; else scribbles and L_con-l only."
    )
    transport: bool = Field(
        default=False, description="Move blocks before mixing (optimal assignment)."
    )
    occlusion: int = Field(
        default=32, ge=0, description="Side in pixels of the hidden square; 0 = none."
    )
    occlusion_label: Literal["ignore", "background"] = Field(
        default="ignore",
        description="Strokes under the square: forgotten (CycleMix's code) or background (papers).",
    )
    turn_degrees: float = Field(
        default=180.0, ge=0, le=180, description="Mixed slices are turned by up to this angle."
    )
    local_weight: NonNegative = Field(default=0.1, description="Weight of L_con-l.")
    global_weight: NonNegative = Field(default=0.1, description="Weight of L_con-g.")
    connected_foreground: bool = Field(
        default=False,
        description="L_con-l: all structures together are one piece, too (CycleMix's code).",
    )
    reduction: Literal["labelled", "all_pixels"] = Field(
        default="all_pixels",
        description="Cross-entropy over the number of all pixels (CycleMix) or of labelled ones.",
    )


class CycleMixConfig(ExModConfig):
    """The same numbers, for the network that ExMod's was made from."""

    convolutions: PositiveInt = Field(
        default=2, description="3 x 3 convolutions per block of the network (paper: 2)."
    )


_QUICK = ExModConfig(
    base_width=12, convolutions=2, normalised_logits=False, warm_up=0.5, reduction="labelled"
)
"""Short trainings learn little from blocks of four convolutions, from mixed slices before the plain
ones are understood, and from strokes that are divided by all pixels and so weigh little beside the
consistencies (docs/benchmarks.md)."""

_QUICK_TRAINING = TrainConfig(batch_size=4, reach=REACH)

_PAPER = WSL4MIS.updated(
    {
        "batch_size": 4,
        "patch": (212, 212),
        "optimiser": "adamw",
        "learning_rate": 1e-4,
        "weight_decay": 1e-2,
        "schedule": "constant",
    }
)
"""Neither paper states the number of steps that its results took; 60 000 is that of WSL4MIS."""

SPEC: Final = MethodSpec(
    name="exmod",
    title="ExMod",
    summary="Mixes slices by what is salient, with a U-Net of twice the convolutions (2025).",
    source=(
        "Alshewaier, Qin and Sun, Expansion and Modification (ExMod) model for medical image "
        "segmentation using scribble annotations, 2025; no code is public. Losses after "
        "Zhang and Zhuang, CycleMix, CVPR 2022"
    ),
    group="paper",
    Config=ExModConfig,
    # Quick for a CPU; paper with CycleMix's numbers where ExMod names none.
    presets={
        "quick": Preset(
            "Minutes on a CPU: a narrow network of half the depth.",
            _QUICK,
            _QUICK_TRAINING.updated({"start": "anatomy"}),
        ),
        "paper": Preset(
            "AdamW 1e-4 as published, the rest as CycleMix's code; for a GPU.",
            ExModConfig(),
            _PAPER,
        ),
    },
    code="napari_scribseg.methods.exmod.method:ExMod",
)


CYCLEMIX: Final = MethodSpec(
    name="cyclemix",
    title="CycleMix",
    summary="Mixes slices by what is salient, and asks for consistent predictions (2022).",
    source=(
        "Zhang and Zhuang, CycleMix: a holistic strategy for medical image segmentation from "
        "scribble supervision, CVPR 2022; https://github.com/BWGZK/CycleMix (not used: it has no "
        "licence)"
    ),
    group="baseline",
    Config=CycleMixConfig,
    # Quick for a CPU; paper as the authors' code.
    presets={
        "quick": Preset(
            "Minutes on a CPU: a narrow network.",
            CycleMixConfig(
                base_width=16, normalised_logits=False, warm_up=0.5, reduction="labelled"
            ),
            _QUICK_TRAINING,
        ),
        "paper": Preset(
            "Adam 1e-4 as the authors' code; for a GPU.",
            CycleMixConfig(connected_foreground=True),
            _PAPER.updated({"optimiser": "adam", "weight_decay": 1e-4}),
        ),
    },
    code="napari_scribseg.methods.exmod.method:CycleMix",
)
