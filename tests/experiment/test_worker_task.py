"""A worker of a cluster writes the tables of a trial whose client is gone, and only then."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.core.errors import RunError
from napari_scribseg.experiment import lease as leases
from napari_scribseg.experiment import worker_task
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.lease import Holder
from napari_scribseg.experiment.outcome import write_all
from napari_scribseg.experiment.trial import Manner
from napari_scribseg.experiment.worker_task import compute_for_client

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


def test_tables_that_can_t_be_written_end_in_a_sentence(planned, monkeypatch):
    out, experiment = planned

    def damaged(*_: object) -> None:
        raise KeyError("dice")

    monkeypatch.setattr("napari_scribseg.experiment.outcome.write_results", damaged)
    with pytest.raises(RunError, match=r"can't be written: .*dice.* --tables` writes them"):
        write_all(out, experiment)
    monkeypatch.setattr("napari_scribseg.experiment.outcome.write_results", full_disk)
    with pytest.raises(RunError, match="No space left on device"):
        write_all(out, experiment)


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device", "scores.csv")
