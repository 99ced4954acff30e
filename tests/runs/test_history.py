"""Whether a training still gets better, on made-up histories."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.config import TrainConfig
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
        (
            losses(FALLING),
            "learning",
            "240 of about 2000 steps: not done yet. The loss still",
        ),
        (losses(LEVEL), "level", "held-out or reference score"),
        (losses(RISING), "level", "rises"),
        (losses(np.full(240, 0.5)), "level", "0.500"),
        (losses(FALLING[:26]), "short", "26 of about 2000 steps: far too short."),
        (scores(0.5, 0.6, 0.7), "better", "0.700 at step 200, the best so far (+0.100)"),
        (scores(0.5, 0.7, 0.69, 0.695), "no better", "no better for 200 steps"),
        (scores(0.5, 0.8, 0.7), "worse", "0.800 at step 100"),
        (scores(0.5), "short", "far too short"),
        ([], "short", "0 of about 2000 steps"),
    ],
)
def test_the_verdict_on_a_history(events, verdict, words) -> None:
    trend = trend_of(History.of(events))
    assert trend.verdict == verdict, trend.sentence
    assert words in trend.sentence


def test_fewer_steps_are_enough_to_say_something_from_weights_that_know_anatomy() -> None:
    history = History.of(losses(FALLING[:60]))
    assert "60 of about 2000 steps: far too short." in trend_of(history).sentence
    from_anatomy = trend_of(history, fewest=TrainConfig(start="anatomy").fewest_steps(2000))
    assert "60 of about 2000 steps: not done yet." in from_anatomy.sentence


def test_level_says_for_how_many_steps() -> None:
    sentence = trend_of(History.of(losses(LEVEL))).sentence
    steps = int(sentence.split(" for ")[1].split()[0])
    assert 120 <= steps <= 168, "level for 160 of 240 steps"


def test_after_all_its_steps_a_training_is_not_called_short() -> None:
    sentence = trend_of(History.of(losses(FALLING)), enough=200).sentence
    assert "short" not in sentence
    assert sentence.startswith("240 steps, of about 200 that are enough as a rule.")


def test_scores_win_over_the_loss() -> None:
    assert trend_of(History.of([*losses(FALLING), *scores(0.8, 0.6)])).verdict == "worse"


def test_only_a_score_can_be_called_better() -> None:
    """A loss that is level while the Dice of the preview triples is no reason to stop."""
    flat = History.of(losses(np.full(240, 0.5)))
    assert trend_of(flat).verdict == "level"
    trend = trend_of(flat, scores={10: 0.2, 100: 0.4, 240: 0.6})
    assert trend.verdict == "better"
    assert "Dice of the preview: 0.600 at step 240" in trend.sentence
    validated = History.of([*losses(FALLING), *scores(0.8, 0.6)])
    assert trend_of(validated, scores={1: 0.1, 2: 0.9}).verdict == "worse", "held-out ones count"


def test_a_long_history_stays_small_and_keeps_its_shape() -> None:
    history = History.of(losses(np.linspace(1, 0, 10_000)))
    assert 500 <= len(history.losses) <= 1200
    assert history.losses[0].loss == pytest.approx(1, abs=0.01)
    assert history.losses[-1].terms["a"] == pytest.approx(0, abs=0.01)
