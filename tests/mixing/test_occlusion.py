"""Hidden squares and turned slices: by hand, and there and back."""

from __future__ import annotations

import math

import pytest
import torch

from napari_scribseg.mixing.occlusion import hidden_squares, turned


def test_a_square_lies_around_its_centre_and_is_cut_at_the_edge() -> None:
    centres = torch.tensor([[0.5, 0.25], [0.0, 0.999]])
    hidden = hidden_squares(centres, 4, (8, 16))
    assert hidden.shape == (2, 1, 8, 16)
    assert hidden[0, 0].nonzero().amin(0).tolist() == [2, 2]
    assert hidden[0, 0].nonzero().amax(0).tolist() == [5, 5]
    assert hidden[0].sum() == 16
    assert hidden[1, 0].nonzero().amin(0).tolist() == [0, 13]
    assert hidden[1, 0].nonzero().amax(0).tolist() == [1, 15]


def test_no_side_hides_nothing() -> None:
    assert not hidden_squares(torch.rand(3, 2), 0, (8, 8)).any()


def test_a_right_angle_is_a_rotation_of_pixels() -> None:
    slices = torch.rand(2, 3, 9, 9)
    angles = torch.tensor([math.pi / 2, math.pi])
    result = turned(slices, angles)
    torch.testing.assert_close(result[0], slices[0].rot90(1, (1, 2)), atol=1e-5, rtol=0)
    torch.testing.assert_close(result[1], slices[1].rot90(2, (1, 2)), atol=1e-5, rtol=0)


def test_slices_that_are_not_square_keep_their_shapes() -> None:
    """A point at 6 pixels along y from the centre comes to lie 6 pixels along x."""
    slices = torch.zeros(1, 1, 21, 41)
    slices[0, 0, 16, 20] = 1
    result = turned(slices, torch.tensor([math.pi / 2]))
    assert (result[0, 0] > 0.99).nonzero().tolist() == [[10, 26]]


@pytest.mark.parametrize("degrees", [10, 45, 133, 290])
def test_there_and_back(degrees) -> None:
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(56.0), indexing="ij")
    slices = ((y / 9).sin() + (x / 7).cos())[None, None]
    angle = torch.tensor([math.radians(degrees)])
    back = turned(turned(slices, angle), -angle)
    inside = turned(turned(torch.ones_like(slices), angle), -angle) > 0.999
    assert inside.float().mean() > 0.5
    assert (back - slices)[inside].abs().max() < 0.02


def test_what_comes_from_outside_is_zero() -> None:
    result = turned(torch.ones(1, 1, 20, 20), torch.tensor([math.pi / 4]))
    assert result[0, 0, 0, 0] == 0
    assert result[0, 0, 10, 10] == pytest.approx(1)


def test_positions_are_exact_within_a_training_in_half_precision() -> None:
    ramp = torch.arange(160.0).expand(2, 1, 160, 160).contiguous()
    angles = torch.tensor([0.3, -0.2])
    with torch.autocast("cpu", torch.bfloat16):
        found = turned(ramp, angles)
    torch.testing.assert_close(found, turned(ramp, angles))
