"""The 2.5D backbone with the first head of Scribble2D5: what of that method can be pre-trained."""

from __future__ import annotations

from torch import Tensor, nn

from napari_scribseg.networks.boundary_heads import InitialHead
from napari_scribseg.networks.slice_convolutions import SliceConv3d, resized
from napari_scribseg.networks.unet25d import UNet25D


class InitialUNet25D(nn.Module):
    """The backbone from half resolution and its first segmentation, for sizes it can divide.

    Args:
        n_classes: channels of the output (K).
        flat: see `UNet25D`.
        base_width: see `UNet25D`.
    """

    def __init__(self, n_classes: int, flat: int, base_width: int) -> None:
        super().__init__()
        self.backbone = UNet25D(None, flat, base_width, top=1, first=1, dropout=0.0)
        self.initial = InitialHead(n_classes, base_width, flat=True)

    @property
    def head(self) -> SliceConv3d:
        """The convolution that turns features into logits."""
        return self.initial.head

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Z, Y, X) of images (B, 1, Z, Y, X)."""
        decoder = self.backbone(image).decoder
        half = decoder[1].shape[-3:]
        return resized(self.initial(decoder, half), image.shape[-3:])
