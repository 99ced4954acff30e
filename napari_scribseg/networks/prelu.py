"""PReLU whose gradient costs a CPU what that of a leaky ReLU costs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from napari_scribseg.networks.slice_convolutions import is_computed_here


class SharedPReLU(nn.PReLU):
    """`nn.PReLU` with one slope for all channels: same function, same weight.

    PyTorch's gradient of the slope writes an image of its own before it is summed; here it is the
    sum of a product. On a GPU, where asking for the slope would wait for it, PyTorch's is taken.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Features of the same shape."""
        if not is_computed_here(input):
            return super().forward(input)
        return _LeakyWithSlope.apply(input, self.weight)


class _LeakyWithSlope(torch.autograd.Function):
    """A leaky ReLU whose slope is learnt."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        """Features of the same shape."""
        ctx.save_for_backward(x)
        ctx.slope = float(slope)
        return F.leaky_relu(x, ctx.slope)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Any
    ) -> tuple[Tensor, Tensor]:
        """Of the features, and of the slope: what lay below zero times what is asked of it."""
        (x,), (gradient,) = ctx.saved_tensors, grad_outputs
        exact = torch.promote_types(x.dtype, torch.float32)
        below = (gradient * x.clamp_max(0)).sum(dtype=exact).reshape(1)
        return torch.ops.aten.leaky_relu_backward(gradient, x, ctx.slope, False), below
