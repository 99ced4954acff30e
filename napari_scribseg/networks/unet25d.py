"""2.5D attention U-Net: flat where slices are thick, 3D below; with the heads of Scribble2D5."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Size = tuple[int, int, int]
Norm = Literal["batch", "group"]

LEVELS = 6
BASE_WIDTH = 16
"""Channels at full resolution as published; level l has (l + 1) times as many."""
_GROUP = 4
"""Channels that group norm normalises together."""
_DROPOUT = 0.1
_RATES = (1, 2, 3)
"""In-plane dilations of the context block. The authors' 6, 12, 18 reach beyond the 14 x 14 features
of their patch, where all but the middle of a kernel sees padding."""


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
    ) -> None:
        super().__init__()
        self.top = top
        widths = [base_width * (level + 1) for level in range(LEVELS)]
        kernels = [_kernel(level < flat) for level in range(LEVELS)]
        self._strides = [_stride(level < flat) for level in range(LEVELS - 1)]
        self.divisor: Size = tuple(math.prod(s[a] for s in self._strides) for a in range(3))  # pyright: ignore[reportAttributeAccessIssue]
        self.encoder = nn.ModuleList(
            _Residual(i, o, k, norm, convolutions=2)
            for i, o, k in zip([1, *widths[:-1]], widths, kernels, strict=True)
        )
        self.down = nn.ModuleList(
            _block(w, w, k, norm, stride=s)
            for w, k, s in zip(widths, kernels, self._strides, strict=False)
        )
        self.entry = Attention(widths[-2], kernels[-1])
        rising = range(LEVELS - 2, top - 1, -1)
        self.up = nn.ModuleList(
            _rise(widths[n + 1], widths[n], kernels[n], norm, self._strides[n]) for n in rising
        )
        inner = [n for n in rising if n > top]
        self.attention = nn.ModuleList(Attention(2 * widths[n], kernels[n]) for n in inner)
        self.decoder = nn.ModuleList(
            _Residual(2 * widths[n], widths[n], kernels[n], norm, convolutions=1) for n in inner
        )
        self.out: nn.ModuleList | None = None
        if n_classes is not None:
            last = _Shortcut(2 * widths[top], n_classes, kernels[top])
            self.out = nn.ModuleList([Attention(2 * widths[top], kernels[top]), last])

    def forward(self, image: Tensor) -> Features:
        """Features of images (B, 1, Z, Y, X)."""
        x, skips, maps, decoder = image, [], [], {}
        for level, unit in enumerate(self.encoder):
            if level == LEVELS - 1:
                x, a = self.entry(x)
                maps.append(a)
            x = unit(x)
            skips.append(x)
            if level < LEVELS - 1:
                x = self.down[level](x)
        for i, up in enumerate(self.up):
            level = LEVELS - 2 - i
            x = torch.cat([skips[level], up(x)], 1)
            decoder[level] = x
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
    """

    def __init__(self, n_classes: int, flat: int, base_width: int, norm: Norm) -> None:
        super().__init__()
        self.backbone = UNet25D(n_classes, flat, base_width, norm)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Z, Y, X) of images (B, 1, Z, Y, X)."""
        logits = self.backbone(padded(image, self.backbone.divisor)).logits
        return cropped(logits, image)


class Attention(nn.Module):
    """Features that a map between 0 and 1 amplifies: x a + x; gives them and the map.

    Args:
        channels: of the features; even.
        kernel: of both convolutions.
    """

    def __init__(self, channels: int, kernel: Size) -> None:
        super().__init__()
        self.first = _convolution(channels, channels // 2, kernel)
        self.second = _convolution(channels // 2, 1, kernel)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Amplified features (B, C, Z, Y, X) and the map (B, 1, Z, Y, X)."""
        a = torch.sigmoid(self.second(F.relu(self.first(x))))
        return x * a + x, a


class ChannelAttention(nn.Module):
    """Residual channel attention block: two convolutions, each channel weighted by its mean.

    Source: Zhang et al. 2018 (RCAB), without reduction of channels as in the authors' code of
    Scribble2D5.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = _kernel(flat=False)
        self.body = nn.Sequential(
            _convolution(channels, channels, kernel),
            nn.ReLU(),
            _convolution(channels, channels, kernel),
        )
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool3d(1),
            nn.Conv3d(channels, channels, 1),
            nn.ReLU(),
            nn.Conv3d(channels, channels, 1),
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
    """

    LEVELS = (3, 2, 0)
    """1/8, 1/4 and full resolution, as in the authors' code."""

    def __init__(self, base_width: int, norm: Norm) -> None:
        super().__init__()
        flat, full = (1, 1, 1), _kernel(flat=False)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(2 * base_width * (level + 1), base_width, flat),
                _block(base_width, base_width, full, norm),
            )
            for level in self.LEVELS
        )
        self.fuse = ChannelAttention(3 * base_width)
        self.out = nn.Conv3d(3 * base_width, 1, 1)

    def forward(self, decoder: dict[int, Tensor]) -> Tensor:
        """Logits (B, 1, Z, Y, X) at full resolution."""
        size = decoder[0].shape[-3:]
        parts = [
            _resized(branch(decoder[level]), size)
            for branch, level in zip(self.branches, self.LEVELS, strict=True)
        ]
        return self.out(self.fuse(torch.cat(parts, 1)))


class InitialHead(nn.Module):
    """First segmentation: densely chained dilated convolutions at 1/16, refined at 1/2.

    Args:
        n_classes: channels of the output (K).
        base_width: of the backbone.

    Source: Yang et al. 2018 (DenseASPP), as the paper says; its code has a parallel ASPP.
    """

    def __init__(self, n_classes: int, base_width: int) -> None:
        super().__init__()
        deep, shallow, width = 10 * base_width, 4 * base_width, 2 * base_width
        kernel = _kernel(flat=False)
        self.context = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(deep + i * width, width, 1),
                nn.ReLU(),
                nn.Conv3d(width, width, kernel, padding=(1, rate, rate), dilation=(1, rate, rate)),
                nn.ReLU(),
            )
            for i, rate in enumerate(_RATES)
        )
        self.squeeze = nn.Conv3d(deep + len(_RATES) * width, width, 1)
        self.skip = nn.Conv3d(shallow, width, 1)
        self.refine = nn.Sequential(
            _convolution(2 * width, width, kernel),
            nn.ReLU(),
            _convolution(width, width, kernel),
            nn.ReLU(),
            nn.Conv3d(width, n_classes, 1),
        )

    def forward(self, decoder: dict[int, Tensor], size: Sequence[int]) -> Tensor:
        """Logits (B, K, *size)."""
        x = decoder[LEVELS - 2]
        for layer in self.context:
            x = torch.cat([x, layer(x)], 1)
        x = _resized(self.squeeze(x), decoder[1].shape[-3:])
        return _resized(self.refine(torch.cat([x, self.skip(decoder[1])], 1)), size)


class FinalHead(nn.Module):
    """Final segmentation from the first one and, if there is one, the boundary.

    Args:
        n_classes: K.
        base_width: of the backbone.
        boundary: whether boundary logits join.
    """

    def __init__(self, n_classes: int, base_width: int, *, boundary: bool) -> None:
        super().__init__()
        width, kernel = 2 * base_width, _kernel(flat=False)
        self.classes = _convolution(n_classes, width, kernel)
        self.boundary = _convolution(1, width, kernel) if boundary else None
        total = 2 * width if boundary else width
        self.refine = ChannelAttention(total)
        self.head = nn.Conv3d(total, n_classes, 1)

    def forward(self, initial: Tensor, boundary: Tensor | None) -> Tensor:
        """Logits (B, K, Z, Y, X) from logits (B, K, Z, Y, X) and (B, 1, Z, Y, X)."""
        x = self.classes(initial)
        if self.boundary is not None:
            assert boundary is not None
            x = torch.cat([x, self.boundary(boundary)], 1)
        return self.head(self.refine(F.relu(x)))


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
    z, y, x_size = like.shape[2:]
    return x[..., :z, :y, :x_size]


class _Shortcut(nn.Module):
    """A convolution beside a 1 x 1 x 1 one, added."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Size) -> None:
        super().__init__()
        self.body = _convolution(in_channels, out_channels, kernel)
        self.shortcut = nn.Conv3d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class _Residual(nn.Module):
    """Blocks beside a 1 x 1 x 1 convolution, added."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Size, norm: Norm, convolutions: int
    ) -> None:
        super().__init__()
        inputs = [in_channels, *[out_channels] * (convolutions - 1)]
        self.body = nn.Sequential(*(_block(i, out_channels, kernel, norm) for i in inputs))
        self.shortcut = nn.Conv3d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def _block(
    in_channels: int, out_channels: int, kernel: Size, norm: Norm, stride: Size = (1, 1, 1)
) -> nn.Sequential:
    convolution = _convolution(in_channels, out_channels, kernel, stride)
    return nn.Sequential(convolution, *_after(out_channels, norm))


def _rise(
    in_channels: int, out_channels: int, kernel: Size, norm: Norm, stride: Size
) -> nn.Sequential:
    padding: Size = tuple(k // 2 for k in kernel)  # pyright: ignore[reportAssignmentType]
    missing: Size = tuple(s - 1 for s in stride)  # pyright: ignore[reportAssignmentType]
    transposed = nn.ConvTranspose3d(in_channels, out_channels, kernel, stride, padding, missing)
    return nn.Sequential(transposed, *_after(out_channels, norm))


def _after(channels: int, norm: Norm) -> tuple[nn.Module, ...]:
    layer = (
        nn.BatchNorm3d(channels)
        if norm == "batch"
        else nn.GroupNorm(max(channels // _GROUP, 1), channels)
    )
    return layer, nn.Dropout(_DROPOUT), nn.PReLU()


def _convolution(
    in_channels: int, out_channels: int, kernel: Size, stride: Size = (1, 1, 1)
) -> nn.Conv3d:
    padding: Size = tuple(k // 2 for k in kernel)  # pyright: ignore[reportAssignmentType]
    return nn.Conv3d(in_channels, out_channels, kernel, stride, padding)


def _kernel(flat: bool) -> Size:
    return (1, 3, 3) if flat else (3, 3, 3)


def _stride(flat: bool) -> Size:
    return (1, 2, 2) if flat else (2, 2, 2)


def _resized(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[-3:]) == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode="trilinear", align_corners=False)
