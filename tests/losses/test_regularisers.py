"""Entropy, total variation and Mumford-Shah on images small enough to work them out."""

from __future__ import annotations

import math

import pytest
import torch

from napari_scribseg.losses.regularisers import (
    mumford_shah,
    normalised_entropy,
    total_variation,
    within_class_variance,
)

# Two regions of 16 x 32 pixels with grey levels 0.1 and 1.1, and their true partition.
TOP = (torch.arange(32) < 16).float()[:, None].expand(32, 32)
IMAGE = (1.1 - TOP)[None, None]
TRUE = torch.stack([TOP, 1 - TOP])[None]
CONSTANT = torch.full_like(TRUE, 0.5)


# Entropy


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_entropy_is_one_where_all_classes_are_equally_likely(n_classes) -> None:
    """Divided by ln K whatever K is; public code divides by ln 4."""
    assert float(normalised_entropy(torch.zeros(2, n_classes, 3, 3))) == pytest.approx(1)


def test_entropy_by_hand() -> None:
    """One pixel with 3/4 and 1/4, one that is sure."""
    logits = torch.tensor([[[[math.log(3), 100.0]], [[0.0, 0.0]]]])
    nats = -(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))
    assert float(normalised_entropy(logits)) == pytest.approx(nats / math.log(2) / 2)


def test_entropy_of_a_sure_prediction_is_zero_with_a_finite_gradient() -> None:
    logits = torch.tensor([[[[500.0]], [[-500.0]]]], requires_grad=True)
    loss = normalised_entropy(logits)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(logits.grad).all()


# Mumford-Shah


def test_the_true_partition_has_no_variance_and_a_constant_prediction_has() -> None:
    """Mean grey level 0.6 for both classes, so each pixel is off by 0.5: 256 of 1024 pixels."""
    assert float(within_class_variance(TRUE, IMAGE)) == pytest.approx(0, abs=1e-9)
    assert float(within_class_variance(CONSTANT, IMAGE)) * 1024 == pytest.approx(256)


def test_image_and_prediction_in_the_wrong_order_reward_the_constant_prediction() -> None:
    """What public code computes: 93.9 for the truth, 0 for a constant; so the order matters."""
    swapped = [
        sum(float(within_class_variance(IMAGE, p[:, k : k + 1])) * 1024 for k in range(2))
        for p in (TRUE, CONSTANT)
    ]
    assert swapped == pytest.approx([1024 * 0.11 / 1.2, 0.0], abs=1e-4)


def test_every_image_has_its_own_grey_levels() -> None:
    """A second image, twice as bright, is just as well divided."""
    images = torch.cat([IMAGE, 2 * IMAGE])
    assert float(within_class_variance(TRUE.repeat(2, 1, 1, 1), images)) == pytest.approx(0)


def test_a_class_that_is_nowhere_costs_nothing() -> None:
    with_none = torch.cat([TRUE, torch.zeros(1, 1, 32, 32)], 1)
    assert float(within_class_variance(with_none, IMAGE)) == pytest.approx(0)


def test_total_variation_is_the_length_of_the_borders() -> None:
    """A straight border of 32 pixels, seen by both classes; a corner pixel has two sides."""
    assert float(total_variation(TRUE)) * 1024 == pytest.approx(64)
    assert float(total_variation(CONSTANT)) == 0
    corner = torch.zeros(1, 2, 4, 4)
    corner[0, 1] = 1
    corner[0, :, 0, 0] = torch.tensor([1.0, 0.0])
    assert float(total_variation(corner)) * 16 == pytest.approx(2 * 2)


def test_both_parts_add_up_and_the_truth_is_cheapest() -> None:
    sure = torch.where(TRUE > 0, 50.0, 0.0)
    truth = float(mumford_shah(sure, IMAGE))
    assert truth == pytest.approx(64 / 1024)
    constant = float(mumford_shah(torch.zeros(1, 2, 32, 32), IMAGE))
    assert constant == pytest.approx(256 / 1024)
    shifted = float(mumford_shah(sure.roll(4, 2), IMAGE))
    assert truth < shifted


def test_the_gradient_moves_a_wrong_pixel_to_the_class_of_its_grey_level() -> None:
    logits = torch.where(TRUE > 0, 1.0, 0.0)
    logits[0, :, 3, 3] = torch.tensor([0.0, 1.0])
    logits.requires_grad_()
    mumford_shah(logits, IMAGE).backward()
    assert logits.grad[0, 0, 3, 3] < 0 < logits.grad[0, 1, 3, 3]
