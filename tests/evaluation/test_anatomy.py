"""What the schema says of structures, as a clean-up and as findings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS, LabelSchema
from napari_scribseg.evaluation.anatomy import (
    anatomy_findings,
    anatomy_in_words,
    cleaned_by_anatomy,
)
from napari_scribseg.evaluation.post_processing import PostProcessing

HEART = PRESETS["cardiac"]
RV, MYO, LV = 1, 2, 3


def heart() -> np.ndarray:
    """Three slices with a ring of MYO around LV, and an RV that touches the ring."""
    volume = np.zeros((3, 20, 20), np.uint8)
    volume[:, 5:14, 8:17] = MYO
    volume[:, 7:12, 10:15] = LV
    volume[:, 5:14, 4:8] = RV
    return volume


def test_a_heart_stays_as_it_is():
    volume = heart()
    assert np.array_equal(cleaned_by_anatomy(volume, HEART), volume)
    assert anatomy_findings(volume, HEART, (10.0, 1.0, 1.0)) == ()


def test_islands_go_and_the_given_array_stays():
    volume = heart()
    volume[0, 0, 0] = MYO
    volume[2, 17:20, 0:3] = LV
    before = volume.copy()
    assert np.array_equal(cleaned_by_anatomy(volume, HEART), heart())
    assert np.array_equal(volume, before)


def test_an_island_larger_than_the_structure_does_not_win_over_its_neighbours():
    """The larger RV lies far from the heart: alone, the largest component would keep that one."""
    volume = np.zeros((1, 30, 40), np.uint8)
    volume[0, 5:14, 8:17] = MYO
    volume[0, 7:12, 10:15] = LV
    volume[0, 5:14, 6:8] = RV
    volume[0, 20:27, 30:37] = RV
    cleaned = cleaned_by_anatomy(volume, HEART)
    assert (cleaned == RV).sum() == 18
    assert not cleaned[0, 20:, 30:].any()


def test_what_lies_inside_another_must_touch_it_in_every_slice():
    schema = LabelSchema.of("wall", "cavity").with_anatomy(cavity={"inside": "wall"})
    volume = np.zeros((2, 12, 12), np.uint8)
    volume[:, 1:6, 1:6] = 1
    volume[:, 2:5, 2:5] = 2
    volume[1, 8:11, 8:11] = 2  # touches nothing
    cleaned = cleaned_by_anatomy(volume, schema)
    assert (cleaned[1] == 2).sum() == 9
    assert np.array_equal(cleaned[0], volume[0])
    (sentence,) = anatomy_findings(volume, schema, (5.0, 1.0, 1.0))
    assert sentence == (
        "cavity should lie inside wall, but doesn't touch it on slice 1 (counted from 0)."
    )


def test_without_the_host_nothing_is_removed():
    schema = LabelSchema.of("wall", "cavity").with_anatomy(cavity={"inside": "wall"})
    volume = np.zeros((1, 8, 8), np.uint8)
    volume[0, 2:5, 2:5] = 2
    assert np.array_equal(cleaned_by_anatomy(volume, schema), volume)


def test_findings_say_pieces_sizes_and_neighbours():
    schema = LabelSchema.of("a", "b").with_anatomy(
        a={"one_piece": True, "most_ml": 1.0, "touches": ("b",)}
    )
    volume = np.zeros((1, 20, 20), np.uint8)
    volume[0, :10, :10] = 1  # 100 voxels of 0.01 mL
    volume[0, 12:19, 12:19] = 1  # 49
    volume[0, 0, 19] = 2
    pieces, size, neighbours = anatomy_findings(volume, schema, (10.0, 1.0, 1.0))
    assert pieces == (
        "a should be one piece, but beside the largest with 1.0 mL there are more: "
        "0.5 mL in 1 piece."
    )
    assert size == "a has 1.5 mL, more than the 1 mL that its class allows."
    assert neighbours == "a should touch b, but nowhere does."


def test_nothing_said_means_nothing_done():
    schema = LabelSchema.of("RV", "MYO", "LV")
    volume = heart()
    volume[0, 0, 0] = MYO
    wanted = PostProcessing(anatomy=True)
    assert np.array_equal(wanted.applied(volume, schema), volume)
    assert wanted.in_words(schema) == ()
    assert anatomy_in_words(schema) == ""


def test_words_name_the_rules():
    assert PostProcessing(anatomy=True, fill_holes=True).in_words(HEART) == (
        "anatomy (RV, MYO, LV: one piece; LV: inside MYO)",
        "holes filled",
    )


def test_documents_without_anatomy_open_and_stay_as_they_were():
    old = {"version": 1, "title": "t", "classes": [{"name": "a", "color": "#e69f00"}]}
    assert json.loads(LabelSchema.model_validate(old).model_dump_json()) == old
    again = LabelSchema.model_validate_json(HEART.model_dump_json())
    assert again == HEART


def test_anatomy_must_name_another_class_of_the_schema():
    schema = LabelSchema.of("a", "b")
    with pytest.raises(ValueError, match="expected another class of this list: b"):
        schema.with_anatomy(a={"inside": "c"})
    with pytest.raises(InvalidInput, match="has no structure z"):
        schema.with_anatomy(z={"one_piece": True})
