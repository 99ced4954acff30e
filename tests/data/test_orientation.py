"""Orientation: one volume in 48 orders is seen once; oblique volumes that look alike stay alike."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from phantoms import two_ball_case
from scipy.spatial.transform import Rotation

from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.orientation import (
    NOT_RECORDED,
    UNKNOWN_CASE,
    UNKNOWN_RUN,
    Orientation,
    StoredAxes,
    Turn,
    codes_of,
    plane_of,
    view_of,
)

ALL = [Turn(a, r) for a in permutations(range(3)) for r in product((False, True), repeat=3)]
SPACING = (8.0, 1.5, 1.2)
SHAPE = (4, 30, 20)


def _stored(rotation: Rotation, turn: Turn = ALL[0], spacing=SPACING, shape=SHAPE) -> StoredAxes:
    """Slices (z to the head, y to the back, x to the left) rotated in the patient, then stored."""
    affine = np.eye(4)
    affine[:3, :3] = rotation.as_matrix() @ np.eye(3)[::-1] * np.array(spacing)
    affine[:3, 3] = (-20.0, 30.0, 7.0)
    return StoredAxes(turn.grid(Grid(shape, affine)))


def _rotated(degrees: float, axis: str = "x") -> Rotation:
    return Rotation.from_euler(axis, degrees, degrees=True)


def _short_axes() -> list[StoredAxes]:
    """Short axes of 13 hearts, whose rows lie halfway between two axes of the patient."""
    heart = Rotation.from_euler("zxz", [-45, 115, 80], degrees=True)
    return [_stored(_rotated(d, axis) * heart) for d in (-12, -5, 5, 12) for axis in "xyz"] + [
        _stored(heart)
    ]


@pytest.mark.parametrize("turn", ALL)
def test_a_turned_voxel_stays_where_it_is_in_the_patient(turn: Turn) -> None:
    array = np.random.default_rng(0).random(SHAPE)
    grid = _stored(_rotated(20)).grid
    turned, seen = turn.grid(grid), turn.applied(array)
    assert turned.shape == seen.shape
    index = np.argwhere(seen > -1)
    back = np.rint(grid.index(turned.position(index))).astype(int)
    np.testing.assert_array_equal(array[tuple(back.T)], seen[tuple(index.T)])
    np.testing.assert_array_equal(turn.undone(seen), array)
    several = np.stack([seen, seen + 1])
    np.testing.assert_array_equal(turn.undone(several), np.stack([array, array + 1]))
    np.testing.assert_allclose(grid.directions @ turn.matrix, turned.directions)


def test_the_48_turns_are_all_different_and_the_first_changes_nothing() -> None:
    assert len({turn.matrix.tobytes() for turn in ALL}) == 48
    case = two_ball_case()
    assert Turn().is_none
    assert Turn().case(case) is case
    assert Turn().applied(case.image.array) is case.image.array
    turned = Turn((0, 2, 1), (True, False, False)).case(case)
    np.testing.assert_array_equal(turned.scribbles, case.scribbles[::-1].transpose(0, 2, 1))
    np.testing.assert_array_equal(turned.reference, case.reference[::-1].transpose(0, 2, 1))


@pytest.mark.parametrize("spacing", [SPACING, (1.0, 1.0, 1.0), (0.5, 0.9, 0.9)])
@pytest.mark.parametrize("degrees", [0.0, 17.0, 33.0, 45.0])
def test_all_48_orders_of_one_volume_are_seen_alike(spacing, degrees) -> None:
    orientation = Orientation.of([_stored(_rotated(0), spacing=spacing)])
    oblique = _rotated(degrees, "z") * _rotated(10)
    orders = [_stored(oblique, turn, spacing) for turn in ALL]
    first, *others = [orientation.view(s).turn.grid(s.grid) for s in orders]
    for seen in others:
        assert seen.shape == first.shape
        np.testing.assert_allclose(seen.affine, first.affine, atol=1e-9)
    assert np.linalg.det(first.directions) < 0  # z, y, x of LPS: the patient is never mirrored


def test_oblique_volumes_that_look_alike_are_not_turned_although_their_codes_differ() -> None:
    hearts = _short_axes()
    codes = [codes_of(heart.grid) for heart in hearts]
    assert len(set(codes)) >= 2  # what a rule of nearest axes would turn apart
    orientation = Orientation.of(hearts)
    views = [orientation.view(heart) for heart in hearts]
    assert all(view.turn.is_none and not view.doubt for view in views)


def test_cases_of_a_run_are_seen_alike_however_each_of_them_is_stored() -> None:
    rng, hearts = np.random.default_rng(1), _short_axes()
    plain = Orientation.of(hearts)
    mixed = [StoredAxes(ALL[rng.integers(48)].grid(heart.grid)) for heart in hearts]
    for order in (mixed, mixed[::-1], [mixed[i] for i in rng.permutation(len(mixed))]):
        orientation = Orientation.of(order)
        frames = [orientation.view(h).turn.grid(h.grid).directions for h in order]
        traces = [np.trace(a.T @ b) for a in frames for b in frames]
        assert min(traces) > 1 + 2 * np.cos(np.radians(30))
        np.testing.assert_allclose(orientation.directions, Orientation.of(mixed).directions)
    # The same picture, up to which way round the first of them was stored.
    relative = np.array(plain.directions) @ np.array(Orientation.of(mixed).directions).T
    np.testing.assert_allclose(np.abs(relative).round(6) % 1, 0, atol=1e-6)


def test_the_order_of_most_cases_is_the_order_of_the_run() -> None:
    lps, ras = _stored(_rotated(0)), _stored(_rotated(0), Turn((0, 1, 2), (False, True, True)))
    assert (codes_of(lps.grid), codes_of(ras.grid)) == ("LPS", "RAS")
    most = Orientation.of([ras, lps, ras])
    assert [most.view(c).turn.is_none for c in (lps, ras)] == [False, True]
    equal = Orientation.of([ras, lps])
    assert equal == Orientation.of([lps, ras])
    assert [equal.view(c).turn.is_none for c in (lps, ras)] == [True, False]


def test_a_run_stored_left_handed_shows_right_handed_cases_as_it_shows_its_own() -> None:
    mirrored = _stored(_rotated(0), Turn((0, 1, 2), (False, False, True)))
    orientation = Orientation.of([mirrored])
    seen = orientation.view(_stored(_rotated(25))).turn
    assert seen == Turn((0, 1, 2), (False, False, True))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_stay_as_they_were_acquired(axis: int) -> None:
    spacing = tuple(6.0 if k == axis else 1.5 for k in range(3))
    stored = _stored(_rotated(0), spacing=spacing, shape=(20, 21, 22))
    assert stored.slice_axis == axis
    assert stored.slices_first.axes[0] == axis
    run = Orientation.of([_stored(_rotated(0))])
    assert run.view(stored).turn.axes[0] == axis
    assert run.view(stored).is_far == (axis != 0)


def test_which_axis_counts_the_slices() -> None:
    assert _stored(_rotated(0), spacing=(1.0, 1.1, 1.0)).slice_axis is None
    assert _stored(_rotated(0), spacing=(0.5, 0.9, 0.9)).slice_axis is None
    assert _stored(_rotated(0), spacing=(1, 1, 1), shape=(64, 64, 1)).slice_axis == 2
    assert _stored(_rotated(0), spacing=(1, 1, 1), shape=(1, 64, 64)).slice_axis == 0


def test_nearly_isotropic_volumes_are_cut_as_the_run_is() -> None:
    sagittal = _stored(_rotated(0), Turn((2, 0, 1)), spacing=(1, 1, 1))
    run = Orientation.of([_stored(_rotated(0)), sagittal])
    np.testing.assert_allclose(np.array(run.directions), [[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert run.view(sagittal).turn == Turn((1, 2, 0))
    alone = Orientation.of([sagittal])
    assert alone.view(sagittal).turn.is_none


@pytest.mark.parametrize(
    ("tilt", "axis", "plane"),
    [(90, (1, 0, 0), "coronal"), (-90, (0, 1, 0), "sagittal"), (70, (1, 1, 0), "oblique")],
)
def test_another_plane_is_told(tilt: float, axis: tuple[int, ...], plane: str) -> None:
    run = Orientation.of([_stored(_rotated(0))])
    rotation = Rotation.from_rotvec(np.radians(tilt) * np.array(axis) / np.linalg.norm(axis))
    view = run.view(_stored(rotation))
    assert view.is_far
    assert view.doubt == (
        f"The image lies {abs(tilt)} degrees from the orientation that the run has learnt: its "
        f"slices are {plane}, those of the training cases axial. Its segmentation can't be trusted."
    )
    assert run.view(_stored(_rotated(58))).doubt == ""


def test_planes_have_names() -> None:
    assert plane_of((0, 0.1, -0.99)) == "axial"
    assert plane_of((1, 0, 0)) == "sagittal"
    assert plane_of((0, -1, 0)) == "coronal"
    assert plane_of((0.7, 0, 0.7)) == "oblique"


def test_unknown_sides_are_shown_as_stored_and_told() -> None:
    case = two_ball_case()
    ras = Turn((0, 1, 2), (False, True, True))
    unknown = Volume(case.image.array, replace(case.image.grid, oriented=False))
    run = Orientation.of([StoredAxes(ras.grid(case.grid)), StoredAxes.of(unknown)])
    assert run.view(StoredAxes(case.grid)).turn == ras
    assert view_of(run, unknown).turn.is_none
    assert view_of(run, unknown).doubt == UNKNOWN_CASE
    blind = Orientation.of([StoredAxes.of(unknown)])
    assert blind.directions is None
    assert view_of(blind, case.image).turn.is_none
    assert view_of(blind, case.image).doubt == UNKNOWN_RUN
    assert view_of(None, case.image).doubt == NOT_RECORDED


def test_it_survives_its_document_to_the_bit() -> None:
    for orientation in (Orientation.of(_short_axes()), Orientation(directions=None)):
        assert Orientation.model_validate_json(orientation.model_dump_json()) == orientation
