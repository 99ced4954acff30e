"""Dense CRF: torch against sums over all pairs and against pydensecrf2; seeds stay."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.propagate import dense_crf as module
from napari_scribseg.propagate.dense_crf import PairwiseTerms, choose_backend, dense_crf

SIZE = 16
HEART = PairwiseTerms()
PROSTATE = PairwiseTerms(6, 3, 0.01, 10, 2)
GENTLE = PairwiseTerms(1, 3, 0.1, 1, 2)
with_crf = pytest.mark.skipif(
    importlib.util.find_spec("pydensecrf") is None,
    reason="needs the extra crf, which needs a C++ compiler: `make test-crf`",
)


@pytest.fixture
def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probabilities of three classes, an image of two halves, and two seeds of class 2."""
    generator = torch.Generator().manual_seed(0)
    right = (torch.arange(SIZE) >= SIZE // 2).float().expand(2, SIZE, SIZE)
    image = right[:, None] * 2 + 0.2 * torch.randn(2, 1, SIZE, SIZE, generator=generator)
    logits = torch.randn(2, 3, SIZE, SIZE, generator=generator)
    logits[:, 0] += 1 - right
    logits[:, 1] += right
    seeds = torch.full((2, SIZE, SIZE), IGNORE, dtype=torch.int16)
    seeds[0, 2, 2] = seeds[1, 3, 12] = 2
    return logits.softmax(1), image, seeds


def _by_all_pairs(p, image, seeds, terms) -> torch.Tensor:
    """Mean-field of one slice with kernels (P, P) written out."""
    places = torch.stack(torch.meshgrid(*[torch.arange(SIZE)] * 2, indexing="ij"), -1)
    places = places.reshape(-1, 2).double()
    grey = (image - image.min()) / (image.max() - image.min())
    grey = grey.reshape(-1, 1).double()
    far = torch.cdist(places, places) ** 2
    steps = torch.cdist(grey, grey) ** 2
    message = 0
    for weight, exponent in (
        (terms.bilateral_weight, far / terms.bilateral_sigma**2 + steps / terms.grey_sigma**2),
        (terms.spatial_weight, far / terms.spatial_sigma**2),
    ):
        kernel = torch.exp(-0.5 * exponent)
        scale = kernel.sum(0).rsqrt()
        message = message + weight * scale[:, None] * kernel * scale
    energies = -p.reshape(len(p), -1).double().log()
    fixed = seeds.reshape(-1).long()
    for k in range(len(p)):
        energies[k][fixed != IGNORE] = torch.where(fixed[fixed != IGNORE] == k, 0.0, 50.0).double()
    q = (-energies).softmax(0)
    for _ in range(terms.iterations):
        q = (q @ message - energies).softmax(0)
    return q.reshape(p.shape).float()


@pytest.mark.parametrize("terms", [HEART, PROSTATE, GENTLE])
def test_torch_is_the_sum_over_all_pairs(scene, terms) -> None:
    p, image, seeds = scene
    inferred = dense_crf(p, image, seeds, terms, "torch")
    for b in range(2):
        expected = _by_all_pairs(p[b], image[b], seeds[b], terms)
        torch.testing.assert_close(inferred[b], expected, atol=5e-3, rtol=0)


@with_crf
@pytest.mark.parametrize("terms", [HEART, PROSTATE, GENTLE])
def test_torch_agrees_with_pydensecrf(scene, terms) -> None:
    """Whose filters approximate by a permutohedral lattice."""
    mine, theirs = (dense_crf(*scene, terms, which) for which in ("torch", "pydensecrf"))
    assert (mine - theirs).abs().mean() < 0.01
    assert (mine.argmax(1) == theirs.argmax(1)).float().mean() > 0.98


@pytest.mark.parametrize("backend", ["torch", pytest.param("pydensecrf", marks=with_crf)])
def test_seeds_keep_their_class(scene, backend) -> None:
    p, image, seeds = scene
    inferred = dense_crf(p, image, seeds, HEART, backend)
    assert (inferred[0, 2, 2, 2], inferred[1, 2, 3, 12]) == pytest.approx((1, 1))
    torch.testing.assert_close(inferred.sum(1), torch.ones(2, SIZE, SIZE))


def test_the_image_decides_where_the_network_is_unsure(scene) -> None:
    _, image, seeds = scene
    p = torch.full((2, 2, SIZE, SIZE), 0.5)
    p[:, 0, :, 0], p[:, 1, :, -1] = 0.9, 0.9
    p[:, 1, :, 0], p[:, 0, :, -1] = 0.1, 0.1
    terms = PairwiseTerms(20, 6, 0.2, 0, 1, iterations=40)
    labels = dense_crf(p, image, torch.full_like(seeds, IGNORE), terms, "torch").argmax(1)
    assert (labels == (image[:, 0] > 1)).float().mean() > 0.97


def test_without_kernels_it_is_the_network(scene) -> None:
    p, image, seeds = scene
    none = PairwiseTerms(bilateral_weight=0, spatial_weight=0)
    inferred = dense_crf(p, image, torch.full_like(seeds, IGNORE), none, "torch")
    torch.testing.assert_close(inferred, p)


@pytest.mark.parametrize("terms", [HEART, PROSTATE])
def test_it_is_the_same_where_networks_compute_in_half_precision(scene, terms) -> None:
    expected = dense_crf(*scene, terms, "torch")
    with torch.autocast("cpu", torch.bfloat16):
        found = dense_crf(*scene, terms, "torch")
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_a_flat_slice_is_no_trouble(scene) -> None:
    p, image, seeds = scene
    assert torch.isfinite(dense_crf(p, image * 0, seeds, HEART, "torch")).all()


def test_without_the_extra_auto_is_torch_and_pydensecrf_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert choose_backend("auto") == module.choose_backend("torch") == "torch"
    with pytest.raises(InvalidInput, match=r"pip install 'napari-scribseg\[crf\]'"):
        choose_backend("pydensecrf")
