"""EntMin: which term is what, and that the entropy teaches pixels nobody drew on."""

from __future__ import annotations

import pytest
import torch
from small_runs import phantom_batch

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.entropy_min import EntropyMinConfig
from napari_scribseg.methods.entropy_min.method import EntropyMin


def _method(**options: float) -> EntropyMin:
    torch.manual_seed(0)
    return EntropyMin(3, EntropyMinConfig(**options)).eval()


def test_the_terms_are_those_of_the_paper() -> None:
    """Entropy recomputed from the definition: a tenth of its mean over ln 3."""
    batch = phantom_batch(EntropyMin, size=32)
    method = _method()
    with torch.no_grad():
        terms, logits = method.losses(batch, 1), method(batch.image)
    p = logits.softmax(1)
    entropy = -(p * p.log()).sum(1).mean() / torch.tensor(3.0).log()
    assert float(terms["entropy"]) == pytest.approx(0.1 * float(entropy))
    torch.testing.assert_close(terms["scribbles"], partial_cross_entropy(logits, batch.target))


def test_the_weight_changes_its_term_only() -> None:
    batch = phantom_batch(EntropyMin, size=32)
    with torch.no_grad():
        light, heavy = _method().losses(batch, 1), _method(entropy_weight=0.3).losses(batch, 1)
    assert float(heavy["entropy"]) == pytest.approx(3 * float(light["entropy"]))
    assert torch.equal(heavy["scribbles"], light["scribbles"])


def test_entropy_teaches_where_nobody_drew() -> None:
    batch = phantom_batch(EntropyMin, size=32)
    method, seen = _method(), []
    method.network.head.register_forward_hook(
        lambda _m, _i, out: (out.retain_grad(), seen.append(out))[1]
    )
    method.losses(batch, 1)["entropy"].backward()
    taught = seen[0].grad.abs().sum(1) > 0
    assert taught[batch.target == IGNORE].float().mean() > 0.9
