"""Consensus: what one drew stays, what several drew is decided; STAPLE is that of SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_scribseg.cli.annotating import HOWS as HOWS_OF_THE_COMMAND
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.evaluation.consensus import HOWS, consensus

SCHEMA = LabelSchema.of("a", "b")


def row(*values: int) -> np.ndarray:
    return np.array([[values]], np.uint8)


@pytest.fixture
def people():
    """A truth, and five people who draw everything, two with few mistakes."""
    rng = np.random.default_rng(0)
    truth = np.full((3, 40, 40), 255, np.uint8)
    truth[:, 10:30, 10:30] = 1
    truth[:, 15:25, 15:25] = 2
    drawn = []
    for mistakes in (0.03, 0.05, 0.5, 0.6, 0.7):
        one = truth.copy()
        wrong = rng.random(truth.shape) < mistakes
        one[wrong] = rng.choice([1, 2, 255], np.count_nonzero(wrong))
        drawn.append(one)
    return truth, drawn


def test_majority_by_hand():
    drawn = [row(1, 1, 0, 1, 255, 1, 0), row(1, 2, 0, 1, 255, 2, 2), row(2, 2, 0, 0, 255, 255, 0)]
    found = consensus(drawn, SCHEMA, "majority")
    np.testing.assert_array_equal(found.scribbles, row(1, 2, 0, 1, 255, 0, 2))
    assert found.counts == {"alone": 1, "several": 5, "conflicts": 3, "undecided": 1}
    assert found.library == ""


@pytest.mark.parametrize("how", HOWS)
def test_what_one_person_drew_stays_and_what_nobody_drew_stays_empty(how):
    found = consensus([row(1, 0, 0, 2), row(0, 255, 0, 2)], SCHEMA, how)
    np.testing.assert_array_equal(found.scribbles, row(1, 255, 0, 2))


def test_staple_is_that_of_simpleitk(people):
    _, drawn = people
    found = consensus(drawn, SCHEMA, "staple")
    images = [
        sitk.GetImageFromArray(np.where(one == 255, 0, one).astype(np.uint8)) for one in drawn
    ]
    theirs = sitk.GetArrayFromImage(sitk.MultiLabelSTAPLE(images, 3))
    np.testing.assert_array_equal(np.where(found.scribbles == 255, 0, found.scribbles), theirs)
    assert found.library.startswith("SimpleITK 2")


def test_staple_trusts_those_who_are_right_more_often(people):
    truth, drawn = people
    right = {how: np.mean(consensus(drawn, SCHEMA, how).scribbles == truth) for how in HOWS}
    assert right["staple"] > right["majority"] > np.mean(drawn[2] == truth)


def test_who_drew_nothing_somewhere_says_nothing_there(people):
    truth, drawn = people
    for one in drawn[2:]:
        one[0] = 0
    drawn[0][2] = 0
    found = consensus(drawn, SCHEMA, "staple")
    assert found.alone == 0
    assert np.mean(found.scribbles[:2] == truth[:2]) > 0.9


@pytest.mark.parametrize("how", HOWS)
def test_nobody_drew_anything(how):
    nothing = np.zeros((2, 3, 3), np.uint8)
    found = consensus([nothing, nothing], SCHEMA, how)
    assert not found.scribbles.any()
    assert set(found.counts.values()) == {0}


def test_what_is_given_is_not_changed(people):
    _, drawn = people
    copies = [one.copy() for one in drawn]
    consensus(drawn, SCHEMA, "staple")
    for one, copy in zip(drawn, copies, strict=True):
        np.testing.assert_array_equal(one, copy)


def test_bad_input_is_refused():
    one = row(1, 2)
    with pytest.raises(InvalidInput, match="2 to 16 people, got 1"):
        consensus([one], SCHEMA, "majority")
    with pytest.raises(InvalidInput, match="one shape"):
        consensus([one, row(1)], SCHEMA, "majority")
    with pytest.raises(InvalidInput, match="majority or staple, got 'mean'"):
        consensus([one, one], SCHEMA, "mean")
    with pytest.raises(InvalidInput):
        consensus([one, one + 5], SCHEMA, "majority")
    assert HOWS_OF_THE_COMMAND == HOWS
