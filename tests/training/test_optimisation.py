"""Learning rate over the budget, and the moving average of the weights, by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.training.optimisation import (
    WeightAverage,
    make_optimiser,
    rate_factor,
    weaken_dropout,
)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", (1.0, 1.0, 1.0)),
        ("poly", (1.0, 0.75**0.9, 0.0)),
        ("step_decay", (1.0, 0.9**2, 0.9**10)),
        ("one_cycle", (0.04, 1.0, 0.001)),
    ],
)
def test_learning_rate_at_the_beginning_a_quarter_and_the_end(schedule, factors) -> None:
    config = TrainConfig(schedule=schedule)
    for progress, factor in zip((0.0, 0.25, 1.0), factors, strict=True):
        assert rate_factor(config, progress) == pytest.approx(factor)


def test_one_cycle_rises_and_falls_smoothly() -> None:
    config = TrainConfig(schedule="one_cycle")
    factors = [rate_factor(config, i / 1000) for i in range(1001)]
    assert factors[:251] == sorted(factors[:251])
    assert factors[250:] == sorted(factors[250:], reverse=True)
    assert max(abs(a - b) for a, b in pairwise(factors)) < 0.01


@pytest.mark.parametrize("schedule", ["constant", "poly", "step_decay", "one_cycle"])
def test_a_budget_in_minutes_may_run_over(schedule) -> None:
    config = TrainConfig(schedule=schedule)
    assert rate_factor(config, 1.2) == rate_factor(config, 1.0) >= 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)],
)
def test_the_optimiser_has_the_numbers_of_the_configuration(name, kind) -> None:
    config = TrainConfig(optimiser=name, learning_rate=0.5, weight_decay=0.25, momentum=0.8)
    optimiser = make_optimiser([nn.Parameter(torch.zeros(1))], config)
    assert type(optimiser) is kind
    group = optimiser.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.25)
    assert group.get("momentum", 0.8) == 0.8


class _Scalar(nn.Module):
    """One weight, one running statistic, one counter."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))
        self.register_buffer("mean", torch.tensor(value))
        self.register_buffer("count", torch.tensor(int(value)))


def test_the_average_by_hand() -> None:
    """Decay min(0.99, (1 + step) / (10 + step)): 2/11 after step 1, 3/12 after step 2."""
    average = WeightAverage(_Scalar(0.0), decay=0.99)
    average.update(_Scalar(11.0), step=1)
    assert float(average.model.weight) == pytest.approx(9.0)
    average.update(_Scalar(13.0), step=2)
    assert float(average.model.weight) == pytest.approx(9.0 * 3 / 12 + 13.0 * 9 / 12)
    assert float(average.model.mean) == pytest.approx(12.0)
    assert int(average.model.count) == 13


def test_later_it_keeps_the_decay_that_was_asked_for() -> None:
    average = WeightAverage(_Scalar(1.0), decay=0.9)
    average.update(_Scalar(2.0), step=1000)
    assert float(average.model.weight) == pytest.approx(0.9 * 1 + 0.1 * 2)


def test_the_average_is_a_copy_that_nobody_trains() -> None:
    model = _Scalar(5.0)
    average = WeightAverage(model, decay=0.5)
    average.update(_Scalar(7.0), step=1)
    assert model.weight.item() == 5.0
    assert model.weight.requires_grad
    assert not average.model.weight.requires_grad


def test_dropout_is_weakened_where_it_is_a_layer() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2), nn.Sequential(nn.Dropout2d(0.2)))
    weaken_dropout(model, 0.5)
    assert [m.p for m in model.modules() if hasattr(m, "p")] == [0.25, 0.1]
    weaken_dropout(model, 0.0)
    model.train()
    x = torch.ones(1, 2, 4, 2)
    assert torch.equal(model[0](x), x)
