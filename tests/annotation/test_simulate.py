"""Simulated scribbles: they stay in their class, can be repeated and look like the experts'."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import skeletonize

from napari_scribseg.annotation.simulate import STYLES, simulate_scribbles
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, IGNORE, UNLABELLED, LabelSchema

HEART = LabelSchema.of("RV", "MYO", "LV")
SPACING = (8.0, 1.5, 1.5)


def heart(shape=(5, 96, 96)):
    """A ring (MYO) around a disk (LV) with a crescent (RV) at its side; none in the last slice."""
    y, x = np.mgrid[: shape[1], : shape[2]] - 48.0
    radius, beside = np.hypot(y, x), np.hypot(y, x + 14)
    one = np.zeros(shape[1:], dtype=np.uint8)
    one[beside < 24] = 1
    one[radius < 22] = 2
    one[radius < 14] = 3
    return np.stack([one] * (shape[0] - 1) + [np.zeros_like(one)])


def draw(reference, schema=HEART, seed=0, **options):
    return simulate_scribbles(reference, schema, SPACING, np.random.default_rng(seed), **options)


def strays(scribbles, reference, schema):
    """Voxels whose stroke says something else than the reference."""
    targets = schema.to_targets(scribbles)
    return int(((targets != IGNORE) & (targets != reference)).sum())


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("thickness_px", [1, 2, 3])
def test_strokes_stay_in_their_class_and_every_class_of_a_slice_gets_one(style, thickness_px):
    reference = heart()
    scribbles = draw(reference, style=style, thickness_px=thickness_px)
    assert scribbles.dtype == np.uint8
    assert strays(scribbles, reference, HEART) == 0
    for drawn, truth in zip(scribbles, reference, strict=True):
        present = set(np.unique(truth)) - {0}
        assert set(np.unique(drawn)) - {UNLABELLED, BACKGROUND} == present
        assert BACKGROUND in drawn


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(STYLES), st.floats(0.4, 6), st.integers(1, 3))
def test_any_shape_gets_strokes_that_stay_inside(seed, style, smoothness, thickness_px):
    rng = np.random.default_rng(seed)
    schema = LabelSchema.of("a", "b")
    field = ndimage.gaussian_filter(rng.standard_normal((2, 40, 33)), (0, smoothness, smoothness))
    reference = np.digitize(field, np.quantile(field, [0.5, 0.8]))
    scribbles = draw(reference, schema, seed, style=style, thickness_px=thickness_px)
    assert strays(scribbles, reference, schema) == 0
    for drawn, truth in zip(scribbles, reference, strict=True):
        expected = {BACKGROUND if k == 0 else k for k in np.unique(truth)}
        assert set(np.unique(drawn)) - {UNLABELLED} == expected


@pytest.mark.parametrize("style", STYLES)
def test_a_single_voxel_is_a_structure_too(style):
    reference = np.zeros((1, 16, 16), dtype=np.uint8)
    reference[0, 0, 15] = 1
    assert draw(reference, style=style)[0, 0, 15] == 1


def test_a_volume_without_background_has_no_background_stroke():
    assert BACKGROUND not in draw(np.ones((2, 16, 16), dtype=np.uint8))


def test_a_volume_without_structures_has_background_strokes_only():
    scribbles = draw(np.zeros((3, 64, 64), dtype=np.uint8))
    assert set(np.unique(scribbles)) == {UNLABELLED, BACKGROUND}
    assert (scribbles == BACKGROUND).any(axis=(1, 2)).all()


def test_the_same_generator_gives_the_same_strokes_and_another_one_others():
    np.testing.assert_array_equal(draw(heart(), seed=3), draw(heart(), seed=3))
    assert (draw(heart(), seed=3) != draw(heart(), seed=4)).any()


def test_the_reference_is_not_modified():
    reference = heart()
    before = reference.copy()
    draw(reference)
    np.testing.assert_array_equal(reference, before)


def test_every_third_slice():
    reference = np.stack([heart()[0]] * 12)
    drawn = np.flatnonzero((draw(reference, every=3) != UNLABELLED).any(axis=(1, 2)))
    assert len(drawn) == 4
    assert set(np.diff(drawn)) == {3}


def test_a_step_longer_than_the_volume_draws_on_one_slice():
    assert (draw(heart(), every=50) != UNLABELLED).any(axis=(1, 2)).sum() == 1


def test_the_background_stroke_goes_round_the_organ_without_touching_it():
    reference = heart()
    ring = draw(reference)[0] == BACKGROUND
    outside = ndimage.label(~ring)[0]
    assert outside[48, 48] != outside[0, 0]
    gap_mm = ndimage.distance_transform_edt(reference[0] == 0) * SPACING[1]
    assert 4 < gap_mm[ring].min() < gap_mm[ring].max() < 35


def test_interior_strokes_are_thin_and_cover_about_a_tenth():
    reference = np.concatenate([heart()[:1]] * 12)
    scribbles = draw(reference)
    for k in (1, 2, 3):
        stroke = scribbles == k
        assert 0.07 < stroke.sum() / (reference == k).sum() < 0.2
        deepest = max(ndimage.distance_transform_edt(s).max() for s in stroke)
        assert deepest <= 2


@pytest.mark.parametrize(
    "options", [{"style": "zigzag"}, {"thickness_px": 0}, {"every": 0}], ids=lambda o: next(iter(o))
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InvalidInput):
        draw(heart(), **options)


def test_a_reference_with_unknown_classes_is_refused():
    with pytest.raises(InvalidInput, match="9"):
        draw(np.full((1, 4, 4), 9))


@pytest.mark.real_data
def test_strokes_on_real_hearts_cover_as_much_as_the_experts():
    root = Path(__file__).parents[2] / "../shared/data"
    folder = Path(os.environ.get("SCRIBSEG_DATA", root)) / "acdc"
    if not folder.is_dir():
        pytest.skip("needs acdc in SCRIBSEG_DATA")
    nibabel = pytest.importorskip("nibabel")
    ours, experts = [], []
    for path in sorted((folder / "labels").glob("*.nii.gz"))[:40:10]:
        reference = np.asarray(nibabel.load(path).dataobj).T
        expert = np.asarray(nibabel.load(folder / "scribbles" / path.name).dataobj).T
        simulated = draw(reference)
        assert strays(simulated, reference, HEART) == 0
        for found, scribbles in ((ours, simulated), (experts, expert)):
            found.append([(scribbles == k).sum() / (reference == k).sum() for k in (1, 2, 3)])
            found[-1].append(np.mean([skeletonize(s == BACKGROUND).sum() for s in scribbles]) / 2e3)
    ratio = np.mean(ours, axis=0) / np.mean(experts, axis=0)
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()


@pytest.mark.parametrize("shape", [(2, 1, 40), (2, 40, 1)])
def test_slices_that_are_lines_are_refused(shape):
    with pytest.raises(InvalidInput, match="no room for a stroke"):
        draw(np.ones(shape, np.uint8))
