"""EM-CRF: seeds grown from the scribbles, then training and relabelling by turns."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from napari_scribseg.core.config import (
    Fraction,
    MethodConfig,
    NonNegative,
    Positive,
    PositiveInt,
    TrainConfig,
    Width,
)
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import REACH


class EMCRFConfig(MethodConfig):
    """The rows of the paper's table as switches, and its numbers for the heart."""

    gone: ClassVar = {"first_relabelling": None, "restart": True}

    recursions: Annotated[int, Field(ge=0, le=20)] = Field(
        default=3, description="How often the training slices are relabelled."
    )
    crf: Literal["none", "dense", "rnn"] = Field(
        default="rnn",
        description="How labels are smoothed: not at all, by a separate dense CRF when relabelling,"
        " or by a CRF-RNN layer of the network.",
    )
    uncertainty: bool = Field(
        default=False, description="Relabel with dropout, and leave uncertain pixels unlabelled."
    )
    supervision: Literal["scribble", "dense"] = Field(
        default="scribble",
        description="dense = learn from the references instead, without recursion: the upper "
        "bound of the paper's table.",
    )
    tau: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.99,
        description="A pixel becomes a seed where its likeliest class is likelier than this; "
        "the paper takes 0.90 for the prostate.",
    )
    beta: Positive = Field(
        default=130.0, description="How much an edge of the image stops the growing of seeds."
    )
    base_width: Width = Field(
        default=64, description="Channels of the network's first level; the paper has 64."
    )
    normalised_logits: bool = Field(
        default=True,
        description="Batch norm after the output convolution (authors' code); it keeps the "
        "logits small for so long that short trainings don't become sure.",
    )
    up_channels: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None,
        description="Channels that the network's up-steps carry; empty = as many as classes "
        "(paper). Weights that know anatomy need 16.",
    )
    balance: Fraction = Field(
        default=0.0,
        description="Cross-entropy on the seeds, until the first relabelling: 0 = every pixel "
        "counts the same (paper), 1 = every class does.",
    )
    passes: Annotated[int, Field(ge=2)] = Field(
        default=50, description="Passes with dropout per slice when relabelling with uncertainty."
    )
    significance: Fraction = Field(
        default=0.05,
        description="A pixel stays unlabelled where Welch's p of its two likeliest classes is at "
        "least this.",
    )
    bilateral_weight: NonNegative = Field(default=5.0, description="Dense CRF: w1.")
    bilateral_sigma: Positive = Field(
        default=2.0, description="Dense CRF: sigma alpha, in pixels (prostate 3)."
    )
    grey_sigma: Positive = Field(
        default=0.1,
        description="Dense CRF: sigma beta, share of the slice's grey range (prostate 0.01).",
    )
    spatial_weight: NonNegative = Field(default=10.0, description="Dense CRF: w2.")
    spatial_sigma: Positive = Field(
        default=5.0, description="Dense CRF: sigma gamma, in pixels (prostate 2)."
    )
    crf_backend: Literal["auto", "pydensecrf", "torch"] = Field(
        default="auto", description="Dense CRF: auto = pydensecrf where installed, else torch."
    )
    crf_iterations: PositiveInt = Field(default=5, description="Mean-field iterations.")
    rnn_bilateral_sigma: Positive = Field(
        default=160.0, description="CRF-RNN: sigma alpha, in pixels (prostate 250)."
    )
    rnn_grey_sigma: Positive = Field(
        default=3.0, description="CRF-RNN: sigma beta, in grey levels of 0 to 255."
    )
    rnn_spatial_sigma: Positive = Field(
        default=10.0, description="CRF-RNN: sigma gamma, in pixels."
    )
    rnn_every: PositiveInt = Field(
        default=10, description="CRF-RNN: steps of the network between two of the CRF."
    )
    rnn_rate: Fraction = Field(
        default=1e-4,
        description="CRF-RNN: its learning rate as a share of the network's (1e-7 of 1e-3).",
    )


ROWS: Final = {
    "Base (no recursion)": EMCRFConfig(recursions=0, crf="none"),
    "Base": EMCRFConfig(crf="none"),
    "Base + separate CRF": EMCRFConfig(crf="dense"),
    "Base + CRF-RNN": EMCRFConfig(crf="rnn"),
    "Base + uncertainty": EMCRFConfig(crf="none", uncertainty=True),
    "Base + sep. CRF & unc.": EMCRFConfig(crf="dense", uncertainty=True),
    "Base + CRF-RNN & unc.": EMCRFConfig(crf="rnn", uncertainty=True),
    "Fully supervised": EMCRFConfig(recursions=0, crf="none", supervision="dense"),
}
"""The paper's Table 1: what each row switches on."""

_PAPER: Final = TrainConfig(
    steps=30_000,
    batch_size=10,
    patch=(212, 212),
    spacing_mm=1.36719,
    optimiser="adam",
    learning_rate=1e-3,
    weight_decay=0.0,
    schedule="step_decay",
    gradient_clip=0.0,
    weight_average=0.0,
    outer_background=0.0,
    rotation_degrees=0.0,
    zoom=0.0,
    intensity=0.0,
)
"""Adam 1e-3, times 0.9 every 3000 of 30 000 steps. The paper states no number of steps; batch,
resolution and the absence of augmentation are those of baumgach/acdc_segmenter."""

SPEC: Final = MethodSpec(
    name="em_crf",
    title="EM-CRF",
    summary="Random-walker seeds, then training and relabelling by turns, CRF optional (2018).",
    source=(
        "Can et al., Learning to segment medical images with scribble-supervision alone, "
        "DLMIA 2018; network of https://github.com/baumgach/acdc_segmenter"
    ),
    group="paper",
    Config=EMCRFConfig,
    # Quick for a CPU; paper as published, row "Base + CRF-RNN".
    presets={
        "quick": Preset(
            "For a CPU, minutes: a quarter of the width, no CRF, weights that know anatomy.",
            EMCRFConfig(
                recursions=1,
                crf="none",
                base_width=16,
                up_channels=16,
                normalised_logits=False,
                passes=10,
                balance=0.5,
            ),
            TrainConfig(start="anatomy", reach=REACH),
        ),
        "paper": Preset("As published for the heart, for a GPU.", EMCRFConfig(), _PAPER),
        "paper_prostate": Preset(
            "As published for the prostate, for a GPU.",
            EMCRFConfig(
                tau=0.90,
                bilateral_weight=6.0,
                bilateral_sigma=3.0,
                grey_sigma=0.01,
                spatial_sigma=2.0,
                rnn_bilateral_sigma=250.0,
            ),
            # Size and resolution are ours: the paper tells none.
            _PAPER.updated({"patch": (256, 256), "spacing_mm": 0.625}),
        ),
    },
    code="napari_scribseg.methods.em_crf.method:EMCRF",
)
