"""Weighted partial cross-entropy by hand."""

from __future__ import annotations

import math

import pytest
import torch
from small_runs import quick_method

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.methods.wpce.method import WPCE

LN3 = math.log(3)


def _loss(target: list[int], logits: list[list[float]]) -> float:
    """The term for one row of pixels and a network that answers with these logits (X, K)."""
    method = quick_method(WPCE)
    method.forward = lambda image: torch.tensor(logits).T[None, :, None]  # type: ignore[method-assign]
    batch = Batch(torch.zeros(1, 1, 1, len(target)), torch.tensor([[target]]))
    return float(method.losses(batch, 1)["scribbles"])


def test_a_class_weighs_labelled_pixels_over_its_own() -> None:
    """Three background pixels (4/3 each) with probability 1/5, one of class 1 (4) with 3/5."""
    easy, hard = [0.0, LN3, 0.0], [0.0, LN3, 0.0]
    loss = _loss([0, 0, 0, 1, IGNORE], [hard, hard, hard, easy, easy])
    by_hand = (3 * 4 / 3 * -math.log(1 / 5) + 4 * -math.log(3 / 5)) / (3 * 4 / 3 + 4)
    assert loss == pytest.approx(by_hand)


def test_how_often_a_class_was_drawn_does_not_matter() -> None:
    right, wrong = [0.0, LN3, 0.0], [LN3, 0.0, 0.0]
    few = _loss([0, 1], [right, wrong])
    many = _loss([0, 0, 0, 0, 1], [right] * 4 + [wrong])
    assert few == pytest.approx(many)


def test_nothing_drawn_is_zero() -> None:
    assert _loss([IGNORE, IGNORE], [[0.0, 1.0, 2.0]] * 2) == 0
