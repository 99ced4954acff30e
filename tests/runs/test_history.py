"""Whether a training still gets better, on made-up histories."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.events import Stepped, Validated
from napari_scribseg.runs.history import History, trend_of


def losses(values) -> list[Stepped]:
    return [
        Stepped(
            time=10.0 * i,
            step=i + 1,
            progress=0.5,
            eta_seconds=1.0,
            loss=float(value),
            terms={"a": float(value)},
            learning_rate=0.1,
            slices_per_second=1.0,
        )
        for i, value in enumerate(values)
    ]


def scores(*values) -> list[Validated]:
    return [
        Validated(time=60.0 * i, step=100 * i, measure="dice", scores={}, mean=v, best=False)
        for i, v in enumerate(values)
    ]


NOISE = np.random.default_rng(0).normal(0, 0.03, 240)
FALLING = 1.0 - np.arange(240) / 400 + NOISE
LEVEL = np.where(np.arange(240) < 80, 1.0 - np.arange(240) / 100, 0.2) + NOISE
RISING = np.abs(np.arange(240) - 120) / 120 + NOISE


@pytest.mark.parametrize(
    ("events", "verdict", "words"),
    [
        (losses(FALLING), "improving", "still falls"),
        (losses(LEVEL), "flat", "min"),
        (losses(RISING), "worse", "rises"),
        (losses(np.full(240, 0.5)), "flat", "0.500"),
        (losses(FALLING[:10]), "early", "early"),
        (scores(0.5, 0.6, 0.7), "improving", "+0.100"),
        (scores(0.5, 0.7, 0.69, 0.695), "flat", "2 min"),
        (scores(0.5, 0.8, 0.7), "worse", "0.800 at step 100"),
        (scores(0.5), "early", "early"),
        ([], "early", "early"),
    ],
)
def test_the_verdict_on_a_history(events, verdict, words) -> None:
    trend = trend_of(History.of(events))
    assert trend.verdict == verdict, trend.sentence
    assert words in trend.sentence


def test_flat_says_for_how_long() -> None:
    sentence = trend_of(History.of(losses(LEVEL))).sentence
    minutes = int(sentence.split("Flat for ")[1].split()[0])
    assert 20 <= minutes <= 28, "level for 160 of 240 points that are 10 s apart"


def test_scores_win_over_the_loss() -> None:
    assert trend_of(History.of([*losses(FALLING), *scores(0.8, 0.6)])).verdict == "worse"


def test_a_long_history_stays_small_and_keeps_its_shape() -> None:
    history = History.of(losses(np.linspace(1, 0, 10_000)))
    assert 500 <= len(history.losses) <= 1200
    assert history.losses[0].loss == pytest.approx(1, abs=0.01)
    assert history.losses[-1].terms["a"] == pytest.approx(0, abs=0.01)
