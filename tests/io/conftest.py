"""A phantom fixed in the patient: two balls of different value, on any grid."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from napari_scribseg.core.volume import Grid, Volume

BALLS = {100: (12.0, -20.0, 33.0), 200: (-5.0, 4.0, 21.0)}
"""Value: LPS centre in mm; nothing about them is symmetric."""
RADIUS_MM = 6.0


def rotation(degrees, axis):
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


class Phantom:
    """Builds the phantom and finds it again."""

    def grid(self, degrees=20.0):
        affine = np.eye(4)
        spacing = np.array([3.0, 1.5, 2.0])
        axes = rotation(degrees, (1, 2, 3)) @ np.eye(3)[::-1] * spacing
        shape = (16, 44, 26)
        affine[:3, :3] = axes
        affine[:3, 3] = np.mean(list(BALLS.values()), axis=0) - axes @ (np.array(shape) - 1) / 2
        return Grid(shape, affine)

    def volume(self, grid=None, dtype=np.int16):
        grid = grid or self.grid()
        index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
        position = grid.position(index)
        array = np.zeros(grid.shape, dtype)
        for value, centre in BALLS.items():
            array[np.linalg.norm(position - centre, axis=-1) < RADIUS_MM] = value
        return Volume(array, grid)

    def orders(self):
        """The 48 ways to store the axes of an array."""
        return [(p, f) for p in permutations(range(3)) for f in product((False, True), repeat=3)]

    def reordered(self, volume, order):
        """The same volume with permuted and flipped axes: every voxel stays in its place."""
        axes, flips = order
        array = volume.array.transpose(axes)
        affine = volume.grid.affine[:, [*axes, 3]].copy()
        for axis, flip in enumerate(flips):
            if flip:
                affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
                affine[:3, axis] *= -1
                array = np.flip(array, axis)
        return Volume(np.ascontiguousarray(array), Grid(array.shape, affine))

    def centres(self, volume):
        """Value: LPS centre of mass of the voxels with that value."""
        return {
            value: volume.grid.position(np.argwhere(volume.array == value)).mean(axis=0)
            for value in BALLS
        }

    def assert_in_place(self, volume, reference):
        expected = self.centres(reference)
        for value, centre in self.centres(volume).items():
            assert np.abs(centre - expected[value]).max() < 1e-3
            assert np.linalg.norm(centre - BALLS[value]) < 1.0


@pytest.fixture(scope="session")
def phantom():
    return Phantom()
