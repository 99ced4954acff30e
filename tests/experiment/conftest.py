"""A planned experiment whose trials are small programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment


@pytest.fixture
def planned(tmp_path, monkeypatch) -> tuple[Path, Experiment]:
    experiment, out = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())
    with at_work(out, experiment, "plan"):
        pass
    return out, experiment
