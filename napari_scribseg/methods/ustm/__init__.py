"""USTM: a mean teacher that is believed only where it is sure."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, NonNegative, PositiveInt
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK, WSL4MIS


class USTMConfig(MethodConfig):
    """The numbers of the paper's code."""

    consistency_weight: NonNegative = Field(
        default=1.0, description="Weight of agreement with the teacher at the end of the budget."
    )
    passes: PositiveInt = Field(
        default=8, description="Noisy predictions of the teacher that its uncertainty comes from."
    )
    teacher_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.99, description="How slowly the teacher follows the student (alpha)."
    )


SPEC: Final = MethodSpec(
    name="ustm",
    title="USTM",
    summary="Uncertainty-aware mean teacher: agrees with its average where that is sure (2022).",
    source=(
        "Liu et al., Weakly supervised segmentation of COVID19 infection with scribble annotation "
        "on CT images, Pattern Recognition 2022; as in https://github.com/HiLab-git/WSL4MIS"
    ),
    group="baseline",
    Config=USTMConfig,
    # Quick for a CPU; paper as in WSL4MIS.
    presets={
        "quick": Preset(
            "Minutes on a CPU: small batches and half of the teacher's passes.",
            USTMConfig(passes=4),
            QUICK.updated({"batch_size": 6, "dropout": 1.0}),  # what its passes differ by
        ),
        "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", USTMConfig(), WSL4MIS),
    },
    code="napari_scribseg.methods.ustm.method:USTM",
)
