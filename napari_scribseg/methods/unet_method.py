"""UNetMethod: what methods have in common that train one plain U-Net on slices."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.core.config import MethodConfig
from napari_scribseg.methods.base import Method
from napari_scribseg.networks.unet import UNet


class UNetMethod(Method):
    """A method whose network is the U-Net of WSL4MIS; its losses are its own."""

    def __init__(self, n_classes: int, options: MethodConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        self.network = UNet(n_classes, n_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X)."""
        return self.network(image)
