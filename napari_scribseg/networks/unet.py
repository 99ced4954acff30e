"""U-Net-S: the small 2D U-Net that most scribble papers train (WSL4MIS and its descendants)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64, 128, 256)
"""Channels per level, from full resolution down."""
DROPOUT = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Dropout of the encoder per level; the decoder has none."""


class UNet(nn.Module):
    """U-Net-S: five levels, 1 813 764 parameters with four classes.

    Logits for slices of any size: the input is padded at its edges to the next multiple of 16 and
    the output is cropped back.

    Args:
        n_classes: channels of the output (K).
        in_channels: channels of the input.
        dropout: element-wise dropout per encoder level.

    Source: the U-Net of HiLab-git/WSL4MIS, as used by EFFDNet, DMPLS and others: blocks of
    3 x 3 convolution, batch norm, leaky ReLU 0.01; 1 x 1 convolution and bilinear upsampling in
    the decoder; 3 x 3 output convolution.
    """

    def __init__(
        self, n_classes: int, in_channels: int = 1, dropout: tuple[float, ...] = DROPOUT
    ) -> None:
        super().__init__()
        inputs = (in_channels, *WIDTHS[:-1])
        self.encoder = nn.ModuleList(
            _block(i, o, p) for i, o, p in zip(inputs, WIDTHS, dropout, strict=True)
        )
        self.squeeze = nn.ModuleList(
            nn.Conv2d(deep, shallow, 1)
            for deep, shallow in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.decoder = nn.ModuleList(_block(2 * width, width, 0.0) for width in WIDTHS[-2::-1])
        self.head = nn.Conv2d(WIDTHS[0], n_classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X)."""
        logits, _ = self.with_features(image)
        return logits

    def with_features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, Y, X), and the features (B, 16, Y, X) that the head turns into them."""
        height, width = image.shape[-2:]
        factor = 2 ** (len(WIDTHS) - 1)
        padded = F.pad(image, (0, -width % factor, 0, -height % factor), mode="replicate")
        x, skips = padded, []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for squeeze, block, skip in zip(self.squeeze, self.decoder, skips[-2::-1], strict=True):
            up = F.interpolate(squeeze(x), scale_factor=2, mode="bilinear", align_corners=True)
            x = block(torch.cat([skip, up], 1))
        return self.head(x)[..., :height, :width], x[..., :height, :width]


def _block(in_channels: int, out_channels: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.01),
        nn.Dropout(dropout),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.01),
    )
