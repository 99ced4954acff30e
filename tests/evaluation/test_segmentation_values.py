"""Values of segmentations: class numbers, names of segments, values of the reference, doubts."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from phantoms import phantom_dataset, two_ball_case, write_nifti

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.evaluation.folders import evaluate_folders
from napari_scribseg.evaluation.segmentation_values import class_indices
from napari_scribseg.io.decoded import Segment
from napari_scribseg.io.nrrd_writing import write_segments

SMALL = (2, 24, 24)
SCHEMA = LabelSchema.of("bright", "dim")
STORED = np.array([[0, 1, 2, 1]], np.uint8)


def by_slicer(folder, seed, numbers, names=("bright", "dim")):
    """The truth of a case as 3D Slicer would write it, classes with these numbers."""
    case = two_ball_case(SMALL, seed=seed)
    stored = np.array([0, *numbers], np.uint8)[case.reference]
    segments = [Segment(name, v, 0) for name, v in zip(names, numbers, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"patient0{seed}.seg.nrrd"
    write_segments(path, stored, case.grid, sorted(segments, key=lambda s: s.value))


@pytest.fixture
def data(tmp_path):
    """A dataset whose references 3D Slicer has numbered file by file, and right predictions."""
    folder = phantom_dataset(tmp_path / "data", 2, shape=SMALL)
    for seed, numbers in enumerate([(2, 1), (1, 2)]):
        (folder / f"labels/patient0{seed}.nii.gz").unlink()
        by_slicer(folder / "labels", seed, numbers)
        case = two_ball_case(SMALL, seed=seed)
        write_nifti(tmp_path / f"predictions/patient0{seed}.nii.gz", case.reference, case.grid)
    return folder


@pytest.mark.parametrize("is_dataset", [True, False], ids=["dataset", "folder of labels"])
@pytest.mark.parametrize("is_named", [True, False], ids=["labels.json", "no document"])
def test_what_predict_wrote_is_scored_as_class_numbers(data, tmp_path, is_dataset, is_named):
    if not is_named:  # the first file names dim first
        (data / "labels.json").unlink()
        shutil.rmtree(data / "scribbles")
        for seed in (0, 1):
            case = two_ball_case(SMALL, seed=seed)
            ours = np.array([0, 2, 1], np.uint8)[case.reference]
            write_nifti(tmp_path / f"predictions/patient0{seed}.nii.gz", ours, case.grid)
    evaluation = evaluate_folders(tmp_path / "predictions", data if is_dataset else data / "labels")
    assert evaluation.schema.names[1:] == (("bright", "dim") if is_named else ("dim", "bright"))
    assert evaluation.mean_dice == 1.0
    assert any("read as class numbers" in note for note in evaluation.notes)


def test_segmentations_by_slicer_are_taken_by_their_names(data, tmp_path):
    for seed, numbers in enumerate([(1, 2), (2, 1)]):
        by_slicer(tmp_path / "theirs", seed, numbers)
    evaluation = evaluate_folders(tmp_path / "theirs", data)
    assert evaluation.mean_dice == 1.0
    assert not any("read as class numbers" in note for note in evaluation.notes)


def test_a_reference_that_names_other_segments_beside_ours_is_no_reference(data, tmp_path):
    by_slicer(data / "labels", 0, (2, 1), names=("bright", "tumour"))
    evaluation = evaluate_folders(tmp_path / "predictions", data / "labels", SCHEMA)
    assert [one.case for one in evaluation.unusable] == ["patient00.seg"]
    assert "expected no others than bright, dim" in evaluation.unusable[0].reason
    assert evaluation.mean_dice == 1.0


def test_ids_that_overlap_with_class_numbers_swap_nothing(tmp_path):
    folder = phantom_dataset(tmp_path / "data", 2, shape=SMALL)
    for seed in (0, 1):
        case = two_ball_case(SMALL, seed=seed)
        ids = np.array([0, 2, 3], np.uint8)[case.reference]
        write_nifti(folder / f"labels/patient0{seed}.nii.gz", ids, case.grid)
        one = np.where(case.reference == 2, 2, 0).astype(np.uint8)  # dim alone
        write_nifti(tmp_path / f"predictions/patient0{seed}.nii.gz", one, case.grid)
    dataset = read_dataset(folder).references_as(lambda _: ScribbleConvention.stored_values((2, 3)))
    evaluation = evaluate_folders(tmp_path / "predictions", dataset)
    assert [round(s.dice.mean, 3) for s in evaluation.summaries] == [0.0, 1.0]
    assert any("(1 = bright, 2 = dim); its reference" in note for note in evaluation.notes)


def test_values_of_the_reference_are_taken_where_none_is_a_class_number():
    far, near = (ScribbleConvention.stored_values(values) for values in ((200, 500), (2, 3)))
    stored = np.array([[0, 200, 500]], np.uint16)
    indices, note = class_indices(stored, None, far, SCHEMA)
    assert (indices.tolist(), note) == ([[0, 1, 2]], "")
    for written in (
        None,
        far,
        ScribbleConvention.ours(2),
        ScribbleConvention.stored_values((1, 2)),
    ):
        indices, note = class_indices(STORED, None, written, SCHEMA)
        assert (indices.tolist(), note) == (STORED.tolist(), "")
    with pytest.raises(InvalidInput, match=r"value\(s\) 3, expected class numbers \(1 = bright"):
        class_indices(np.array([[0, 2, 3]]), None, near, SCHEMA)


def test_a_background_segment_is_background_in_a_segmentation():
    told = ScribbleConvention("3D Slicer", 0, 3, (2, 1))
    indices, _ = class_indices(np.array([[0, 1, 2, 3]]), told, None, SCHEMA)
    assert indices.tolist() == [[0, 2, 1, 0]]
