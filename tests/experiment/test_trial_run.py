"""The run of a trial: it learns from the strokes that are there now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from experiments import phantom_experiment

from napari_scribseg.core.volume import Volume
from napari_scribseg.experiment.experiment import trial_folder, trials_of
from napari_scribseg.experiment.trial_run import empty, prepared_run
from napari_scribseg.io import read_labels, write_volume

HALF = {"shares": (0.5,), "shares_of": "strokes"}
TRIAL = "plain-fold1-seed0-50"


def redraw(data: Path) -> None:
    for path in (data / "scribbles").iterdir():
        drawn = read_labels(path)
        write_volume(path, Volume(np.ascontiguousarray(drawn.array[:, ::-1]), drawn.grid))


def test_a_share_is_one_of_the_strokes_as_they_were_redrawn(tmp_path):
    out = tmp_path / "out"
    for change in (lambda _: None, redraw):
        experiment = phantom_experiment(tmp_path, "plain", change=change, **HALF)
        trial = trials_of(experiment)[TRIAL]
        there = trial_folder(out, TRIAL)
        there.mkdir(parents=True, exist_ok=True)
        empty(there)
        run = prepared_run(out, experiment, trial)
        for case, whole in zip(run.cases, trial.train, strict=True):
            kept = read_labels(case.files.scribbles).array
            drawn = read_labels(whole.files.scribbles).array
            assert 0 < np.count_nonzero(kept) < np.count_nonzero(drawn)
            assert (drawn[kept > 0] == kept[kept > 0]).all()


def test_trials_of_one_share_and_seed_learn_from_the_same_files(tmp_path):
    experiment, out = phantom_experiment(tmp_path, "good", "plain", **HALF), tmp_path / "out"
    files = []
    for trial in list(trials_of(experiment).values())[:2]:
        trial_folder(out, trial.name).mkdir(parents=True)
        run = prepared_run(out, experiment, trial)
        files.append([case.files.scribbles for case in run.cases])
    assert files[0] == files[1]


def test_the_run_of_a_trial_says_what_chooses_its_weights(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain")
    trial = next(iter(trials_of(experiment).values()))
    training = trial.settings.training.updated({"held_out_strokes": 0.2})
    told = []
    for method in ("partial_ce", "full_2d"):
        changes = {"method": method, "training": training}
        settings = trial.settings.model_copy(update=changes)
        out = tmp_path / method
        trial_folder(out, trial.name).mkdir(parents=True)
        run = prepared_run(out, experiment, replace(trial, settings=settings))
        told.append((run.record.validate_on, run.record.checkpoint_choice))
    assert told == [("strokes", "agreement with held-out strokes"), ("none", "last step")]
