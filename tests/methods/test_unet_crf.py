"""UNet_CRF: strokes teach similar pixels through the CRF, which learns with the network."""

from __future__ import annotations

import torch
from small_runs import phantom_batch

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.unet_crf import UNetCRFConfig
from napari_scribseg.methods.unet_crf.method import UNetCRF


def _method() -> UNetCRF:
    torch.manual_seed(0)
    return UNetCRF(3, UNetCRFConfig(crf_iterations=2))


def test_the_loss_is_taken_behind_the_crf() -> None:
    batch, method = phantom_batch(UNetCRF, size=32), _method().eval()
    term = method.losses(batch, 1)["scribbles"]
    refined = method.crf(method.network(batch.image), batch.image)
    torch.testing.assert_close(term, partial_cross_entropy(refined, batch.target))
    assert not torch.isclose(term, partial_cross_entropy(method.network(batch.image), batch.target))


def test_network_and_crf_learn_together() -> None:
    method = _method().train()
    method.losses(phantom_batch(UNetCRF, size=32), 1)["scribbles"].backward()
    assert all(p.grad is not None and p.grad.any() for p in method.crf.parameters())
    assert all(p.grad is not None for p in method.network.parameters())


def test_strokes_reach_pixels_that_nobody_drew_on() -> None:
    batch, method = phantom_batch(UNetCRF, size=32), _method().train()
    logits = method.network(batch.image).detach().requires_grad_()
    loss = partial_cross_entropy(method.crf(logits, batch.image), batch.target)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (gradient.abs().sum(1)[batch.target == IGNORE] > 0).any()
