"""Strokes go where their anatomy went: between phases, slices and scans that lie elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg import read_dataset, sample_folder
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, UNSURE
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.propagate.carry_over import carry_case, carry_slice

HEARTS = read_dataset(sample_folder("cardiac"))


@pytest.fixture(scope="module")
def phases():
    return [files.load(HEARTS.schema) for files in HEARTS.cases[:2]]


def right(strokes, reference):
    """Share of the drawn voxels that have the class of the reference; how many there are."""
    drawn = strokes > 0
    classes = np.where(strokes == BACKGROUND, 0, strokes)
    return (classes == reference)[drawn].mean(), np.count_nonzero(drawn)


def test_strokes_follow_the_heart_from_one_phase_to_the_other(phases):
    diastole, systole = phases
    copied, drawn = right(diastole.scribbles, systole.reference)
    before = diastole.scribbles.copy()
    found = carry_case(diastole.image, diastole.scribbles, systole.image)
    carried, kept = right(found, systole.reference)
    assert carried > copied + 0.02
    assert carried > 0.9
    assert kept > drawn / 2
    np.testing.assert_array_equal(diastole.scribbles, before)


def test_a_slice_gives_its_strokes_to_its_neighbour(phases):
    case, _ = phases
    z, spacing = 4, case.image.spacing[1:]
    found = carry_slice(case.image.array[z], case.scribbles[z], case.image.array[z + 1], spacing)
    assert (
        right(found, case.reference[z + 1])[0] >= right(case.scribbles[z], case.reference[z + 1])[0]
    )
    assert set(np.unique(found)) == set(np.unique(case.scribbles[z]))


def test_a_scan_that_lies_elsewhere_is_brought_together_first(phases):
    """The same heart, scanned 14 mm aside, with other pixels and axes."""
    case, _ = phases
    grid = case.image.grid
    turned = np.ascontiguousarray(case.image.array[:, ::-1, 6:])
    affine = grid.affine.copy()
    affine[:3, 3] = grid.position((0, grid.shape[1] - 1, 6)) + (14.0, 0.0, 0.0)
    affine[:3, 1] *= -1
    target = Volume(turned, Grid(turned.shape, affine))
    found = carry_case(case.image, case.scribbles, target)
    share, n = right(found, case.reference[:, ::-1, 6:])
    assert share > 0.93
    assert n > 0.8 * np.count_nonzero(case.scribbles)


def test_without_a_structure_nothing_is_carried(phases):
    case, other = phases
    background = np.where(case.scribbles == BACKGROUND, case.scribbles, 0)
    assert not carry_case(case.image, background, other.image).any()


def test_what_does_not_fit_is_refused(phases):
    case, other = phases
    with pytest.raises(InvalidInput, match="one size"):
        carry_slice(np.zeros((4, 4)), np.zeros((4, 4), np.uint8), np.zeros((5, 4)), (1.0, 1.0))
    with pytest.raises(InvalidInput, match="voxels"):
        carry_case(case.image, case.scribbles[1:], other.image)


def test_what_is_unsure_is_not_carried(phases):
    case, _ = phases
    z = 4
    strokes = case.scribbles[z].copy()
    strokes[:5] = UNSURE
    image, onto = case.image.array[z], case.image.array[z + 1]
    assert UNSURE not in carry_slice(image, strokes, onto, case.image.spacing[1:])


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_single_voxels_that_are_no_numbers_cost_no_stroke(phases, strange):
    case, _ = phases
    z, spacing = 4, case.image.spacing[1:]
    image, onto = (case.image.array[k].astype(np.float32) for k in (z, z + 1))
    found = carry_slice(image, case.scribbles[z], onto, spacing)
    image[0, 0] = onto[-1, -1] = strange
    again = carry_slice(image, case.scribbles[z], onto, spacing)
    assert np.count_nonzero(found != again) <= 0.01 * np.count_nonzero(found)


@pytest.mark.parametrize("shape", [(1, 40), (40, 3)])
def test_slices_without_room_are_refused(shape):
    strokes = np.ones(shape, np.uint8)
    with pytest.raises(InvalidInput, match="too small for strokes"):
        carry_slice(np.ones(shape), strokes, np.ones(shape), (1.0, 1.0))
