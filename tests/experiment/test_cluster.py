"""The same experiment on a cluster of several workers, one of them killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs
from phantoms import phantom_dataset

from napari_scribseg.core.errors import RunError
from napari_scribseg.experiment.cluster import compute_on_cluster
from napari_scribseg.experiment.experiment import trials_of
from napari_scribseg.experiment.plan import draft
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import at_work, compute_trials

distributed = pytest.importorskip("distributed")
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

RESULTS = ("cells.csv", "scores.csv", "summary.csv", "comparisons.csv", "agreement.csv")


@posix
def test_a_worker_killed_in_the_middle_costs_nothing(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain", random_seeds=(0, 1))
    names = list(trials_of(experiment))
    alone, together = tmp_path / "alone", tmp_path / "together"
    with at_work(alone, experiment, "test"):
        list(compute_trials(alone, experiment, names, jobs=4, programs=stubs()))
        write_results(alone, experiment)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        at_work(together, experiment, "test"),
    ):
        threading.Thread(target=kill_a_busy_worker, args=(cluster, together), daemon=True).start()
        done = list(
            compute_on_cluster(
                cluster.scheduler_address, together, experiment, names, programs=stubs(0.3)
            )
        )
        write_results(together, experiment)
    assert (together / "killed").exists()
    assert sorted(d.trial for d in done) == sorted(names)
    assert {d.state for d in done} == {"finished"}
    for name in RESULTS:
        assert (together / name).read_bytes() == (alone / name).read_bytes()


@posix
@pytest.mark.slow
def test_real_trainings_go_on_elsewhere(tmp_path):
    data = phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32))
    settings = {"patch": [32, 32], "batch_size": 2, "precision": "float32"}
    method = {"label": "pce", "method": "partial_ce", "settings": settings}
    values = {"dataset": str(data), "methods": [method], "steps": 30, "device": "cpu"}
    split = {"kind": "cross-validation", "folds": 2}
    experiment = draft(Recipe.model_validate({**values, "split": split})).experiment
    assert experiment is not None
    names = list(trials_of(experiment))
    alone, together = tmp_path / "alone", tmp_path / "together"
    with at_work(alone, experiment, "test"):
        list(compute_trials(alone, experiment, names, jobs=2))
        write_results(alone, experiment)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        at_work(together, experiment, "test"),
    ):
        events = together / "cells" / names[0] / "run" / "events.jsonl"
        threading.Thread(target=kill_workers_after, args=(cluster, events), daemon=True).start()
        done = list(compute_on_cluster(cluster.scheduler_address, together, experiment, names))
        write_results(together, experiment)
    assert {d.state for d in done} == {"finished"}
    assert "stopped" in events.read_text(), "no worker died while it trained"
    for name in RESULTS:
        assert (together / name).read_bytes() == (alone / name).read_bytes()


def kill_workers_after(cluster: object, events: Path) -> None:
    """SIGKILL for all workers as soon as a run has events; their nannies start new ones."""
    while not events.exists():
        time.sleep(0.05)
    for nanny in cluster.workers.values():  # pyright: ignore[reportAttributeAccessIssue]
        os.kill(nanny.process.process.pid, signal.SIGKILL)


def kill_a_busy_worker(cluster: object, folder: Path) -> None:
    """SIGKILL for one worker as soon as two trials have begun to train."""
    while (
        not (folder / "trained.txt").exists()
        or len((folder / "trained.txt").read_text().split()) < 2
    ):
        time.sleep(0.02)
    nanny = next(iter(cluster.workers.values()))  # pyright: ignore[reportAttributeAccessIssue]
    os.kill(nanny.process.process.pid, signal.SIGKILL)
    (folder / "killed").touch()


def test_nobody_at_the_address_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_scribseg.experiment.cluster._CONNECT_SECONDS", 0.5)
    experiment = phantom_experiment(tmp_path, "good")
    with pytest.raises(RunError, match="No scheduler answers at tcp://127.0.0.1:9"):
        list(compute_on_cluster("tcp://127.0.0.1:9", tmp_path, experiment, []))


def test_planning_and_watching_load_neither_dask_nor_torch():
    code = (
        "import sys, napari_scribseg.experiment.cluster, napari_scribseg.cli\n"
        "print([name for name in ('distributed', 'dask', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
