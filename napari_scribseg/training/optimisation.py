"""Optimiser, learning rate over the budget, and the moving average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from torch import nn

from napari_scribseg.core.config import TrainConfig

M = TypeVar("M", bound=nn.Module)

_WARM_UP = 0.25
"""one_cycle: share of the budget over which the learning rate rises."""
_FIRST = 0.04
_LAST = 1e-3
"""one_cycle: first and last learning rate as shares of the highest."""
_POWER = 0.9
"""poly: the power that WSL4MIS, EFFDNet and nnU-Net take."""


def make_optimiser(
    parameters: Iterable[nn.Parameter], config: TrainConfig
) -> torch.optim.Optimizer:
    """The optimiser of a configuration."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=config.momentum, weight_decay=decay)
    kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return kind(parameters, rate, weight_decay=decay)


def rate_factor(config: TrainConfig, progress: float) -> float:
    """Learning rate at this share of the budget, as a share of the highest."""
    progress = min(max(progress, 0.0), 1.0)
    match config.schedule:
        case "constant":
            return 1.0
        case "poly":
            return (1.0 - progress) ** _POWER
        case "step_decay":
            return 0.9 ** math.floor(10 * progress)
        case "one_cycle":
            if progress < _WARM_UP:
                return _FIRST + (1 - _FIRST) * _cosine_rise(progress / _WARM_UP)
            return 1 - (1 - _LAST) * _cosine_rise((progress - _WARM_UP) / (1 - _WARM_UP))


def _cosine_rise(t: float) -> float:
    return (1 - math.cos(math.pi * t)) / 2


def weaken_dropout(model: nn.Module, share: float) -> None:
    """Leave this share of every dropout's probability, in place.

    Dropout that a method does by itself, to ask the network several times, stays as it is.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d | nn.Dropout3d):
            module.p *= share


class WeightAverage(Generic[M]):
    """A copy of a model whose weights are the moving average of the model's.

    Args:
        model: what is averaged.
        decay: share of the old average that a step keeps; smaller in the first steps, so that the
            random initial weights are soon forgotten.
    """

    def __init__(self, model: M, decay: float) -> None:
        self.decay = decay
        self.model: M = copy.deepcopy(model)
        self.model.requires_grad_(requires_grad=False)

    @torch.no_grad()
    def update(self, model: M, step: int) -> None:
        """Take in the model's weights after a step (counted from 1); other buffers are copied."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mean, now in zip(
            self.model.state_dict().values(), model.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(now, 1.0 - decay)
            else:
                mean.copy_(now)
