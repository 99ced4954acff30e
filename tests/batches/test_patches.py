"""Patches of volumes: slices that belong together, move together, and end where the volume does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_ball_case

from napari_scribseg.batches.patches import PatchSet, padding
from napari_scribseg.batches.slices import SliceSet, normalise
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, IGNORE
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case

STILL = TrainConfig(
    batch_size=1, patch=(16, 16), rotation_degrees=0, flips=False, zoom=0, intensity=0
)
"""No augmentation."""
MOVING = TrainConfig(batch_size=4, patch=(24, 24), rotation_degrees=180, flips=True, zoom=0.25)


def _case(image: np.ndarray, scribbles: np.ndarray | None, case_id: str = "case") -> Case:
    grid = Grid.from_spacing(image.shape, (8.0, 1.0, 1.0))
    return Case(case_id, case_id, Volume(image.astype(np.float32), grid), scribbles)


def _patches(*cases: Case, depth: int = 4, unlabelled: bool = True, **maps: np.ndarray) -> PatchSet:
    patches = PatchSet(TWO_BALLS, 1.0, depth)
    for case in cases:
        patches.add(case, maps, unlabelled=unlabelled)
    return patches


def _numbered(n: int, size: int = 16) -> np.ndarray:
    """A map whose every slice holds its own number."""
    return np.broadcast_to(np.arange(n)[:, None, None], (n, size, size)).astype(np.int16)


def test_a_batch_is_five_axes_of_image_and_four_of_labels() -> None:
    seeds, edges = np.zeros((4, 48, 48), np.int16), np.zeros((4, 48, 48), np.float32)
    patches = _patches(two_ball_case(), depth=3, seeds=seeds, edges=edges)
    batch = patches.batch(1, MOVING, 0.25)
    assert batch.image.shape == (4, 1, 3, 24, 24)
    assert batch.target.shape == batch.maps["seeds"].shape == batch.maps["edges"].shape
    assert batch.target.shape == (4, 3, 24, 24)
    assert batch.target.dtype == batch.maps["seeds"].dtype == torch.int64
    assert batch.maps["edges"].dtype == torch.float32
    assert batch.progress == 0.25
    assert batch.cases == ("phantom0",) * 4


def test_the_slices_of_a_patch_are_neighbours_in_order() -> None:
    patches = _patches(_case(np.zeros((9, 16, 16)), None), number=_numbered(9))
    firsts = set()
    for step in range(1, 30):
        batch = patches.batch(step, STILL, 0.0)
        numbers = batch.maps["number"][0, :, 8, 8].tolist()
        assert numbers == list(range(numbers[0], numbers[0] + 4))
        firsts.add(numbers[0])
    assert firsts == set(range(6))


def test_a_patch_is_a_cut_out_when_nothing_is_augmented() -> None:
    image = np.random.default_rng(0).normal(size=(9, 40, 40))
    scribbles = np.zeros((9, 40, 40), np.uint8)
    scribbles[5, 17, 23] = 2
    patches = _patches(_case(image, scribbles), number=_numbered(9, 40))
    for step in range(1, 6):
        batch = patches.batch(step, STILL, 0.0)
        z, row, column = (batch.target[0] == 2).nonzero()[0].tolist()
        first = 5 - z
        assert batch.maps["number"][0, :, 0, 0].tolist() == list(range(first, first + 4))
        y, x = 17 - row, 23 - column
        cut_out = normalise(image.astype(np.float32))[first : first + 4, y : y + 16, x : x + 16]
        np.testing.assert_allclose(batch.image[0, 0], cut_out, atol=1e-4)


@pytest.mark.parametrize("z", [0, 3, 8])
def test_a_patch_holds_a_drawn_voxel_wherever_that_is(z) -> None:
    scribbles = np.zeros((9, 40, 40), np.uint8)
    scribbles[z, 39, 0] = 1
    patches = _patches(_case(np.zeros((9, 40, 40)), scribbles))
    starts = set()
    for step in range(1, 20):
        target = patches.batch(step, STILL, 0.0).target[0]
        assert (target == 1).sum() == 1
        starts.add(int((target == 1).nonzero()[0, 0]))
    assert len(starts) > 1 or z in (0, 8)  # not always the same slice of the patch


def test_all_slices_and_maps_of_a_patch_move_alike() -> None:
    """A volume of equal slices gives patches of equal slices, maps and target on each other."""
    plane = np.kron(np.arange(16).reshape(4, 4) % 3, np.ones((12, 12)))
    number = np.broadcast_to(plane, (5, 48, 48))
    scribbles = np.where(number == 0, BACKGROUND, number).astype(np.uint8)
    maps = {"whole": number.astype(np.int16), "real": number.astype(np.float32)}
    config = MOVING.updated({"intensity": 0})
    batch = _patches(_case(number, scribbles), **maps).batch(1, config, 0.0)
    for array in (batch.image[:, 0], batch.target, *batch.maps.values()):
        torch.testing.assert_close(array, array[:, :1].expand_as(array))
    assert torch.equal(batch.maps["whole"], batch.target)
    assert any(not torch.equal(batch.target[0], other) for other in batch.target[1:])
    grey = batch.image[:, 0] * number.std() + number.mean()
    torch.testing.assert_close(batch.maps["real"], grey.clamp_min(0), atol=1e-4, rtol=0)


def test_in_plane_a_patch_is_what_a_slice_is() -> None:
    """A single slice gives the same batch, augmentation included, as a patch of depth 1."""
    case = two_ball_case(shape=(1, 40, 40), spacing=(8.0, 1.5, 1.5))
    slices = SliceSet(TWO_BALLS, 1.0)
    slices.add(case, {}, unlabelled=False)
    expected = slices.batch(3, MOVING, 0.0)
    batch = _patches(case, depth=1).batch(3, MOVING, 0.0)
    assert torch.equal(batch.image[:, :, 0], expected.image)
    assert torch.equal(batch.target[:, 0], expected.target)


def test_a_thin_volume_lies_in_the_middle_of_air_that_nobody_labelled() -> None:
    assert padding(3, 8) == (2, 3)
    assert padding(8, 8) == padding(11, 8) == (0, 0)
    image = np.random.default_rng(0).normal(size=(3, 16, 16))
    case = _case(image, np.full((3, 16, 16), BACKGROUND, np.uint8))
    seeds, edges = np.zeros((3, 16, 16), np.int16), np.ones((3, 16, 16), np.float32)
    batch = _patches(case, depth=8, seeds=seeds, edges=edges).batch(1, STILL, 0.0)
    inside = torch.tensor([False] * 2 + [True] * 3 + [False] * 3)
    assert torch.equal((batch.target[0] == 0).flatten(1).any(1), inside)
    assert (batch.target[0, ~inside] == IGNORE).all()
    assert (batch.maps["seeds"][0, ~inside] == IGNORE).all()
    assert (batch.maps["edges"][0, ~inside] == 0).all()
    np.testing.assert_allclose(batch.image[0, 0, ~inside], normalise(image).min(), atol=1e-5)
    np.testing.assert_allclose(batch.image[0, 0, :2].numpy(), normalise(image).min(), atol=1e-5)


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    forwards, backwards = (_patches(two_ball_case(), depth=2) for _ in range(2))
    ahead = {step: forwards.batch(step, MOVING, 0.0) for step in (1, 2, 3)}
    for step in (3, 1, 2):
        again = backwards.batch(step, MOVING, 0.0)
        assert torch.equal(again.image, ahead[step].image)
        assert torch.equal(again.target, ahead[step].target)
    assert not torch.equal(ahead[1].image, ahead[2].image)


def test_every_epoch_shows_every_volume_once() -> None:
    patches = _patches(*(_case(np.zeros((3, 16, 16)), None, f"case{i}") for i in range(5)))
    assert len(patches) == 5
    shown = [patches.batch(step, STILL, 0.0).cases[0] for step in range(1, 11)]
    assert sorted(shown[:5]) == sorted(shown[5:]) == [f"case{i}" for i in range(5)]


def test_volumes_nobody_drew_on_are_taken_only_if_they_teach_something() -> None:
    drawn = np.zeros((3, 16, 16), np.uint8)
    drawn[1, 4, 4] = 1
    cases = _case(np.zeros((3, 16, 16)), None, "bare"), _case(np.zeros((3, 16, 16)), drawn)
    assert len(_patches(*cases, unlabelled=True)) == 2
    patches = _patches(*cases, unlabelled=False)
    assert [patches.batch(s, STILL, 0.0).cases for s in (1, 2)] == [("case",)] * 2


def test_other_maps_take_the_place_of_those_of_one_case() -> None:
    cases = [_case(np.zeros((3, 16, 16)), None, name) for name in ("a", "b")]
    patches = _patches(*cases, depth=3, number=np.zeros((3, 16, 16), np.int16))
    patches.replace_maps(cases[1], {"number": np.ones((3, 16, 16), np.int16)})
    seen = {b.cases[0]: b.maps["number"] for b in (patches.batch(s, STILL, 0.0) for s in (1, 2))}
    assert seen["a"].max() == 0
    assert seen["b"].max() == 1
    with pytest.raises(InvalidInput, match="shape"):
        patches.replace_maps(cases[1], {"number": np.ones((3, 9, 9), np.int16)})


def test_stacks_are_whole_volumes_in_pieces_and_in_order() -> None:
    image = np.arange(7, dtype=np.float32)[:, None, None] * np.ones((7, 16, 16), np.float32)
    strokes = np.zeros((7, 16, 16), np.int16)
    strokes[5, 3, 4] = 1
    patches = _patches(_case(image, strokes), _case(image[:3], None, "other"))
    stacks = patches.stacks(3)
    assert [(len(stack), stack[0].case) for stack in stacks] == [
        (3, "case"),
        (3, "case"),
        (1, "case"),
        (3, "other"),
    ]
    levels = torch.stack([item.image[0, 0, 0] for stack in stacks[:3] for item in stack])
    assert (levels.diff() > 0).all()
    assert stacks[1][2].integers[0, 3, 4] == 1
    assert (stacks[0][0].integers[0] == IGNORE).all()
