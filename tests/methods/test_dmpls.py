"""DMPLS: the mixture by hand, which term is what, and that no gradient goes through the labels."""

from __future__ import annotations

import pytest
import torch
from small_runs import phantom_batch

from napari_scribseg.losses.dense import dense_dice
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.dmpls import DMPLSConfig
from napari_scribseg.methods.dmpls.method import DMPLS, mixed_pseudo_labels


def _method(**options: float) -> DMPLS:
    torch.manual_seed(0)
    return DMPLS(3, DMPLSConfig(**options)).train()


@pytest.mark.parametrize(
    ("share", "label"),
    [
        (0.0, 2),  # (0.1, 0.3, 0.6)
        (0.2, 2),  # (0.20, 0.28, 0.52)
        (0.5, 2),  # (0.35, 0.25, 0.40)
        (0.6, 0),  # (0.40, 0.24, 0.36)
        (1.0, 0),  # (0.6, 0.2, 0.2)
    ],
)
def test_the_mixture_by_hand(share, label) -> None:
    first = torch.tensor([0.6, 0.2, 0.2]).log().view(1, 3, 1, 1)
    second = torch.tensor([0.1, 0.3, 0.6]).log().view(1, 3, 1, 1)
    assert mixed_pseudo_labels(first, second, share=share).item() == label


def test_the_terms_are_those_of_the_paper() -> None:
    """Recomputed from both decoders with the same random numbers."""
    batch = phantom_batch(DMPLS, size=32)
    method = _method()
    torch.manual_seed(1)
    terms = method.losses(batch, 1)
    torch.manual_seed(1)
    first, second = method.network.both(batch.image)
    pseudo = mixed_pseudo_labels(first, second, share=float(torch.rand(())))
    scribbles = [partial_cross_entropy(logits, batch.target) for logits in (first, second)]
    dice = [dense_dice(logits, pseudo) for logits in (first, second)]
    torch.testing.assert_close(terms["scribbles"], sum(scribbles) / 2)
    torch.testing.assert_close(terms["pseudo_labels"], 0.5 * sum(dice) / 2)


def test_the_share_is_drawn_anew_in_every_step(monkeypatch) -> None:
    batch, method, shares = phantom_batch(DMPLS, size=16), _method(), []
    module = "napari_scribseg.methods.dmpls.method.mixed_pseudo_labels"

    def noted(first, second, *, share):
        shares.append(share)
        return first.argmax(1)

    monkeypatch.setattr(module, noted)
    for step in (1, 2, 3):
        method.losses(batch, step)
    assert len(set(shares)) == 3
    assert all(0 <= share < 1 for share in shares)


def test_the_weight_changes_its_term_only() -> None:
    batch = phantom_batch(DMPLS, size=16)
    found = []
    for weight in (0.5, 1.0):
        method = _method(pseudo_weight=weight)
        torch.manual_seed(1)
        found.append(method.losses(batch, 1))
    light, heavy = found
    assert float(heavy["pseudo_labels"]) == pytest.approx(2 * float(light["pseudo_labels"]))
    assert torch.equal(heavy["scribbles"], light["scribbles"])


def test_scribbles_teach_both_decoders_and_prediction_is_the_first() -> None:
    batch, method = phantom_batch(DMPLS, size=16), _method()
    method.losses(batch, 1)["scribbles"].backward()
    assert method.network.head.weight.grad.any()
    assert method.network.second_head.weight.grad.any()
    method.eval()
    with torch.no_grad():
        assert torch.equal(method(batch.image), method.network.both(batch.image)[0])
