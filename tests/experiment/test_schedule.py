"""Trials computed side by side: finished once, failed alone, interrupted anywhere, continued.

Small programs stand in for the trainings.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from experiments import made_up_settings, phantom_experiment, recipe_of, stubs
from phantoms import phantom_dataset

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.experiment import clients
from napari_scribseg.experiment.clients import ask_to_stop, at_work
from napari_scribseg.experiment.experiment import (
    Experiment,
    load_experiment,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import (
    Done,
    compute_trials,
    default_jobs,
    known_settings,
    open_locked,
)
from napari_scribseg.experiment.trial import Manner

VARYING = {"sessions.jsonl", "timing.csv", "trained.txt"}
"""Files in which two equal experiments may differ, besides cells/ (see `engine.experiment`)."""


def compute(folder: Path, experiment: Experiment, *, jobs: int = 2, **how: bool) -> list[Done]:
    manner = Manner(**how)
    with at_work(folder, experiment, "test"):
        names = list(trials_of(experiment))
        done = list(compute_trials(folder, experiment, names, manner, jobs=jobs, programs=stubs()))
        write_results(folder, experiment)
    return done


def results(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name: path.read_bytes() for path in files if path.name not in VARYING}


def trained(folder: Path) -> Counter[str]:
    path = folder / "trained.txt"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def states(folder: Path, experiment: Experiment) -> list[str]:
    return [state_of(folder, trial) for trial in trials_of(experiment).values()]


def test_all_trials_finish_and_nothing_is_computed_twice(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain")
    out = tmp_path / "out"
    done = compute(out, experiment)
    assert sorted(d.trial for d in done) == sorted(trials_of(experiment))
    assert {d.state for d in done} == {"finished"}
    before = results(out)
    assert {d.state for d in compute(out, experiment)} == {"finished"}
    assert set(trained(out).values()) == {1}
    assert results(out) == before


def test_a_failed_trial_does_not_stop_the_others_and_can_be_repeated_alone(tmp_path):
    experiment = phantom_experiment(tmp_path, "bad", "plain")
    out = tmp_path / "out"
    done = {d.trial: d for d in compute(out, experiment)}
    assert done["bad-fold1-seed0-100"].state == "failed"
    assert done["bad-fold1-seed0-100"].reason == "The loss is not finite any more."
    assert done["plain-fold1-seed0-100"].state == "finished"
    compute(out, experiment)
    assert trained(out)["bad-fold1-seed0-100"] == 1
    compute(out, experiment, retry=True)
    assert trained(out)["bad-fold1-seed0-100"] == 2
    assert trained(out)["plain-fold1-seed0-100"] == 1


def test_a_trial_that_cannot_be_written_does_not_stop_the_others(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain")
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        (out / "cells").mkdir()
        (out / "cells" / "plain-fold1-seed0-100").write_text("in the way")
        done = {
            d.trial: d
            for d in compute_trials(
                out, experiment, list(trials_of(experiment)), jobs=2, programs=stubs()
            )
        }
    assert done["plain-fold1-seed0-100"].state == "failed"
    assert "plain-fold1-seed0-100" in done["plain-fold1-seed0-100"].reason
    assert done["plain-fold2-seed0-100"].state == "finished"


def test_changed_data_make_exactly_their_trials_outdated(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain", patients=6, split=three_listed_folds())
    out = tmp_path / "out"
    compute(out, experiment)

    def another_image(data: Path) -> None:
        fresh = phantom_dataset(tmp_path / "fresh", 1, shape=(2, 32, 32), noise=3.0)
        shutil.copy(fresh / "images/patient00.nii.gz", data / "images")

    changed = phantom_experiment(
        tmp_path, "plain", patients=6, change=another_image, split=three_listed_folds()
    )
    assert states(out, changed) == ["outdated", "outdated", "finished"]
    compute(out, changed)
    assert trained(out) == {
        "plain-a-seed0-100": 2,
        "plain-b-seed0-100": 2,
        "plain-c-seed0-100": 1,
    }


def three_listed_folds() -> dict[str, object]:
    """patient00 trains a, is tested in b, and takes no part in c."""
    names = [f"patient{i:02d}" for i in range(6)]
    folds = [
        {"name": "a", "train": names[:2], "test": names[2:4]},
        {"name": "b", "train": names[2:4], "test": names[:1]},
        {"name": "c", "train": names[2:4], "test": names[4:]},
    ]
    return {"kind": "listed", "folds": folds}


def test_another_recipe_or_other_files_are_not_worked_on(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain")
    out = tmp_path / "out"
    compute(out, experiment)
    other = phantom_experiment(tmp_path, "plain", random_seeds=(1,))
    with pytest.raises(InvalidInput, match="what differs is: random_seeds"):
        compute(out, other)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("x")
    with pytest.raises(InvalidInput, match="is no experiment, and nothing is overwritten"):
        compute(taken, experiment)


def test_two_clients_of_one_plan_share_the_work_and_nothing_is_computed_twice(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain", random_seeds=(0, 1))
    out, names = tmp_path / "out", list(trials_of(experiment))
    done: dict[str, list[Done]] = {}

    def client(name: str) -> None:
        with at_work(out, experiment, name) as token:
            manner = Manner(client=token)
            done[name] = list(
                compute_trials(out, experiment, names, manner, jobs=2, programs=stubs(0.2))
            )

    threads = [threading.Thread(target=client, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("first", "second"):
        assert sorted(d.trial for d in done[name]) == sorted(names)
        assert {d.state for d in done[name]} == {"finished"}
    assert set(trained(out).values()) == {1}
    assert list((out / "clients").iterdir()) == []


def test_a_folder_that_somebody_is_just_making_is_not_taken_for_something_else(
    tmp_path, monkeypatch
):
    experiment = phantom_experiment(tmp_path, "plain")
    real, calls = clients.refuse_another, []

    def half_made_at_first(folder, recipe):
        calls.append(folder)
        if len(calls) == 1:
            raise InvalidInput("is no experiment")
        real(folder, recipe)

    monkeypatch.setattr(clients, "refuse_another", half_made_at_first)
    with at_work(tmp_path / "out", experiment, "second"):
        assert len(calls) == 3, "again once nobody holds the lock, and with the lock"


def test_a_client_that_is_stopped_stops_its_own_trials_only(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain")
    out, names = tmp_path / "out", list(trials_of(experiment))
    with at_work(out, experiment, "first") as first, at_work(out, experiment, "second") as second:
        manner = Manner(client=first)
        threading.Timer(0.5, ask_to_stop, [out, first]).start()
        done = list(compute_trials(out, experiment, names[:1], manner, jobs=1, programs=stubs(60)))
        assert [d.state for d in done] == ["interrupted"]
        manner = Manner(client=second)
        done = list(compute_trials(out, experiment, names, manner, jobs=1, programs=stubs()))
        assert {d.state for d in done} == {"finished"}


def test_another_plan_is_refused_while_somebody_works(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain")
    changed = experiment.model_copy(update={"package_version": "0.0.1"})
    with (
        at_work(tmp_path / "out", experiment, "first"),
        pytest.raises(InvalidInput, match="have changed. Stop that one first"),
        at_work(tmp_path / "out", changed, "second"),
    ):
        pass


def test_data_that_goes_away_fails_no_trial(tmp_path):
    experiment = phantom_experiment(tmp_path, "bad", "plain")
    out, data = tmp_path / "out", tmp_path / "data"
    with at_work(out, experiment, "test"):
        data.rename(tmp_path / "unplugged")
        with pytest.raises(RunError, match="This computer can't go on: the data can't be read"):
            list(compute_trials(out, experiment, ["bad-fold1-seed0-100"], jobs=1, programs=stubs()))
        assert not list(out.glob("cells/*/result.json"))
        (tmp_path / "unplugged").rename(data)
        (done,) = compute_trials(out, experiment, ["bad-fold1-seed0-100"], jobs=1, programs=stubs())
    assert (done.state, done.reason) == ("failed", "The loss is not finite any more.")


def test_settings_are_known_of_the_same_recipe_only(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain")
    out = tmp_path / "out"
    assert known_settings(out, experiment.recipe) is None
    with at_work(out, experiment, "test"):
        pass
    assert known_settings(out, experiment.recipe) == made_up_settings("plain")
    assert known_settings(out, recipe_of(tmp_path / "data", "other")) is None


def test_asked_to_stop_the_running_trial_is_left_for_later(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain")
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        threading.Timer(0.5, ask_to_stop, [out]).start()
        began = time.monotonic()
        done = list(
            compute_trials(out, experiment, list(trials_of(experiment)), jobs=1, programs=stubs(60))
        )
    assert time.monotonic() - began < 25
    assert [d.state for d in done] == ["interrupted", "waiting"]
    assert {d.state for d in compute(out, experiment)} == {"finished"}


ORCHESTRATOR = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from experiments import stubs
from napari_scribseg.experiment.experiment import trials_of, load_experiment
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.schedule import compute_trials
out = Path(sys.argv[1])
experiment = load_experiment(out)
with at_work(out, experiment, "again"):
    print("at work", flush=True)
    names = list(trials_of(experiment))
    for done in compute_trials(out, experiment, names, jobs=2, programs=stubs(0.05)):
        pass
    write_results(out, experiment)
"""


def test_killed_at_random_moments_and_continued_the_results_are_the_same(tmp_path):
    experiment = phantom_experiment(tmp_path, "bad", "good", "plain", random_seeds=(0, 1))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    compute(whole, experiment)
    with at_work(killed, experiment, "begin"):
        pass
    moments = random.Random(3)
    tests = str(Path(__file__).parents[1])
    for last in (False, False, True):
        child = subprocess.Popen(
            [sys.executable, "-c", ORCHESTRATOR, str(killed), tests], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.6))
        while last and not list(killed.glob("cells/*/result.json")):
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert set(states(killed, experiment)) & {"waiting", "interrupted"}, "killed too late"
    compute(killed, load_experiment(killed))
    assert results(killed) == results(whole)
    assert (whole / "scores.csv").read_text().count("finished") == 0
    assert "bad-fold1-seed0-100" in (whole / "scores.csv").read_text()


def test_locked_cases_are_scored_once_all_trials_are_finished(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain", locked=("patient03",))
    assert experiment.locked == ("patient03",)
    assert all("patient03" not in fold.train + fold.test for fold in experiment.folds)
    out = tmp_path / "out"
    with (
        at_work(out, experiment, "test"),
        pytest.raises(RunError, match="stay locked: 2 of 2 trials are not finished"),
    ):
        list(open_locked(out, experiment, jobs=1, programs=stubs()))
    compute(out, experiment)
    assert not list(out.glob("locked_*"))
    with at_work(out, experiment, "test"):
        assert len(list(open_locked(out, experiment, jobs=1, programs=stubs()))) == 2
        write_results(out, experiment, locked=True)
    rows = (out / "locked_scores.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2  # two folds' networks, two classes
    assert all(",patient03," in row for row in rows[1:])


def test_after_the_locked_list_was_opened_nothing_can_change(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain", locked=("patient03",))
    out = tmp_path / "out"
    compute(out, experiment)
    with at_work(out, experiment, "test"):
        list(open_locked(out, experiment, jobs=1, programs=stubs()))
    shutil.rmtree(trial_folder(out, "plain-fold1-seed0-100"))
    with pytest.raises(InvalidInput, match="with the test known"):
        compute(out, experiment)


def test_nothing_is_opened_where_nothing_is_locked(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain")
    with pytest.raises(InvalidInput, match="no locked cases"):
        next(open_locked(tmp_path, experiment, jobs=1))


def test_thinned_strokes_are_what_a_trial_trains_on(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain", shares=(0.5, 1.0), shares_of="strokes")
    out = tmp_path / "out"
    compute(out, experiment)
    cases = json.loads((out / "cells/plain-fold1-seed0-50/run/cases.json").read_text())["cases"]
    paths = [Path(case["files"]["scribbles"]) for case in cases]
    assert {path.parent for path in paths} == {out / "scribbles" / "50-seed0"}
    assert all(path.is_file() for path in paths)
    whole = json.loads((out / "cells/plain-fold1-seed0-100/run/cases.json").read_text())["cases"]
    assert {Path(c["files"]["scribbles"]).parent for c in whole} == {tmp_path / "data/scribbles"}


def test_jobs_leave_a_core_beside_each_training():
    assert default_jobs(1) >= 1
    assert default_jobs(10_000) == 1
