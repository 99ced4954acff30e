"""What another slice gains, from the trainings so far."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.evaluation.expected_gain import expected_gain


def test_a_curve_is_found_again_without_doubt():
    found = expected_gain([(n, 0.9 - 0.6 / n) for n in (1, 2, 4, 8)], 8)
    assert found.mean == pytest.approx(0.6 / 8 - 0.6 / 9)
    assert found.low == pytest.approx(found.mean)
    assert found.high == pytest.approx(found.mean)
    assert (found.trainings, found.fewest, found.most) == (4, 1, 8)


def test_scatter_of_the_scores_is_doubt_about_the_gain():
    found = expected_gain([(2, 0.6), (4, 0.76), (4, 0.66), (8, 0.73)], 8)
    assert found.low < 0 < found.mean < found.high


def test_nine_of_ten_intervals_hold_the_true_gain():
    rng, held, n = np.random.default_rng(0), 0, [2, 3, 5, 8, 10]
    for _ in range(400):
        points = [(k, 0.8 - 0.4 / k + rng.normal(0, 0.02)) for k in n]
        found = expected_gain(points, 10)
        held += found.low <= 0.4 / 10 - 0.4 / 11 <= found.high
    assert 0.85 <= held / 400 <= 0.95


def test_a_flat_curve_is_not_worthwhile():
    found = expected_gain([(2, 0.81), (4, 0.8101), (6, 0.81), (9, 0.8102)], 9)
    assert not found.is_worthwhile


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(3, 0.7)],
        [(3, 0.7), (5, 0.8)],
        [(3, 0.7), (3, 0.8), (3, 0.75)],
        [(3, float("nan"))] * 5,
    ],
)
def test_too_little_is_no_answer(points):
    assert expected_gain(points, 5) is None
