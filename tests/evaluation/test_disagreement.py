"""Disagreement of runs and the ranking of slices, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.evaluation.disagreement import (
    draw_here_next,
    probability_disagreement,
    too_early,
    vote_disagreement,
)

SCHEMA = LabelSchema.of("a", "b")


def row(*values):
    return np.array([[values]], np.uint8)


def test_the_share_that_differs_from_the_majority():
    found = vote_disagreement([row(0, 1, 1, 2), row(0, 1, 2, 1), row(0, 2, 2, 0)])
    np.testing.assert_allclose(found.ravel(), [0, 1 / 3, 1 / 3, 2 / 3], atol=1e-6)
    assert found.dtype == np.float32


def test_the_order_of_runs_does_not_matter():
    rng = np.random.default_rng(0)
    runs = [rng.integers(0, 4, (2, 5, 6)).astype(np.uint8) for _ in range(4)]
    np.testing.assert_allclose(vote_disagreement(runs), vote_disagreement(runs[::-1]), atol=1e-6)


def test_two_unsure_runs_agree_and_two_sure_ones_may_not():
    unsure = np.full((2, 1, 1, 1), 0.5, np.float32)
    first = np.array([1.0, 0.0], np.float32).reshape(2, 1, 1, 1)
    second = first[::-1]
    assert probability_disagreement([unsure, unsure]).item() == pytest.approx(0)
    assert probability_disagreement([first, second]).item() == pytest.approx(1)
    between = probability_disagreement([first, unsure]).item()
    mean = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert between == pytest.approx((mean - np.log(2) / 2) / np.log(2), rel=1e-5)


def test_one_run_alone_and_other_grids_are_refused():
    with pytest.raises(InvalidInput, match="two segmentations or more, got 1"):
        vote_disagreement([row(0, 1)])
    with pytest.raises(InvalidInput, match="one grid"):
        vote_disagreement([row(0, 1), row(0, 1, 2)])


class TestDrawHereNext:
    def doubt(self):
        doubt = np.zeros((4, 6, 6), np.float32)
        doubt[1, 2:4, 2:4] = 0.5
        doubt[3, 1:5, 1:5] = 0.5
        doubt[2] = 0.1
        return doubt

    def suggest(self, scribbles=None, kind="disagreement"):
        segmentation = np.zeros((4, 6, 6), np.uint8)
        segmentation[:, 2:] = 2
        return draw_here_next(self.doubt(), segmentation, scribbles, SCHEMA, kind=kind)

    def test_the_most_doubtful_slice_is_first_and_slices_without_doubt_are_left_out(self):
        assert [(s.z, s.doubt) for s in self.suggest()] == [(3, 16.0), (1, 4.0)]

    def test_the_reason_is_a_sentence_with_the_structure(self):
        first = self.suggest()[0]
        assert first.reason == (
            "The runs disagree on 16 voxels, mostly at b. Nothing is drawn here yet."
        )
        assert self.suggest(kind="uncertainty")[0].reason.startswith("The run is unsure of 16")

    def test_the_position_lies_in_the_doubt(self):
        for suggestion in self.suggest():
            assert self.doubt()[(suggestion.z, *suggestion.position)] == 0.5

    def test_what_was_drawn_on_is_settled(self):
        scribbles = np.zeros((4, 6, 6), np.uint8)
        scribbles[3] = BACKGROUND
        assert [s.z for s in self.suggest(scribbles)] == [1]
        scribbles[3] = 0
        scribbles[3, 1:5, 1:4] = 1
        found = self.suggest(scribbles)
        assert [(s.z, s.doubt) for s in found] == [(1, 4.0), (3, 4.0)]
        assert "Nothing is drawn" not in found[1].reason

    def test_slices_are_ranked_by_the_number_that_is_read(self):
        doubt = np.zeros((2, 6, 6), np.float32)
        doubt[0, :2, :2] = 1.0  # 4 voxels, 4.0 in sum
        doubt[1, :3, :3] = 0.4  # 9 voxels, 3.6 in sum
        found = draw_here_next(
            doubt, np.zeros((2, 6, 6), np.uint8), None, SCHEMA, kind="uncertainty"
        )
        assert [s.z for s in found] == [1, 0]
        assert ["9 voxels" in found[0].reason, "4 voxels" in found[1].reason] == [True, True]


def test_a_run_that_is_unsure_of_nearly_everything_says_it_is_too_early():
    doubt = np.full((2, 4, 4), 0.9, np.float32)
    assert "unsure of 100% of the volume" in too_early(doubt, None, kind="uncertainty")
    assert "disagree on 100%" in too_early(doubt, None, kind="disagreement")
    doubt[:, :3] = 0.0  # a quarter is left
    assert too_early(doubt, None, kind="uncertainty") == ""
    scribbles = np.zeros((2, 4, 4), np.uint8)
    scribbles[:, 0] = BACKGROUND  # of what nobody drew on it is a third
    assert "33%" in too_early(doubt, scribbles, kind="uncertainty")
    assert too_early(doubt, np.full_like(scribbles, BACKGROUND), kind="uncertainty") == ""
