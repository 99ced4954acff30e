"""Random walker: grow the scribbles into seeds once, then train on the seeds."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from napari_scribseg.core.config import Fraction, MethodConfig, NonNegative, Positive
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK


class RandomWalkerConfig(MethodConfig):
    """How far the scribbles grow, and how cross-entropy and Dice are weighed."""

    tau: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.99,
        description="A pixel becomes a seed where its likeliest class is likelier than this.",
    )
    beta: Positive = Field(
        default=130.0, description="How much an edge of the image stops the growing."
    )
    ce_weight: NonNegative = Field(default=1.0, description="Weight of cross-entropy on the seeds.")
    balance: Fraction = Field(
        default=0.5,
        description="Cross-entropy: 0 = every seed counts the same, 1 = every class does; seeds "
        "are nine tenths background, which otherwise drowns the structures in short trainings.",
    )
    dice_weight: NonNegative = Field(default=1.0, description="Weight of Dice on the seeds.")


SPEC: Final = MethodSpec(
    name="random_walker",
    title="Random walker seeds",
    summary="Grows the strokes to precise seeds, then learns from those.",
    source=(
        "Grady, Random walks for image segmentation, PAMI 2006; seeds as in Can et al., "
        "Learning to segment medical images with scribble-supervision alone, DLMIA 2018"
    ),
    group="baseline",
    Config=RandomWalkerConfig,
    # Quick for a CPU.
    presets={"quick": Preset("Minutes on a CPU.", RandomWalkerConfig(), QUICK)},
    code="napari_scribseg.methods.random_walker.method:RandomWalker",
)
