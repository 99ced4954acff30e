"""`scribseg experiment DIR --trial`: one trial per call, as an array of a batch system asks."""

from __future__ import annotations

import json

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.cli import main
from napari_scribseg.experiment import lease as leases
from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment.clients import ask_to_stop, at_work
from napari_scribseg.experiment.lease import Holder, Lease

NODE7 = Holder(pid=7, host="node7", token="its")


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A planned experiment, and the folder of its first trial."""
    experiment, out = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())
    with at_work(out, experiment, "plan"):
        pass
    there = out / "cells" / "good-fold1-seed0-100"
    there.mkdir(parents=True)
    return out, there


def test_one_trial_is_computed_by_name_or_number_and_the_last_writes_the_tables(planned, capsys):
    out, _ = planned
    assert main(["experiment", str(out), "--trial", "good-fold1-seed0-100", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"cell": "good-fold1-seed0-100", "state": "finished", "open": 1}
    assert not (out / "scores.csv").exists()
    assert main(["experiment", str(out), "--cell", "1"]) == 0
    assert (out / "scores.csv").exists()
    assert main(["experiment", str(out), "--trial", "2"]) == 2
    assert "expected a name or a number from 0 to 1" in capsys.readouterr().err


def test_one_trial_that_somebody_computes_or_that_can_t_be_computed_here_is_exit_4(planned, capsys):
    out, there = planned
    with Lease.take(there):
        assert main(["experiment", str(out), "--trial", "0"]) == 4
        assert "is being computed already, by process" in capsys.readouterr().err
    (out.parent / "data").rename(out.parent / "away")
    assert main(["experiment", str(out), "--trial", "0"]) == 4
    assert "can't be computed on this computer: the data can't be read" in capsys.readouterr().err
    assert not (there / "result.json").exists()


def test_strict_on_a_computer_with_another_torch_is_exit_4(planned, capsys):
    out, there = planned
    assert main(["experiment", str(out), "--trial", "0", "--strict"]) == 0
    timing = there / "timing.json"
    timing.write_text(json.dumps({**json.loads(timing.read_text()), "torch": "1.0.0"}))
    assert main(["experiment", str(out), "--trial", "1", "--strict"]) == 4
    assert "there is another torch (1.0.0 and" in capsys.readouterr().err
    assert main(["experiment", str(out), "--trial", "1"]) == 0


def test_a_stop_of_earlier_does_not_stop_an_array_of_jobs(tmp_path, monkeypatch, capsys):
    experiment = phantom_experiment(tmp_path, "good")
    out = tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())
    with at_work(out, experiment, "plan"):
        ask_to_stop(out)
        assert main(["experiment", str(out), "--trial", "0"]) == 2
        assert "is being stopped (process" in capsys.readouterr().err
    assert main(["experiment", str(out), "--trial", "0"]) == 0
    assert main(["experiment", str(out), "--trial", "1"]) == 0


def test_ways_to_run_exclude_each_other(tmp_path, capsys):
    assert main(["experiment", str(tmp_path), "--watch", "--plan"]) == 2
    assert "--plan and --watch exclude each other" in capsys.readouterr().err
    assert main(["experiment", str(tmp_path), "--log-to", "tensorboard"]) == 2
    assert "--log-to goes with --watch" in capsys.readouterr().err


def test_a_trial_whose_node_went_down_is_taken_over_after_its_silence(planned, monkeypatch, capsys):
    out, there = planned
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 2.0)
    monkeypatch.setattr(leases, "_BEAT_SECONDS", 0.5)
    (there / "lease-000001.json").write_text(NODE7.model_dump_json(), encoding="utf-8")
    assert main(["experiment", str(out), "--trial", "0"]) == 0
    said = capsys.readouterr()
    assert "process 7 on node7 had this trial last" in said.out + said.err
    assert (there / "result.json").is_file()


def test_a_trial_that_another_node_computes_is_left_alone(planned, monkeypatch, capsys):
    out, there = planned
    monkeypatch.setattr(leases, "_BEAT_SECONDS", 0.2)
    with Lease.take(there, as_holder=NODE7):
        assert main(["experiment", str(out), "--trial", "0"]) == 4
    assert "is being computed already, by process 7 on node7" in capsys.readouterr().err
    assert not (there / "result.json").exists()
