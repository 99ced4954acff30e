"""Scribble2Label: the running average by hand, and what is believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import two_ball_case
from small_runs import phantom_batch, quick_method

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.base import Shown
from napari_scribseg.methods.s2l import S2LConfig
from napari_scribseg.methods.s2l.method import S2L, moved_average


def _voxel(*probabilities: float) -> np.ndarray:
    return np.array(probabilities, np.float32).reshape(-1, 1, 1, 1)


def _after(*predictions: np.ndarray) -> tuple[int, float]:
    """Likeliest class and its average of one voxel after these updates with a share of 0.2."""
    likeliest = np.full((1, 1, 1), IGNORE, np.int16)
    confidence = np.zeros((1, 1, 1), np.float32)
    for probabilities in predictions:
        likeliest, confidence = moved_average(likeliest, confidence, probabilities, newest=0.2)
    return int(likeliest.item()), float(confidence.item())


# The average


def test_the_first_prediction_is_the_average() -> None:
    assert _after(_voxel(0.1, 0.7, 0.2)) == (1, pytest.approx(0.7))


def test_a_fifth_of_the_newest_and_four_fifths_of_the_old() -> None:
    updates = _voxel(0.1, 0.7, 0.2), _voxel(0.1, 0.9, 0.0), _voxel(0.6, 0.3, 0.1)
    assert _after(*updates) == (1, pytest.approx(0.8 * (0.8 * 0.7 + 0.2 * 0.9) + 0.2 * 0.3))


def test_another_class_takes_over_when_the_leading_one_loses_its_majority() -> None:
    """0.8 * 0.52 + 0.2 * 0.1 = 0.436 is left; of the other 0.564 class 2 gets 0.7 of 0.9."""
    updates = _voxel(0.3, 0.52, 0.18), _voxel(0.2, 0.1, 0.7)
    assert _after(*updates) == (2, pytest.approx(0.564 * 0.7 / 0.9))


def test_with_two_classes_it_is_the_running_average_itself() -> None:
    rng = np.random.default_rng(0)
    share = rng.random((12, 1, 3, 4, 5)).astype(np.float32)
    predictions = np.concatenate([share, 1 - share], 1)
    average = predictions[0]
    likeliest = np.full((3, 4, 5), IGNORE, np.int16)
    confidence = np.zeros((3, 4, 5), np.float32)
    for i, probabilities in enumerate(predictions):
        average = probabilities if i == 0 else 0.8 * average + 0.2 * probabilities
        likeliest, confidence = moved_average(likeliest, confidence, probabilities, newest=0.2)
        own = np.take_along_axis(average, likeliest[None].astype(int), 0)[0]
        np.testing.assert_allclose(confidence, own, atol=1e-6)


def test_with_more_classes_what_is_believed_is_the_leading_class_of_the_average() -> None:
    """Against the average of all classes, over predictions that drift and sometimes jump."""
    rng = np.random.default_rng(1)
    average = likeliest = confidence = None
    logits = rng.normal(0, 2, (4, 40, 40, 1))
    believed = agreed = 0
    for i in range(30):
        logits = logits + rng.normal(0, 0.7, logits.shape)
        odds = np.exp(logits)
        probabilities = (odds / odds.sum(0)).astype(np.float32)
        if i == 0:
            likeliest = np.full((40, 40, 1), IGNORE, np.int16)
            confidence = np.zeros((40, 40, 1), np.float32)
        average = probabilities if i == 0 else 0.8 * average + 0.2 * probabilities
        likeliest, confidence = moved_average(likeliest, confidence, probabilities, newest=0.2)
        mine, theirs = confidence > 0.8, average.max(0) > 0.8
        believed += int((mine | theirs).sum())
        agreed += int((mine & theirs & (likeliest == average.argmax(0))).sum())
        assert (confidence >= 0).all()
        assert (confidence <= 1 + 1e-6).all()
    assert agreed / believed > 0.95


# Its place in training


def test_updates_come_evenly_after_the_warm_up() -> None:
    method = S2L(3, S2LConfig(warm_up=0.2, updates=4))
    assert method.relabel_at == pytest.approx((0.2, 0.4, 0.6, 0.8))
    paper = S2L(3, S2LConfig()).relabel_at
    assert len(paper) == 54
    assert 60_000 * paper[0] == pytest.approx(6_000)
    assert 60_000 * (paper[1] - paper[0]) == pytest.approx(1_000)


def test_an_update_takes_in_what_the_network_predicts() -> None:
    case = two_ball_case(shape=(10, 16, 16))
    method = quick_method(S2L).eval()
    image = torch.from_numpy(case.image.array[:, None])
    shown = Shown(image, lambda pixels: pixels.movedim(1, 0).numpy())
    maps = S2L.prepare(case, method.options)
    with torch.no_grad():
        new = method.relabel(case, maps, shown)
        expected = method(image).softmax(1).numpy()
    np.testing.assert_array_equal(new["likeliest"], expected.argmax(1))
    np.testing.assert_allclose(new["confidence"], expected.max(1), atol=1e-5)
    assert {n: (m.shape, m.dtype) for n, m in new.items()} == {
        n: (m.shape, m.dtype) for n, m in maps.items()
    }


# What is believed


def test_before_the_first_update_only_scribbles_teach() -> None:
    batch = phantom_batch(S2L, size=16)
    assert set(quick_method(S2L).losses(batch, 1)) == {"scribbles"}


def test_pseudo_labels_are_sure_and_not_scribbled() -> None:
    batch = phantom_batch(S2L, size=32)
    likeliest = torch.randint(3, batch.target.shape, generator=torch.Generator().manual_seed(0))
    confidence = torch.full(batch.target.shape, 0.79)
    confidence[:, ::2] = 0.81
    filled = replace(batch, maps={"likeliest": likeliest, "confidence": confidence})
    method = quick_method(S2L).eval()
    with torch.no_grad():
        terms, logits = method.losses(filled, 1), method(batch.image)
    pseudo = torch.full_like(batch.target, IGNORE)
    pseudo[:, ::2] = likeliest[:, ::2]
    pseudo[batch.target != IGNORE] = IGNORE
    torch.testing.assert_close(terms["pseudo_labels"], 0.5 * partial_cross_entropy(logits, pseudo))
    torch.testing.assert_close(terms["scribbles"], partial_cross_entropy(logits, batch.target))
