"""3D convolutions that a CPU computes as 2D convolutions over slices: same function, same weights.

On a CPU, PyTorch's convolutions of slices are several times faster than those of volumes, and only
they are right in bfloat16: the gradient of a 3D one writes beyond its memory there. A kernel that
is three slices deep sees three slices at a time, so it is one 2D convolution of a slice and its
two neighbours, stacked as channels. On a GPU the layers are what they are called.

Features stay (B, C, Z, Y, X) from outside. In memory, channels lie together (channels_last_3d), so
that a volume is a batch of slices (B * Z, C, Y, X) without being copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Size = tuple[int, int, int]

_DEEP = 3
"""Slices that a kernel sees which is not flat."""


class SliceConv3d(nn.Conv3d):
    """`nn.Conv3d` with a kernel one slice deep, or three with one slice of zeros around.

    Strides and dilations are free in-plane; along z the stride is free where the kernel is three
    slices deep, and there is no dilation.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Features (B, C, Z, Y, X)."""
        deep = self.kernel_size[0] == _DEEP
        if not is_computed_here(input) or (deep and not _in_half(input)):
            return super().forward(input)
        return self.over_slices(input)

    def over_slices(self, x: Tensor) -> Tensor:
        """The same, as one 2D convolution."""
        if self.kernel_size[0] == _DEEP:
            slices = _with_neighbours(x, self.stride[0])
            weight = self.weight.movedim(2, 1).flatten(1, 2)
        else:
            slices, weight = slices_of(x), self.weight[:, :, 0]
        y = F.conv2d(
            slices,
            weight.contiguous(memory_format=torch.channels_last),
            self.bias,
            _in_plane(self.stride),
            _in_plane(self.padding),
            _in_plane(self.dilation),
        )
        return volumes_of(y, len(x))


class SliceConvTranspose3d(nn.ConvTranspose3d):
    """`nn.ConvTranspose3d` that doubles in-plane, or along all axes with a kernel of three.

    Along z, a kernel of three with stride 2 gives at every even place what its middle makes of one
    slice, at every odd place what its ends make of two neighbours.
    """

    def forward(
        self,
        input: Tensor,  # noqa: A002
        output_size: list[int] | None = None,
    ) -> Tensor:
        """Features (B, C, Z, Y, X)."""
        if not is_computed_here(input) or output_size is not None:
            return super().forward(input, output_size)
        return self.over_slices(input)

    def over_slices(self, x: Tensor) -> Tensor:
        """The same, as one or two 2D convolutions."""
        if self.kernel_size[0] != _DEEP:
            return volumes_of(self._risen(slices_of(x), self.weight[:, :, 0]), len(x))
        ends = torch.cat([self.weight[:, :, 2], self.weight[:, :, 0]])
        even = self._risen(slices_of(x), self.weight[:, :, 1])
        odd = self._risen(_with_following(x), ends)
        both = (part.unflatten(0, (len(x), -1)).movedim(2, -1) for part in (even, odd))
        return torch.stack(tuple(both), 2).flatten(1, 2).movedim(-1, 1)

    def _risen(self, slices: Tensor, weight: Tensor) -> Tensor:
        return F.conv_transpose2d(
            slices,
            weight,
            self.bias,
            _in_plane(self.stride),
            _in_plane(self.padding),
            _in_plane(self.output_padding),
        )


def is_computed_here(x: Tensor) -> bool:
    """Whether this CPU computes: on a GPU, and in exported networks, PyTorch's own layers do."""
    # Public in the documentation, but not in the types.
    traced = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return x.device.type == "cpu" and not traced


def slices_of(x: Tensor) -> Tensor:
    """Volumes (B, C, Z, Y, X) as a batch of slices (B * Z, C, Y, X), channels last in memory."""
    return x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def volumes_of(slices: Tensor, n: int) -> Tensor:
    """A batch of slices (n * Z, C, Y, X) as n volumes (n, C, Z, Y, X), not copied."""
    return slices.unflatten(0, (n, -1)).transpose(1, 2)


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Features (B, C, Z, Y, X) brought to the size (Z, Y, X), linearly along every axis."""
    if tuple(x.shape[-3:]) == tuple(size):
        return x
    if is_computed_here(x) and x.shape[-3] == size[0]:
        wanted = tuple(size[1:])
        slices = F.interpolate(slices_of(x), wanted, mode="bilinear", align_corners=False)
        return volumes_of(slices, len(x))
    return F.interpolate(x, tuple(size), mode="trilinear", align_corners=False)


def _in_plane(sizes: str | tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of (Z, Y, X). PyTorch's padding may be a word; that of our layers is not."""
    assert not isinstance(sizes, str)
    _, y, x = sizes
    return y, x


def _in_half(x: Tensor) -> bool:
    """Whether a convolution of these features computes in half precision.

    In float32, PyTorch's own 3D convolution is as fast as stacking, or faster, and right.
    """
    return x.dtype is torch.bfloat16 or torch.is_autocast_enabled("cpu")


def _with_neighbours(x: Tensor, step: int) -> Tensor:
    """Every step-th slice of volumes between its neighbours: (B * Z / step, 3 C, Y, X)."""
    wide = F.pad(x.movedim(1, -1), (0, 0, 0, 0, 0, 0, 1, 1))
    parts = [wide[:, :-2:step], wide[:, 1:-1:step], wide[:, 2::step]]
    return torch.cat(parts, -1).flatten(0, 1).movedim(-1, 1)


def _with_following(x: Tensor) -> Tensor:
    """Every slice of volumes with the one after it, zeros at the end: (B * Z, 2 C, Y, X)."""
    wide = F.pad(x.movedim(1, -1), (0, 0, 0, 0, 0, 0, 0, 1))
    return torch.cat([wide[:, :-1], wide[:, 1:]], -1).flatten(0, 1).movedim(-1, 1)
