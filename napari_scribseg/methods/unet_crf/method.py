"""UNet_CRF: partial cross-entropy on the output of a CRF-RNN layer, trained end to end."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.unet_crf import SPEC, UNetCRFConfig
from napari_scribseg.methods.unet_method import UNetMethod
from napari_scribseg.networks.crf_rnn import CRFRNN


class UNetCRF(UNetMethod):
    """Strokes teach the pixels around them through the messages of the CRF."""

    spec = SPEC

    options: UNetCRFConfig

    def __init__(self, n_classes: int, options: UNetCRFConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        self.crf = CRFRNN(
            n_classes,
            iterations=options.crf_iterations,
            bilateral_sigma=options.bilateral_sigma,
            grey_sigma=options.grey_sigma,
            spatial_sigma=options.spatial_sigma,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X), after the CRF."""
        return self.crf(self.network(image), image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles."""
        return {"scribbles": partial_cross_entropy(self(batch.image), batch.target)}
