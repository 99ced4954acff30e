"""Test cases are segmented as `scribseg predict` does it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from experiments import phantom_experiment
from phantoms import TWO_BALLS

from napari_scribseg.core.labels import UNSURE
from napari_scribseg.core.region import Region
from napari_scribseg.core.volume import Volume
from napari_scribseg.evaluation.case_scores import ScoreTables
from napari_scribseg.experiment import score_trial
from napari_scribseg.experiment.experiment import trials_of
from napari_scribseg.experiment.trial_notes import _effort_of
from napari_scribseg.io import read_labels, write_volume


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


@pytest.mark.parametrize("is_usable", [True, False])
def test_a_case_that_can_not_be_segmented_fails_only_where_its_reference_can_be_used(
    tmp_path, monkeypatch, is_usable
):
    """A reference that can't be used says nothing of any segmentation, also of none."""
    facts = phantom_experiment(tmp_path, "plain").cases[0]
    if not is_usable:
        files = facts.files.model_copy(update={"reference": None})
        facts = facts.model_copy(update={"files": files, "reference_problem": "It is cut off."})

    def fails(*_: object, **__: object) -> None:
        raise ValueError("the kernel is larger than the image")

    monkeypatch.setattr(score_trial, "predict_case", fails)
    run = SimpleNamespace(path=tmp_path, schema=TWO_BALLS)
    tables = ScoreTables()
    failures, unusable = score_trial._scored(run, None, [facts], tables, tmp_path)
    assert (len(failures), len(unusable)) == ((1, 0) if is_usable else (0, 1))
    status = tables.scores[0].index("status")
    expected = "failed" if is_usable else "no reference"
    assert {row[status] for row in tables.scores[1:]} == {expected}


def test_what_is_unsure_was_not_drawn_for_a_finished_trial_nor_for_a_failed_one(tmp_path):
    """No stroke teaches there, so the effort of both is the same number."""

    def draw_unsure(data: Path) -> None:
        for path in (data / "scribbles").iterdir():
            volume = read_labels(path)
            array = np.where(volume.array[:1] == 1, UNSURE, 0).astype(np.uint8)
            write_volume(path, Volume(np.concatenate([array, volume.array[1:]]), volume.grid))

    experiment = phantom_experiment(tmp_path, "plain", change=draw_unsure)
    trial = next(iter(trials_of(experiment).values()))
    run = SimpleNamespace(
        files=lambda _: [case.files for case in trial.train], schema=experiment.labels
    )
    assert score_trial._effort(run) == _effort_of(trial)
    assert _effort_of(trial)[1] == len(trial.train)  # the other slice of both has none
