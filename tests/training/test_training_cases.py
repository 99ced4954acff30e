"""Dense references among strokes: how they become something to learn from, and how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from phantoms import phantom_dataset, two_ball_case

from napari_scribseg.core.labels import UNKNOWN, targets_of
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.training.new_run import prepare_run
from napari_scribseg.training.train import train
from napari_scribseg.training.training_cases import training_cases, with_drawn_reference


def test_a_share_of_the_reference_is_drawn_where_there_are_no_strokes() -> None:
    case = replace(two_ball_case(), scribbles=None)
    assert case.reference is not None
    case.reference[0, :10] = UNKNOWN
    some = with_drawn_reference(case, 0.1, 0)
    assert some.scribbles is not None
    targets = targets_of(some.scribbles)
    drawn = targets >= 0
    assert 0.08 < drawn.mean() < 0.12
    assert not drawn[0, :10].any()
    assert (targets[drawn] == case.reference[drawn]).all()
    assert "0.1 of its voxels" in some.notes[-1]
    again, other = (with_drawn_reference(case, 0.1, seed) for seed in (0, 1))
    assert np.array_equal(some.scribbles, again.scribbles)
    assert not np.array_equal(some.scribbles, other.scribbles)


def test_strokes_are_never_added_to_and_nothing_is_drawn_unasked() -> None:
    case = two_ball_case()
    assert with_drawn_reference(case, 1.0, 0) is case
    bare = replace(case, scribbles=None)
    assert with_drawn_reference(bare, 0.0, 0) is bare
    assert with_drawn_reference(replace(bare, reference=None), 1.0, 0).scribbles is None


def test_a_run_learns_from_strokes_and_references_together(tmp_path) -> None:
    folder = phantom_dataset(tmp_path / "data", 2, shape=(2, 32, 32))
    (folder / "scribbles" / "patient01.nii.gz").unlink()
    small = {"steps": 2, "patch": (32, 32), "batch_size": 2, "device": "cpu"}
    dataset, slices = read_dataset(folder), []
    for share in (0.0, 0.05):
        changes = {**small, "reference_share": share}
        run = prepare_run(dataset, tmp_path / f"{share}", method="partial_ce", changes=changes)
        events = list(train(run))
        assert events[-1].outcome == "completed"
        slices += [event.slices for event in events if event.kind == "started"]
        drawn = [case.scribbles is not None for case in training_cases(run)]
        assert drawn == [True, share > 0]
    assert slices == [2, 4]
