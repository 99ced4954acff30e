"""Agreement of two measurements: by hand, and of patients who were measured several times."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.bland_altman import agreement


def test_bland_altman_by_hand():
    found = agreement([12.0, 14.0, 16.0], [10.0, 14.0, 12.0])
    assert (found.n, found.bias, found.std) == (3, 2.0, 2.0)  # differences 2, 0, 4
    assert found.low == pytest.approx(2 - 1.96 * 2, abs=1e-3)
    assert found.high == pytest.approx(2 + 1.96 * 2, abs=1e-3)
    # Student's t with 2 degrees of freedom: 4.3027 * 2 / sqrt(3).
    assert found.bias_interval.high == pytest.approx(2 + 4.96828, abs=1e-4)


def test_bland_altman_of_few_and_of_unequal_lengths():
    assert math.isnan(agreement([1.0], [2.0]).std)
    assert agreement([1.0, math.nan, 4.0], [2.0, 1.0, 2.0]).n == 2
    with pytest.raises(InvalidInput, match="pairs"):
        agreement([1.0], [1.0, 2.0])


def test_seeds_that_repeat_a_patient_make_the_bias_no_surer():
    """Three trainings that err alike are as one: the interval is that of the patients."""
    measured, reference = np.array([12.0, 14.0, 16.0, 11.0]), np.array([10.0, 14.0, 12.0, 10.0])
    once = agreement(measured, reference)
    thrice = agreement(np.tile(measured, 3), np.tile(reference, 3), ["a", "b", "c", "d"] * 3)
    assert (thrice.n, thrice.patients) == (12, 4)
    assert thrice.bias == once.bias
    assert thrice.bias_interval.low == pytest.approx(once.bias_interval.low)
    assert thrice.bias_interval.high == pytest.approx(once.bias_interval.high)
    independent = agreement(np.tile(measured, 3), np.tile(reference, 3))
    assert independent.bias_interval.high < once.bias_interval.high - 1


def test_the_interval_of_the_bias_covers_it_as_often_as_it_says():
    """Twelve patients, six measurements of each: 95 of 100 intervals hold the bias of zero."""
    rng = np.random.default_rng(0)
    held, n = 0, 400
    for _ in range(n):
        errors = (rng.normal(0, 1, (12, 1)) + rng.normal(0, 0.5, (12, 6))).ravel()
        found = agreement(errors, np.zeros(72), [str(i) for i in range(12) for _ in range(6)])
        held += found.bias_interval.low <= 0 <= found.bias_interval.high
    assert 0.92 < held / n < 0.98


def test_one_patient_says_nothing_of_others():
    found = agreement([1.0, 2.0], [0.0, 0.0], ["a", "a"])
    assert (found.patients, found.bias) == (1, 1.5)
    assert math.isnan(found.bias_interval.low)
    assert agreement([1.0, math.nan], [0.0, 0.0], ["a", "b"]).patients == 1
