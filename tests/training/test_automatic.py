"""The automatic mask: the walk answers until a network is better at strokes unknown to both."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import two_ball_case
from small_runs import phantom_run

from napari_scribseg.annotation.outer_background import hatching
from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.propagate.volume_walk import Walked
from napari_scribseg.training import automatic
from napari_scribseg.training.automatic import Automatic

CASE = two_ball_case((6, 48, 48))
NOISE = replace(
    CASE.image, array=np.random.default_rng(0).normal(size=CASE.image.shape).astype(np.float32)
)
"""In which a walk finds no border."""
PERFECT = Walked(CASE.reference, np.ones(CASE.image.shape, np.float32))
EMPTY = Walked(np.zeros_like(CASE.reference), np.ones(CASE.image.shape, np.float32))


@pytest.fixture
def run(tmp_path):
    """A run with weights that nobody reads: what it says is made up."""
    made = phantom_run(tmp_path, PartialCE)
    made.weights.parent.mkdir(exist_ok=True)
    made.weights.write_bytes(b"weights")
    return made


def asked(monkeypatch, run, says: Walked, drawn=CASE.scribbles, case: str = "", image=CASE.image):
    monkeypatch.setattr(automatic, "_predicted", lambda *_: says)
    one = Automatic()
    monkeypatch.setattr(one.models, "get", lambda *_: SimpleNamespace(step=7))
    return one, one.of_volume(image, drawn, key="a", run=run.path, case=case)


def test_without_a_network_the_walk_answers():
    mask = Automatic().of_volume(CASE.image, CASE.scribbles, key="a")
    assert (mask.source, mask.scores) == ("walk", {})
    assert Automatic().of_volume(CASE.image, np.zeros_like(CASE.scribbles), key="a") is None


def test_a_better_network_answers_and_then_for_slices_too(monkeypatch, run):
    one, mask = asked(monkeypatch, run, PERFECT, image=NOISE)
    assert (mask.source, mask.step) == ("network", 7)
    assert mask.scores["network"] == 1.0 > mask.scores["walk"]
    np.testing.assert_array_equal(mask.labels, CASE.reference)
    drawn = CASE.scribbles[1:4].copy()
    drawn[1, 0, 0] = 2
    of_slice = one.of_slice(CASE.image, 2, drawn, 1, "network")
    assert of_slice.labels[0, 0] == 2, "what was drawn is as it was drawn"
    assert (of_slice.labels == CASE.reference[2]).sum() == CASE.reference[2].size - 1


def test_a_worse_network_does_not(monkeypatch, run):
    _, mask = asked(monkeypatch, run, EMPTY)
    assert mask.source == "walk"
    assert mask.scores["walk"] > mask.scores["network"]


def test_strokes_that_the_network_has_learnt_from_say_nothing(monkeypatch, run):
    files = run.files("train")[0]
    learnt = files.load(run.schema).scribbles
    assert learnt.any()
    shown = files.load(run.schema)
    monkeypatch.setattr(
        automatic, "_predicted", lambda *_: Walked(shown.reference, PERFECT.sureness)
    )
    one = Automatic()
    monkeypatch.setattr(one.models, "get", lambda *_: SimpleNamespace(step=7))
    mask = one.of_volume(shown.image, learnt, key="a", run=run.path, case=files.id)
    assert (mask.source, mask.scores) == ("walk", {})


def test_a_slice_on_which_nothing_is_stays_empty(monkeypatch, run):
    drawn = CASE.scribbles.copy()
    drawn[2] = np.where(hatching(drawn.shape[1:]), BACKGROUND, 0)
    _, mask = asked(monkeypatch, run, PERFECT, drawn)
    assert not mask.labels[2].any()
    assert not Automatic().of_volume(CASE.image, drawn, key="a").labels[2].any()
