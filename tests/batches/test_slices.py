"""From cases to batches: grey levels, pixel sizes, patches, and what augmentation must not do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_ball_case

from napari_scribseg.batches.slices import (
    Batch,
    SliceSet,
    choose_spacing,
    in_plane_shape,
    normalise,
    resample_in_plane,
)
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import (
    BACKGROUND,
    IGNORE,
    OUTER_BACKGROUND,
    REFERENCE_MAP,
    UNLABELLED,
)
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case

STILL = TrainConfig(
    batch_size=1, patch=(16, 16), rotation_degrees=0, flips=False, zoom=0, intensity=0
)
"""No augmentation."""


def _case(image: np.ndarray, scribbles: np.ndarray | None, case_id: str = "case") -> Case:
    grid = Grid.from_spacing(image.shape, (8.0, 1.0, 1.0))
    return Case(case_id, case_id, Volume(image.astype(np.float32), grid), scribbles)


def _slices(*cases: Case, **maps: np.ndarray) -> SliceSet:
    slices = SliceSet(TWO_BALLS, spacing_mm=1.0)
    for case in cases:
        slices.add(case, maps, unlabelled=True)
    return slices


# Grey levels


def test_half_black_half_white_becomes_minus_one_and_one() -> None:
    image = np.zeros((1, 2, 4))
    image[..., 2:] = 700
    np.testing.assert_allclose(normalise(image), np.where(image > 0, 1.0, -1.0))


def test_one_bright_voxel_in_a_thousand_does_not_change_the_others() -> None:
    image = np.arange(1000.0).reshape(10, 10, 10)
    spoilt = image.copy()
    spoilt[9, 9, 9] = 1e9
    np.testing.assert_allclose(normalise(spoilt), normalise(image))
    assert (normalise(image) == normalise(image).max()).sum() == 5  # above percentile 99.5
    assert normalise(image).mean() == pytest.approx(0, abs=1e-6)
    assert normalise(image).std() == pytest.approx(1)


def test_voxels_that_are_not_finite_do_not_change_the_others() -> None:
    image = np.arange(1000.0).reshape(10, 10, 10)
    padded = np.concatenate([image, np.full((10, 10, 10), np.nan)])
    np.testing.assert_allclose(normalise(padded)[:10], normalise(image))


def test_voxels_that_are_not_finite_become_the_lowest_grey_level() -> None:
    image = np.arange(1000.0).reshape(10, 10, 10)
    image[0, 0, :3] = np.nan, np.inf, -np.inf
    before = image.copy()
    values = normalise(image)
    assert np.isfinite(values).all()
    assert (values[0, 0, :3] == values.min()).all()
    np.testing.assert_array_equal(image, before)  # not modified


def test_a_constant_image_becomes_zeros_and_one_without_numbers_is_refused() -> None:
    assert not normalise(np.full((2, 3, 3), 42, np.int16)).any()
    with pytest.raises(InvalidInput, match="no finite voxel"):
        normalise(np.full((2, 3, 3), np.nan))


# Pixel size


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_unit_of_grey_levels_does_not_matter(unit: float) -> None:
    """Diffusivities in square metres per second are about 1e-9."""
    image = np.random.default_rng(0).normal(2.0, 1.0, (2, 20, 20))
    np.testing.assert_allclose(normalise(image * unit), normalise(image), atol=1e-4)
    assert not normalise(np.full((1, 4, 4), unit)).any()


def test_the_number_of_pixels_follows_from_the_field_of_view() -> None:
    assert in_plane_shape((10, 100, 80), (8.0, 1.5, 2.0), 1.0) == (150, 160)
    assert in_plane_shape((10, 1, 1), (8.0, 0.1, 0.1), 1.0) == (1, 1)


def test_resampling_keeps_every_position_where_it_is() -> None:
    """A ramp that tells its own position still does so: pixel j is centred at (j + 0.5) / n."""
    ramp = ((torch.arange(8.0) + 0.5) / 8).expand(1, 1, 8, 8)
    for n in (16, 5, 4, 3):
        positions = (torch.arange(float(n)) + 0.5) / n
        middle = (positions > 0.3) & (positions < 0.7)
        resampled = resample_in_plane(ramp, (n, n))[0, 0, 0]
        torch.testing.assert_close(resampled[middle], positions[middle], atol=0.01, rtol=0)


def test_resampled_labels_are_labels_that_were_there() -> None:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.choice([IGNORE, 0, 2, 7], (3, 1, 13, 17)).astype(np.int16))
    for shape in ((26, 34), (9, 30), (5, 4), (1, 1)):
        after = resample_in_plane(labels, shape)
        assert after.dtype == labels.dtype
        assert set(after.unique().tolist()) <= set(labels.unique().tolist())


def test_halves_stay_halves_and_mirrors_stay_mirrors() -> None:
    halves = torch.zeros(1, 1, 4, 8, dtype=torch.int16)
    halves[..., 4:] = 1
    assert resample_in_plane(halves, (3, 6))[0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1]
    image = torch.rand(1, 1, 9, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        resample_in_plane(image.flip(-1), (7, 20)), resample_in_plane(image, (7, 20)).flip(-1)
    )


# Batches


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    config = TrainConfig(batch_size=3, patch=(32, 32), random_seed=5)
    forwards, backwards = (_slices(two_ball_case()) for _ in range(2))
    ahead = {step: forwards.batch(step, config, 0.0) for step in (1, 2, 3)}
    for step in (3, 1, 2):
        again = backwards.batch(step, config, 0.0)
        assert torch.equal(again.image, ahead[step].image)
        assert torch.equal(again.target, ahead[step].target)
    other_seed = forwards.batch(1, config.updated({"random_seed": 6}), 0.0)
    assert not torch.equal(other_seed.image, ahead[1].image)
    assert not torch.equal(ahead[2].image, ahead[1].image)


def test_every_epoch_shows_every_slice_once() -> None:
    cases = [_case(np.zeros((1, 16, 16)), None, case_id=f"slice{i}") for i in range(5)]
    slices = _slices(*cases)
    config = STILL.updated({"batch_size": 2})
    shown = [case for step in range(1, 11) for case in slices.batch(step, config, 0.0).cases]
    epochs = [shown[i : i + 5] for i in range(0, 20, 5)]
    assert all(set(epoch) == {c.id for c in cases} for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1  # each in its own order


def test_a_batch_may_be_larger_than_the_set() -> None:
    slices = _slices(_case(np.zeros((2, 16, 16)), None))
    assert len(slices.batch(1, STILL.updated({"batch_size": 5}), 0.0).image) == 5


def test_slices_nobody_drew_on_are_taken_only_if_they_teach_something() -> None:
    scribbles = np.zeros((3, 16, 16), np.uint8)
    scribbles[1, 4, 4] = 1
    case = _case(np.zeros((3, 16, 16)), scribbles)
    for unlabelled, expected in ((True, 3), (False, 1)):
        slices = SliceSet(TWO_BALLS, 1.0)
        slices.add(case, {}, unlabelled=unlabelled)
        assert len(slices) == expected


def test_maps_must_fit_the_case_and_each_other() -> None:
    case = _case(np.zeros((2, 16, 16)), None)
    with pytest.raises(InvalidInput, match=r"'seeds' has the shape \(2, 16, 15\)"):
        _slices(case, seeds=np.zeros((2, 16, 15), np.int16))
    slices = _slices(case, seeds=np.zeros((2, 16, 16), np.int16))
    with pytest.raises(InvalidInput, match="other maps"):
        slices.add(case, {"edges": np.zeros((2, 16, 16), np.float32)}, unlabelled=True)


# Background outside the strokes


def _enclosed() -> SliceSet:
    """Two slices: 20 pixels of background drawn and half of the slice outside; nothing of both."""
    scribbles = np.zeros((2, 40, 40), np.uint8)
    scribbles[:, 20, 20] = 1
    scribbles[0, 10, 10:30] = BACKGROUND
    outside = np.zeros(scribbles.shape, bool)
    outside[0, :, :20] = True
    slices = SliceSet(TWO_BALLS, 1.0)
    case = _case(np.zeros(scribbles.shape), scribbles)
    slices.add(case, {"where": outside.astype(np.int16)}, unlabelled=True, outside=outside)
    return slices


def _batches(slices: SliceSet, n: int, **changes: object) -> list[Batch]:
    config = STILL.updated({"batch_size": 2, "patch": (40, 40), **changes})
    return [slices.batch(step, config, 0.0) for step in range(1, n + 1)]


def test_every_batch_shows_other_pixels_outside_and_in_the_end_all_of_them() -> None:
    batches = _batches(_enclosed(), 60, outer_background=2.0)
    shown = torch.zeros(40, 40, dtype=torch.bool)
    counts = []
    for batch in batches:
        added = (batch.target == 0) & (batch.strokes != 0)
        assert (batch.maps["where"][added] == 1).all()
        shown |= added.any(0)
        counts.append(int(added.sum()))
    assert np.mean(counts) == pytest.approx(2.0 * 20, rel=0.1)
    assert min(counts) < max(counts)
    assert shown[:, :18].float().mean() > 0.9  # patches are shifted a little


def test_what_was_drawn_stays_as_it_was_drawn() -> None:
    for batch in _batches(_enclosed(), 3, outer_background=2.0):
        drawn = batch.strokes != IGNORE
        assert torch.equal(batch.target[drawn], batch.strokes[drawn])
        assert sorted(int((s == 0).sum()) for s in batch.strokes) == [0, 20]
        assert batch.strokes.min() == IGNORE


def test_without_outer_background_only_strokes_are_shown() -> None:
    for batch in _batches(_enclosed(), 3, outer_background=0.0):
        assert torch.equal(batch.target, batch.strokes)


def test_patches_are_cut_out_around_strokes_and_as_often_outside() -> None:
    enclosed, plain = _enclosed().slices
    assert len(plain.centres) == 1
    stored = [int(enclosed.integers[0, y, x]) for y, x in enclosed.centres]
    assert sum(value >= 0 for value in stored) == 21
    assert stored.count(OUTER_BACKGROUND) == pytest.approx(21, abs=2)
    assert len({int(y) for y, _ in enclosed.centres}) > 15, "all over the slice"


def test_a_slice_whose_strokes_were_lost_is_not_shown_for_its_outside() -> None:
    slices = SliceSet(TWO_BALLS, 1.0)
    bare = np.zeros((1, 40, 40), np.uint8)
    slices.add(_case(np.zeros(bare.shape), bare), {}, unlabelled=False, outside=bare == 0)
    assert len(slices) == 0


def test_new_maps_keep_what_lies_outside() -> None:
    slices = _enclosed()
    before = [item.integers[0].clone() for item in slices.slices]
    scribbles = np.zeros((2, 40, 40), np.uint8)
    maps = {"where": np.full(scribbles.shape, 7, np.int16)}
    slices.replace_maps(_case(np.zeros(scribbles.shape), scribbles), maps)
    for item, old in zip(slices.slices, before, strict=True):
        assert torch.equal(item.integers[0], old)
        assert (item.integers[1] == 7).all()


def test_new_maps_reach_the_slices_they_belong_to() -> None:
    """Although a case was added with strokes on slices on which it has none itself, and others."""
    own = np.zeros((4, 40, 40), np.uint8)
    own[2, 20, 20] = own[3, 20, 20] = 1
    added = own.copy()
    added[0, 10, 10], added[3] = BACKGROUND, 0
    slices = SliceSet(TWO_BALLS, 1.0)
    maps = {"where": np.zeros(own.shape, np.int16)}
    slices.add(_case(np.zeros(own.shape), added), maps, unlabelled=False)
    where = np.arange(4, dtype=np.int16)[:, None, None] + np.zeros(own.shape, np.int16)
    slices.replace_maps(_case(np.zeros(own.shape), own), {"where": where})
    assert [int(item.integers[1].max()) for item in slices.slices] == [0, 2]


def test_a_patch_far_from_the_strokes_shows_as_much_of_the_outside_as_its_slice() -> None:
    """A wide field of view, strokes in one corner: of the other corner something is shown."""
    scribbles = np.zeros((1, 200, 200), np.uint8)
    scribbles[0, 5, 5], scribbles[0, 10, 5:15] = 1, BACKGROUND
    outside = np.ones(scribbles.shape, bool)
    outside[0, :20, :20] = False
    slices = SliceSet(TWO_BALLS, 1.0)
    slices.add(_case(np.zeros(scribbles.shape), scribbles), {}, unlabelled=True, outside=outside)
    assert slices.slices[0].background == (10, 200 * 200 - 20 * 20)
    slices.slices[0] = replace(slices.slices[0], centres=torch.tensor([[190, 190]]))
    batches = _batches(slices, 40, outer_background=20.0)
    share = np.mean([float((b.target == 0).float().mean()) for b in batches])
    # Ten strokes in 39 600 pixels are fewer than people draw: a twentieth of a tenth counts.
    assert share == pytest.approx(20 * 0.005, rel=0.1)


def test_where_background_is_known_but_not_drawn_some_is_shown() -> None:
    scribbles = np.zeros((1, 40, 40), np.uint8)
    scribbles[0, 20, 20] = 1
    slices = SliceSet(TWO_BALLS, 1.0)
    outside = np.ones(scribbles.shape, bool)
    slices.add(_case(np.zeros(scribbles.shape), scribbles), {}, unlabelled=True, outside=outside)
    shown = [int((b.target == 0).sum()) for b in _batches(slices, 30, outer_background=4.0)]
    assert np.mean(shown) == pytest.approx(2 * 4.0 * 0.005 * 40 * 40, rel=0.2)


def test_without_strokes_patches_lie_all_over_the_slice() -> None:
    """Or what is at the edge of densely labelled slices would never be learnt."""
    case = _case(np.zeros((1, 96, 96)), None)
    slices = _slices(case, where=np.arange(96 * 96, dtype=np.int16).reshape(1, 96, 96))
    seen = np.zeros(96 * 96, bool)
    for step in range(1, 200):
        batch = slices.batch(step, STILL.updated({"patch": (32, 32)}), 0.0)
        seen[batch.maps["where"].numpy().ravel()] = True
    assert seen.mean() > 0.9


def test_without_strokes_patches_are_cut_out_around_the_structures_of_a_reference() -> None:
    labels = np.zeros((2, 96, 96), np.int16)
    labels[0, 80:90, 80:90] = 1
    slices = _slices(_case(np.zeros(labels.shape), None), **{REFERENCE_MAP: labels})
    first, second = slices.slices
    stored = [int(labels[0, y, x]) for y, x in first.centres]
    assert stored.count(1) == 100
    assert stored.count(0) == pytest.approx(100, abs=5)
    assert not len(second.centres)


# Augmentation


@pytest.mark.parametrize(
    "augmentation",
    [{"rotation_degrees": 180}, {"flips": True}, {"zoom": 0.25}, {}],
    ids=["rotation", "flips", "zoom", "all"],
)
def test_image_scribbles_and_maps_move_together(augmentation) -> None:
    """A board of 16 fields whose number is grey level, scribble, integer map and float map."""
    number = np.kron(np.arange(16).reshape(4, 4), np.ones((12, 12)))[None]
    schema = TWO_BALLS.of(*(f"field {i}" for i in range(1, 16)))
    scribbles = np.where(number == 0, BACKGROUND, number).astype(np.uint8)
    slices = SliceSet(schema, 1.0)
    maps = {"whole": number.astype(np.int16), "real": number.astype(np.float32)}
    slices.add(_case(number, scribbles), maps, unlabelled=False)
    still = {"rotation_degrees": 0, "flips": False, "zoom": 0}
    everything = {"rotation_degrees": 180, "flips": True, "zoom": 0.25}
    changes = {**still, **augmentation} if augmentation else everything
    config = STILL.updated({"batch_size": 8, "patch": (40, 40), **changes})
    batch = slices.batch(1, config, 0.0)

    grey = batch.image[:, 0] * number.std() + number.mean()  # undoes the z-score
    inside = batch.target != IGNORE
    torch.testing.assert_close(batch.maps["real"], grey.clamp_min(0), atol=1e-4, rtol=0)
    assert torch.equal(batch.maps["whole"], batch.target)
    flat = inside & _constant_around(batch.target)  # away from where linear and nearest differ
    assert flat.float().mean() > 0.3
    torch.testing.assert_close(grey[flat], batch.target[flat].float(), atol=1e-4, rtol=0)
    assert any(not torch.equal(batch.target[0], other) for other in batch.target[1:])


def _constant_around(labels: torch.Tensor) -> torch.Tensor:
    """Where the 3 x 3 neighbourhood of a pixel (B, Y, X) has one label."""
    padded = torch.nn.functional.pad(labels.float(), (1, 1, 1, 1), value=-9)
    highest = torch.nn.functional.max_pool2d(padded, 3, stride=1)
    return highest == -torch.nn.functional.max_pool2d(-padded, 3, stride=1)


def test_intensity_changes_no_label_and_no_place() -> None:
    slices = _slices(two_ball_case(shape=(1, 16, 16)))
    plain = slices.batch(1, STILL, 0.0)
    varied = slices.batch(1, STILL.updated({"intensity": 0.3}), 0.0)
    assert torch.equal(plain.target, varied.target)
    assert not torch.equal(plain.image, varied.image)
    both = torch.stack([plain.image.flatten(), varied.image.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.9


# Patches


def test_outside_the_slice_nothing_is_labelled_and_the_image_is_air() -> None:
    """A slice of 20 x 20, all drawn as background, in a patch of 48 x 48."""
    image = np.random.default_rng(0).normal(size=(1, 20, 20))
    case = _case(image, np.full((1, 20, 20), BACKGROUND, np.uint8))
    config = STILL.updated({"patch": (48, 48), "batch_size": 4})
    batch = _slices(case, seeds=np.zeros((1, 20, 20), np.int16)).batch(1, config, 0.0)
    assert (batch.target == 0).sum((1, 2)).tolist() == [400] * 4
    assert (batch.target == IGNORE).sum((1, 2)).tolist() == [48 * 48 - 400] * 4
    assert (batch.maps["seeds"] == 0).sum((1, 2)).tolist() == [400] * 4
    air = normalise(image).min()
    # Linear interpolation reaches one pixel beyond the slice; the corners are far from it.
    np.testing.assert_allclose(batch.image[:, 0, :3, :3], air, atol=1e-5)


def test_turning_a_slice_does_not_label_the_corners() -> None:
    case = _case(np.zeros((1, 32, 32)), np.full((1, 32, 32), BACKGROUND, np.uint8))
    config = STILL.updated({"patch": (32, 32), "batch_size": 16, "rotation_degrees": 180})
    target = _slices(case).batch(1, config, 0.0).target
    turned = (target == IGNORE).flatten(1).any(1)
    assert turned.sum() >= 12
    assert set(target.unique().tolist()) == {IGNORE, 0}


@pytest.mark.parametrize("pixel", [(0, 0), (0, 39), (39, 20), (17, 23)])
def test_a_patch_of_a_larger_slice_holds_a_labelled_pixel_and_stays_inside(pixel) -> None:
    scribbles = np.zeros((1, 40, 40), np.uint8)
    scribbles[0, *pixel] = 2
    case = _case(np.zeros((1, 40, 40)), scribbles)
    slices = _slices(case, inside=np.zeros((1, 40, 40), np.int16))
    for step in range(1, 6):
        batch = slices.batch(step, STILL, 0.0)
        assert not (batch.maps["inside"] == IGNORE).any()
        assert (batch.target == 2).sum() == 1


def test_a_patch_is_centred_on_the_stroke_where_there_is_room() -> None:
    scribbles = np.zeros((1, 40, 40), np.uint8)
    scribbles[0, 17, 23] = 1
    config = STILL.updated({"patch": (15, 15)})
    target = _slices(_case(np.zeros((1, 40, 40)), scribbles)).batch(1, config, 0.0).target
    assert (target[0] == 1).nonzero().tolist() == [[7, 7]]
    assert UNLABELLED not in target.unique().tolist()


def test_slices_of_different_sizes_share_a_batch() -> None:
    full = [np.full((1, *size), BACKGROUND, np.uint8) for size in ((12, 30), (30, 12))]
    slices = _slices(*(_case(np.zeros(s.shape), s, str(s.shape)) for s in full))
    config = STILL.updated({"batch_size": 2, "patch": (40, 40)})
    target = slices.batch(1, config, 0.0).target
    assert [(t == 0).sum().item() for t in target] == [360, 360]


def test_without_augmentation_a_patch_is_a_cut_out() -> None:
    """To the pixel: half a pixel beside it, thin strokes would double or vanish."""
    image = np.random.default_rng(0).normal(size=(1, 40, 39))
    scribbles = np.zeros((1, 40, 39), np.uint8)
    scribbles[0, 17, 23] = 1
    for size in ((16, 16), (15, 15), (16, 15)):
        batch = _slices(_case(image, scribbles)).batch(1, STILL.updated({"patch": size}), 0.0)
        row, column = (batch.target[0] == 1).nonzero()[0].tolist()
        y, x = 17 - row, 23 - column
        cut_out = normalise(image.astype(np.float32))[0, y : y + size[0], x : x + size[1]]
        np.testing.assert_allclose(batch.image[0, 0], cut_out, atol=1e-4)


def test_a_patch_is_never_larger_than_the_largest_slice_needs() -> None:
    """Rounded up to 16, which the U-Net would pad to anyway."""
    slices = _slices(_case(np.zeros((1, 20, 33)), None, "a"), _case(np.zeros((1, 17, 40)), None))
    assert slices.patch((224, 224)) == (32, 48)
    assert slices.patch((16, 40)) == (16, 40)


def test_pixels_are_the_median_unless_the_patch_would_show_too_little() -> None:
    case = two_ball_case(shape=(2, 64, 64), spacing=(8.0, 0.5, 0.5))
    drawn = np.isin(case.scribbles, (1, 2)).any(0)
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    extent_mm = 0.5 * max(np.ptp(rows) + 1, np.ptp(columns) + 1)
    assert choose_spacing([case], (400, 400)) == 0.5
    assert choose_spacing([case], (100, 32)) == pytest.approx(2 * extent_mm / 32)
    unlabelled = replace(case, scribbles=None, reference=None)
    assert choose_spacing([unlabelled], (100, 32)) == 0.5
    dense = replace(case, scribbles=None)
    assert choose_spacing([dense], (100, 32)) > 2 * extent_mm / 32, "the whole balls are wider"
    assert choose_spacing([dense, case], (100, 32)) == pytest.approx(2 * extent_mm / 32)
