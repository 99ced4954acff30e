"""Heads of Scribble2D5: a first segmentation, a static boundary, and the final segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_scribseg.networks.blocks25d import (
    DROPOUT,
    Norm,
    block,
    convolution,
    kernel_of,
)
from napari_scribseg.networks.slice_convolutions import SliceConv3d, resized
from napari_scribseg.networks.unet25d import LEVELS

_RATES = (1, 2, 3)
"""In-plane dilations of the context block. The authors' 6, 12, 18 reach beyond the 14 x 14 features
of their patch, where all but the middle of a kernel sees padding."""


class ChannelAttention(nn.Module):
    """Residual channel attention block: two convolutions, each channel weighted by its mean.

    Args:
        channels: of the features.
        flat: whether a voxel sees its slice only.

    Source: Zhang et al. 2018 (RCAB), without reduction of channels as in the authors' code of
    Scribble2D5.
    """

    def __init__(self, channels: int, *, flat: bool = False) -> None:
        super().__init__()
        kernel = kernel_of(flat)
        self.body = nn.Sequential(
            convolution(channels, channels, kernel),
            nn.ReLU(),
            convolution(channels, channels, kernel),
        )
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool3d(1),
            SliceConv3d(channels, channels, 1),
            nn.ReLU(),
            SliceConv3d(channels, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, Z, Y, X) of the same shape."""
        body = self.body(x)
        return x + body * self.weigh(body)


class BoundaryHead(nn.Module):
    """Static boundary prediction: one logit per voxel from three levels of the decoder.

    Args:
        base_width: of the backbone.
        norm: of the backbone.
        first: level at which the backbone begins; the boundary has its resolution.
        flat: whether a voxel sees its slice only.
        dropout: of the backbone.
    """

    LEVELS = (3, 2)
    """1/8 and 1/4, beside full resolution, as in the authors' code."""

    def __init__(
        self,
        base_width: int,
        norm: Norm,
        *,
        first: int = 0,
        flat: bool = False,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__()
        width = base_width
        self.levels = (*self.LEVELS, first)
        self.branches = nn.ModuleList(
            nn.Sequential(
                SliceConv3d(2 * base_width * (level + 1), width, (1, 1, 1)),
                block(width, width, kernel_of(flat), norm, dropout),
            )
            for level in self.levels
        )
        self.fuse = ChannelAttention(3 * width, flat=flat)
        self.out = SliceConv3d(3 * width, 1, 1)

    def forward(self, decoder: dict[int, Tensor]) -> Tensor:
        """Logits (B, 1, Z, Y, X) at full resolution."""
        size = decoder[self.levels[-1]].shape[-3:]
        parts = [
            resized(branch(decoder[level]), size)
            for branch, level in zip(self.branches, self.levels, strict=True)
        ]
        return self.out(self.fuse(torch.cat(parts, 1)))


class InitialHead(nn.Module):
    """First segmentation: densely chained dilated convolutions at 1/16, refined at 1/2.

    Args:
        n_classes: channels of the output (K).
        base_width: of the backbone.
        flat: whether a voxel sees its slice only, but for the context at 1/16.

    Source: Yang et al. 2018 (DenseASPP), as the paper says; its code has a parallel ASPP.
    """

    def __init__(self, n_classes: int, base_width: int, *, flat: bool = False) -> None:
        super().__init__()
        deep, shallow, width = 10 * base_width, 4 * base_width, 2 * base_width
        kernel = kernel_of(flat=False)
        self.context = nn.ModuleList(
            nn.Sequential(
                SliceConv3d(deep + i * width, width, 1),
                nn.ReLU(),
                SliceConv3d(width, width, kernel, padding=reach, dilation=reach),
                nn.ReLU(),
            )
            for i, reach in enumerate((1, rate, rate) for rate in _RATES)
        )
        self.squeeze = SliceConv3d(deep + len(_RATES) * width, width, 1)
        self.skip = SliceConv3d(shallow, width, 1)
        self.refine = nn.Sequential(
            convolution(2 * width, width, kernel_of(flat)),
            nn.ReLU(),
            convolution(width, width, kernel_of(flat)),
            nn.ReLU(),
            SliceConv3d(width, n_classes, 1),
        )

    @property
    def head(self) -> SliceConv3d:
        """The last convolution, from features at half resolution to logits."""
        last = self.refine[-1]
        assert isinstance(last, SliceConv3d)
        return last

    def forward(self, decoder: dict[int, Tensor], size: Sequence[int]) -> Tensor:
        """Logits (B, K, *size)."""
        x = decoder[LEVELS - 2]
        for layer in self.context:
            x = torch.cat([x, layer(x)], 1)
        x = resized(self.squeeze(x), decoder[1].shape[-3:])
        return resized(self.refine(torch.cat([x, self.skip(decoder[1])], 1)), size)


class FinalHead(nn.Module):
    """Final segmentation from the first one and, if there is one, the boundary.

    Args:
        n_classes: K.
        width: of a branch of the boundary; what joins has twice as many channels.
        boundary: whether boundary logits join.
        flat: whether a voxel sees its slice only.
    """

    def __init__(self, n_classes: int, width: int, *, boundary: bool, flat: bool = False) -> None:
        super().__init__()
        width, kernel = 2 * width, kernel_of(flat)
        self.classes = convolution(n_classes, width, kernel)
        self.boundary = convolution(1, width, kernel) if boundary else None
        total = 2 * width if boundary else width
        self.refine = ChannelAttention(total, flat=flat)
        self.head = SliceConv3d(total, n_classes, 1)

    def forward(self, initial: Tensor, boundary: Tensor | None) -> Tensor:
        """Logits (B, K, Z, Y, X) from logits (B, K, Z, Y, X) and (B, 1, Z, Y, X)."""
        x = self.classes(initial)
        if self.boundary is not None:
            assert boundary is not None
            x = torch.cat([x, self.boundary(boundary)], 1)
        return self.head(self.refine(F.relu(x)))
