"""Test cases are segmented as `scribseg predict` does it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from experiments import phantom_experiment
from phantoms import TWO_BALLS

from napari_scribseg.core.region import Region
from napari_scribseg.evaluation.case_scores import ScoreTables
from napari_scribseg.experiment import score_trial
from napari_scribseg.io import read_labels


def test_outside_of_the_region_of_a_case_is_background(tmp_path, monkeypatch):
    facts = phantom_experiment(tmp_path, "plain").cases[0]
    region = Region(z=(0, 1), y=(4, 20), x=(4, 20))
    facts = facts.model_copy(update={"files": facts.files.model_copy(update={"region": region})})
    filled = SimpleNamespace(segmentation=np.ones(facts.shape, np.uint8))
    monkeypatch.setattr(score_trial, "predict_case", lambda *_, **__: filled)
    (tmp_path / "predictions").mkdir()
    run = SimpleNamespace(path=tmp_path, schema=TWO_BALLS)
    assert not score_trial._segment_and_score(run, None, facts, ScoreTables())
    found = read_labels(tmp_path / "predictions" / f"{facts.files.id}.nii.gz").array
    assert (found != 0).sum() == 1 * 16 * 16
    assert (found[region.slices] == 1).all()
