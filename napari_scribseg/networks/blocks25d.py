"""What 2.5D networks are built of: convolutions, flat or 3D, and blocks with norm and PReLU."""

from __future__ import annotations

from typing import Literal

from torch import nn

from napari_scribseg.networks.prelu import SharedPReLU
from napari_scribseg.networks.slice_convolutions import Size, SliceConv3d, SliceConvTranspose3d

Norm = Literal["batch", "group"]

DROPOUT = 0.1
"""As published."""
_GROUP = 4
"""Channels that group norm normalises together."""


def kernel_of(flat: bool) -> Size:
    """Three voxels wide; one slice deep if flat."""
    return (1, 3, 3) if flat else (3, 3, 3)


def stride_of(flat: bool) -> Size:
    """Halves a volume; in-plane only if flat."""
    return (1, 2, 2) if flat else (2, 2, 2)


def convolution(
    in_channels: int, out_channels: int, kernel: Size, stride: Size = (1, 1, 1)
) -> SliceConv3d:
    """A convolution with zeros around, so that stride 1 keeps the size."""
    return SliceConv3d(in_channels, out_channels, kernel, stride, _half(kernel))


def block(
    in_channels: int,
    out_channels: int,
    kernel: Size,
    norm: Norm,
    dropout: float = DROPOUT,
    stride: Size = (1, 1, 1),
) -> nn.Sequential:
    """Convolution, norm, dropout, PReLU."""
    layer = convolution(in_channels, out_channels, kernel, stride)
    return nn.Sequential(layer, *_after(out_channels, norm, dropout))


def rise(
    in_channels: int, out_channels: int, kernel: Size, norm: Norm, dropout: float, stride: Size
) -> nn.Sequential:
    """Transposed convolution that undoes a stride, norm, dropout, PReLU."""
    z, y, x = stride
    missing = (z - 1, y - 1, x - 1)
    layer = SliceConvTranspose3d(in_channels, out_channels, kernel, stride, _half(kernel), missing)
    return nn.Sequential(layer, *_after(out_channels, norm, dropout))


def _norm(channels: int, norm: Norm) -> nn.Module:
    """Batch norm, or group norm of few channels each."""
    if norm == "batch":
        return nn.BatchNorm3d(channels)
    return nn.GroupNorm(max(channels // _GROUP, 1), channels)


def _half(kernel: Size) -> Size:
    """The zeros around that let a kernel reach every voxel."""
    z, y, x = kernel
    return z // 2, y // 2, x // 2


def _after(channels: int, norm: Norm, dropout: float) -> tuple[nn.Module, ...]:
    return _norm(channels, norm), nn.Dropout(dropout), SharedPReLU()
