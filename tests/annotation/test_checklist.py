"""The scribble checklist: what it asks for, when it is content, and how quick it is."""

from __future__ import annotations

import numpy as np
from phantoms import TWO_BALLS, two_ball_case

from napari_scribseg.annotation import checklist as guidance
from napari_scribseg.annotation.checklist import checklist, near_edges, scan_slice, voxels_of
from napari_scribseg.annotation.simulate import simulate_scribbles
from napari_scribseg.core.labels import BACKGROUND, PRESETS, LabelSchema

ONE = LabelSchema.of("structure")
SPACING = (8.0, 1.5, 1.5)
CASE = two_ball_case()


def scan(scribbles, near_edge, spacing):
    """The facts of every slice."""
    near = [None] * len(scribbles) if near_edge is None else near_edge
    return tuple(scan_slice(*both, spacing[1:]) for both in zip(scribbles, near, strict=True))


def items(scribbles, schema=ONE, near_edge=None):
    found = checklist(scan(scribbles, near_edge, SPACING), schema)
    return {item.topic: item for item in found}


def blank(slices: int = 3) -> np.ndarray:
    return np.zeros((slices, 64, 64), np.uint8)


def test_an_empty_case_asks_for_every_class_and_leads_to_the_middle():
    found = items(blank(5), PRESETS["cardiac"])
    assert found["classes"].state == "to do"
    assert "RV, MYO, LV and background" in found["classes"].text
    assert found["classes"].z == 2
    assert found["slices"].state == "to do"
    assert set(found) == {"classes", "slices"}, "nothing is said of strokes that are not there"


def test_background_is_a_class_like_the_others():
    scribbles = blank()
    scribbles[1, 20:24, 20:40] = 1
    found = items(scribbles)
    assert found["classes"].text.startswith("Draw background:")
    assert found["classes"].z == 1
    scribbles[1, 2:4] = BACKGROUND
    assert items(scribbles)["classes"].state == "done"


def test_background_that_hugs_the_organ_is_not_enough():
    scribbles = blank(2)
    scribbles[:, 30:34, 28:36] = 1
    scribbles[:, 24:26, 24:40] = BACKGROUND
    found = items(scribbles)["background"]
    assert found.state == "advice"
    assert "12%" in found.text
    scribbles[1, :16, :] = BACKGROUND
    assert items(scribbles)["background"].z == 0, "the slice that needs it most"
    scribbles[0, ::16, :] = BACKGROUND
    assert items(scribbles)["background"].state == "done"


def test_background_all_around_the_organ_is_enough():
    scribbles = blank(1)
    scribbles[:, 30:34, 30:34] = 1
    scribbles[:, 24:40, [24, 39]] = BACKGROUND
    scribbles[:, [24, 39], 24:40] = BACKGROUND
    assert items(scribbles)["background"].state == "done"
    scribbles[:, 24, :] = scribbles[:, :, 39] = 0  # half of the ring
    assert items(scribbles)["background"].state == "advice"


def test_the_far_field_is_found_in_each_of_sixteen_fields():
    drawn = blank(1)[0]
    drawn[8::16, 8::16] = BACKGROUND
    assert scan_slice(drawn, None, (1.0, 1.0)).fields == 16
    drawn[8, 8] = 1
    assert scan_slice(drawn, None, (1.0, 1.0)).fields == 15


def test_a_slice_without_background_would_be_flooded():
    scribbles = blank()
    scribbles[0, 2:4] = BACKGROUND
    scribbles[:2, 20:24, 20:40] = 1
    found = items(scribbles)["with background"]
    assert (found.state, found.z) == ("advice", 1)
    assert "slice 1" in found.text


def test_slices_without_strokes_are_named_and_the_loneliest_comes_first():
    scribbles = blank(6)
    scribbles[1, 20:24, 20:40] = 1
    found = items(scribbles)["slices"]
    assert (found.state, found.z) == ("advice", 5)
    assert "slices 0, 2, 3, 4 and 5" in found.text
    many = blank(20)
    many[0, 20:24, 20:40] = 1
    assert "19 slices" in items(many)["slices"].text


def test_strokes_inside_and_along_the_border_are_told_apart():
    reference, image = CASE.reference, CASE.image
    near = near_edges(image.array, image.spacing)

    def states(style):
        rng = np.random.default_rng(1)
        drawn = simulate_scribbles(reference, TWO_BALLS, image.spacing, rng, style=style)
        found = checklist(scan(drawn, near, image.spacing), TWO_BALLS)
        return {item.topic: item.state for item in found}

    inside, border = states("skeleton"), states("boundary")
    assert (inside["inside"], inside["border"]) == ("done", "advice")
    assert (border["inside"], border["border"]) == ("advice", "done")


def test_a_stroke_of_another_class_beside_it_is_a_border_without_any_edge():
    drawn = blank(1)[0]
    drawn[20:22, 10:50] = 1
    assert scan_slice(drawn, None, (1.0, 1.0)).border == {1: 0}
    drawn[24:26, 10:50] = BACKGROUND
    assert scan_slice(drawn, None, (1.0, 1.0)).border == {1: 80, BACKGROUND: 80}
    assert scan_slice(drawn, None, (5.0, 1.0)).border == {1: 0, BACKGROUND: 0}, "it is in mm"


def test_edges_are_where_the_image_changes_and_nowhere_in_a_flat_one():
    image = np.where(np.arange(40) < 20, 10.0, 90.0) * np.ones((2, 40, 1))
    image[1] = 5.0
    near = near_edges(image, (5.0, 1.0, 1.0))
    assert near[0, :, 17:23].all()
    assert not near[0, :, :15].any()
    assert not near[0, :, 25:].any()
    assert not near[1].any()


def test_image_without_numbers_has_no_edges():
    assert not near_edges(np.full((1, 8, 8), np.nan), (1.0, 1.0, 1.0)).any()


def test_specks_and_hairlines_get_advice():
    scribbles = blank()
    scribbles[1, 20:24, 20:40] = 1
    scribbles[:, 2:4] = BACKGROUND
    assert items(scribbles)["strokes"].state == "done"
    scribbles[2, 40, 10:50] = 1
    assert "structure is one voxel thin on slice 2" in items(scribbles)["strokes"].text
    scribbles[0, 50, 50:53] = 1
    found = items(scribbles)["strokes"]
    assert found.text.startswith("1 stroke is shorter than 8 voxels, on slice 0")
    assert found.z == 0


def test_a_stroke_that_turns_at_corners_is_one_stroke():
    drawn = blank(1)[0]
    drawn[np.arange(20), np.arange(20)] = 1
    assert scan_slice(drawn, None, (1.0, 1.0)).specks == 0


def test_voxels_are_counted_by_slice_and_volume():
    facts = scan(CASE.scribbles, None, SPACING)
    values, counts = np.unique(CASE.scribbles[CASE.scribbles > 0], return_counts=True)
    assert voxels_of(facts) == dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert facts[1].voxels[1] == (CASE.scribbles[1] == 1).sum()


def test_nothing_is_modified():
    before = CASE.scribbles.copy()
    checklist(scan(CASE.scribbles, None, SPACING), TWO_BALLS)
    np.testing.assert_array_equal(CASE.scribbles, before)


def test_every_line_has_a_sentence():
    for item in items(CASE.scribbles, TWO_BALLS).values():
        assert item.text.endswith(".")
        assert item.state in guidance.State.__args__
