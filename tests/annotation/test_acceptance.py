"""Predictions accepted as scribbles: which voxels, and never over a stroke."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_scribseg.annotation.acceptance import Acceptance, accepted, counts_of
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, LabelSchema

SCHEMA = LabelSchema.of("a", "b")
SPACING = (8.0, 1.0, 1.0)


def square(n=9, low=2, high=7, slices=2):
    segmentation = np.zeros((slices, n, n), np.uint8)
    segmentation[:, low:high, low:high] = 1
    return segmentation


def test_unlabelled_voxels_get_the_class_and_background_its_scribble_value():
    segmentation = square()
    scribbles = np.zeros_like(segmentation)
    scribbles[0, 4, :] = 2
    added = accepted(segmentation, scribbles, SPACING, SCHEMA, Acceptance())
    assert not added[0, 4].any()
    assert (added[1] == np.where(segmentation[1] == 1, 1, BACKGROUND)).all()


def test_one_slice_only():
    segmentation = square()
    added = accepted(segmentation, np.zeros_like(segmentation), SPACING, SCHEMA, Acceptance(z=1))
    assert not added[0].any()
    assert added[1].all()
    with pytest.raises(InvalidInput, match="no slice 2"):
        accepted(segmentation, segmentation, SPACING, SCHEMA, Acceptance(z=2))


def test_without_background():
    segmentation = square()
    added = accepted(
        segmentation, np.zeros_like(segmentation), SPACING, SCHEMA, Acceptance(background=False)
    )
    assert (added == segmentation).all()


def test_the_core_lies_so_many_mm_inside():
    segmentation = square(slices=1)
    empty = np.zeros_like(segmentation)
    added = accepted(segmentation, empty, SPACING, SCHEMA, Acceptance(core_mm=1.0))
    assert (np.argwhere(added[0] == 1) == np.argwhere(square(low=3, high=6, slices=1)[0])).all()
    # Pixels twice as wide: a step along x is 2 mm and stays.
    wide = accepted(segmentation, empty, (8, 1, 2), SCHEMA, Acceptance(core_mm=1.0))
    assert (wide[0, 3:6, 2:7] == 1).all()
    assert not (wide[0, 2] == 1).any()
    # Background has a core, too, and the edge of the image is no border.
    assert added[0, 0, 0] == BACKGROUND
    assert added[0, 1, 4] == 0


def test_only_where_it_is_sure():
    segmentation = square(slices=1)
    uncertainty = np.zeros(segmentation.shape, np.float32)
    uncertainty[0, :5] = 0.6
    limit = Acceptance(most_uncertainty=0.5)
    added = accepted(segmentation, np.zeros_like(segmentation), SPACING, SCHEMA, limit, uncertainty)
    assert not added[0, :5].any()
    assert added[0, 5:].all()
    with pytest.raises(InvalidInput, match="needs the uncertainty"):
        accepted(segmentation, segmentation, SPACING, SCHEMA, limit)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([0.0, 1.0, 2.5]),
    st.booleans(),
)
def test_a_stroke_is_never_overwritten(seed, z, core_mm, background):
    rng = np.random.default_rng(seed)
    segmentation = rng.integers(0, 3, (2, 8, 8)).astype(np.uint8)
    scribbles = rng.choice([0, 0, 1, 2, BACKGROUND], (2, 8, 8)).astype(np.uint8)
    before = scribbles.copy()
    wanted = Acceptance(z=z, core_mm=core_mm, background=background)
    added = accepted(segmentation, scribbles, SPACING, SCHEMA, wanted)
    assert not added[scribbles != 0].any()
    assert (scribbles == before).all()
    SCHEMA.check_scribbles(added)


def test_counts_for_the_sentence():
    assert counts_of(np.array([1, 1, 2, 0, BACKGROUND]), SCHEMA) == "a 2, b 1, background 1"
    assert counts_of(np.zeros(3), SCHEMA) == "none"


def test_other_grids_and_values_are_refused():
    with pytest.raises(InvalidInput, match="own grid"):
        accepted(square(), np.zeros((1, 9, 9)), SPACING, SCHEMA, Acceptance())
    with pytest.raises(InvalidInput, match="not in the schema"):
        accepted(square() + 5, square(), SPACING, SCHEMA, Acceptance())


def test_nothing_is_accepted_from_a_slice_without_structures():
    """All of it would become background, unasked; the volume as a whole has its structures."""
    segmentation = square()
    segmentation[1] = 0
    nothing = np.zeros_like(segmentation)
    with pytest.raises(InvalidInput, match="no structure, so all of slice 1"):
        accepted(segmentation, nothing, SPACING, SCHEMA, Acceptance(z=1))
    assert (accepted(segmentation, nothing, SPACING, SCHEMA, Acceptance())[1] == BACKGROUND).all()
