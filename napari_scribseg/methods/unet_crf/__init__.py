"""UNet_CRF: partial cross-entropy on the output of a CRF-RNN layer, trained end to end."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, Positive, PositiveInt
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.methods.recipes import QUICK


class UNetCRFConfig(MethodConfig):
    """The CRF-RNN layer, with the numbers of its authors."""

    crf_iterations: PositiveInt = Field(default=5, description="Mean-field iterations.")
    bilateral_sigma: Positive = Field(
        default=160.0, description="Reach in pixels of the kernel that stops at edges."
    )
    grey_sigma: Positive = Field(
        default=3.0, description="What is an edge, in grey levels of 0 to 255."
    )
    spatial_sigma: Positive = Field(
        default=3.0, description="Reach in pixels of the kernel that does not stop at edges."
    )


SPEC: Final = MethodSpec(
    name="unet_crf",
    title="U-Net with CRF-RNN",
    summary="Partial cross-entropy behind a CRF layer, which carries strokes to similar pixels.",
    source=(
        "Zheng et al., Conditional random fields as recurrent neural networks, ICCV 2015; the row "
        "UNet_CRF of Valvano et al., Learning to segment from scribbles using multi-scale "
        "adversarial attention gates, IEEE TMI 2021"
    ),
    group="baseline",
    Config=UNetCRFConfig,
    # Quick for a CPU.
    presets={
        "quick": Preset(
            "Minutes on a CPU: small batches, three iterations of the CRF.",
            UNetCRFConfig(crf_iterations=3),
            QUICK.updated({"batch_size": 6}),
        )
    },
    code="napari_scribseg.methods.unet_crf.method:UNetCRF",
)
