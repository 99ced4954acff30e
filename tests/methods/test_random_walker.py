"""Random walker seeds as a method: what is prepared, and what is learnt from it."""

from __future__ import annotations

import numpy as np
import torch
from phantoms import TWO_BALLS, two_ball_case
from small_runs import phantom_batch, quick_method

from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.data.case import Case
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy
from napari_scribseg.methods.random_walker import RandomWalkerConfig
from napari_scribseg.methods.random_walker.method import RandomWalker


def test_seeds_hold_the_strokes_and_are_almost_all_right() -> None:
    case = two_ball_case()
    seeds = RandomWalker.prepare(case, RandomWalkerConfig())["seeds"]
    targets = targets_of(case.scribbles)
    drawn = targets != IGNORE
    np.testing.assert_array_equal(seeds[drawn], targets[drawn])
    sown = seeds != IGNORE
    assert sown.sum() > 3 * drawn.sum()
    assert (seeds[sown] == case.reference[sown]).mean() > 0.99


def test_a_larger_tau_gives_fewer_seeds() -> None:
    case = two_ball_case()
    few, many = (
        RandomWalker.prepare(case, RandomWalkerConfig(tau=tau))["seeds"] for tau in (0.999, 0.8)
    )
    assert (few != IGNORE).sum() < (many != IGNORE).sum()
    assert (many[few != IGNORE] == few[few != IGNORE]).all()


def test_a_case_without_strokes_has_no_seeds() -> None:
    bare = two_ball_case()
    bare = Case(bare.id, bare.patient, bare.image)
    assert (RandomWalker.prepare(bare, RandomWalkerConfig())["seeds"] == IGNORE).all()


def test_balance_weighs_classes_in_cross_entropy_only() -> None:
    batch, model = phantom_batch(RandomWalker), quick_method(RandomWalker).eval()
    seeds, logits = batch.maps["seeds"], model(batch.image)
    terms = {}
    for balance in (0.0, 0.5):
        model.options = RandomWalkerConfig(balance=balance)
        terms[balance] = model.losses(batch, step=1)
    torch.testing.assert_close(terms[0.0]["cross_entropy"], partial_cross_entropy(logits, seeds))
    weighted = partial_cross_entropy(
        logits, seeds, class_weights=class_weights(seeds, TWO_BALLS.n_classes, 0.5)
    )
    torch.testing.assert_close(terms[0.5]["cross_entropy"], weighted)
    assert terms[0.0]["dice"] == terms[0.5]["dice"]


def test_class_weights_by_hand() -> None:
    target = torch.tensor([[[0, 0, 0, 0], [0, 0, 1, IGNORE], [0, 0, 2, 2]]])
    shares = torch.tensor([8 / 11, 1 / 11, 2 / 11])
    torch.testing.assert_close(class_weights(target, 3, 1.0), 1 / shares)
    torch.testing.assert_close(class_weights(target, 3, 0.0), torch.ones(3))
    torch.testing.assert_close(class_weights(target, 3, 0.5), shares**-0.5)
