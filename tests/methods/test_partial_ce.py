"""Partial cross-entropy, alone and with Dice: the terms are those of the losses, weighted."""

from __future__ import annotations

import torch
from small_runs import phantom_batch, quick_method

from napari_scribseg.losses.partial import partial_cross_entropy, partial_dice
from napari_scribseg.methods.partial_ce import PartialCEDiceConfig
from napari_scribseg.methods.partial_ce.method import PartialCE, PartialCEDice


def test_partial_ce_has_one_term_on_the_strokes() -> None:
    model, batch = quick_method(PartialCE).eval(), phantom_batch(PartialCE)
    terms = model.losses(batch, step=1)
    expected = partial_cross_entropy(model(batch.image), batch.target)
    assert terms.keys() == {"scribbles"}
    torch.testing.assert_close(terms["scribbles"], expected)


def test_weights_scale_their_term_and_no_other() -> None:
    batch = phantom_batch(PartialCEDice)
    model = quick_method(PartialCEDice).eval()
    logits = model(batch.image)
    model.options = PartialCEDiceConfig(ce_weight=0.5, dice_weight=2.0)
    terms = model.losses(batch, step=1)
    half, double = partial_cross_entropy(logits, batch.target), partial_dice(logits, batch.target)
    torch.testing.assert_close(terms["cross_entropy"], 0.5 * half)
    torch.testing.assert_close(terms["dice"], 2.0 * double)
