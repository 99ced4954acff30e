"""U-Net-S: the small 2D U-Net that most scribble papers train (WSL4MIS and its descendants)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64, 128, 256)
"""Channels per level, from full resolution down."""
DROPOUT = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Dropout of the encoder per level; the decoder has none."""
_CHANNEL_DROPOUT = 0.5
"""Share of the encoder's channels that the second decoder of U-Net-CCT does not see."""


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
        self.squeeze = _squeezes()
        self.decoder = _decoder()
        self.head = nn.Conv2d(WIDTHS[0], n_classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X)."""
        logits, _ = self.with_features(image)
        return logits

    def with_features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, Y, X), and the features (B, 16, Y, X) that the head turns into them."""
        height, width = image.shape[-2:]
        x = _decode(self.encode(image), self.squeeze, self.decoder)
        return self.head(x)[..., :height, :width], x[..., :height, :width]

    def encode(self, image: Tensor) -> list[Tensor]:
        """The encoder's features per level, from full resolution down, of the padded images."""
        height, width = image.shape[-2:]
        factor = 2 ** (len(WIDTHS) - 1)
        x = F.pad(image, (0, -width % factor, 0, -height % factor), mode="replicate")
        features: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            features.append(x)
        return features


class UNetCCT(UNet):
    """U-Net-S decoded twice: 2 447 064 parameters with four classes.

    The second decoder has weights of its own and gets every feature of the encoder with half of
    its channels dropped, so that the two disagree where the image leaves room for it. Only the
    first one predicts.

    Args:
        n_classes: channels of each output (K).
        in_channels: channels of the input.
        dropout: element-wise dropout per encoder level.

    Source: DMPLS (Luo et al., MICCAI 2022), after Ouali et al., "Semi-supervised semantic
    segmentation with cross-consistency training", CVPR 2020.
    """

    def __init__(
        self, n_classes: int, in_channels: int = 1, dropout: tuple[float, ...] = DROPOUT
    ) -> None:
        super().__init__(n_classes, in_channels, dropout)
        self.second_squeeze = _squeezes()
        self.second_decoder = _decoder()
        self.second_head = nn.Conv2d(WIDTHS[0], n_classes, 3, padding=1)

    def both(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, Y, X) of the first and of the second decoder."""
        height, width = image.shape[-2:]
        features = self.encode(image)
        first = self.head(_decode(features, self.squeeze, self.decoder))
        dropped = [F.dropout2d(f, _CHANNEL_DROPOUT, self.training) for f in features]
        second = self.second_head(_decode(dropped, self.second_squeeze, self.second_decoder))
        return first[..., :height, :width], second[..., :height, :width]


def _squeezes() -> nn.ModuleList:
    """From deep to shallow: 1 x 1 convolutions to the channels of the next level."""
    return nn.ModuleList(
        nn.Conv2d(deep, shallow, 1)
        for deep, shallow in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
    )


def _decoder() -> nn.ModuleList:
    return nn.ModuleList(_block(2 * width, width, 0.0) for width in WIDTHS[-2::-1])


def _decode(features: list[Tensor], squeezes: nn.ModuleList, blocks: nn.ModuleList) -> Tensor:
    """Features (B, 16, Y, X) at full resolution out of those of the encoder's levels."""
    x = features[-1]
    for squeeze, block, skip in zip(squeezes, blocks, features[-2::-1], strict=True):
        up = F.interpolate(squeeze(x), scale_factor=2, mode="bilinear", align_corners=True)
        x = block(torch.cat([skip, up], 1))
    return x


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
