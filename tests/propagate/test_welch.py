"""Streamed moments and Welch's test, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ttest_ind_from_stats

from napari_scribseg.propagate.welch import Moments, welch_p_values


def test_moments_are_those_of_all_values_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    # An offset that large ruins the sum of squares, and float32 with it.
    samples = 1000 + torch.randn(50, 3, 4, generator=generator)
    moments = Moments()
    for sample in samples:
        moments.add(sample)
    assert moments.count == 50
    torch.testing.assert_close(moments.mean, samples.mean(0))
    torch.testing.assert_close(moments.variance, samples.double().var(0).float(), rtol=1e-3, atol=0)


def test_moments_leave_what_they_were_given_alone() -> None:
    first = torch.ones(2)
    moments = Moments()
    moments.add(first)
    moments.add(torch.zeros(2))
    assert first.tolist() == [1, 1]
    assert moments.mean.tolist() == [0.5, 0.5]
    assert moments.variance.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("n", [2, 10, 50])
def test_p_values_are_scipys(n) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(0, 1, (2, 40, 30))
    var_a, var_b = rng.gamma(1, 2, (2, 40, 30))
    expected = ttest_ind_from_stats(
        a, np.sqrt(var_a), n, b, np.sqrt(var_b), n, equal_var=False
    ).pvalue
    p = welch_p_values(a, var_a, b, var_b, n)
    assert expected.min() < 0.05 < expected.max()
    np.testing.assert_allclose(p, expected, rtol=1e-9, atol=1e-300)


def test_without_any_variance_means_are_equal_or_not() -> None:
    zero = np.zeros(2)
    assert welch_p_values(np.array([1.0, 1.0]), zero, np.array([1.0, 2.0]), zero, 50).tolist() == [
        1.0,
        0.0,
    ]
