"""Names of structures out of files by 3D Slicer and ITK-SNAP."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import phantom_dataset, two_ball_case, write_nifti

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.io.decoded import Segment
from napari_scribseg.io.nrrd_writing import write_segments

SMALL = (2, 16, 16)
SNAP = """################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "bright"
    2     0  255    0        1  1  0    "dim"
    3     0    0  255      0.5  1  1    "Label 3"
"""


@pytest.fixture
def folder(tmp_path):
    folder = phantom_dataset(tmp_path / "data", 2, shape=SMALL)
    (folder / "labels.json").unlink()
    return folder


def by_slicer(folder, case, kind, stored, segments):
    (folder / kind / f"{case}.nii.gz").unlink()
    image = two_ball_case(SMALL, seed=int(case[-1]))
    path = folder / kind / f"{case}.seg.nrrd"
    write_segments(path, stored.astype(np.uint8), image.grid, segments)


def test_slicers_names_count_and_not_its_numbers(folder):
    for case, order in (("patient00", (1, 2)), ("patient01", (2, 1))):
        truth = two_ball_case(SMALL, seed=int(case[-1])).reference
        stored = np.array([0, *order])[truth]
        segments = [Segment("Bright", order[0], 0, "#ff0000"), Segment("dim", order[1], 0, None)]
        by_slicer(folder, case, "labels", stored, sorted(segments, key=lambda s: s.value))
        drawn = two_ball_case(SMALL, seed=int(case[-1])).scribbles
        # A stroke of each, and background as a segment of its own.
        by_slicer(
            folder, case, "scribbles", np.where(drawn == 255, 3, drawn),
            [Segment("bright", 1, 0), Segment("dim", 2, 0), Segment("Background", 3, 0)],
        )  # fmt: skip
    dataset = read_dataset(folder)
    assert [name.casefold() for name in dataset.schema.names] == ["background", "bright", "dim"]
    for seed, files in enumerate(dataset.cases):
        case, truth = files.load(dataset.schema), two_ball_case(SMALL, seed=seed)
        np.testing.assert_array_equal(case.reference, truth.reference)
        np.testing.assert_array_equal(case.scribbles, truth.scribbles)


def test_names_count_beside_label_files_that_have_none(folder):
    schema = LabelSchema.of("bright", "dim")
    for case, order in (("patient00", (1, 2)), ("patient01", (2, 1))):
        truth = two_ball_case(SMALL, seed=int(case[-1])).reference
        segments = [Segment("bright", order[0], 0), Segment("dim", order[1], 0)]
        by_slicer(folder, case, "labels", np.array([0, *order])[truth], segments)
    with pytest.raises(InvalidInput, match=r"number their segments differently.*labels\.json"):
        read_dataset(folder)
    (folder / "labels.json").write_text(schema.model_dump_json())
    for seed, files in enumerate(read_dataset(folder).cases):
        case, truth = files.load(schema), two_ball_case(SMALL, seed=seed)
        np.testing.assert_array_equal(case.reference, truth.reference)
        np.testing.assert_array_equal(case.scribbles, truth.scribbles)


def test_strokes_without_a_background_segment_are_not_background(folder):
    for case in ("patient00", "patient01"):
        (folder / "labels" / f"{case}.nii.gz").unlink()
        drawn = two_ball_case(SMALL, seed=int(case[-1])).scribbles
        by_slicer(
            folder, case, "scribbles", np.where(drawn == 255, 0, drawn),
            [Segment("bright", 1, 0), Segment("dim", 2, 0)],
        )  # fmt: skip
    dataset = read_dataset(folder)
    assert set(np.unique(dataset.cases[0].load(dataset.schema).scribbles)) == {0, 1, 2}


def test_itk_snap_names_and_colours(folder):
    (folder / "hearts.label").write_text(SNAP)
    schema = read_dataset(folder).schema
    assert schema.names == ("background", "bright", "dim")
    assert [c.color for c in schema.classes] == ["#ff0000", "#00ff00"]
    (folder / "again.txt").write_text(SNAP)
    with pytest.raises(InvalidInput, match="several ITK-SNAP label descriptions"):
        read_dataset(folder)


def test_itk_snap_names_other_values(folder):
    for seed in (0, 1):
        case = two_ball_case(SMALL, seed=seed)
        stored = np.array([0, 200, 600], np.uint16)[case.reference]
        write_nifti(folder / f"labels/patient0{seed}.nii.gz", stored, case.grid)
    text = SNAP.replace("    1   255", "  600   255").replace("    2     0", "  200     0")
    (folder / "hearts.label").write_text(text)
    dataset = read_dataset(folder)
    assert dataset.schema.names == ("background", "dim", "bright")
    truth = two_ball_case(SMALL).reference
    np.testing.assert_array_equal(dataset.cases[0].load(dataset.schema).reference, truth)


def test_notes_that_are_no_description_name_nothing(folder):
    (folder / "readme.txt").write_text("bright and dim")
    assert read_dataset(folder).schema.names == ("background", "class 1", "class 2")
