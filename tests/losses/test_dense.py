"""Dice against dense targets by hand."""

from __future__ import annotations

import math

import pytest
import torch

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.dense import dense_dice

LN3 = math.log(3)
LOGITS = torch.tensor([[[[0.0, LN3], [0.0, LN3]], [[LN3, 0.0], [0.0, 0.0]]]])
"""Probability of class 1: 3/4, 1/4, 1/2, 1/4 (row by row)."""


def test_dice_by_hand() -> None:
    """Both pixels of the first row are right with 3/4, the others are outside the image.

    Either class: overlap 3/4, squares 9/16 + 1/16, truth 1.
    """
    target = torch.tensor([[[1, 0], [IGNORE, IGNORE]]])
    dice = 2 * (3 / 4) / (10 / 16 + 1)
    assert float(dense_dice(LOGITS, target)) == pytest.approx(1 - dice, abs=1e-4)


def test_a_class_that_the_target_lacks_counts_as_missed() -> None:
    """All four pixels are background: its overlap is 1/4 + 3/4 + 1/2 + 3/4."""
    target = torch.zeros(1, 2, 2, dtype=torch.int64)
    squares = (1 + 9 + 4 + 9) / 16
    background = 2 * 2.25 / (squares + 4)
    assert float(dense_dice(LOGITS, target)) == pytest.approx((1 - background + 1) / 2, abs=1e-4)


def test_a_sure_and_right_prediction_costs_nothing() -> None:
    target = torch.tensor([[[1, 0], [0, 1]]])
    right = torch.nn.functional.one_hot(target, 2).movedim(-1, 1).float() * 50
    assert float(dense_dice(right, target)) == pytest.approx(0, abs=1e-4)


def test_outside_the_image_nothing_is_taught() -> None:
    logits = LOGITS.clone().requires_grad_()
    target = torch.tensor([[[1, 0], [IGNORE, 0]]])
    dense_dice(logits, target).backward()
    assert torch.equal(logits.grad.abs().sum(1) > 0, target != IGNORE)
    nothing = dense_dice(logits, torch.full_like(target, IGNORE))
    assert nothing.item() == 0


def test_voxels_of_the_whole_batch_count_together() -> None:
    target = torch.tensor([[[1, 0], [0, 1]]])
    both = dense_dice(torch.cat([LOGITS, LOGITS]), torch.cat([target, target]))
    torch.testing.assert_close(both, dense_dice(LOGITS, target), atol=1e-5, rtol=0)
