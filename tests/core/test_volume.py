"""Grid: the one place that links array indices (z, y, x) to positions (x, y, z) in the patient."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume

OBLIQUE = np.array(
    [
        # columns: one step along z, y, x; then the position of voxel (0, 0, 0)
        [0.0, -1.2, 1.6, 10.0],
        [0.0, 1.6, 1.2, -20.0],
        [5.0, 0.0, 0.0, 30.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""Rotated in the plane by the angle of the 3-4-5 triangle; spacing 5, 2, 2 mm."""


def test_position_of_a_voxel_by_hand() -> None:
    grid = Grid.from_spacing((4, 5, 6), (8.0, 2.0, 1.5), origin=(100.0, 200.0, 300.0))
    # Index z=1, y=2, x=3 is 3 * 1.5 mm along x, 2 * 2 mm along y, 8 mm along z.
    np.testing.assert_allclose(grid.position((1, 2, 3)), (104.5, 204.0, 308.0))
    assert grid.spacing == (8.0, 2.0, 1.5)


def test_spacing_and_directions_of_an_oblique_grid() -> None:
    grid = Grid((3, 4, 5), OBLIQUE)
    assert grid.spacing == pytest.approx((5.0, 2.0, 2.0))
    np.testing.assert_allclose(grid.directions.T @ grid.directions, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(grid.directions[:, 0], (0, 0, 1))
    np.testing.assert_allclose(grid.position((2, 0, 1)), (11.6, -18.8, 40.0))


def test_index_is_the_inverse_of_position() -> None:
    grid = Grid((3, 4, 5), OBLIQUE)
    indices = np.random.default_rng(0).uniform(-2, 9, (7, 2, 3))
    np.testing.assert_allclose(grid.index(grid.position(indices)), indices, atol=1e-9)


@pytest.mark.parametrize(
    ("column", "entries", "sentence"),
    [
        (2, (0.0, 0.0, 0.0), "three positive lengths in mm"),
        (2, (0.0, 0.0, 1.0), "not perpendicular"),
        (2, (math.nan, 0.0, 0.0), "must be 4 x 4 and finite"),
        (3, (0.0, math.inf, 0.0), "must be 4 x 4 and finite"),
    ],
)
def test_what_is_no_straight_grid_is_refused(column, entries, sentence) -> None:
    affine = Grid.from_spacing((2, 2, 2), (5.0, 1.0, 1.0)).affine.copy()
    affine[:3, column] = entries
    with pytest.raises(InvalidInput, match=sentence):
        Grid((2, 2, 2), affine)


def test_a_sheared_gantry_is_refused_and_rounding_of_a_header_is_not() -> None:
    affine = Grid.from_spacing((2, 2, 2), (5.0, 1.0, 1.0)).affine.copy()
    affine[1, 0] = 0.001
    Grid((2, 2, 2), affine)
    affine[1, 0] = 0.5
    with pytest.raises(InvalidInput, match="sheared or tilted"):
        Grid((2, 2, 2), affine)


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 4), (1, 2, 3, 4)])
def test_a_volume_has_three_axes_with_voxels(shape) -> None:
    with pytest.raises(InvalidInput, match="three axes"):
        Grid(shape, np.eye(4))


def test_the_offset_of_two_grids_is_in_voxels_of_the_first() -> None:
    here = Grid.from_spacing((3, 4, 5), (8.0, 2.0, 1.0))
    assert here.offset_from(here) == 0
    assert here.offset_from(
        Grid.from_spacing((3, 4, 5), (8.0, 2.0, 1.0), origin=(0.0, 0.5, 0.0))
    ) == pytest.approx(0.25)
    # 1 % more spacing grows over the 4 steps of the x axis to 0.04 voxel at the far corner.
    assert here.offset_from(Grid.from_spacing((3, 4, 5), (8.0, 2.0, 1.01))) == pytest.approx(0.04)
    assert here.offset_from(Grid.from_spacing((3, 4, 6), (8.0, 2.0, 1.0))) == math.inf


def test_a_grid_is_a_value() -> None:
    affine = OBLIQUE.copy()
    grid = Grid((3, 4, 5), affine)
    affine[0, 3] = 99.0
    assert grid == Grid((3, 4, 5), OBLIQUE)
    assert hash(grid) == hash(Grid((3, 4, 5), OBLIQUE))
    assert grid != Grid((3, 4, 6), OBLIQUE)
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 3] = 0.0


def test_array_and_grid_of_a_volume_have_one_shape() -> None:
    grid = Grid.from_spacing((2, 3, 4), (1.0, 1.0, 1.0))
    assert Volume(np.zeros((2, 3, 4)), grid).shape == (2, 3, 4)
    with pytest.raises(InvalidInput, match=r"\(4, 3, 2\) does not fit .* 2 x 3 x 4"):
        Volume(np.zeros((4, 3, 2)), grid)
