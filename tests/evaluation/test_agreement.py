"""Agreement of two people: counted where both drew, by hand on a small slice."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNSURE, LabelSchema
from napari_scribseg.evaluation.agreement import AGREED, CONFLICT, agreement, agreement_map

SCHEMA = LabelSchema.of("a", "b")
FIRST = np.array([[[1, 1, 1, 0], [2, 2, 255, 255]], [[0, 0, 0, 0], [0, 0, 0, 1]]], np.uint8)
SECOND = np.array([[[1, 1, 2, 2], [0, 2, 255, 1]], [[0, 0, 0, 0], [0, 0, 0, 1]]], np.uint8)


def test_by_hand():
    found = agreement(FIRST, SECOND, SCHEMA)
    assert (found.both, found.agreed, found.conflicts) == (7, 5, 2)
    assert (found.only_first, found.only_second) == (1, 1)
    assert found.share == pytest.approx(5 / 7)
    assert found.conflict_slices == {0: 2}
    a, b, background = found.classes
    assert (a.name, a.first, a.second, a.both, a.conflicts) == ("a", 4, 4, 3, 2)
    assert a.dice == pytest.approx(2 * 3 / (4 + 4))
    assert (b.first, b.second, b.both, b.conflicts) == (2, 3, 1, 1)
    assert b.dice == pytest.approx(2 * 1 / (1 + 2)), "only among the voxels that both drew"
    assert (background.name, background.both, background.conflicts) == ("background", 1, 1)
    assert "71%" in found.sentence("Ana", "Ben")


def test_the_map_shows_where():
    expected = [
        [[AGREED, AGREED, CONFLICT, 0], [0, AGREED, AGREED, CONFLICT]],
        [[0] * 4, [0, 0, 0, AGREED]],
    ]
    np.testing.assert_array_equal(agreement_map(FIRST, SECOND), expected)


def test_nothing_in_common_is_said_and_no_number():
    found = agreement(FIRST, np.zeros_like(FIRST), SCHEMA)
    assert math.isnan(found.share)
    assert all(math.isnan(one.dice) for one in found.classes)
    assert "nothing to compare" in found.sentence("Ana", "Ben")


def test_it_does_not_matter_who_is_first():
    one, other = agreement(FIRST, SECOND, SCHEMA), agreement(SECOND, FIRST, SCHEMA)
    assert [c.dice for c in one.classes] == [c.dice for c in other.classes]
    assert one.conflict_slices == other.conflict_slices


def test_other_shapes_and_values_are_refused():
    with pytest.raises(InvalidInput, match="one shape"):
        agreement(FIRST, SECOND[:1], SCHEMA)
    with pytest.raises(InvalidInput, match="second strokes"):
        agreement(FIRST, SECOND + 3, SCHEMA)


def test_who_is_unsure_disagrees_with_nobody():
    unsure = np.where(SECOND == 2, UNSURE, SECOND).astype(np.uint8)
    assert (agreement_map(FIRST, unsure) == CONFLICT).sum() == agreement(
        FIRST, unsure, SCHEMA
    ).conflicts
    assert not agreement_map(np.full_like(FIRST, UNSURE), np.full_like(FIRST, UNSURE)).any()
