"""How volumes are turned on the screen: always the way a radiologist looks at them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_scribseg.core.volume import Grid
from napari_scribseg.gui.canvas.world import placement, same_place, shown_affine

AXES = {"L": 0, "P": 1, "S": 2}


def grid(axes: str, spacing=(8.0, 1.5, 1.0), shape=(3, 5, 7)) -> Grid:
    """A grid whose array axes (z, y, x) point along these patient axes, e.g. "SPL" or "IAR"."""
    opposite = {"R": "L", "A": "P", "I": "S"}
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, letter in enumerate(axes):
        sign = -1.0 if letter in opposite else 1.0
        affine[AXES[opposite.get(letter, letter)], column] = sign * spacing[column]
    affine[:3, 3] = (11.0, -7.0, 30.0)
    return Grid(shape, affine)


@pytest.mark.parametrize(
    ("axes", "signs"),
    [
        ("SPL", (1, 1, 1)),
        ("IAR", (-1, -1, -1)),
        ("SAL", (1, -1, 1)),  # NIfTI's usual order: up must still be anterior
        ("PIL", (1, 1, 1)),  # coronal: down is inferior
        ("ASR", (-1, -1, -1)),
        ("LIP", (1, 1, 1)),  # sagittal: right is posterior
    ],
)
def test_the_usual_view(axes, signs):
    scale, _ = placement(grid(axes))
    assert tuple(np.sign(scale)) == signs


@pytest.mark.parametrize("flips", list(itertools.product(["S", "I"], ["P", "A"], ["L", "R"])))
def test_axial_volumes_lie_at_their_patient_positions(flips):
    """World (z, y, x) is (S, P, L) in mm, so that volumes of one patient lie on each other."""
    one = grid("".join(flips))
    index = np.array([1, 2, 3])
    scale, translate = placement(one)
    left, posterior, superior = one.position(index)
    assert np.array(translate) + scale * index == pytest.approx([superior, posterior, left])


def test_oblique_volumes_keep_their_axes_and_their_spacing():
    turn = np.radians(30)
    rotation = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([8.0, 1.5, 1.0])[::-1]
    scale, _ = placement(Grid((2, 3, 4), affine))
    assert np.abs(scale) == pytest.approx([8.0, 1.5, 1.0])


def test_a_moved_volume_is_not_in_the_same_place():
    one = grid("SPL")
    here = shown_affine(one)
    moved = here.copy()
    moved[0, 3] += 0.01
    assert same_place(here, here.copy(), one.shape)
    assert not same_place(here, moved, one.shape)
