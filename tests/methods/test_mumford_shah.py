"""MLoss: which term is what, and that it sees grey levels between 0 and 1."""

from __future__ import annotations

import pytest
import torch
from small_runs import phantom_batch

from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.losses.regularisers import mumford_shah
from napari_scribseg.methods.mumford_shah import MumfordShahConfig
from napari_scribseg.methods.mumford_shah.method import MumfordShah


def _method(**options: float) -> MumfordShah:
    torch.manual_seed(0)
    return MumfordShah(3, MumfordShahConfig(**options)).eval()


def test_the_terms_are_those_of_the_paper() -> None:
    batch = phantom_batch(MumfordShah, size=32)
    method = _method()
    with torch.no_grad():
        terms, logits = method.losses(batch, 1), method(batch.image)
    low, high = batch.image.flatten(1).aminmax(dim=1)
    grey = (batch.image - low[:, None, None, None]) / (high - low)[:, None, None, None]
    torch.testing.assert_close(terms["mumford_shah"], 0.79 * mumford_shah(logits, grey))
    torch.testing.assert_close(terms["scribbles"], partial_cross_entropy(logits, batch.target))


def test_the_weight_is_that_of_the_original_sum() -> None:
    """1e-6 times the sum over 12 slices of 256 x 256 pixels."""
    assert MumfordShahConfig().region_weight == pytest.approx(1e-6 * 12 * 256**2, abs=0.01)


def test_the_weight_changes_its_term_only() -> None:
    batch = phantom_batch(MumfordShah, size=32)
    with torch.no_grad():
        light, none = _method().losses(batch, 1), _method(region_weight=0).losses(batch, 1)
    assert float(light["mumford_shah"]) > 0
    assert float(none["mumford_shah"]) == 0
    assert torch.equal(none["scribbles"], light["scribbles"])


def test_a_constant_image_does_no_harm() -> None:
    batch = phantom_batch(MumfordShah, size=32)
    empty = type(batch)(torch.zeros_like(batch.image), batch.target)
    terms = _method().losses(empty, 1)
    assert all(torch.isfinite(term) for term in terms.values())
