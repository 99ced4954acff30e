"""CRF-RNN: mean-field inference of a fully connected CRF as a layer that learns its weights.

The bilateral kernel is filtered on a grid over (y, x, grey level), as the kernel is wide in space
and narrow in grey: a few nodes along y and x and some hundred along grey stand for all pixels.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

_CELLS_PER_SIGMA = 2.0
_GREATEST = 255.0
"""Grey levels run from 0 to this, the range for which CRF-RNN's bandwidths are stated."""
_BILATERAL = 5.0
_SPATIAL = 3.0
"""First weights of the two kernels; the paper is silent, CRF-RNN's own code takes these."""


class CRFRNN(nn.Module):
    """Mean-field iterations after the logits of a network.

    Args:
        n_classes: channels of the logits (K).
        iterations: of mean-field.
        bilateral_sigma: reach in pixels of the kernel that stops at edges.
        grey_sigma: what is an edge for it, in grey levels of 0 to 255.
        spatial_sigma: reach in pixels of the kernel that does not.

    Source: Zheng et al., "Conditional random fields as recurrent neural networks", ICCV 2015. A
    message is one matrix (K, K) of weights per kernel times the filtered probabilities; it passes
    a compatibility matrix (K, K) and is added to the logits. With multiples of the identity this is
    the Potts model up to a constant per pixel.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        iterations: int = 5,
        bilateral_sigma: float = 160.0,
        grey_sigma: float = 3.0,
        spatial_sigma: float = 10.0,
    ) -> None:
        super().__init__()
        self.iterations = iterations
        self.bilateral_sigma = bilateral_sigma
        self.grey_sigma = grey_sigma
        self.spatial_sigma = spatial_sigma
        self.bilateral = nn.Parameter(_BILATERAL * torch.eye(n_classes))
        self.spatial = nn.Parameter(_SPATIAL * torch.eye(n_classes))
        self.compatibility = nn.Parameter(torch.eye(n_classes))

    def forward(self, logits: Tensor, image: Tensor, *, frozen: bool = False) -> Tensor:
        """Logits (B, K, Y, X) after mean-field, float32.

        Args:
            logits: (B, K, Y, X).
            image: (B, C, Y, X), any scale; each slice of the first sequence is brought to 0..255,
                as the grid has one axis of grey levels.
            frozen: let gradients pass to the logits, but none to the weights of this layer.
        """
        weights = [self.bilateral, self.spatial, self.compatibility]
        bilateral, spatial, compatibility = (w.detach() if frozen else w for w in weights)
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.float()
            grid = BilateralGrid(grey_levels(image[:, :1]), self.bilateral_sigma, self.grey_sigma)
            blur = GaussianBlur(logits, self.spatial_sigma)
            refined = logits
            for _ in range(self.iterations):
                q = refined.softmax(1)
                message = _mixed(bilateral, grid(q)) + _mixed(spatial, blur(q))
                refined = logits + _mixed(compatibility, message)
        return refined


def grey_levels(image: Tensor) -> Tensor:
    """Each slice of (B, 1, Y, X) between 0 and 255, float32; a flat one becomes zeros."""
    image = image.detach().float()
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return (image - low) / (high - low).clamp_min(1e-6) * _GREATEST


class GaussianBlur:
    """Normalised Gaussian filter of (B, K, Y, X), exact: one matrix along y and one along x.

    Args:
        like: tells size, device and type.
        sigma: in pixels.
    """

    def __init__(self, like: Tensor, sigma: float) -> None:
        y, x = (torch.arange(n, device=like.device, dtype=like.dtype) for n in like.shape[-2:])
        self._y, self._x = (
            m / m.sum(1, keepdim=True) for m in (_gauss(y, sigma), _gauss(x, sigma))
        )

    def __call__(self, values: Tensor) -> Tensor:
        """Filtered values, at each pixel divided by the weight of the kernel within the slice."""
        return self._y @ values @ self._x.mT


class BilateralGrid:
    """Normalised bilateral filter of (B, K, Y, X), by a grid over (y, x, grey level).

    Pixels are splatted onto the eight nearest nodes, the nodes are filtered with a Gaussian along
    each axis, and pixels read the nodes back (Chen et al., "Real-time edge-aware image processing
    with the bilateral grid", 2007). Along y and x the nodes of all pixels are the same, so these
    axes are matrix products, and only grey levels are scattered.

    Args:
        grey: (B, 1, Y, X), between 0 and 255.
        sigma_pixels: reach in pixels; made for reaches of at least a tenth of the slice.
        sigma_grey: reach in grey levels.
    """

    def __init__(self, grey: Tensor, sigma_pixels: float, sigma_grey: float) -> None:
        n, _, height, width = grey.shape
        cell = sigma_pixels / _CELLS_PER_SIGMA
        self._y, self._x = _hats(height, cell, grey), _hats(width, cell, grey)
        levels = math.ceil(_GREATEST * _CELLS_PER_SIGMA / sigma_grey) + 1
        place = grey.reshape(n * height, width) * (_CELLS_PER_SIGMA / sigma_grey)
        low = place.floor().clamp(0, levels - 2)
        rows = torch.arange(n * height, device=grey.device)[:, None] * levels
        self._low = (rows + low.long()).flatten()
        self._upper = (place - low).to(grey.dtype).reshape(-1, 1)
        self._shape = (n, height, levels, self._x.shape[1])
        self._blur_y, self._blur_x, self._blur_grey = (
            _node_blur(count, grey) for count in (self._y.shape[1], self._x.shape[1], levels)
        )
        self._weight = self.unnormalised(torch.ones_like(grey)).clamp_min(1e-12)

    def __call__(self, values: Tensor) -> Tensor:
        """Filtered values (B, K, Y, X), divided by the weight of the kernel; differentiable."""
        return _Symmetric.apply(values, self) / self._weight

    def unnormalised(self, values: Tensor) -> Tensor:
        """Sum of the values (B, K, Y, X) of all pixels, weighted by the kernel to each pixel."""
        n, height, levels, columns = self._shape
        k, width = values.shape[1], values.shape[-1]
        spread = values.movedim(1, -1).unsqueeze(-2) * self._x.unsqueeze(-1)
        spread = spread.reshape(-1, columns * k)
        nodes = spread.new_zeros(n * height * levels, columns * k)
        upper = spread * self._upper
        nodes.index_add_(0, self._low, spread - upper)
        nodes.index_add_(0, self._low + 1, upper)
        nodes = self._y.mT @ nodes.view(n, height, -1)
        nodes = self._blur_grey @ nodes.view(n, -1, levels, columns * k)
        nodes = self._blur_x @ nodes.view(n, -1, levels, columns, k)
        nodes = (self._y @ self._blur_y) @ nodes.view(n, self._y.shape[1], -1)
        nodes = nodes.view(-1, columns * k)
        read = torch.lerp(nodes[self._low], nodes[self._low + 1], self._upper)
        read = read.view(n, height, width, columns, k)
        return (read * self._x.unsqueeze(-1)).sum(-2).movedim(-1, 1)


class _Symmetric(torch.autograd.Function):
    """The unnormalised filter, which is a symmetric matrix: its gradient is itself."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: BilateralGrid) -> Tensor:
        ctx.grid = grid
        return grid.unnormalised(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.grid.unnormalised(gradients[0]), None


def _mixed(weights: Tensor, values: Tensor) -> Tensor:
    """A matrix (K, K) times the classes of (B, K, Y, X)."""
    return torch.einsum("kj,bjyx->bkyx", weights, values)


def _gauss(places: Tensor, sigma: float) -> Tensor:
    """Gaussian kernel (n, n) between n places on a line."""
    return torch.exp(-0.5 * ((places[:, None] - places) / sigma) ** 2)


def _hats(n: int, cell: float, like: Tensor) -> Tensor:
    """Shares (n, nodes) with which pixels 0..n-1 belong to nodes that are a cell apart."""
    nodes = max(math.ceil((n - 1) / cell), 1) + 1
    places = torch.arange(n, device=like.device, dtype=like.dtype) / cell
    steps = torch.arange(nodes, device=like.device, dtype=like.dtype)
    return (1 - (places[:, None] - steps).abs()).clamp_min(0)


def _node_blur(nodes: int, like: Tensor) -> Tensor:
    """Gaussian kernel (nodes, nodes), narrower by what splatting and reading blur by themselves."""
    variance = _CELLS_PER_SIGMA**2 - 2 * (1 / 6)
    places = torch.arange(nodes, device=like.device, dtype=like.dtype)
    return _gauss(places, math.sqrt(variance))
