"""Paired comparisons: by hand, against brute force and against scipy."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from scipy import stats

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.statistics import (
    FEWEST_PATIENTS,
    Interval,
    bootstrap_interval,
    compare,
    fewest_patients,
    holm,
    sentence,
    signed_rank_interval,
    signed_rank_p,
)


def by_brute_force(differences: list[float]) -> float:
    """The two-sided p-value, by looking at every choice of signs."""
    ranks = stats.rankdata(np.abs(differences))
    seen = ranks[np.array(differences) > 0].sum()
    centre = ranks.sum() / 2
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=len(ranks))
    ]
    return sum(abs(s - centre) >= abs(seen - centre) - 1e-9 for s in sums) / len(sums)


def test_five_equal_signs_give_the_least_p_by_hand():
    assert signed_rank_p([1, 2, 3, 4, 5]) == 2 / 2**5


def test_fewer_patients_than_the_limit_can_never_be_significant():
    assert signed_rank_p(range(1, FEWEST_PATIENTS)) > 0.05
    assert signed_rank_p(range(1, FEWEST_PATIENTS + 1)) < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_p_without_ties_is_scipys_exact_one(seed):
    differences = np.random.default_rng(seed).normal(0.4, 1.0, 17)
    assert signed_rank_p(differences) == pytest.approx(
        stats.wilcoxon(differences, method="exact").pvalue, rel=1e-12
    )


@pytest.mark.parametrize("seed", range(4))
def test_p_with_ties_is_exact(seed):
    differences = np.random.default_rng(seed).integers(-3, 5, 10)
    differences = [float(d) for d in differences if d != 0]
    assert signed_rank_p(differences) == pytest.approx(by_brute_force(differences), rel=1e-12)


def test_zeros_do_not_count_and_only_zeros_say_nothing():
    assert signed_rank_p([0, 0, 1, 2, 3, 4, 5]) == signed_rank_p([1, 2, 3, 4, 5])
    assert math.isnan(signed_rank_p([0, 0]))
    assert math.isnan(signed_rank_p([]))


def test_many_patients_are_approximated_closely():
    differences = np.random.default_rng(1).normal(0.1, 1.0, 201)
    exact = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank_p(differences) == pytest.approx(exact, abs=2e-3)


def test_the_sign_of_the_difference_does_not_matter():
    differences = np.random.default_rng(0).normal(0.4, 1.0, 12)
    assert signed_rank_p(-differences) == signed_rank_p(differences)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_the_interval_is_scipys_within_the_noise_of_resampling(method):
    values = np.random.default_rng(3).exponential(1.0, 25)
    ours = bootstrap_interval(values, method=method, resamples=40_000)
    name = "BCa" if method == "bca" else method
    rng = np.random.default_rng(9)
    theirs = stats.bootstrap(
        (values,), np.mean, method=name, n_resamples=40_000, rng=rng, batch=4000
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.02 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.02 * width)


def test_bca_leans_to_the_long_side_of_skewed_values():
    values = np.random.default_rng(3).exponential(1.0, 25)
    bca = bootstrap_interval(values)
    plain = bootstrap_interval(values, method="percentile")
    assert bca.low > plain.low
    assert bca.high > plain.high


def test_the_interval_follows_from_the_seed():
    values = np.random.default_rng(0).normal(size=20)
    assert bootstrap_interval(values, random_seed=5) == bootstrap_interval(values, random_seed=5)
    assert bootstrap_interval(values, random_seed=5) != bootstrap_interval(values, random_seed=6)


def test_intervals_of_nothing_and_of_equal_values():
    assert math.isnan(bootstrap_interval([1.0]).low)
    assert bootstrap_interval([0.2, 0.2, 0.2]).high == 0.2
    with pytest.raises(InvalidInput, match="finite"):
        bootstrap_interval([1.0, math.inf])
    with pytest.raises(InvalidInput, match="level"):
        bootstrap_interval([1.0, 2.0], level=1.0)


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04, never falling.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06))
    assert holm([0.6, 0.9]) == (1.0, 1.0)


def test_holm_leaves_out_what_was_no_test():
    corrected = holm([0.01, math.nan, 0.02])
    assert corrected[0] == pytest.approx(0.02)
    assert math.isnan(corrected[1])
    assert holm([]) == ()


def test_patients_are_paired_by_name_and_the_rest_is_counted():
    first = {"a": 0.9, "b": 0.8, "c": 0.7, "d": math.inf, "e": math.nan}
    second = {"b": 0.6, "a": 0.8, "d": 1.0, "f": 0.3, "e": math.nan}
    found = compare("one", "two", (first, second))
    assert (found.n, found.n_left_out) == (2, 3)  # c and f lack a partner, d is infinite
    assert (found.left_out_first, found.left_out_second) == (2, 1)
    assert found.difference == pytest.approx(0.15)
    assert found.mean_first == pytest.approx(0.85)


def eight(shift: float) -> tuple[dict[str, float], dict[str, float]]:
    first = {f"p{i}": 0.8 + 0.01 * i for i in range(8)}
    return first, {p: v - shift - 0.001 * i for i, (p, v) in enumerate(first.items())}


def test_a_sentence_says_what_is_shown():
    found = compare("effdnet", "partial_ce", eight(0.05))
    text = sentence(found, "Dice of LV", holm([found.p, 0.9])[0], 2, 3)
    assert text.startswith(
        "Dice of LV: the mean of effdnet (0.835) is 0.054 higher than that of partial_ce (0.781): "
        "a difference (95 % interval of the difference +0.05"
    )
    assert text.endswith(
        "corrected like p; 8 patients; p = 0.016 after Holm's correction of 2 tests)."
    )


def test_a_sentence_says_what_is_not_shown():
    found = compare("a", "b", eight(-0.0035))
    text = sentence(found, "Dice", found.p, 1, 3)
    assert "no difference is shown" in text
    assert "Holm" not in text


def test_a_sentence_refuses_to_conclude_from_few_patients():
    first, second = eight(0.05)
    found = compare("a", "b", ({p: first[p] for p in list(first)[:4]}, second))
    text = sentence(found, "Dice", found.p, 1, 3)
    assert text.endswith(
        "(single patients +0.050 to +0.053; 4 patients left out, without a finite value: a has "
        "none in 4), but 4 patients are too few to decide: at least 6 are needed."
    )
    nobody = compare("a", "b", ({"x": 1.0}, {"y": 1.0}))
    assert (
        sentence(nobody, "Dice", nobody.p, 1, 3)
        == "Dice: no patient has a finite value of both a and b."
    )


def test_six_patients_and_four_tests_can_decide_nothing_and_the_sentence_says_so():
    """The least p of six patients is 2 / 64, and 0.125 after the correction of four tests."""
    first = {f"p{i}": 0.9 for i in range(6)}
    found = compare("a", "b", (first, {p: 0.632 - 0.008 * i for i, p in enumerate(first)}))
    assert holm([found.p] * 4)[0] == pytest.approx(0.125)
    assert sentence(found, "Dice", 0.125, 4, 3) == (
        "Dice: the mean of a (0.900) is 0.288 higher than that of b (0.612) (single patients "
        "+0.268 to +0.308), but 6 patients are too few to decide: at least 8 are needed where p is "
        "corrected for 4 tests."
    )
    assert [fewest_patients(n) for n in (1, 2, 4, 18)] == [6, 7, 8, 10]


def test_the_interval_of_the_test_by_hand():
    """Six differences: with alpha 0.05 only the sum of ranks 0 rejects, so all averages count."""
    assert signed_rank_interval([1, 2, 3, 4, 5, 6]) == Interval(1, 6)
    # With alpha 0.1 the sums up to 2 reject (3 of 64 on each side): two averages fall away.
    assert signed_rank_interval([1, 2, 3, 4, 5, 6], alpha=0.1) == Interval(2, 5)
    assert signed_rank_interval([1, 2, 3, 4, 5]) == Interval(-math.inf, math.inf)


@pytest.mark.parametrize("seed", range(30))
def test_interval_and_verdict_of_a_sentence_agree(seed):
    rng = np.random.default_rng(seed)
    ids = [f"p{i}" for i in range(int(rng.integers(8, 25)))]
    first = {p: float(rng.normal(0.8, 0.05)) for p in ids}
    second = {p: first[p] + float(rng.normal(0.02, 0.04)) for p in ids}
    found = compare("a", "b", (first, second))
    p_holm = min(1.0, 3 * found.p)
    text = sentence(found, "Dice", p_holm, 4, 6)
    low, high = (float(n) for n in re.findall(r"difference ([+-][\d.]+) to ([+-][\d.]+)", text)[0])
    assert ("a difference" in text) == (p_holm < 0.05) == (not low <= 0 <= high)


def differing(differences: list[float]) -> tuple[dict[str, float], dict[str, float]]:
    """Two methods whose patients have these differences, and otherwise equal numbers."""
    second = {f"p{i:02d}": 0.5 for i in range(len(differences))}
    return {p: 0.5 + d for p, d in zip(second, differences, strict=True)}, second


def test_an_interval_of_those_who_differ_is_called_so():
    """Of 100 patients 6 differ by 0.3, so the mean difference of 0.018 is outside of it."""
    found = compare("a", "b", differing([0.3] * 6 + [0.0] * 94))
    assert sentence(found, "Dice", found.p, 1, 3) == (
        "Dice: the mean of a (0.518) is 0.018 higher than that of b (0.500): a difference (95 % "
        "interval of the difference among the 6 who differ +0.300 to +0.300; 100 patients; p = "
        "0.031)."
    )


@pytest.mark.parametrize(
    ("n", "said"), [(1, "only 1 of 20 patients differs,"), (3, "only 3 of 20 patients differ,")]
)
def test_few_who_differ_can_decide_nothing_however_many_are_alike(n, said):
    found = compare("a", "b", differing([0.3] * n + [0.0] * (20 - n)))
    text = sentence(found, "Dice", found.p, 1, 3)
    assert text.endswith(f"{said} too few to decide: at least 6 are needed.")
    assert "inf" not in text


def test_the_interval_of_no_difference_is_corrected_for_all_tests_however_large_p_is():
    rng = np.random.default_rng(0)
    for mean in (0.012, 0.004, 0.0):
        found = compare("a", "b", differing(rng.normal(mean, 0.05, 20).tolist()))
        p_holm = min(1.0, 10 * found.p)
        assert p_holm == 1.0
        whole = signed_rank_interval(found.differences, alpha=0.05 / 10)
        text = sentence(found, "Dice", p_holm, 10, 6)
        assert f"{whole.low:+.6f} to {whole.high:+.6f}, corrected like p" in text


def test_thousands_of_patients_who_differ_have_no_p_of_their_own():
    """Beyond 1900 patients the least p is below the smallest number there is."""
    found = compare("a", "b", differing(np.linspace(0.1, 0.2, 2000).tolist()))
    assert found.p == 0.0
    assert "a difference (95 % interval" in sentence(found, "Dice", 0.0, 1, 3)


def test_the_rounding_of_a_computer_is_no_difference():
    """1.1 - 1.0 and 0.3 - 0.2 are not the same number to it; equal means of seeds neither."""
    first = {"a": 1.1, "b": 0.3, "c": float(np.mean([0.1, 0.2, 0.3])), "d": 0.9}
    second = {"a": 1.0, "b": 0.2, "c": float(np.mean([0.3, 0.2, 0.1])), "d": 0.5}
    assert first["a"] - second["a"] != first["b"] - second["b"]
    found = compare("one", "two", (first, second))
    assert found.differences == (0.1, 0.1, 0.0, 0.4)


@pytest.mark.parametrize(
    ("step", "values"), [(1.1, (3.3, 1.1, 2.2)), (0.7, (2.8, 0.9, 1.4, 3.5)), (0.05, (0.7, 0.9))]
)
def test_patients_who_all_differ_by_the_same_have_an_interval(step, values):
    found = compare("a", "b", tuple({str(v): v + d for v in values} for d in (step, 0.0)))
    assert found.interval == Interval(step, step)
    noisy = [v + step - v for v in values]
    assert bootstrap_interval(noisy).low == pytest.approx(step)
    assert bootstrap_interval([0.3, 0.30000000000000004, 0.3]).high == pytest.approx(0.3)


def test_a_sentence_says_whose_structures_were_missed():
    """The method that misses a structure in half of the patients is nearer in the others."""
    second = {f"p{i:02d}": 5.0 + 0.1 * i for i in range(20)}
    first = {p: v - 1 if i < 10 else math.inf for i, (p, v) in enumerate(second.items())}
    second["p19"] = math.inf
    found = compare("a", "b", (first, second))
    assert sentence(found, "HD95", found.p, 1, 1).endswith(
        "10 patients; 10 patients left out, without a finite value: a has none in 10 and b has "
        "none in 1; p = 0.002)."
    )
    alike = compare("a", "b", (first, first))
    assert sentence(alike, "HD95", alike.p, 1, 1).endswith(
        "no patient differs (10 patients; 10 patients left out, without a finite value: a has "
        "none in 10 and b has none in 10)."
    )


def test_equal_methods_are_called_equal():
    found = compare("a", "b", eight(0.0)[:1] * 2)
    assert sentence(found, "Dice", found.p, 1, 3) == (
        "Dice: a and b have the same mean: no patient differs (8 patients)."
    )
