"""U-Net-W: the wide 2D U-Nets of CycleMix and ExMod, for slices of any size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 5
_SQUEEZED = 4
"""Channels that the two deepest up-steps leave (CycleMix), whatever the width."""


class WideUNet(nn.Module):
    """U-Net-W: five levels of doubling width, narrow up-steps in the depth.

    With four classes at width 64: 25 759 396 parameters with two convolutions per block (CycleMix),
    57 185 188 with four (ExMod). Logits for slices of any size: the input is continued at its
    edges to the next multiple of 16 and the output is cropped back ("dynamic padding").

    Args:
        n_classes: channels of the output (K).
        in_channels: channels of the input.
        base_width: channels at full resolution; each deeper level has twice as many.
        convolutions: 3 x 3 convolutions per block.
        norm_first: batch norm before the ReLU (our reading of ExMod) or after it (CycleMix).
        normalised_logits: batch norm after the output convolution, which bounds the logits
            (CycleMix), or none.

    Source: CycleMix (Zhang and Zhuang, CVPR 2022), ExMod section 3.3. CycleMix surrounds its
    212 x 212 input by 92 zeros on every side and shrinks it with unpadded convolutions; ours are
    padded, which leaves the weights as they are and takes any size. ExMod says that the
    convolutions are doubled and the padding is dynamic, no more: widths and up-steps are
    CycleMix's, the order of batch norm and ReLU is ours.
    """

    def __init__(
        self,
        n_classes: int,
        in_channels: int = 1,
        *,
        base_width: int = 64,
        convolutions: int = 4,
        norm_first: bool = True,
        normalised_logits: bool = True,
    ) -> None:
        super().__init__()
        widths = [base_width * 2**level for level in range(_LEVELS)]
        squeezed = (_SQUEEZED, _SQUEEZED, 2 * base_width, base_width)
        self.encoder = nn.ModuleList(
            _block(i, o, convolutions, norm_first=norm_first)
            for i, o in zip((in_channels, *widths[:-1]), widths, strict=True)
        )
        self.squeeze = nn.ModuleList(
            _block(deep, narrow, 1, norm_first=norm_first)
            for deep, narrow in zip(widths[:0:-1], squeezed, strict=True)
        )
        self.decoder = nn.ModuleList(
            _block(width + narrow, width, convolutions, norm_first=norm_first)
            for width, narrow in zip(widths[-2::-1], squeezed, strict=True)
        )
        head = nn.Conv2d(base_width, n_classes, 1)
        norm = nn.BatchNorm2d(n_classes)
        self.head = nn.Sequential(head, norm) if normalised_logits else head

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X)."""
        height, width = image.shape[-2:]
        factor = 2 ** (_LEVELS - 1)
        x = F.pad(image, (0, -width % factor, 0, -height % factor), mode="replicate")
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for squeeze, block, skip in zip(self.squeeze, self.decoder, skips[-2::-1], strict=True):
            up = squeeze(F.interpolate(x, scale_factor=2, mode="nearest"))
            x = block(torch.cat([skip, up], 1))
        return self.head(x)[..., :height, :width]


def _block(
    in_channels: int, out_channels: int, convolutions: int, *, norm_first: bool
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (in_channels, *[out_channels] * (convolutions - 1)):
        layers.append(nn.Conv2d(inputs, out_channels, 3, padding=1))
        after: list[nn.Module] = [nn.BatchNorm2d(out_channels), nn.ReLU()]
        layers.extend(after if norm_first else reversed(after))
    return nn.Sequential(*layers)
