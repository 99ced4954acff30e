"""Modified U-Net: the wide 2D U-Net of the ACDC segmenter, whose up-steps carry classes only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 5
_INNERMOST = 2
"""Index of the first of the five innermost blocks: blocks 3 to 7 of nine."""
_DROPOUT = 0.5
"""Can et al. 2018, section 2.4."""


class ModifiedUNet(nn.Module):
    """A U-Net of nine blocks: 25 274 472 parameters at width 64 with four classes.

    Logits for slices of any size: the input is padded at its edges to the next multiple of 16 and
    the output is cropped back. Everything before the first dropout is computed by `shallow`,
    everything after it by `deep`, so that repeated stochastic passes share the former.

    Args:
        n_classes: channels of the output (K).
        base_width: channels of the first level; each deeper one has twice as many.
        dropout: whether the outputs of the five innermost blocks are dropped out (p = 0.5).
        normalised_logits: batch norm after the output convolution (the source), else a bias.
        up_channels: channels that an up-step carries; None = as many as classes (the source).
        in_channels: channels of the input (C).

    Source: `unet2D_bn_modified` of baumgach/acdc_segmenter, as used by Can et al. 2018: blocks of
    two 3 x 3 convolutions without bias, each with batch norm and ReLU; 4 x 4 transposed
    convolutions to K channels; 1 x 1 output convolution with batch norm. Theirs convolves without
    padding inside a border of 92 zeros; ours keeps sizes, so that any slice fits. Their batch norm
    forgets at 0.01 per step; ours at 0.1, for trainings of some hundred steps.
    """

    def __init__(
        self,
        n_classes: int,
        base_width: int = 64,
        *,
        dropout: bool = False,
        normalised_logits: bool = True,
        up_channels: int | None = None,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        widths = [base_width * 2**level for level in range(_LEVELS)]
        self.dropout = dropout
        self.encoder = nn.ModuleList(
            _block(i, o) for i, o in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        carried = up_channels or n_classes
        self.up = nn.ModuleList(_up(width, carried) for width in widths[:0:-1])
        self.decoder = nn.ModuleList(_block(carried + w, w) for w in widths[-2::-1])
        head = nn.Conv2d(base_width, n_classes, 1, bias=not normalised_logits)
        self.head = nn.Sequential(head, _norm(n_classes)) if normalised_logits else head
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X)."""
        return self.deep(self.shallow(image), image, stochastic=self.training)

    def shallow(self, image: Tensor) -> list[Tensor]:
        """What the first three blocks give for images (B, C, Y, X): no dropout yet, no chance."""
        height, width = image.shape[-2:]
        factor = 2 ** (_LEVELS - 1)
        x = F.pad(image, (0, -width % factor, 0, -height % factor), mode="replicate")
        features: list[Tensor] = []
        for block in self.encoder[: _INNERMOST + 1]:
            x = block(F.max_pool2d(x, 2) if features else x)
            features.append(x)
        return features

    def deep(self, features: list[Tensor], image: Tensor, *, stochastic: bool) -> Tensor:
        """Logits (B, K, Y, X) from what `shallow` gave.

        Args:
            features: of `shallow`; not modified.
            image: what `shallow` was given; tells the size.
            stochastic: whether dropout acts, if the network has any; batch norm goes by the mode
                of the module.
        """
        skips = [*features[:-1], self._dropped(features[-1], stochastic)]
        for block in self.encoder[_INNERMOST + 1 :]:
            skips.append(self._dropped(block(F.max_pool2d(skips[-1], 2)), stochastic))
        x = skips.pop()
        for up, block in zip(self.up, self.decoder, strict=True):
            x = block(torch.cat([up(x), skips.pop()], 1))
            if len(skips) >= _INNERMOST:
                x = self._dropped(x, stochastic)
        height, width = image.shape[-2:]
        return self.head(x)[..., :height, :width]

    def _dropped(self, x: Tensor, stochastic: bool) -> Tensor:
        return F.dropout(x, _DROPOUT, training=stochastic and self.dropout)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        _norm(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        _norm(out_channels),
        nn.ReLU(),
    )


def _up(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False),
        _norm(out_channels),
        nn.ReLU(),
    )
