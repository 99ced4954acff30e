"""Which case's newest prediction is the least sure."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import TWO_BALLS, write_nifti

from napari_scribseg.core.volume import Grid
from napari_scribseg.project.case_doubt import case_doubts
from napari_scribseg.project.folder import Project

GRID = Grid.from_spacing((2, 10, 10), (8.0, 1.0, 1.0))


def predict(project, stamp, case, *, unsure, voxels):
    folder = project / "runs" / "r" / "predictions" / stamp / "output"
    segmentation = np.zeros(GRID.shape, np.uint8)
    segmentation.reshape(-1)[:voxels] = 1
    write_nifti(folder / f"{case}.nii.gz", segmentation, GRID)
    if unsure is not None:
        write_nifti(
            folder / f"{case}_uncertainty.nii.gz", np.full(GRID.shape, unsure, np.float32), GRID
        )


def test_the_newest_map_counts_per_voxel_of_the_segmentation(tmp_path):
    project = tmp_path / "p"
    assert case_doubts(project) == {}
    Project.create(project, TWO_BALLS).close()
    predict(project, "2026-01-01T00-00-00_aa", "a", unsure=1.0, voxels=160)
    predict(project, "2026-01-02T00-00-00_aa", "a", unsure=0.5, voxels=160)
    predict(project, "2026-01-01T00-00-00_aa", "b", unsure=0.5, voxels=0)
    # 200 voxels of 0.5 each over 160; a segmentation of nothing counts as 100 voxels.
    assert case_doubts(project) == pytest.approx({"a": 100 / 160, "b": 100 / 100})


def test_an_older_prediction_does_not_speak_for_a_newer_one_without_a_map(tmp_path):
    project = tmp_path / "p"
    Project.create(project, TWO_BALLS).close()
    for case in ("a", "b", "b_uncertainty"):
        predict(project, "2026-01-01T00-00-00_aa", case, unsure=1.0, voxels=200)
    predict(project, "2026-01-02T00-00-00_aa", "a", unsure=None, voxels=200)
    assert case_doubts(project) == pytest.approx({"b": 1.0})


def test_comments_and_who_are_kept(tmp_path):
    from phantoms import phantom_dataset

    from napari_scribseg.core.errors import InvalidInput
    from napari_scribseg.data.dataset import read_dataset

    (files,) = read_dataset(phantom_dataset(tmp_path / "d", 1, shape=(2, 24, 24))).cases
    with Project.create(tmp_path / "p", TWO_BALLS) as project:
        project.add_case(files, copy=False)
        project.set_progress("patient00", "done", by="ann")
        project.add_comment("patient00", " apex unsure ", "ann")
        with pytest.raises(InvalidInput, match="comment"):
            project.add_comment("patient00", "  ", "ann")
    with Project.open(tmp_path / "p", read_only=True) as again:
        entry = again.case("patient00")
        assert (entry.progress, entry.by) == ("done", "ann")
        assert [(c.by, c.text) for c in entry.comments] == [("ann", "apex unsure")]
