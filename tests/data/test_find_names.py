"""Label files by 3D Slicer among found cases: the names of every file count, not its numbers."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import two_ball_case, write_nifti

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.data.find import find_cases
from napari_scribseg.data.found import read_as
from napari_scribseg.data.label_values import convention_of, proposed, schema_of_values
from napari_scribseg.io.decoded import Segment
from napari_scribseg.io.nrrd_writing import write_segments

CASE = two_ball_case((3, 24, 20))
SCHEMA = LabelSchema.of("bright", "dim")


def put(folder, case, numbers, kind="seg", labels=CASE.reference):
    """A case as 3D Slicer has written it, its classes (and background strokes) numbered so."""
    write_nifti(folder / case / "image.nii.gz", CASE.image.array, CASE.grid)
    table = np.zeros(256, np.uint8)
    names = ("bright", "dim", "Background")[: len(numbers)]
    table[list((1, 2, BACKGROUND)[: len(numbers)])] = numbers
    segments = [Segment(name, v, 0) for name, v in zip(names, numbers, strict=True)]
    path = folder / case / f"{kind}.seg.nrrd"
    write_segments(path, table[labels], CASE.grid, sorted(segments, key=lambda s: s.value))


def taken(found, schema):
    """The cases, their labels read as the list of found cases proposes."""
    read = {
        one.kind: convention_of(proposed(one, schema), schema, one.kind) for one in found.values
    }
    cases = read_as(found.cases, read, schema.n_classes - 1)
    return [case.files.load(schema) for case in cases]


@pytest.mark.parametrize("numbers", [[(2, 1), (1, 2)], [(1, 2), (3, 1)], [(1, 2), (1, 2)]])
def test_references_are_taken_by_the_names_of_each_file(tmp_path, numbers):
    for k, each in enumerate(numbers):
        put(tmp_path, f"p{k}", each)
    found = find_cases([tmp_path])
    own = schema_of_values(found.values, "own")
    assert sorted(own.names[1:]) == ["bright", "dim"]
    for case in taken(found, SCHEMA):
        np.testing.assert_array_equal(case.reference, CASE.reference)
    for case in taken(found, own):
        bright = case.reference == own.names.index("bright")
        np.testing.assert_array_equal(bright, CASE.reference == 1)
    told = [note for note in found.notes if "by their names" in note]
    assert len(told) == (numbers[0] != numbers[1])


def test_strokes_with_a_background_segment_are_taken_by_name(tmp_path):
    for case, numbers in (("p0", (2, 1, 3)), ("p1", (1, 3, 2))):
        put(tmp_path, case, numbers, "scribbles", CASE.scribbles)
    for case in taken(find_cases([tmp_path]), SCHEMA):
        np.testing.assert_array_equal(case.scribbles, CASE.scribbles)


def test_numbers_without_names_are_left_out_beside_names_that_contradict(tmp_path):
    put(tmp_path, "p0", (2, 1))
    put(tmp_path, "p1", (1, 2))
    write_nifti(tmp_path / "p2" / "image.nii.gz", CASE.image.array, CASE.grid)
    write_nifti(tmp_path / "p2" / "seg.nii.gz", CASE.reference, CASE.grid)
    found = find_cases([tmp_path])
    assert [case.files.reference is None for case in found.cases] == [False, False, True]
    assert any("its numbers have no names" in one for one in found.left_out_sentences())
    for case in taken(found, SCHEMA)[:2]:
        np.testing.assert_array_equal(case.reference, CASE.reference)


def test_a_segment_of_a_file_that_was_not_read_is_asked_about(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_scribseg.data.label_values.MOST_READ", 1)
    put(tmp_path, "p0", (1, 3))
    put(tmp_path, "p1", (2, 1))
    path = tmp_path / "p1" / "seg.seg.nrrd"
    names = [Segment("tumour", 1, 0), Segment("bright", 3, 0)]
    write_segments(path, np.array([0, 3, 1], np.uint8)[CASE.reference], CASE.grid, names)
    with pytest.raises(InvalidInput, match="It is not said"):
        taken(find_cases([tmp_path]), SCHEMA)
