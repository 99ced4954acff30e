"""Consistency by hand: cosines, the largest piece of a structure, and where gradients go."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_scribseg.losses.consistency import cosine_distance, largest_pieces, local_consistency


def test_cosine_by_hand() -> None:
    """Cosines 1, 0 and (0.6 * 1 + 0.8 * 1) / sqrt(2), each over all classes of a pixel."""
    first = torch.tensor([[[2.0, 1.0, 0.6]], [[0.0, 0.0, 0.8]]]).movedim(0, 1)
    second = torch.tensor([[[5.0, 0.0, 1.0]], [[0.0, 3.0, 1.0]]]).movedim(0, 1)
    expected = 1 - (1 + 0 + 1.4 / math.sqrt(2)) / 3
    assert float(cosine_distance(first, second)) == pytest.approx(expected)


def test_hidden_pixels_have_no_gradient_and_both_sides_learn() -> None:
    torch.manual_seed(0)
    first = torch.rand(1, 3, 2, 2, requires_grad=True)
    second = torch.rand(1, 3, 2, 2, requires_grad=True)
    visible = torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    cosine_distance(first, second * visible).backward()
    for side in (first, second):
        assert side.grad is not None
        assert torch.isfinite(side.grad).all()
        assert (side.grad[..., 0, 0] == 0).all()
        assert (side.grad.abs().sum(1)[0] > 0).sum() == 3


SEGMENTATION = np.array(
    [
        [
            [1, 1, 0, 2, 2, 2],
            [1, 1, 0, 0, 0, 2],
            [0, 0, 1, 0, 0, 0],
            [2, 0, 1, 1, 0, 1],
        ]
    ]
)
"""Class 1: 4 pixels, 3 more that touch those by a corner, 1 apart. Class 2: 4 pixels and 1."""


def test_islands_become_background_and_corners_do_not_connect() -> None:
    kept = largest_pieces(SEGMENTATION, 3)
    assert kept[0].tolist() == [
        [1, 1, 0, 2, 2, 2],
        [1, 1, 0, 0, 0, 2],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_connected_foreground_keeps_one_piece_of_all_structures() -> None:
    joined = SEGMENTATION.copy()
    joined[0, 0, 2] = 2
    kept = largest_pieces(joined, 3, connected_foreground=True)
    assert kept[0, 0].tolist() == [1, 1, 2, 2, 2, 2]
    apart = SEGMENTATION.copy()
    apart[0, 1, 1] = 0
    kept = largest_pieces(apart, 3, connected_foreground=True)
    assert set(np.unique(kept)) == {0, 2}
    assert set(np.unique(largest_pieces(apart, 3))) == {0, 1, 2}


def test_slices_are_taken_one_by_one_and_empty_ones_stay_empty() -> None:
    both = np.concatenate([SEGMENTATION, SEGMENTATION[:, ::-1], np.zeros((1, 4, 6), int)])
    kept = largest_pieces(both, 3)
    np.testing.assert_array_equal(kept[1], kept[0][::-1])
    assert not kept[2].any()


def test_a_prediction_without_islands_is_consistent_and_an_island_costs_its_pixels() -> None:
    whole = torch.nn.functional.one_hot(torch.from_numpy(largest_pieces(SEGMENTATION, 3)), 3)
    assert float(local_consistency(whole.movedim(-1, 1).float())) == pytest.approx(0, abs=1e-6)
    islands = torch.nn.functional.one_hot(torch.from_numpy(SEGMENTATION), 3).movedim(-1, 1)
    assert float(local_consistency(islands.float())) == pytest.approx(5 / 24)


def test_the_target_is_hard_and_has_no_gradient() -> None:
    """p = (0.6, 0.4) everywhere, target (1, 0): 1 - 0.6 / |p|, and its derivative."""
    p = torch.tensor([0.6, 0.4]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2).clone().requires_grad_()
    loss = local_consistency(p)
    norm = math.hypot(0.6, 0.4)
    assert float(loss.detach()) == pytest.approx(1 - 0.6 / norm)
    loss.backward()
    assert p.grad is not None
    derivative = -(1 / norm - 0.6 * 0.6 / norm**3) / 4
    torch.testing.assert_close(p.grad[0, 0], torch.full((2, 2), derivative))
