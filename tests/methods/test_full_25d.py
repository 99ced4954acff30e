"""Full supervision in 2.5D: references teach patches, and the network is the published one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from phantoms import TWO_BALLS
from small_runs import phantom_batch, quick_method
from torch.nn import functional as F

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.dense import dense_dice
from napari_scribseg.methods.base import Task
from napari_scribseg.methods.full_25d.method import Full25D
from napari_scribseg.methods.scribble2d5.method import Scribble2D5
from napari_scribseg.methods.unet25d_method import UNet25DConfig

TASK = Task(3, frozenset(), 0, 2, TWO_BALLS.names, slices=(8, 9))


def test_references_and_neighbouring_slices_are_needed_and_scribbles_are_not() -> None:
    assert Full25D.unsupported(TASK) is None
    reasons = [
        Full25D.unsupported(replace(TASK, n_references=0)),
        Full25D.unsupported(replace(TASK, slices=(1, 1))),
    ]
    assert reasons[0] is not None
    assert "dense reference" in reasons[0]
    assert reasons[1] is not None
    assert "single slice" in reasons[1]


def test_the_network_has_as_many_weights_as_published() -> None:
    method = Full25D(4, UNet25DConfig())
    assert sum(p.numel() for p in method.parameters()) == 3_453_656


def test_levels_follow_the_spacing_of_the_training_cases() -> None:
    spacings = [(1.0, 1.0, 1.0), (8.0, 1.0, 1.25), (8.0, 2.0, 1.0)]
    options = Full25D.fitted(UNet25DConfig(base_width=4), spacings)
    assert isinstance(options, UNet25DConfig)
    assert options.anisotropy == 8.0
    assert Full25D(3, options).network.backbone.divisor == (4, 32, 32)
    assert Full25D(3, UNet25DConfig(base_width=4)).network.backbone.divisor == (8, 32, 32)


def test_scribbles_change_nothing_and_the_reference_does() -> None:
    batch = phantom_batch(Full25D, size=32)
    wrong = replace(batch, target=torch.zeros_like(batch.target))
    other = {"reference": torch.zeros_like(batch.maps["reference"])}

    def loss(some) -> float:
        torch.manual_seed(1)
        return float(sum(quick_method(Full25D).train().losses(some, 1).values()).detach())

    assert loss(wrong) == loss(batch)
    assert loss(replace(batch, maps=other)) != loss(batch)


def test_half_cross_entropy_and_half_dice() -> None:
    batch = phantom_batch(Full25D, size=32)
    method = quick_method(Full25D).eval()
    reference = batch.maps["reference"]
    with torch.no_grad():
        terms, logits = method.losses(batch, 1), method(batch.image)
    plain = F.cross_entropy(logits, reference, ignore_index=IGNORE)
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * float(plain))
    assert float(terms["dice"]) == pytest.approx(0.5 * float(dense_dice(logits, reference)))


def test_it_is_trained_like_scribble2d5() -> None:
    ours, theirs = Full25D.spec.presets, Scribble2D5.spec.presets
    its_own = {"start": "random", "reach": 0.0}  # no weights for its head; references reach far
    assert {n: p.training for n, p in ours.items()} == {
        n: p.training.updated(its_own) for n, p in theirs.items()
    }
