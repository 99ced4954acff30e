"""Who writes the plan and the tables: one at a time, nobody waiting for who is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.cli import main
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment import clients
from napari_scribseg.experiment import lease as leases
from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment.clients import alone, at_work
from napari_scribseg.experiment.lease import Holder, Lease

NODE7 = Holder(pid=7, host="node7", token="its")


def left_by_node7(out: Path) -> None:
    """node7 went down while it wrote."""
    (out / "writing").mkdir(parents=True, exist_ok=True)
    (out / "writing" / "lease-000009.json").write_text(NODE7.model_dump_json())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(leases, "_BEAT_SECONDS", 0.2)


def test_plan_trials_and_tables_go_on_after_whoever_wrote_is_gone_with_its_computer(
    tmp_path, monkeypatch
):
    experiment, out = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())
    left_by_node7(out)
    with at_work(out, experiment, "plan"):
        pass
    for number in ("0", "1"):
        left_by_node7(out)
        assert main(["experiment", str(out), "--trial", number]) == 0
    assert (out / "scores.csv").exists()
    left_by_node7(out)
    assert main(["experiment", str(out), "--tables"]) == 0


def test_a_lock_of_an_earlier_version_is_in_nobody_s_way(tmp_path):
    experiment, out = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    with at_work(out, experiment, "plan"):
        pass
    (out / "project.lock").write_text('{"pid": 7, "host": "node7"}')
    with at_work(out, experiment, "again"):
        pass


def test_who_still_writes_is_waited_for_and_then_named(tmp_path, monkeypatch):
    monkeypatch.setattr(clients, "_WRITE_SECONDS", 2.5)
    (tmp_path / "writing").mkdir()
    lease = Lease.take(tmp_path / "writing", as_holder=NODE7)
    assert isinstance(lease, Lease)
    with (
        lease,
        pytest.raises(InvalidInput, match="process 7 on node7 has been writing"),
        alone(tmp_path),
    ):
        pass
    with alone(tmp_path) as ours:
        assert ours.is_held


def test_a_trial_is_finished_even_where_the_tables_can_t_be_written(tmp_path, monkeypatch, capsys):
    experiment, out = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())
    with at_work(out, experiment, "plan"):
        pass
    assert main(["experiment", str(out), "--trial", "0"]) == 0
    (out / "scores.csv").mkdir()
    assert main(["experiment", str(out), "--trial", "1"]) == 4
    said = capsys.readouterr().err
    assert "good-fold2-seed0-100 is finished, but" in said
    assert "can't be written" in said
    assert "--tables` writes them" in said
    assert (out / "cells/good-fold2-seed0-100/result.json").exists()
