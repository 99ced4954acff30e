"""Partial losses by hand: what is labelled counts, everything else has a gradient of zero."""

from __future__ import annotations

import math

import pytest
import torch

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.partial import (
    partial_cross_entropy,
    partial_dice,
    shares_of,
    soft_partial_cross_entropy,
)

# Two classes on 2 x 2 pixels; a logit difference of ln 3 is a probability of 3/4.
LN3 = math.log(3)
LOGITS = torch.tensor([[[[0.0, LN3], [0.0, LN3]], [[LN3, 0.0], [0.0, 0.0]]]])
"""Probability of class 1: 3/4, 1/4, 1/2, 1/4 (row by row)."""
TARGET = torch.tensor([[[1, 0], [IGNORE, IGNORE]]])
"""The first pixel is class 1, the second background; nobody drew on the other two."""

each_loss = pytest.mark.parametrize("loss", [partial_cross_entropy, partial_dice])


def test_cross_entropy_by_hand() -> None:
    assert float(partial_cross_entropy(LOGITS, TARGET)) == pytest.approx(-math.log(3 / 4))
    wrong = torch.tensor([[[0, IGNORE], [IGNORE, IGNORE]]])
    assert float(partial_cross_entropy(LOGITS, wrong)) == pytest.approx(-math.log(1 / 4))


def test_all_pixels_divides_by_what_nobody_labelled_too() -> None:
    """CycleMix's mean: 2 of 4 pixels are labelled, so the term is half as large."""
    loss = partial_cross_entropy(LOGITS, TARGET, reduction="all_pixels")
    assert float(loss) == pytest.approx(-math.log(3 / 4) * 2 / 4)


def test_class_weights_make_a_weighted_mean() -> None:
    target = torch.tensor([[[1, IGNORE], [0, IGNORE]]])  # costs -ln 3/4 and -ln 1/2
    weights = torch.tensor([1.0, 3.0])
    by_hand = (3 * -math.log(3 / 4) + 1 * -math.log(1 / 2)) / (3 + 1)
    assert float(partial_cross_entropy(LOGITS, target, class_weights=weights)) == pytest.approx(
        by_hand
    )
    same = partial_cross_entropy(LOGITS, target, class_weights=torch.tensor([2.0, 2.0]))
    torch.testing.assert_close(same, partial_cross_entropy(LOGITS, target))


def test_dice_by_hand() -> None:
    """Class 1: overlap 3/4, sizes (3/4 + 1/4) and 1. Background: the same by symmetry."""
    dice = 2 * (3 / 4) / (1 + 1)
    assert float(partial_dice(LOGITS, TARGET)) == pytest.approx(1 - dice, abs=1e-4)


def test_dice_leaves_out_classes_that_nobody_drew_in_the_batch() -> None:
    """Only class 1 is drawn: overlap 3/4, sizes 3/4 and 1; background would be 0 of 1/4."""
    target = torch.tensor([[[1, IGNORE], [IGNORE, IGNORE]]])
    assert float(partial_dice(LOGITS, target)) == pytest.approx(1 - 1.5 / 1.75, abs=1e-4)


def test_dice_counts_the_voxels_of_the_whole_batch_together() -> None:
    two = torch.cat([LOGITS, LOGITS]), torch.cat([TARGET, torch.full_like(TARGET, IGNORE)])
    torch.testing.assert_close(partial_dice(*two), partial_dice(LOGITS, TARGET))


@each_loss
def test_a_sure_and_right_prediction_costs_nothing(loss) -> None:
    target = torch.tensor([[[1, 0], [IGNORE, 1]]])
    right = torch.nn.functional.one_hot(target.clamp_min(0), 2).movedim(-1, 1).float() * 50
    assert float(loss(right, target)) == pytest.approx(0, abs=1e-4)


@each_loss
def test_unlabelled_voxels_get_a_gradient_of_exactly_zero(loss) -> None:
    logits = LOGITS.clone().requires_grad_()
    loss(logits, TARGET).backward()
    taught = logits.grad.abs().sum(1) > 0
    assert torch.equal(taught, TARGET != IGNORE)


@each_loss
def test_nothing_labelled_is_a_zero_that_still_has_a_graph(loss) -> None:
    logits = LOGITS.clone().requires_grad_()
    nothing = loss(logits, torch.full_like(TARGET, IGNORE))
    assert nothing.item() == 0
    nothing.backward()
    assert not logits.grad.any()


def test_nothing_labelled_is_zero_with_class_weights_too() -> None:
    nothing = torch.full_like(TARGET, IGNORE)
    assert float(partial_cross_entropy(LOGITS, nothing, class_weights=torch.ones(2))) == 0


@each_loss
def test_half_precision_logits_are_summed_in_float32(loss) -> None:
    assert loss(LOGITS.bfloat16(), TARGET).dtype is torch.float32


@each_loss
def test_any_number_of_spatial_axes(loss) -> None:
    torch.testing.assert_close(loss(LOGITS[:, :, None], TARGET[:, None]), loss(LOGITS, TARGET))


# Labels that are shared between classes


def test_soft_cross_entropy_of_hard_labels_is_the_partial_one() -> None:
    target = shares_of(TARGET, 2)
    assert target[0, :, 0].tolist() == [[0, 1], [1, 0]]
    assert not target[0, :, 1].any()
    for reduction in ("labelled", "all_pixels"):
        soft = soft_partial_cross_entropy(LOGITS, target, reduction=reduction)
        torch.testing.assert_close(soft, partial_cross_entropy(LOGITS, TARGET, reduction=reduction))


def test_soft_cross_entropy_by_hand() -> None:
    """The first pixel half class 1 (3/4) and half unlabelled, the second half of each (1/4)."""
    target = torch.tensor([[[[0.0, 0.5], [0, 0]], [[0.5, 0.5], [0, 0]]]])
    summed = -0.5 * math.log(3 / 4) - 0.5 * math.log(1 / 4) - 0.5 * math.log(3 / 4)
    labelled = soft_partial_cross_entropy(LOGITS, target)
    assert float(labelled) == pytest.approx(summed / 1.5)
    everything = soft_partial_cross_entropy(LOGITS, target, reduction="all_pixels")
    assert float(everything) == pytest.approx(summed / 4)


def test_soft_cross_entropy_teaches_labelled_pixels_only() -> None:
    logits = LOGITS.clone().requires_grad_()
    soft_partial_cross_entropy(logits, shares_of(TARGET, 2)).backward()
    assert logits.grad is not None
    assert (logits.grad[:, :, 1] == 0).all()
    assert (logits.grad[:, :, 0] != 0).all()
    nothing = soft_partial_cross_entropy(logits, torch.zeros(1, 2, 2, 2))
    assert float(nothing.detach()) == 0
    nothing.backward()
