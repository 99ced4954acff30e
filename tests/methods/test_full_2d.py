"""Full supervision: references teach, scribbles don't, and a task without references is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_ball_case
from small_runs import phantom_batch, quick_method

from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.dense import dense_dice
from napari_scribseg.methods.base import Task
from napari_scribseg.methods.full_2d.method import Full2D

TASK = Task(3, frozenset({0, 1, 2}), 2, 2, TWO_BALLS.names)


def test_references_are_needed_and_scribbles_are_not() -> None:
    nothing_drawn = replace(TASK, n_scribbled=0, scribbled_classes=frozenset())
    assert Full2D.unsupported(nothing_drawn) is None
    reason = Full2D.unsupported(replace(TASK, n_references=0))
    assert reason is not None
    assert "dense reference" in reason


def test_the_map_is_the_reference_and_ignored_throughout_where_there_is_none() -> None:
    case = two_ball_case(shape=(2, 16, 16))
    map_ = Full2D.prepare(case, MethodConfig())["reference"]
    np.testing.assert_array_equal(map_, case.reference)
    without = type(case)(case.id, case.patient, case.image, case.scribbles)
    assert (Full2D.prepare(without, MethodConfig())["reference"] == IGNORE).all()


def test_scribbles_change_nothing_and_the_reference_does() -> None:
    batch = phantom_batch(Full2D, size=32)
    wrong = replace(batch, target=torch.zeros_like(batch.target))
    other = {"reference": torch.zeros_like(batch.maps["reference"])}

    def loss(some) -> float:
        torch.manual_seed(1)
        return float(sum(quick_method(Full2D).train().losses(some, 1).values()).detach())

    assert loss(wrong) == loss(batch)
    assert loss(replace(batch, maps=other)) != loss(batch)


def test_half_cross_entropy_and_half_dice() -> None:
    batch = phantom_batch(Full2D, size=32)
    method = quick_method(Full2D).eval()
    reference = batch.maps["reference"]
    with torch.no_grad():
        terms, logits = method.losses(batch, 1), method(batch.image)
    plain = torch.nn.functional.cross_entropy(logits, reference, ignore_index=IGNORE)
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * float(plain))
    assert float(terms["dice"]) == pytest.approx(0.5 * float(dense_dice(logits, reference)))


def test_the_paper_preset_has_its_own_learning_rate() -> None:
    training = Full2D.spec.presets["paper"].training
    assert (training.learning_rate, training.steps, training.optimiser) == (0.03, 60_000, "sgd")
