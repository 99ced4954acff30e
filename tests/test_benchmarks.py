"""The naive versions that benchmarks time ours against give the same results."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import two_ball_case
from small_runs import phantom_batch

from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.losses.consistency import largest_pieces
from napari_scribseg.methods.em_crf import EMCRFConfig
from napari_scribseg.methods.em_crf.method import EMCRF
from napari_scribseg.methods.exmod import ExModConfig
from napari_scribseg.methods.exmod.method import ExMod
from napari_scribseg.networks.crf_rnn import CRFRNN
from napari_scribseg.networks.unet25d import SegmentingUNet25D
from napari_scribseg.propagate.random_walker import random_walker_probabilities
from napari_scribseg.propagate.supervoxels import grown_labels

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import naive

sys.path.pop(0)


def test_a_second_pass_gives_the_same_saliency() -> None:
    torch.manual_seed(0)
    method, batch = ExMod(3, ExModConfig(base_width=4)).eval(), phantom_batch(ExMod, size=32)
    ours = method._with_saliency(batch)
    with naive.naive_parts(ExMod):
        plain = method._with_saliency(batch)
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("connected", [False, True])
def test_region_properties_give_the_same_pieces(connected) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (4, 24, 24))
    labels[3] = 0
    ours = largest_pieces(labels, 3, connected_foreground=connected)
    plain = naive.pieces_by_region_properties(labels, 3, connected_foreground=connected)
    np.testing.assert_array_equal(ours, plain)


def test_whole_passes_give_the_same_estimate() -> None:
    torch.manual_seed(0)
    options = EMCRFConfig(crf="none", uncertainty=True, base_width=8, passes=6)
    method, image = EMCRF(3, options).eval(), torch.randn(2, 1, 32, 32)
    results = []
    with torch.no_grad():
        for _ in range(2):
            torch.manual_seed(1)
            results.append(method._estimate(image))
        with naive.naive_parts(EMCRF):
            torch.manual_seed(1)
            mean, sure = method._estimate(image)
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][0], mean)
    assert (results[0][1] == sure).float().mean() > 0.999
    assert 0 < sure.float().mean() < 1


def test_a_grid_that_keeps_nothing_gives_the_same_layer_and_gradient() -> None:
    torch.manual_seed(0)
    layer = CRFRNN(3, iterations=2, bilateral_sigma=12.0, grey_sigma=20.0)
    image, logits = torch.rand(1, 1, 20, 24), torch.randn(1, 3, 20, 24, requires_grad=True)
    weights = torch.randn(1, 3, 20, 24)
    results = []
    for parts in (naive.naive_parts(ExMod), naive.naive_parts(EMCRF)):
        with parts:
            refined = layer(logits, image)
            (gradient,) = torch.autograd.grad((refined * weights).sum(), logits)
        results.append((refined, gradient))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)


def test_the_default_solver_finds_the_same_probabilities() -> None:
    case = two_ball_case(shape=(1, 32, 32))
    image, targets = case.image.array[0], targets_of(case.scribbles)[0]
    ours = random_walker_probabilities(image, targets, 130.0)
    np.testing.assert_allclose(naive.walked_by_default(image, targets, 130.0), ours, atol=1e-3)


def test_a_loop_grows_the_same_labels() -> None:
    rng = np.random.default_rng(0)
    segments = rng.integers(0, 60, (3, 12, 12))
    targets = rng.choice([IGNORE, 0, 1, 2], (3, 12, 12), p=[0.9, 0.04, 0.03, 0.03])
    np.testing.assert_array_equal(
        naive.grown_by_a_loop(segments, targets), grown_labels(segments, targets)
    )


def test_what_was_replaced_is_put_back() -> None:
    before = ExMod._with_saliency
    with naive.naive_parts(ExMod):
        assert ExMod._with_saliency is not before
    assert ExMod._with_saliency is before


def test_plain_layers_give_the_same_network_and_gradients() -> None:
    torch.manual_seed(0)
    network = SegmentingUNet25D(3, flat=1, base_width=4, norm="group", dropout=0.0).double()
    image, results = torch.randn(1, 1, 16, 64, 64, dtype=torch.double), []
    for layers in (nullcontext, naive.plain_layers):
        network.zero_grad()
        with layers():
            logits = network(image)
            logits.square().mean().backward()
        results.append([logits.detach(), *(p.grad.clone() for p in network.parameters())])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-9)
