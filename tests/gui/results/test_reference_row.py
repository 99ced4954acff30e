"""A reference from a file: how its values are taken."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import two_ball_case

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.gui.results.reference_row import load_reference
from napari_scribseg.io.decoded import Segment
from napari_scribseg.io.nrrd_writing import write_segments

CASE = two_ball_case((3, 24, 20))
SCHEMA = LabelSchema.of("bright", "dim")


def by_slicer(path, *names):
    """The truth with the numbers of its classes exchanged, 2 = bright and 1 = dim."""
    stored = np.array([0, 2, 1], np.uint8)[CASE.reference]
    segments = [Segment(name, v, 0) for v, name in enumerate(names, start=1)]
    write_segments(path, stored, CASE.grid, segments)
    return path


def test_segments_of_slicer_are_taken_by_their_names(tmp_path):
    loaded = load_reference(by_slicer(tmp_path / "x.seg.nrrd", "Dim", "bright"), CASE.image, SCHEMA)
    np.testing.assert_array_equal(loaded.array, CASE.reference)


def test_segments_that_are_partly_others_are_refused(tmp_path):
    path = by_slicer(tmp_path / "x.seg.nrrd", "tumour", "bright")
    with pytest.raises(
        InvalidInput, match=r"names the segments tumour, bright, expected no others"
    ):
        load_reference(path, CASE.image, SCHEMA)


def test_segments_without_any_known_name_are_taken_by_number(tmp_path):
    path = by_slicer(tmp_path / "x.seg.nrrd", "Segment_1", "Segment_2")
    loaded = load_reference(path, CASE.image, SCHEMA)
    assert np.array_equal(loaded.array == 2, CASE.reference == 1)
