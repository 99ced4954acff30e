"""UNet_CRF: partial cross-entropy on the output of a CRF-RNN layer, trained end to end."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig, Positive, PositiveInt, TrainConfig
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.base import Preset
from napari_scribseg.methods.unet_method import UNetMethod
from napari_scribseg.networks.crf_rnn import CRFRNN


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


class UNetCRF(UNetMethod):
    """Strokes teach the pixels around them through the messages of the CRF."""

    name = "unet_crf"
    title = "U-Net with CRF-RNN"
    summary = "Partial cross-entropy behind a CRF layer, which carries strokes to similar pixels."
    source = (
        "Zheng et al., Conditional random fields as recurrent neural networks, ICCV 2015; the row "
        "UNet_CRF of Valvano et al., Learning to segment from scribbles using multi-scale "
        "adversarial attention gates, IEEE TMI 2021"
    )
    Config = UNetCRFConfig
    options: UNetCRFConfig

    def __init__(self, n_classes: int, options: UNetCRFConfig) -> None:
        super().__init__(n_classes, options)
        self.crf = CRFRNN(
            n_classes,
            iterations=options.crf_iterations,
            bilateral_sigma=options.bilateral_sigma,
            grey_sigma=options.grey_sigma,
            spatial_sigma=options.spatial_sigma,
        )

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU."""
        return {
            "quick": Preset(
                "Minutes on a CPU: small batches, three iterations of the CRF.",
                UNetCRFConfig(crf_iterations=3),
                TrainConfig(batch_size=6),
            )
        }

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, 1, Y, X), after the CRF."""
        return self.crf(self.network(image), image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles."""
        return {"scribbles": partial_cross_entropy(self(batch.image), batch.target)}
