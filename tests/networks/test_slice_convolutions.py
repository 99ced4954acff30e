"""Convolutions over slices are the 3D convolutions they are named after: values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from napari_scribseg.networks.prelu import SharedPReLU
from napari_scribseg.networks.slice_convolutions import (
    SliceConv3d,
    SliceConvTranspose3d,
    resized,
)

LAYERS = [
    ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    ((1, 3, 3), (1, 1, 1), (1, 1, 1)),
    ((1, 3, 3), (1, 2, 2), (1, 1, 1)),
    ((3, 3, 3), (1, 1, 1), (1, 1, 1)),
    ((3, 3, 3), (2, 2, 2), (1, 1, 1)),
    ((3, 3, 3), (1, 1, 1), (1, 2, 2)),
]
"""Kernel, stride, dilation: all that the 2.5D network has."""


def _learnt(layer: nn.Module, function, x: Tensor) -> list[Tensor]:
    """Output, and the gradients of its squares by input and weights."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    y = function(x)
    (y.float() ** 2).sum().backward()
    return [y.detach(), x.grad, *(p.grad.clone() for p in layer.parameters())]


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), LAYERS)
def test_one_convolution_over_slices_is_the_3d_convolution(kernel, stride, dilation, depth) -> None:
    torch.manual_seed(0)
    padding = tuple(d * (k // 2) for k, d in zip(kernel, dilation, strict=True))
    layer = SliceConv3d(3, 4, kernel, stride, padding, dilation)
    x = torch.randn(2, 3, depth, 6, 8)
    ours = _learnt(layer, layer.over_slices, x)
    plain = _learnt(layer, lambda v: nn.Conv3d.forward(layer, v), x)
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=5e-5)  # sums round as the CPU adds
    torch.testing.assert_close(ours[0], plain[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2))])
def test_transposed_convolutions_over_slices_are_the_3d_ones(kernel, stride, depth) -> None:
    torch.manual_seed(0)
    padding, missing = tuple(k // 2 for k in kernel), tuple(s - 1 for s in stride)
    layer = SliceConvTranspose3d(3, 2, kernel, stride, padding, missing)
    x = torch.randn(2, 3, depth, 4, 5)
    ours = _learnt(layer, layer, x)
    plain = _learnt(layer, lambda v: nn.ConvTranspose3d.forward(layer, v), x)
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=5e-5)  # sums round as the CPU adds
    torch.testing.assert_close(ours[0], plain[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2])
def test_gradients_of_thin_maps_are_right_in_bfloat16(depth) -> None:
    """Where PyTorch's own 3D convolution gives wrong ones on some CPUs."""
    torch.manual_seed(0)
    layer = SliceConv3d(8, 8, 3, padding=1)
    x = torch.randn(2, 8, depth, 8, 8).contiguous(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", torch.bfloat16):
        half = _learnt(layer, layer, x)
    exact = _learnt(layer, lambda v: nn.Conv3d.forward(layer, v), x)
    for a, b in zip(half, exact, strict=True):
        assert (a.float() - b).norm() < 0.02 * b.norm()


def test_checkpoints_of_3d_convolutions_open() -> None:
    plain, ours = nn.Conv3d(2, 3, 3, padding=1), SliceConv3d(2, 3, 3, padding=1)
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(1, 2, 3, 4, 4)
    torch.testing.assert_close(ours.over_slices(x), plain(x))


def test_features_stay_volumes_whose_channels_lie_together() -> None:
    x = torch.randn(2, 4, 3, 8, 8)
    risen = SliceConvTranspose3d(4, 4, 3, 2, 1, 1)(SliceConv3d(4, 4, 3, 1, 1).over_slices(x))
    assert risen.shape == (2, 4, 6, 16, 16)
    assert risen.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("size", [(3, 9, 7), (6, 9, 7), (3, 4, 5)])
def test_resizing_is_trilinear(size) -> None:
    x = torch.randn(2, 4, 3, 4, 5)
    expected = nn.functional.interpolate(x, size, mode="trilinear", align_corners=False)
    torch.testing.assert_close(resized(x, size), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_shared_slope_is_learnt_as_by_prelu(dtype) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 5, dtype=dtype)
    plain, ours = nn.PReLU().to(dtype), SharedPReLU().to(dtype)
    ours.load_state_dict(plain.state_dict())
    for a, b in zip(_learnt(ours, ours, x), _learnt(plain, plain, x), strict=True):
        torch.testing.assert_close(a, b)
