"""Statistics: what paired numbers of the same patients allow to be said about two methods.

Patients are the unit: whoever has several scores per patient (phases, folds, seeds) averages them
first, because scores of one patient are not independent.

* **Interval**: bias-corrected and accelerated bootstrap (BCa; Efron 1987) of the mean difference,
  or the plain percentiles. The same seed gives the same interval.
* **Test**: Wilcoxon's signed-rank test, two-sided. Differences of zero are left out, as Wilcoxon
  did. Up to 200 patients the p-value is exact, ties included: the distribution of the rank sum
  over all signs is computed, not approximated.
* **Many tests**: Holm's step-down correction.
* **Sentence**: its interval holds what the signed-rank test does not reject (Hodges & Lehmann
  1963), so interval and verdict never contradict: of a difference at the level that its p was
  corrected to, else at that of all tests together. Like the test it is of the patients who differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from napari_scribseg.core.errors import InvalidInput

FEWEST_PATIENTS: Final = 6
"""With fewer no two-sided signed-rank test can give p < 0.05: the least is 2 / 2**n."""
SIGNIFICANT: Final = 0.05
RESAMPLES: Final = 9999
_MOST_EXACT: Final = 200
_DECIMALS: Final = 10
"""Differences are alike up to these; what is behind them is the rounding of a computer."""
_CHUNK: Final = 1_000_000
"""Numbers drawn at once."""

NAN: Final = float("nan")
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A confidence interval; NaN at both ends where nothing can be said."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same patients; differences are first minus second.

    Args:
        first: name of a method.
        second: name of another one.
        n: patients with a finite value of both.
        n_left_out: patients with a value of only one, or an infinite one.
        left_out_first: those of them of whom the first has no finite value.
        left_out_second: likewise; of some neither has.
        mean_first: over the n patients.
        mean_second: likewise.
        difference: mean of the n differences.
        interval: of `difference`, 95 %.
        p: of the signed-rank test; NaN without a difference.
        differences: of the n patients, in the order of their ids.
    """

    first: str
    second: str
    n: int
    n_left_out: int
    left_out_first: int
    left_out_second: int
    mean_first: float
    mean_second: float
    difference: float
    interval: Interval
    p: float
    differences: tuple[float, ...] = ()


def compare(
    first: str,
    second: str,
    values: tuple[Mapping[str, float], Mapping[str, float]],
    *,
    random_seed: int = 0,
    method: Literal["bca", "percentile"] = "bca",
) -> Comparison:
    """Compare two methods by the patients that both were scored on.

    Args:
        first: name of the first method.
        second: name of the second one.
        values: one number per patient, of the first and of the second method.
        random_seed: of the bootstrap.
        method: of the interval.
    """
    ours, theirs = values
    both = sorted(
        p
        for p in ours.keys() & theirs.keys()
        if math.isfinite(ours[p]) and math.isfinite(theirs[p])
    )
    known = [p for p in ours.keys() | theirs.keys() if not _both_nan(ours.get(p), theirs.get(p))]
    a, b = (np.array([side[p] for p in both], dtype=np.float64) for side in values)
    differences = np.round(a - b, _DECIMALS)
    return Comparison(
        first,
        second,
        n=len(both),
        n_left_out=len(known) - len(both),
        left_out_first=sum(not math.isfinite(ours.get(p, NAN)) for p in known),
        left_out_second=sum(not math.isfinite(theirs.get(p, NAN)) for p in known),
        mean_first=_mean(a),
        mean_second=_mean(b),
        difference=_mean(differences),
        interval=bootstrap_interval(differences, random_seed=random_seed, method=method),
        p=signed_rank_p(differences),
        differences=tuple(differences.tolist()),
    )


def bootstrap_interval(
    values: Sequence[float] | Values,
    *,
    random_seed: int = 0,
    method: Literal["bca", "percentile"] = "bca",
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """Bootstrap confidence interval of the mean; NaN below two values.

    Args:
        values: finite numbers.
        random_seed: the same seed gives the same interval.
        method: "bca" corrects bias and skewness, "percentile" does not.
        level: of confidence, above 0 and below 1.
        resamples: how many samples are drawn with replacement.

    Raises:
        InvalidInput: a value is not finite, or the level is out of range.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise InvalidInput("A bootstrap interval needs finite values; leave the others out.")
    if not 0 < level < 1:
        raise InvalidInput(f"The level of an interval must be above 0 and below 1, got {level}.")
    if len(numbers) < 2:
        return Interval(NAN, NAN)
    if np.round(np.ptp(numbers), _DECIMALS) == 0:
        return Interval(float(numbers.min()), float(numbers.max()))
    means = _resampled_means(numbers, resamples, np.random.default_rng(random_seed))
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        tails = _corrected(tails, numbers, means)
    low, high = np.quantile(means, tails)
    return Interval(float(low), float(high))


def signed_rank_p(differences: Sequence[float] | Values) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test; NaN where all differences are zero.

    Exact up to 200 differences that are not zero, with ties as with none; a normal approximation
    beyond.
    """
    numbers = np.asarray(differences, dtype=np.float64)
    numbers = numbers[numbers != 0]
    if not len(numbers):
        return NAN
    if len(numbers) > _MOST_EXACT:
        approximated: Any = stats.wilcoxon(numbers, method="approx")
        return float(approximated.pvalue)
    # Tied values share the mean of their ranks, so twice a rank is always whole.
    ranks = np.rint(2 * stats.rankdata(np.abs(numbers))).astype(np.int64)
    chances = _rank_sum_chances(ranks)
    positive = int(ranks[numbers > 0].sum())
    smaller = min(positive, int(ranks.sum()) - positive)
    return min(1.0, 2 * float(chances[: smaller + 1].sum()))


def signed_rank_interval(
    differences: Sequence[float] | Values, *, alpha: float = SIGNIFICANT
) -> Interval:
    """What the typical difference may be: all shifts that the signed-rank test does not reject.

    Ends are Walsh averages (means of two differences); Hodges & Lehmann 1963. Zero lies outside
    where, and only where, `signed_rank_p` is below alpha; at its edge where ties make it so.

    Args:
        differences: finite numbers; zeros are left out, as by the test.
        alpha: 1 - the confidence.

    Returns:
        The interval; infinite ends where so few differences never reject anything.
    """
    numbers = np.asarray(differences, dtype=np.float64)
    numbers = numbers[numbers != 0]
    n = len(numbers)
    if not n:
        return Interval(NAN, NAN)
    if n > _MOST_EXACT:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        highest = n * (n + 1) / 4 + float(stats.norm.ppf(alpha / 2)) * spread
    else:
        ranks = np.rint(2 * stats.rankdata(np.abs(numbers))).astype(np.int64)
        rejecting = np.flatnonzero(2 * np.cumsum(_rank_sum_chances(ranks)) < alpha)
        if not len(rejecting):
            return Interval(-math.inf, math.inf)
        highest = rejecting[-1] / 2
    rows, columns = np.triu_indices(n)
    averages = np.sort((numbers[rows] + numbers[columns]) / 2)
    place = int(highest)
    return Interval(float(averages[place]), float(averages[-1 - place]))


def fewest_patients(n_tests: int = 1) -> int:
    """So many patients can show a difference at all, where p is corrected for so many tests."""
    n = FEWEST_PATIENTS
    while n_tests * 2 / 2**n >= SIGNIFICANT:
        n += 1
    return n


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values corrected by Holm's step-down procedure, in the order given.

    NaN stays NaN and does not count as a test.
    """
    order = sorted(
        (i for i, p in enumerate(p_values) if not math.isnan(p)), key=p_values.__getitem__
    )
    corrected = [NAN] * len(p_values)
    highest = 0.0
    for done, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - done) * p_values[index]))
        corrected[index] = highest
    return tuple(corrected)


def sentence(comparison: Comparison, measure: str, p_holm: float, n_tests: int, digits: int) -> str:
    """What one comparison says, in one plain sentence.

    Args:
        comparison: the numbers.
        measure: what was compared, with its unit ("Dice of LV", "HD95 of LV in mm").
        p_holm: the p-value corrected for all comparisons of the family.
        n_tests: size of the family.
        digits: decimals of the measure.
    """
    c = comparison
    if c.n == 0:
        return f"{measure}: no patient has a finite value of both {c.first} and {c.second}."
    size = f"{abs(c.difference):.{digits}f}"
    direction = "higher" if c.difference > 0 else "lower"
    measured = (
        f"{measure}: the mean of {c.first} ({c.mean_first:.{digits}f}) is {size} {direction} than "
        f"that of {c.second} ({c.mean_second:.{digits}f})"
    )
    if c.difference == 0:
        measured = f"{measure}: {c.first} and {c.second} have the same mean"
    if math.isnan(p_holm):
        few = f", and {_patients_are(c.n)} too few to decide" if c.n < FEWEST_PATIENTS else ""
        return f"{measured}: no patient differs ({_patients(c.n)}{_left_out(c)}){few}."
    left_out = _left_out(c)
    needed = fewest_patients(n_tests)
    differ = sum(d != 0 for d in c.differences)
    if differ < needed and p_holm >= SIGNIFICANT:
        together = f" where p is corrected for {n_tests} tests" if n_tests > 1 else ""
        few = _patients_are(c.n)
        if differ < c.n:
            few = f"only {differ} of {_patients(c.n)} {'differs' if differ == 1 else 'differ'},"
        return (
            f"{measured} (single patients {min(c.differences):+.{digits}f} to "
            f"{max(c.differences):+.{digits}f}{left_out}), but {few} too few to "
            f"decide: at least {needed} are needed{together}."
        )
    shown = signed_rank_interval(c.differences, alpha=_level(c.p, p_holm, n_tests))
    corrected = ", corrected like p" if n_tests > 1 else ""
    among = "" if differ == c.n else f" among the {differ} who differ"
    interval = (
        f"95 % interval of the difference{among} {shown.low:+.{digits}f} to "
        f"{shown.high:+.{digits}f}{corrected}; {_patients(c.n)}"
    )
    test = f"p {_p(p_holm)}" + (
        f" after Holm's correction of {n_tests} tests" if n_tests > 1 else ""
    )
    verdict = "a difference" if p_holm < SIGNIFICANT else "no difference is shown"
    return f"{measured}: {verdict} ({interval}{left_out}; {test})."


def _left_out(c: Comparison) -> str:
    """How many patients are left out, and by whose fault: it may be that of the better one."""
    if not c.n_left_out:
        return ""
    whose = ((c.first, c.left_out_first), (c.second, c.left_out_second))
    told = " and ".join(f"{name} has none in {n}" for name, n in whose if n)
    return f"; {_patients(c.n_left_out)} left out, without a finite value: {told}"


def _level(p: float, p_holm: float, n_tests: int) -> float:
    """1 - the confidence of an interval that has zero outside exactly where a difference is shown.

    What p_holm was multiplied by can't be told where it is cut at 1, or that of an easier test.
    """
    if p_holm >= SIGNIFICANT:
        return SIGNIFICANT / max(1, n_tests)
    return SIGNIFICANT * p / p_holm if p_holm else SIGNIFICANT / max(1, n_tests)


def _resampled_means(numbers: Values, resamples: int, rng: np.random.Generator) -> Values:
    """(resamples,) means of samples drawn with replacement; in parts, to spare memory."""
    step = max(1, _CHUNK // len(numbers))
    parts = [
        numbers[rng.integers(0, len(numbers), (min(step, resamples - start), len(numbers)))].mean(1)
        for start in range(0, resamples, step)
    ]
    return np.concatenate(parts)


def _corrected(tails: Values, numbers: Values, means: Values) -> Values:
    """The quantiles that BCa takes instead of these; Efron & Tibshirani 1993, eq. 14.9 to 14.15."""
    mean = numbers.mean()
    # Half of the ties counts as below, as in scipy: means of few values tie often.
    below = float((means < mean).mean() + (means <= mean).mean()) / 2
    bias: Any = stats.norm.ppf(below)
    left_out = (numbers.sum() - numbers) / (len(numbers) - 1)
    spread = left_out.mean() - left_out
    acceleration = float((spread**3).sum()) / (6 * float((spread**2).sum()) ** 1.5)
    shifted = bias + stats.norm.ppf(tails)
    return np.asarray(stats.norm.cdf(bias + shifted / (1 - acceleration * shifted)), np.float64)


def _rank_sum_chances(ranks: npt.NDArray[np.int64]) -> Values:
    """Chance of every sum of ranks when each counts or not like a coin falls."""
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        moved = np.zeros_like(chances)
        moved[rank:] = chances[: len(chances) - rank]
        chances = (chances + moved) / 2
    return chances


def _both_nan(a: float | None, b: float | None) -> bool:
    return all(value is None or math.isnan(value) for value in (a, b))


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else NAN


def _patients(n: int) -> str:
    return "1 patient" if n == 1 else f"{n} patients"


def _patients_are(n: int) -> str:
    return f"{_patients(n)} {'is' if n == 1 else 'are'}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
