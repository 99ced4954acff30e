"""Ramp-up and masked agreement by hand."""

from __future__ import annotations

import math

import pytest
import torch

from napari_scribseg.losses.self_training import masked_squared_error, ramp_up


@pytest.mark.parametrize(
    ("t", "value"),
    [(-1, math.exp(-5)), (0, math.exp(-5)), (0.5, math.exp(-5 / 4)), (1, 1), (2, 1)],
)
def test_ramp_up(t, value) -> None:
    assert ramp_up(t) == pytest.approx(value)


FIRST = torch.tensor([[[[0.7, 0.2]], [[0.3, 0.8]]]])
SECOND = torch.tensor([[[[0.5, 0.9]], [[0.5, 0.1]]]])


def test_only_masked_pixels_count_and_two_divides() -> None:
    """First pixel: 0.2^2 + 0.2^2 = 0.08; second: 0.7^2 + 0.7^2 = 0.98."""
    one = masked_squared_error(FIRST, SECOND, torch.tensor([[[True, False]]]))
    assert float(one) == pytest.approx(0.08 / 2)
    both = masked_squared_error(FIRST, SECOND, torch.tensor([[[True, True]]]))
    assert float(both) == pytest.approx((0.08 + 0.98) / 4)


def test_an_empty_mask_is_a_zero_that_still_has_a_graph() -> None:
    first = FIRST.clone().requires_grad_()
    nothing = masked_squared_error(first, SECOND, torch.zeros(1, 1, 2, dtype=torch.bool))
    assert nothing.item() == 0
    nothing.backward()
    assert not first.grad.any()
