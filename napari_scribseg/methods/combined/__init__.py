"""Combined: what the four papers, the baselines and good practice give together."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from napari_scribseg.core.config import Fraction, MethodConfig, NonNegative, Positive
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK


class CombinedConfig(MethodConfig):
    """Every ingredient with its weight; 0 switches it off."""

    strokes_weight: NonNegative = Field(
        default=1.0, description="Weight of cross-entropy and Dice on the strokes."
    )
    seeds_weight: NonNegative = Field(
        default=0.3,
        description="Weight of cross-entropy and Dice on seeds, later on the network's own labels.",
    )
    tau: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.99,
        description="A pixel becomes a seed of a structure where it is likelier than this.",
    )
    tau_background: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.99, description="The same for seeds of background."
    )
    beta: Positive = Field(
        default=130.0, description="How much an edge of the image stops the growing of seeds."
    )
    balance: Fraction = Field(
        default=0.5,
        description="Cross-entropy on seeds and own labels: 0 = every pixel counts the same, "
        "1 = every class does.",
    )
    relabel_from: Fraction = Field(
        default=0.6,
        description="Share of the budget after which the network's own labels take the place of "
        "the seeds, once; 1 = never.",
    )
    sure: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        default=0.9, description="A pixel gets the network's label where it is surer than this."
    )
    teacher_weight: NonNegative = Field(
        default=0.0, description="Weight of the labels of a teacher, the network's moving average."
    )
    teacher_sure: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        default=0.9, description="The teacher counts where it is surer than this."
    )
    teacher_from: Fraction = Field(
        default=0.2, description="Share of the budget from which the teacher's weight grows."
    )
    teacher_full: Fraction = Field(
        default=0.6, description="Share of the budget at which the teacher has its whole weight."
    )
    teacher_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.99, description="How slowly the teacher follows the network."
    )
    separation_weight: NonNegative = Field(
        default=0.0, description="Weight of the foreground-background separation loss."
    )


SPEC: Final = MethodSpec(
    name="combined",
    title="Combined",
    summary="Strokes, grown seeds, then the network's own sure labels: a combination of our own.",
    source=(
        "this project; seeds and relabelling after Can et al., DLMIA 2018 (EM-CRF), partial "
        "cross-entropy and Dice after Gotkowski et al., arXiv 2403.12834, teacher and separation "
        "after Liu et al., MICCAI 2025 (EFFDNet)"
    ),
    group="baseline",
    Config=CombinedConfig,
    presets={"quick": Preset("Minutes on a CPU.", CombinedConfig(), QUICK)},
    code="napari_scribseg.methods.combined.method:Combined",
)
