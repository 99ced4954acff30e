"""2.5D attention U-Net: flat where slices are thick, 3D below."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_scribseg.networks.blocks25d import (
    DROPOUT,
    Norm,
    block,
    convolution,
    kernel_of,
    rise,
    stride_of,
)
from napari_scribseg.networks.slice_convolutions import Size, SliceConv3d, resized

LEVELS = 6
BASE_WIDTH = 16
"""Channels at full resolution as published; level l has (l + 1) times as many."""


def flat_levels(anisotropy: float) -> int:
    """Levels that are 2D: in-plane halvings until pixels are about as wide as slices are apart.

    Args:
        anisotropy: distance of slices over pixel size; 4 gives the 2 of the paper.
    """
    return min(max(round(math.log2(anisotropy)), 0), LEVELS - 1)


@dataclass(frozen=True)
class Features:
    """What the backbone makes of an image.

    Args:
        decoder: upsampled and skipped features by level, before attention; (B, 2 widths, Z, Y, X).
        logits: (B, K, Z, Y, X), if the backbone has a head.
        attention: attention maps (B, 1, Z, Y, X), from the bottleneck up.
    """

    decoder: dict[int, Tensor]
    logits: Tensor | None
    attention: tuple[Tensor, ...]


class UNet25D(nn.Module):
    """2.5D attention U-Net: six levels, 3 453 656 parameters with four classes and width 16.

    Takes volumes whose size is a multiple of `divisor`.

    Args:
        n_classes: channels of the output (K); None for a backbone without a head of its own.
        flat: levels, from full resolution down, whose kernels and strides are 2D.
        base_width: channels at full resolution, a multiple of 4.
        norm: "batch" as published; "group" for batches of one or two.
        top: level at which the decoder ends; above 0 only without a head.
        first: level at which it begins. 1 = at half resolution, where 2 x 2 pixels of the image are
            the channels of one: the work at full resolution, most of all, is not done.
        dropout: share of the features that a step leaves out.
        in_channels: channels of the input (C).

    Source: Shapey et al. and Wang et al. (KCL-BMEIS/VS_Seg), as used by Scribble2D5: residual units
    of two convolutions down, of one up; strided and transposed convolutions; attention
    x -> x a + x at the entry of the bottleneck and at every level of the decoder; blocks are
    convolution, norm, dropout 0.1, PReLU. The number of parameters is theirs to the unit.
    """

    def __init__(
        self,
        n_classes: int | None,
        flat: int = 2,
        base_width: int = BASE_WIDTH,
        norm: Norm = "batch",
        top: int = 0,
        first: int = 0,
        dropout: float = DROPOUT,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        self.first, self.top = first, max(top, first)
        widths = [base_width * (level + 1) for level in range(LEVELS)]
        kernels = [kernel_of(level < flat) for level in range(LEVELS)]
        self._strides = [stride_of(level < flat) for level in range(LEVELS - 1)]
        z, y, x = (math.prod(s[a] for s in self._strides[first:]) for a in range(3))
        self.divisor: Size = (z, y << first, x << first)
        levels = range(first, LEVELS)
        inputs = [in_channels * 4**first, *widths[first:-1]]
        self.encoder = nn.ModuleList(
            _Residual(i, widths[n], kernels[n], norm, dropout, convolutions=2)
            for i, n in zip(inputs, levels, strict=True)
        )
        self.down = nn.ModuleList(
            block(widths[n], widths[n], kernels[n], norm, dropout, stride=self._strides[n])
            for n in levels[:-1]
        )
        self.entry = Attention(widths[-2], kernels[-1])
        rising = range(LEVELS - 2, self.top - 1, -1)
        self.up = nn.ModuleList(
            rise(widths[n + 1], widths[n], kernels[n], norm, dropout, self._strides[n])
            for n in rising
        )
        inner = [n for n in rising if n > self.top]
        self.attention = nn.ModuleList(Attention(2 * widths[n], kernels[n]) for n in inner)
        self.decoder = nn.ModuleList(
            _Residual(2 * widths[n], widths[n], kernels[n], norm, dropout, convolutions=1)
            for n in inner
        )
        self.out: nn.ModuleList | None = None
        if n_classes is not None:
            width, kernel = 2 * widths[self.top], kernels[self.top]
            last = _Shortcut(width, n_classes, kernel)
            self.out = nn.ModuleList([Attention(width, kernel), last])

    def forward(self, image: Tensor) -> Features:
        """Features of images (B, C, Z, Y, X)."""
        x, skips, maps, decoder = gathered(image, self.first), {}, [], {}
        for level, unit in enumerate(self.encoder, start=self.first):
            if level == LEVELS - 1:
                x, a = self.entry(x)
                maps.append(a)
            x = skips[level] = unit(x)
            if level < LEVELS - 1:
                x = self.down[level - self.first](x)
        for i, up in enumerate(self.up):
            level = LEVELS - 2 - i
            x = decoder[level] = torch.cat([skips[level], up(x)], 1)
            if level > self.top:
                x, a = self.attention[i](x)
                maps.append(a)
                x = self.decoder[i](x)
        logits = None
        if self.out is not None:
            x, a = self.out[0](x)
            maps.append(a)
            logits = self.out[1](x)
        return Features(decoder, logits, tuple(maps))


class SegmentingUNet25D(nn.Module):
    """The backbone with its own head, for volumes of any size.

    Args:
        n_classes: channels of the output (K).
        flat: see `UNet25D`.
        base_width: see `UNet25D`.
        norm: see `UNet25D`.
        first: see `UNet25D`; logits are enlarged to the size of the image.
        dropout: see `UNet25D`.
        in_channels: see `UNet25D`.
    """

    def __init__(
        self,
        n_classes: int,
        flat: int,
        base_width: int,
        norm: Norm,
        first: int = 0,
        dropout: float = DROPOUT,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        self.backbone = UNet25D(
            n_classes,
            flat,
            base_width,
            norm,
            first=first,
            dropout=dropout,
            in_channels=in_channels,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Z, Y, X) of images (B, C, Z, Y, X)."""
        shown = padded(image, self.backbone.divisor)
        logits = self.backbone(shown).logits
        return cropped(resized(logits, shown.shape[2:]), image)


class Attention(nn.Module):
    """Features that a map between 0 and 1 amplifies: x a + x; gives them and the map.

    Args:
        channels: of the features; even.
        kernel: of both convolutions.
    """

    def __init__(self, channels: int, kernel: Size) -> None:
        super().__init__()
        self.first = convolution(channels, channels // 2, kernel)
        self.second = convolution(channels // 2, 1, kernel)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Amplified features (B, C, Z, Y, X) and the map (B, 1, Z, Y, X)."""
        a = torch.sigmoid(self.second(F.relu(self.first(x))))
        return x * (1 + a), a


def padded(image: Tensor, divisor: Size) -> Tensor:
    """Volumes (B, C, Z, Y, X) continued by their last voxels up to multiples of the divisor.

    In-plane at least twice the divisor: batch norm can't normalise a single value.
    """
    z, y, x = (-image.shape[2 + a] % divisor[a] for a in range(3))
    y = y if image.shape[3] + y > divisor[1] else y + divisor[1]
    x = x if image.shape[4] + x > divisor[2] else x + divisor[2]
    return F.pad(image, (0, x, 0, y, 0, z), mode="replicate")


def cropped(x: Tensor, like: Tensor) -> Tensor:
    """The part (B, C, Z, Y, X) that lies on the voxels of another volume: `padded` undone."""
    if x.shape[2:] == like.shape[2:]:  # the gradient of a cut writes zeros first
        return x
    z, y, x_size = like.shape[2:]
    return x[..., :z, :y, :x_size]


class _Shortcut(nn.Module):
    """A convolution beside a 1 x 1 x 1 one, added."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Size) -> None:
        super().__init__()
        self.body = convolution(in_channels, out_channels, kernel)
        self.shortcut = SliceConv3d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class _Residual(nn.Module):
    """Blocks beside a 1 x 1 x 1 convolution, added."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Size,
        norm: Norm,
        dropout: float,
        convolutions: int,
    ) -> None:
        super().__init__()
        inputs = [in_channels, *[out_channels] * (convolutions - 1)]
        self.body = nn.Sequential(*(block(i, out_channels, kernel, norm, dropout) for i in inputs))
        self.shortcut = SliceConv3d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def gathered(image: Tensor, halvings: int) -> Tensor:
    """Volumes (B, C, Z, Y, X) at half resolution in-plane, 2 x 2 pixels as channels of one.

    Gives (B, C 4^n, Z, Y / 2^n, X / 2^n) for n halvings.
    """
    if not halvings:
        return image
    b, c, z, y, x = image.shape
    n = 2**halvings
    parts = image.reshape(b, c, z, y // n, n, x // n, n).permute(0, 1, 4, 6, 2, 3, 5)
    return parts.reshape(b, c * n * n, z, y // n, x // n)
