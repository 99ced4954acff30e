"""A worker of a cluster writes the tables of a trial whose client is gone, and only then."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from experiments import phantom_experiment, stubs

from napari_scribseg.core.errors import RunError
from napari_scribseg.experiment import lease as leases
from napari_scribseg.experiment import trial as trials
from napari_scribseg.experiment import worker_task
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.lease import Holder
from napari_scribseg.experiment.trial import Manner
from napari_scribseg.experiment.worker_task import compute_for_client
from napari_scribseg.runs.process import explain_exit
from napari_scribseg.runs.worker import sentence_of
from napari_scribseg.training.loop import Loop

TRIAL = "good-fold1-seed0-100"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(leases, "_BEAT_SECONDS", 0.05)
    monkeypatch.setattr(worker_task, "_LOOK_SECONDS", 0.2)


@pytest.fixture
def planned(tmp_path) -> tuple[Path, Experiment]:
    experiment = phantom_experiment(tmp_path, "good")
    out = tmp_path / "out"
    with at_work(out, experiment, "plan"):
        pass
    return out, experiment


def client_elsewhere(out: Path, beats: int = 0) -> str:
    """A client on a computer that can't be asked; gives its token."""
    holder = Holder.this_process().model_copy(
        update={"host": "laptop", "token": "abc", "beats": beats}
    )
    home = out / "clients" / "abc"
    home.mkdir(parents=True, exist_ok=True)
    (home / "lease-000001.json").write_text(holder.model_dump_json())
    return "abc"


def wait_for_watchers() -> None:
    for thread in threading.enumerate():
        if thread.name == "client":
            thread.join(60)


def test_a_client_that_lives_writes_its_tables_itself(planned):
    out, experiment = planned
    with at_work(out, experiment, "test") as client:
        assert compute_for_client(str(out), TRIAL, Manner(client=client), stubs()).state
        wait_for_watchers()
        assert not (out / "cells.csv").exists()


def test_a_client_that_ends_in_order_after_the_trial_has_written_them(planned):
    out, experiment = planned
    with at_work(out, experiment, "test") as client:
        compute_for_client(str(out), TRIAL, Manner(client=client), stubs())
    wait_for_watchers()
    assert not (out / "cells.csv").exists()


def test_the_client_had_ended_before_the_trial_so_the_worker_writes_tables_and_report(planned):
    out, experiment = planned
    with at_work(out, experiment, "test") as client:
        pass
    done = compute_for_client(str(out), TRIAL, Manner(client=client), stubs(1.0))
    assert done.state == "finished"
    wait_for_watchers()
    assert ",finished," in (out / "cells.csv").read_text()
    assert (out / "report.html").exists()


def test_a_client_cut_off_shortly_before_the_end_is_noticed_after_it(planned, monkeypatch):
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 4.0)
    out, _ = planned
    client = client_elsewhere(out)
    began = time.monotonic()
    done = compute_for_client(str(out), TRIAL, Manner(client=client), stubs())
    assert done.state == "finished"
    if time.monotonic() - began < 4.0:  # it was not yet known to be gone
        assert not (out / "cells.csv").exists()
    wait_for_watchers()
    assert ",finished," in (out / "cells.csv").read_text()


def _out_of_memory() -> str:
    loop = object.__new__(Loop)
    loop._out_of_memory = True
    loop._learner = SimpleNamespace(machine="cuda:0", batch_size=4)
    with pytest.raises(RunError) as refused:
        loop._shrink(torch.OutOfMemoryError())
    return str(refused.value)


@pytest.mark.parametrize(
    ("end", "doubtful"),
    [
        (explain_exit(-9, ""), True),
        (explain_exit(130, ""), True),
        (sentence_of(MemoryError()), True),
        (_out_of_memory(), True),
        (sentence_of(ValueError("the loss is not finite")), False),
    ],
)
def test_what_the_place_may_be_to_blame_for_is_tried_elsewhere(end, doubtful):
    assert trials._is_doubtful(end) == doubtful
