"""Smooth noise, blur and coarser pixels of stacks of slices, as products with small matrices."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
"""float32 throughout; the types of products of numpy do not say so."""

_MARGIN: Final = 3
"""Cells that a grid of smooth noise reaches beyond its borders."""
_REACH: Final = 2.5
"""Standard deviations after which a Gaussian is cut."""


def smooth_noise(rng: np.random.Generator, slices: int, side: int, cells: int) -> Floats:
    """Smooth noise (Z, Y, X) of about unit variance, of its own in every slice.

    Args:
        rng: where it comes from.
        slices: Z.
        side: pixels along y and x.
        cells: bumps that fit along a side.
    """
    weights = spline_weights(side, cells)
    grid = rng.standard_normal((slices, weights.shape[1], weights.shape[1]), np.float32)
    return np.float32(1.9) * (weights @ grid @ weights.T)


def blurred(image: Floats, sigma: float) -> Floats:
    """Every slice of (Z, Y, X), blurred by a Gaussian of so many pixels; edges are continued."""
    weights = _gaussian(image.shape[-1], round(sigma, 1))
    return weights @ image @ weights.T


def coarsened(image: Floats, factor: float) -> Floats:
    """Every slice as if its pixels had been larger by this factor, shown on the same grid."""
    side = image.shape[-1]
    down, up = _linear(side, max(2, round(side / factor)))
    return up @ (down @ image @ down.T) @ up.T


@lru_cache(maxsize=256)
def spline_weights(n: int, cells: int) -> Floats:
    """Cubic B-spline weights (n, cells + 3) of n points spread over so many cells."""
    where = np.linspace(0, cells, n, endpoint=False) + 0.5 * cells / n
    distance = np.abs(where[:, None] - (np.arange(cells + _MARGIN)[None] - 1))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)


@lru_cache(maxsize=256)
def _gaussian(n: int, sigma: float) -> Floats:
    """Weights (n, n) whose rows sum to 1."""
    if sigma <= 0:
        return np.eye(n, dtype=np.float32)
    reach = max(1, round(_REACH * sigma))
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    weights = np.zeros((n, n), np.float32)
    for offset, value in zip(offsets, kernel / kernel.sum(), strict=True):
        np.add.at(weights, (np.arange(n), np.clip(np.arange(n) + offset, 0, n - 1)), value)
    return weights


@lru_cache(maxsize=256)
def _linear(n: int, fewer: int) -> tuple[Floats, Floats]:
    """Area weights (fewer, n) that shrink, and linear weights (n, fewer) that enlarge."""
    edges = np.linspace(0, n, fewer + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(n)[None]
    down = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    down /= down.sum(1, keepdims=True)
    where = np.clip((np.arange(n) + 0.5) * fewer / n - 0.5, 0, fewer - 1)
    up = np.clip(1 - np.abs(where[:, None] - np.arange(fewer)[None]), 0, None)
    return down.astype(np.float32), up.astype(np.float32)
