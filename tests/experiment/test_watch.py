"""Watching an experiment, and what the trials were computed on."""

from __future__ import annotations

import json

from experiments import ENDING, phantom_experiment, stubs

from napari_scribseg.cli import main
from napari_scribseg.core.events import Stepped
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import trial_folder, trials_of
from napari_scribseg.experiment.lease import Lease
from napari_scribseg.experiment.mixtures import different_parts, mixtures
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import compute_trials
from napari_scribseg.experiment.trial_run import prepared_run
from napari_scribseg.experiment.watch import ExperimentWatch, RunningTrial


def test_who_computes_what_and_how_far_it_is(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain")
    out, trials = tmp_path / "out", trials_of(experiment)
    watch = ExperimentWatch(out, experiment)
    assert watch.look().states == {"waiting": 4}
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, ["good-fold1-seed0-100"], jobs=1, programs=stubs()))
        there = trial_folder(out, "plain-fold1-seed0-100")
        there.mkdir()
        lease = Lease.take(there)
        assert isinstance(lease, Lease)
        run = prepared_run(out, experiment, trials["plain-fold1-seed0-100"])
        assert watch.look().running[0].phase == "starting"
        run.append(
            Stepped(
                step=30,
                progress=0.3,
                eta_seconds=70.0,
                loss=1.0,
                terms={},
                learning_rate=0.1,
                slices_per_second=1.0,
            )
        )
        seen = watch.look()
        assert seen.states == {"running": 1, "finished": 1, "waiting": 2}
        host = lease.holder.host
        row = RunningTrial("plain-fold1-seed0-100", host, "training", 30, 0.3, 70.0)
        assert seen.running == (row,)
        lease.release()
    assert watch.look().states == {"finished": 1, "interrupted": 1, "waiting": 2}
    assert not watch.look().is_over


def test_a_look_from_the_command_line_says_when_tables_are_older(tmp_path, capsys):
    experiment = phantom_experiment(tmp_path, "good")
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, list(trials_of(experiment)), jobs=1, programs=stubs()))
    assert main(["experiment", str(out), "--watch", "--json"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (document["states"], document["running"]) == ({"finished": 2}, [])
    assert document["stale"]
    assert "Trials have ended since the tables were written" in told.err
    assert main(["experiment", str(out), "--tables"]) == 0
    assert main(["experiment", str(out), "--watch"]) == 0
    told = capsys.readouterr()
    assert "2 trials: 2 finished" in told.out
    assert "tables were written" not in told.err


def test_a_mixture_is_told_where_numbers_are_shown_and_refused_on_request(tmp_path, capsys):
    experiment = phantom_experiment(tmp_path, "good")
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, list(trials_of(experiment)), jobs=1, programs=stubs()))
    assert mixtures(out, experiment) == ()
    timing = trial_folder(out, "good-fold1-seed0-100") / "timing.json"
    noted = json.loads(timing.read_text())
    timing.write_text(json.dumps({**noted, "torch": "1.0.0", "device": "cuda:1 (A)"}))
    other = timing.parent.with_name("good-fold2-seed0-100") / "timing.json"
    other.write_text(json.dumps({**json.loads(other.read_text()), "device": "cuda:0 (A)"}))
    (said,) = mixtures(out, experiment)
    assert "2 versions of torch" in said
    assert "good-fold1-seed0-100" in said or "good-fold2-seed0-100" in said
    assert main(["experiment", str(out), "--tables"]) == 0
    assert "2 versions of torch" in capsys.readouterr().out
    assert "2 versions of torch" in (out / "report.html").read_text()
    assert main(["experiment", str(out), "--tables", "--strict"]) == 1


def test_a_batch_that_was_halved_for_want_of_memory_is_a_mixture_told_of_its_method(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain")
    out = tmp_path / "out"
    event = {"kind": "warned", "message": "Memory ran out.", "batch_size": 6}
    halved = f"""
import json, pathlib, sys
run = pathlib.Path(sys.argv[1])
if run.parent.name == "good-fold1-seed0-100":
    (run / "events.jsonl").open("a").write({json.dumps(event)!r} + "\\n")
"""
    programs = stubs(train=halved + ENDING.replace("ENDS", "['done']"))
    with at_work(out, experiment, "test"):
        names = list(trials_of(experiment))
        list(compute_trials(out, experiment, names, jobs=1, programs=programs))
        write_results(out, experiment)
    (said,) = mixtures(out, experiment)
    assert "computed by 2 sizes of the batch (12, then 6: 1 trial; 12: 1 trial" in said
    assert "such as good-fold1-seed0-100" in said
    assert '"12, then 6"' in (out / "timing.csv").read_text()


def test_parts_are_compared_as_far_as_both_are_known():
    trial = {"torch": "2.7", "device": "cuda (A)", "precision": "bfloat16"}
    place = {"torch": "2.7", "devices": "cuda (A) bfloat16; cuda (A) float32", "python": "3.12"}
    assert different_parts(trial, place) == ""
    assert different_parts({}, place) == ""
    said = different_parts(trial, {**place, "devices": "cpu float32"})
    assert said == "another device (cuda (A) bfloat16 and cpu float32)"
    assert different_parts(trial, {"torch": "2.6"}) == "another torch (2.7 and 2.6)"
