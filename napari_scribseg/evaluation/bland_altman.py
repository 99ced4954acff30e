"""Bland and Altman's agreement of two measurements: bias, limits, and how sure the bias is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.statistics import NAN, Interval, Values

Z95: Final = 1.959963984540054
"""The normal distribution has 95 % of its mass within so many standard deviations."""


@dataclass(frozen=True)
class Agreement:
    """Bland-Altman numbers of measurement minus reference, in the unit of the measurement.

    Args:
        n: pairs.
        bias: mean difference.
        std: sample standard deviation of the differences; NaN below two pairs.
        low: lower limit of agreement, bias - 1.96 std.
        high: upper limit, bias + 1.96 std.
        bias_interval: 95 % interval of the bias (Student's t, by patient).
        patients: of the pairs.
    """

    n: int
    bias: float
    std: float
    low: float
    high: float
    bias_interval: Interval
    patients: int


def agreement(
    measured: Sequence[float] | Values,
    reference: Sequence[float] | Values,
    patients: Sequence[str] | None = None,
) -> Agreement:
    """Bland-Altman numbers of pairs; those with a value that is not finite are left out.

    Bias and limits are of single measurements. The interval of the bias is not narrower for several
    measurements of a patient that err alike (phases, seeds): its standard error is that of clusters
    (Liang & Zeger 1986), which without any is the usual one.

    Args:
        measured: the measurements.
        reference: what they should have been.
        patients: whose each of them is; None = every one of another patient.

    Raises:
        InvalidInput: they differ in length.
    """
    a, b = (np.asarray(side, dtype=np.float64) for side in (measured, reference))
    whose = np.arange(len(a)) if patients is None else np.unique(patients, return_inverse=True)[1]
    if not len(a) == len(b) == len(whose):
        raise InvalidInput(f"Agreement needs pairs, got {len(a)} and {len(b)} values.")
    known = np.isfinite(a) & np.isfinite(b)
    differences = (a - b)[known]
    n, bias, n_patients = (
        len(differences),
        float(differences.mean()) if len(differences) else NAN,
        len(np.unique(whose[known])),
    )
    if n < 2:
        return Agreement(n, bias, NAN, NAN, NAN, Interval(NAN, NAN), n_patients)
    std = float(differences.std(ddof=1))
    half = NAN
    if n_patients > 1:
        together = np.bincount(whose[known], differences - bias)
        error = math.sqrt(float(together @ together) * n_patients / (n_patients - 1)) / n
        half = float(stats.t.ppf(0.975, n_patients - 1)) * error
    interval = Interval(bias - half, bias + half)
    return Agreement(n, bias, std, bias - Z95 * std, bias + Z95 * std, interval, n_patients)
