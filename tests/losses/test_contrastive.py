"""FBSL against a naive double loop written from its definition."""

from __future__ import annotations

import math

import pytest
import torch

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.contrastive import block_labels, foreground_background_separation

BLOCKS = 3
TAU = 0.07


def _example() -> tuple[torch.Tensor, torch.Tensor]:
    """Features (2, 4, 12, 12) and a target whose foreground lies in four of the 18 blocks."""
    features = torch.randn(2, 4, 12, 12, generator=torch.Generator().manual_seed(0)) + 0.5
    target = torch.full((2, 12, 12), IGNORE)
    target[0, 0, 0] = 1  # block (0, 0)
    target[0, 5:10, 6] = 2  # blocks (1, 1) and (2, 1)
    target[1, 11, 11] = 3  # block (2, 2)
    target[1, 4:8, 0:4] = 0  # background strokes make no foreground block
    return features, target


def _naive(features: torch.Tensor, target: torch.Tensor) -> float:
    """For anchor i and positive j: -log e_ij / (e_ij + sum over the other label of e_ik)."""
    size = features.shape[-1] // BLOCKS
    vectors, foreground = [], []
    for sample, drawn in zip(features.double(), target, strict=True):
        for y in range(0, features.shape[-2], size):
            for x in range(0, features.shape[-1], size):
                mean = sample[:, y : y + size, x : x + size].mean((1, 2))
                vectors.append(mean / mean.norm())
                foreground.append(bool((drawn[y : y + size, x : x + size] > 0).any()))
    anchors = []
    for i, z in enumerate(vectors):
        others = sum(
            math.exp(float(z @ vectors[k]) / TAU)
            for k in range(len(vectors))
            if foreground[k] != foreground[i]
        )
        positives = []
        for j in range(len(vectors)):
            if j != i and foreground[j] == foreground[i]:
                e = math.exp(float(z @ vectors[j]) / TAU)
                positives.append(-math.log(e / (e + others)))
        anchors.append(sum(positives) / len(positives))
    return sum(anchors) / len(anchors)


def _loss(features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return foreground_background_separation(features, target, blocks=BLOCKS, temperature=TAU)


def test_a_block_is_foreground_if_a_foreground_stroke_touches_it() -> None:
    _, target = _example()
    expected = [
        [[True, False, False], [False, True, False], [False, True, False]],
        [[False, False, False], [False, False, False], [False, False, True]],
    ]
    assert block_labels(target, BLOCKS).tolist() == expected


def test_it_equals_the_definition() -> None:
    features, target = _example()
    assert float(_loss(features, target)) == pytest.approx(_naive(features, target), rel=1e-5)


def test_two_blocks_of_each_label_by_hand() -> None:
    """Perpendicular labels: each pair costs log(1 + 2 e^(-1 / tau)); mixed up, log(1 + 2 e^..)."""
    apart = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]]])
    target = torch.tensor([[[1, 2], [IGNORE, 0]]])
    separated = foreground_background_separation(apart, target, blocks=2, temperature=1.0)
    assert float(separated) == pytest.approx(math.log(1 + 2 * math.exp(-1)))
    alike = foreground_background_separation(
        torch.ones_like(apart), target, blocks=2, temperature=1.0
    )
    assert float(alike) == pytest.approx(math.log(1 + 2))


def test_the_papers_temperature_by_hand() -> None:
    """Within a label cosine 1, between labels 0.8: log(1 + 2 e^(0.8 / 0.07) / e^(1 / 0.07))."""
    features = torch.zeros(1, 2, 2, 2)
    features[0, :, 0], features[0, :, 1] = torch.tensor([[1.0], [0]]), torch.tensor([[0.8], [0.6]])
    target = torch.tensor([[[1, 2], [IGNORE, 0]]])
    expected = math.log(1 + 2 * math.exp(-0.2 / 0.07))
    assert expected == pytest.approx(0.108734, abs=1e-6)
    paper = foreground_background_separation(features, target, blocks=2)
    assert float(paper) == pytest.approx(expected, rel=1e-5)


def test_the_order_of_the_samples_and_the_length_of_features_do_not_matter() -> None:
    features, target = _example()
    torch.testing.assert_close(_loss(features.flip(0), target.flip(0)), _loss(features, target))
    torch.testing.assert_close(_loss(7 * features, target), _loss(features, target))
    torch.testing.assert_close(_loss(features.flip(-1), target.flip(-1)), _loss(features, target))


@pytest.mark.parametrize("value", [IGNORE, 0, 1])
def test_one_label_only_is_a_zero_that_still_has_a_graph(value) -> None:
    features, target = _example()
    features.requires_grad_()
    loss = _loss(features, torch.full_like(target, value))
    assert loss.item() == 0
    loss.backward()
    assert not features.grad.any()


def test_a_lone_foreground_block_has_no_positive_and_does_no_harm() -> None:
    features, target = _example()
    target[target > 0] = IGNORE
    target[0, 0, 0] = 1
    assert torch.isfinite(_loss(features, target))


def test_it_pulls_labels_apart() -> None:
    features, target = _example()
    features.requires_grad_()
    before = _loss(features, target)
    (gradient,) = torch.autograd.grad(before, features)
    assert _loss(features - gradient, target) < before


def test_mixed_precision_does_not_change_it() -> None:
    """At tau = 0.07, products in bfloat16 would be wrong in the second digit."""
    features, target = _example()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = _loss(features, target)
    torch.testing.assert_close(mixed, _loss(features, target))
