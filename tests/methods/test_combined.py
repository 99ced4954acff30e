"""The combined method: each ingredient on its own, and what the network labels itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import two_ball_case
from small_runs import phantom_batch
from torch import Tensor

from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.data.case import Case
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy, partial_dice
from napari_scribseg.methods.base import Shown
from napari_scribseg.methods.combined import CombinedConfig
from napari_scribseg.methods.combined.method import Combined

K = 3


def _method(**options: object) -> Combined:
    torch.manual_seed(0)
    return Combined(K, CombinedConfig(**options)).eval()


def _batch(progress: float = 0.5):
    return replace(phantom_batch(Combined), progress=progress)


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({"seeds_weight": 0}, {"strokes_cross_entropy", "strokes_dice"}),
        ({"strokes_weight": 0}, {"seeds_cross_entropy", "seeds_dice"}),
        (
            {"strokes_weight": 0, "seeds_weight": 0, "teacher_weight": 1.0},
            {"teacher_cross_entropy", "teacher_dice"},
        ),
        ({"strokes_weight": 0, "seeds_weight": 0, "separation_weight": 1.0}, {"separation"}),
    ],
)
def test_every_ingredient_can_be_switched_off(options, terms) -> None:
    assert set(_method(**options).losses(_batch(), 1)) == terms


def test_what_the_network_said_of_the_cases_is_no_seed_any_more() -> None:
    method = _method(strokes_weight=0)
    method.relabels = 1
    assert set(method.losses(_batch(), 1)) == {"own_labels_cross_entropy", "own_labels_dice"}


def test_terms_are_cross_entropy_and_dice_of_their_targets() -> None:
    batch = _batch(progress=0.1)
    method = _method(strokes_weight=2.0, seeds_weight=3.0)
    logits, terms = method(batch.image), method.losses(batch, 1)
    outside = (batch.target == 0) & (batch.strokes == IGNORE)
    seeds = batch.maps["targets"].masked_fill(outside, 0)
    weights = class_weights(seeds, K, 0.5)
    expected = {
        "strokes_cross_entropy": 2 * partial_cross_entropy(logits, batch.target),
        "strokes_dice": 2 * partial_dice(logits, batch.target),
        "seeds_cross_entropy": 3 * partial_cross_entropy(logits, seeds, class_weights=weights),
        "seeds_dice": 3 * partial_dice(logits, seeds),
    }
    torch.testing.assert_close(terms, expected)


def test_the_teacher_grows_between_two_shares_of_the_budget() -> None:
    method = _method(teacher_weight=2.0, teacher_from=0.2, teacher_full=0.6)
    weights = [method._teacher_weight(progress) for progress in (0.0, 0.2, 0.4, 0.6, 1.0)]
    assert weights == pytest.approx([0.0, 0.0, 1.0, 2.0, 2.0])


def test_the_teacher_says_nothing_where_it_is_unsure_and_strokes_stay() -> None:
    batch, method = _batch(), _method(teacher_weight=1.0, teacher_sure=0.99)
    labels = method._teacher_labels(batch)
    drawn = batch.target != IGNORE
    assert torch.equal(labels[drawn], batch.target[drawn])
    assert (labels[~drawn] == IGNORE).all()  # an untrained network is sure of nothing


def test_background_seeds_are_stricter_than_those_of_structures() -> None:
    case = two_ball_case()
    strict, loose = (
        Combined.prepare(case, CombinedConfig(tau=0.9, tau_background=tau))["targets"]
        for tau in (0.999, 0.9)
    )
    assert (strict == 0).sum() < (loose == 0).sum()
    assert np.array_equal(strict > 0, loose > 0)


class _Says(Combined):
    """Says class 1 everywhere, surely on the left half and hardly on the right."""

    def forward(self, image: Tensor) -> Tensor:
        logits = torch.zeros(len(image), K, *image.shape[2:])
        logits[:, 1] = 0.1
        logits[:, 1, :, : image.shape[-1] // 2] = 9.0
        return logits


def test_own_labels_are_sure_inside_the_ring_and_keep_the_strokes() -> None:
    case = two_ball_case()
    assert case.scribbles is not None
    scribbles = case.scribbles.copy()
    scribbles[0] = 0  # a slice that nobody drew on
    case = Case(case.id, case.patient, case.image, scribbles)
    shown = Shown(
        torch.from_numpy(case.image.array.astype(np.float32))[:, None],
        lambda pixels: pixels.movedim(1, 0).numpy(),
    )
    method = _Says(K, CombinedConfig())
    targets = method.relabel(case, method.prepare(case, method.options), shown)["targets"]
    strokes = targets_of(scribbles)
    drawn = strokes != IGNORE
    half = case.image.shape[2] // 2
    assert (targets[0] == IGNORE).all()
    assert np.array_equal(targets[drawn], strokes[drawn])
    assert (targets[1:, :, half:][~drawn[1:, :, half:]] == IGNORE).all()
    assert (targets[1:, :, :half] == 1).any()


def test_it_relabels_once_and_only_where_own_labels_count() -> None:
    assert _method(relabel_from=0.4).relabel_at == (0.4,)
    assert _method(relabel_from=1.0).relabel_at == ()
    assert _method(seeds_weight=0).relabel_at == ()
