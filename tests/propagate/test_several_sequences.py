"""Growing strokes on several sequences: equal ones change nothing, a new edge does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import two_sequence_case

from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.losses.boundary import active_boundary
from napari_scribseg.losses.regularisers import mumford_shah
from napari_scribseg.propagate.dense_crf import PairwiseTerms, dense_crf
from napari_scribseg.propagate.edges import edge_map
from napari_scribseg.propagate.random_walker import random_walker_probabilities, random_walker_seeds
from napari_scribseg.propagate.supervoxels import supervoxels

CASE = two_sequence_case(0, shape=(2, 40, 40))
T2, ADC = CASE.image.channels
TARGETS = targets_of(CASE.scribbles)


def test_a_walk_on_equal_sequences_is_that_on_one() -> None:
    one = random_walker_probabilities(T2[0], TARGETS[0], 150.0)
    three = random_walker_probabilities([T2[0]] * 3, TARGETS[0], 150.0)
    np.testing.assert_allclose(three, one, atol=1e-4)


def test_a_walk_stops_at_what_only_the_second_sequence_shows() -> None:
    right: list[float] = []
    for image in (T2, CASE.image.channels):
        seeds = random_walker_seeds(image, TARGETS, tau=0.9, beta=150.0)
        known = (seeds != IGNORE) & (CASE.reference == 2)
        right.append(float((seeds[known] == 2).sum()) / float((CASE.reference == 2).sum()))
    assert right[1] > right[0] + 0.1


def test_supervoxels_of_equal_sequences_are_those_of_one() -> None:
    one = supervoxels(T2, CASE.image.spacing, 300.0, 0.1)
    two = supervoxels((T2, T2), CASE.image.spacing, 300.0, 0.1)
    assert (one == two).mean() > 0.99
    assert (supervoxels((T2, ADC), CASE.image.spacing, 300.0, 0.1) != one).any()


def test_the_strongest_edge_of_all_sequences_counts() -> None:
    both = edge_map((T2, ADC), CASE.image.spacing)
    apart = [edge_map(channel, CASE.image.spacing) for channel in (T2, ADC)]
    np.testing.assert_array_equal(both, np.maximum(*apart))


def test_a_crf_on_equal_sequences_is_that_on_one() -> None:
    image = torch.from_numpy(np.stack([T2[0], ADC[0]]))[None]
    probabilities = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)).softmax(1)
    seeds, terms = torch.full((1, 40, 40), IGNORE), PairwiseTerms()
    one = dense_crf(probabilities, image[:, :1], seeds, terms, "torch")
    two = dense_crf(probabilities, image[:, [0, 0]], seeds, terms, "torch")
    torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-3)
    other = dense_crf(probabilities, image, seeds, terms, "torch")
    assert float((other - one).abs().max()) > 0.01


@pytest.mark.parametrize("channels", [(0, 0), (0, 1)])
def test_terms_of_regions_are_means_over_sequences(channels: tuple[int, int]) -> None:
    stack = np.stack([T2, ADC])[:, :, :32, :32] / 1000
    volume = torch.from_numpy(stack.astype(np.float32))[None]
    logits = torch.rand(1, 3, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    inside = torch.ones(1, 2, 32, 32, dtype=torch.bool)

    def active(image: torch.Tensor) -> torch.Tensor:
        return active_boundary(logits.softmax(1), image, inside, anisotropy=4.0)

    def regions(image: torch.Tensor) -> torch.Tensor:
        return mumford_shah(logits[:, :, 0], image[:, :, 0])

    for loss in (active, regions):
        each = [loss(volume[:, [c]]) for c in channels]
        torch.testing.assert_close(loss(volume[:, list(channels)]), torch.stack(each).mean())
