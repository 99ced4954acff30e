"""Welch's t-test per pixel, from moments that are gathered pass by pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_scribseg.core.types import Array


class Moments:
    """Mean and variance of equally shaped tensors, one at a time; none is kept.

    Source: Welford, "Note on a method for calculating corrected sums of squares and products",
    Technometrics 1962.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._squares: Tensor | None = None

    def add(self, values: Tensor) -> None:
        """Take in one more tensor."""
        self.count += 1
        values = values.float()
        if self._mean is None or self._squares is None:
            self._mean, self._squares = values.clone(), torch.zeros_like(values)
            return
        off = values - self._mean
        self._mean += off / self.count
        self._squares += off * (values - self._mean)

    @property
    def mean(self) -> Tensor:
        """Mean of what was added so far; at least one tensor."""
        assert self._mean is not None
        return self._mean

    @property
    def variance(self) -> Tensor:
        """Unbiased variance; zero after a single tensor."""
        assert self._squares is not None
        return self._squares / max(self.count - 1, 1)


def welch_p_values(
    mean_a: Array, variance_a: Array, mean_b: Array, variance_b: Array, n: int
) -> npt.NDArray[np.float64]:
    """Two-sided p-values that two samples of n values each come from one mean.

    Args:
        mean_a: of the first sample, any shape.
        variance_a: unbiased.
        mean_b: of the second.
        variance_b: unbiased.
        n: values in each sample, at least two.

    Where both variances are zero, equal means give 1 and others 0.

    Source: Welch's t with the degrees of freedom of Welch and Satterthwaite.
    """
    from scipy.special import stdtr

    a, b = variance_a.astype(np.float64) / n, variance_b.astype(np.float64) / n
    apart = np.abs(mean_a.astype(np.float64) - mean_b)
    spread = a + b
    with np.errstate(divide="ignore", invalid="ignore"):
        t = apart / np.sqrt(spread)
        freedom = spread**2 * (n - 1) / (a**2 + b**2)
        p = 2 * stdtr(freedom, -t)
    return np.where(spread > 0, p, (apart == 0).astype(np.float64))
