"""Values that no document explains: what they may mean, and how they are read when it is said."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, PRESETS, UNKNOWN, UNLABELLED, LabelSchema
from napari_scribseg.data.label_values import (
    LabelValues,
    convention_of,
    proposed,
    schema_of_values,
)

HEART = PRESETS["cardiac"]


def values(kind, **counts):
    return LabelValues(kind, {int(v[1:]): n for v, n in counts.items()}, 1, 1)


def test_ids_of_public_hearts_are_taken_by_their_meaning_not_by_their_order():
    found = values("reference", v0=900, v200=30, v500=40, v600=30)
    assert proposed(found, HEART) == {0: BACKGROUND, 200: 2, 500: 3, 600: 1}
    assert schema_of_values([found], "x").names == HEART.names
    read = convention_of(proposed(found, HEART), HEART, "reference")
    stored = np.array([[0, 200], [500, 600]], np.uint16)
    np.testing.assert_array_equal(read.read_reference(stored), [[0, 2], [3, 1]])


def test_strokes_of_wsl4mis_are_known_by_what_is_everywhere():
    found = values("scribbles", v0=40, v1=10, v2=10, v3=10, v4=930)
    meaning = proposed(found, HEART)
    assert meaning == {0: BACKGROUND, 1: 1, 2: 2, 3: 3, 4: UNLABELLED}
    read = convention_of(meaning, HEART, "scribbles")
    ours, _ = read.read(np.array([0, 1, 3, 4]))
    np.testing.assert_array_equal(ours, [BACKGROUND, 1, 3, UNLABELLED])
    np.testing.assert_array_equal(
        ours, ScribbleConvention.wsl4mis(3).read(np.array([0, 1, 3, 4]))[0]
    )


def test_255_in_references_is_to_be_ignored_unless_it_is_said_otherwise():
    found = values("reference", v0=500, v1=100, v255=400)
    one = PRESETS["structure"]
    read = convention_of(proposed(found, one), one, "reference")
    stored = np.array([0, 1, 255])
    np.testing.assert_array_equal(read.read_reference(stored), [0, 1, UNKNOWN])
    said = {0: UNLABELLED, 1: 1, 255: BACKGROUND}
    read = convention_of(said, one, "reference")
    np.testing.assert_array_equal(read.read_reference(stored), [UNKNOWN, 1, 0])


def test_our_own_strokes_and_class_indices_need_no_convention():
    found = values("scribbles", v0=900, v1=50, v2=20, v255=30)
    assert convention_of(proposed(found, HEART), HEART, "scribbles") is None
    dense = values("reference", v0=900, v1=50, v3=50)
    assert convention_of(proposed(dense, HEART), HEART, "reference") is None


def test_several_values_may_be_one_class_and_others_background():
    one = PRESETS["structure"]
    read = convention_of({0: BACKGROUND, 1: 1, 2: 1, 7: BACKGROUND}, one, "reference")
    np.testing.assert_array_equal(read.read_reference(np.array([0, 1, 2, 7])), [0, 1, 1, 0])
    with pytest.raises(InvalidInput, match=r"Value\(s\) \[3\]"):
        read.read(np.array([3]))


def test_what_nobody_can_tell_has_to_be_said():
    found = values("reference", v0=900, v11=50, v12=20, v13=20, v14=10)
    meaning = proposed(found, HEART)
    assert [meaning[v] for v in (11, 12, 13, 14)] == [None] * 4
    with pytest.raises(InvalidInput, match="11, 12, 13, 14"):
        convention_of(meaning, HEART, "reference")


def test_classes_are_named_as_the_file_names_them():
    found = LabelValues("reference", {0: 9, 1: 1, 2: 1}, 1, 1, {1: "Spleen", 2: "Liver"})
    assert schema_of_values([found], "CT").names == ("background", "Spleen", "Liver")
    organs = LabelSchema.of("liver", "spleen")
    assert proposed(found, organs) == {0: BACKGROUND, 1: 2, 2: 1}
    assert schema_of_values([values("reference", v0=10)], "x") is None
    assert schema_of_values([values("reference", v0=1, v1=1, v3=1)], "x").names[1:] == (
        "class 1",
        "class 2",
        "class 3",
    )


def test_a_class_that_the_files_read_lack_can_still_be_read():
    found = values("scribbles", v0=20, v1=30, v4=950)
    read = convention_of(proposed(found, HEART), HEART, "scribbles")
    np.testing.assert_array_equal(read.read(np.array([2, 3]))[0], [2, 3])
