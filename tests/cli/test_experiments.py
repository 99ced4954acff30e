"""`scribseg experiment`: its options and files say the same, and its exit codes tell what happened.

Small programs stand in for the trainings, except where a test is marked slow.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from experiments import made_up_settings, stubs
from phantoms import phantom_dataset

from napari_scribseg.cli import main
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment import plan as planning
from napari_scribseg.experiment import settings as method_settings
from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment.clients import ask_to_stop
from napari_scribseg.experiment.experiment import load_experiment, state_of, trials_of
from napari_scribseg.experiment.recipe import Recipe, load_recipe
from napari_scribseg.experiment.settings import Cost, ask_for_costs, ask_for_settings

RESULTS = (
    *("cells.csv", "scores.csv", "slices.csv", "clinical.csv", "summary.csv", "comparisons.csv"),
    *("agreement.csv", "table.tex", "experiment.json", "recipe.json"),
)
"""Files that equal experiments have in common, byte for byte."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    def settings(recipe: Recipe) -> Any:
        return made_up_settings(*(choice.label for choice in recipe.methods))

    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())

    def costs(recipe: Recipe) -> Any:
        return {
            choice.label: Cost(label=choice.label, seconds=30.0, memory_mib=700.0, device="cpu")
            for choice in recipe.methods
        }

    monkeypatch.setattr(planning, "ask_for_settings", settings)
    monkeypatch.setattr(method_settings, "ask_for_costs", costs)


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    """Exit code and JSON document of `scribseg experiment ...`."""
    code = main(["experiment", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def same_results(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in RESULTS)


def test_options_and_the_recipe_they_make_give_the_same_files(data, tmp_path, capsys, fake):
    options = ["--method", "good", "--method", "plain", "--folds", "2", "--fold-seed", "3"]
    options += ["--random-seeds", "0,4", "--steps", "3", "--title", "both ways"]
    assert call(capsys, data, *options, "--out", tmp_path / "typed")[0] == 0
    recipe = tmp_path / "my.json"
    assert call(capsys, data, *options, "--save-recipe", recipe)[0] == 0
    code, document = call(capsys, recipe, "--out", tmp_path / "read")
    assert code == 0
    assert document["finished"] == 8
    assert document["report"] == str(tmp_path / "read" / "report.html")
    assert "good has the highest mean Dice" in Path(document["report"]).read_text(encoding="utf-8")
    assert same_results(tmp_path / "typed", tmp_path / "read")
    assert load_recipe(tmp_path / "read" / "recipe.json") == load_recipe(recipe)


def test_every_option_arrives_in_the_recipe(data, tmp_path, capsys):
    recipe = tmp_path / "recipe.json"
    words = ["--method", "slow=effdnet:paper", "--method", "random_walker", "--set", "flips=true"]
    words += ["--set", "slow.tau=0.7", "--part", "train", "--patients", "patient00,patient01"]
    words += ["--published", "maag", "--minutes", "2", "--clock", "cpu", "--shares", "0.5,1"]
    words += ["--shares-of", "strokes", "--locked", "maag", "--device", "cpu", "--threads", "2"]
    words += [
        "--convention",
        "wsl4mis",
        "--patient-pattern",
        "^(patient.)",
        *("--strokes-of", "Ana"),
        "--save-recipe",
        recipe,
    ]
    assert call(capsys, data, *words)[0] == 0
    made = load_recipe(recipe)
    slow, walker = made.methods
    assert (slow.label, slow.method, slow.preset) == ("slow", "effdnet", "paper")
    assert (slow.settings, walker.settings) == ({"flips": True, "tau": 0.7}, {"flips": True})
    assert (made.part, made.patients) == ("train", ("patient00", "patient01"))
    assert made.split.kind == "published"
    assert (made.minutes, made.clock, made.shares) == (2.0, "cpu", (0.5, 1.0))
    assert (made.shares_of, made.locked, made.threads) == ("strokes", ("maag",), 2)
    assert (made.device, made.convention) == ("cpu", "wsl4mis")
    assert (made.patient_pattern, made.strokes_of) == ("^(patient.)", "Ana")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Give the methods to compare"),
        (["--method", "a", "--method", "a"], "given twice"),
        (["--method", "a", "--set", "b.tau=1"], "for the method b, which isn't there"),
        (["--method", "a", "--set", "tau=1", "--set", "a.tau=2"], "tau is given twice"),
        (["--method", "a", "--folds", "2", "--published", "maag"], "exclude each other"),
        (["--method", "a", "--folds", "1"], "greater than or equal to 2"),
        (["--method", "a", "--steps", "3", "--minutes", "1"], "steps or minutes"),
        (["--method", "a", "--random-seeds", "x"], "expected numbers like 0,1,2"),
        (["--method", "a"], "Give the folder of the experiment with --out"),
        (["--method", "a", "--out", "o", "--jobs", "0"], "--jobs must be 1 to 1024"),
        (["--method", "a", "--out", "o", "--jobs", "99999"], "--jobs must be 1 to 1024"),
        (["--method", "a", "--out", "o", "--steps", "999999999999"], "'steps' can't be 9999999999"),
        (["--method", "a", "--out", "o", "--folds", "1000000"], "folds' can't be 1000000"),
    ],
)
def test_options_that_make_no_sense_are_refused(data, capsys, words, said):
    code, document = call(capsys, data, *words)
    assert code == 2
    assert said.casefold() in document["error"].casefold()


def test_a_recipe_and_options_for_one_exclude_each_other(data, tmp_path, capsys):
    recipe = tmp_path / "recipe.json"
    call(capsys, data, "--method", "a", "--save-recipe", recipe)
    code, document = call(capsys, recipe, "--folds", "3", "--out", tmp_path / "out")
    assert code == 2
    assert "leave out --folds" in document["error"]
    assert call(capsys, data, "--method", "a", "--save-recipe", recipe)[0] == 2  # nothing is lost
    assert "does not exist" in call(capsys, tmp_path / "nothing")[1]["error"]


def test_a_dry_run_lists_everything_and_writes_nothing(data, tmp_path, capsys, fake):
    (data / "images/patient03.nii.gz").write_bytes(b"no image")
    out = tmp_path / "out"
    options = ["--method", "good", "--folds", "2", "--locked", "patient02", "--out", out]
    code, document = call(capsys, data, *options, "--dry-run")
    assert code == 1  # one case is left out
    assert [row["cell"] for row in document["cells"]] == [
        "good-fold1-seed0-100",
        "good-fold2-seed0-100",
    ]
    assert document["cells"][0]["train"] == "1 patients, 1 cases"
    assert document["left_out"][0]["case"] == "patient03"
    assert document["locked"] == ["patient02"]
    assert 60 < document["estimate"]["seconds"] * document["estimate"]["jobs"] < 120
    assert not out.exists()
    assert main(["experiment", str(data), *map(str, options), "--dry-run"]) == 1
    text = capsys.readouterr()
    assert "good-fold2-seed0-100" in text.out
    assert "A training of good on cpu: about 30 s and 700 MiB of memory." in text.out
    assert "patient03 is left out" in text.err


def test_obstacles_are_all_told_and_nothing_begins(data, tmp_path, capsys, fake):
    code, document = call(
        capsys, data, "--method", "good", "--folds", "9", "--out", tmp_path / "out"
    )
    assert code == 2
    assert document["obstacles"] == [
        "9 folds need at least 9 patients, got 4 (patient00, patient01, patient02, patient03): "
        "choose fewer folds or add patients."
    ]
    assert not (tmp_path / "out").exists()


def test_one_bad_case_does_not_stop_the_others_and_the_exit_code_says_so(
    data, tmp_path, capsys, fake
):
    (data / "images/patient03.nii.gz").write_bytes(b"no image")
    out = tmp_path / "out"
    code, document = call(capsys, data, "--method", "good", "--folds", "2", "--out", out)
    assert code == 1
    assert document["finished"] == 2
    assert document["failed"] == {}
    assert document["left_out"][0]["case"] == "patient03"


def test_failed_trials_are_listed_and_repeated_only_when_asked(data, tmp_path, capsys, fake):
    out = tmp_path / "out"
    options = ["--method", "bad", "--method", "good", "--folds", "2", "--out", out]
    code, document = call(capsys, data, *options)
    assert code == 1
    assert set(document["failed"]) == {"bad-fold1-seed0-100", "bad-fold2-seed0-100"}
    assert call(capsys, out)[0] == 1
    assert (out / "trained.txt").read_text().count("bad-fold1") == 1
    call(capsys, out, "--retry-failed", "--only", "bad-fold1-seed0-100")
    assert (out / "trained.txt").read_text().count("bad-fold1") == 2
    assert (out / "trained.txt").read_text().count("bad-fold2") == 1
    assert "There is no trial x" in call(capsys, out, "--only", "x")[1]["error"]


def test_an_experiment_is_continued_by_its_folder_without_asking_for_settings(
    data, tmp_path, capsys, fake, monkeypatch
):
    out = tmp_path / "out"
    options = ["--method", "good", "--folds", "2", "--out", out]
    call(capsys, data, *options, "--only", "good-fold1-seed0-100")
    monkeypatch.setattr(planning, "ask_for_settings", lambda _: pytest.fail("asked again"))
    code, document = call(capsys, out)
    assert (code, document["finished"]) == (0, 2)
    assert call(capsys, out, "--out", tmp_path / "else")[0] == 2
    sessions = [json.loads(line) for line in (out / "sessions.jsonl").read_text().splitlines()]
    assert [set(s) for s in sessions] == [{"time", "host", "package_version", "command"}] * 2


def test_the_locked_list_opens_last(data, tmp_path, capsys, fake):
    out = tmp_path / "out"
    options = ["--method", "good", "--folds", "2", "--locked", "patient01", "--out", out]
    code, document = call(capsys, data, *options, "--only", "good-fold1-seed0-100", "--open-locked")
    assert code == 4
    assert "stay locked" in document["error"]
    assert call(capsys, out, "--open-locked")[0] == 0
    assert (out / "locked_summary.csv").exists()


def test_ctrl_c_stops_in_order_and_says_how_to_go_on(data, tmp_path, capsys, fake, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs(60))

    def terminate() -> None:
        while not (out / "trained.txt").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=terminate, daemon=True).start()
    code, document = call(capsys, data, "--method", "good", "--folds", "2", "--out", out)
    assert code == 130
    assert document["interrupted"] is True
    assert document["cells"]["good-fold1-seed0-100"] == "interrupted"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())
    code, document = call(capsys, out)
    assert (code, document["finished"]) == (0, 2)


def test_a_stop_asked_for_by_another_process_is_an_interruption(
    data, tmp_path, capsys, fake, monkeypatch
):
    out = tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs(60))

    def ask() -> None:
        while not (out / "trained.txt").exists():
            time.sleep(0.02)
        ask_to_stop(out)

    threading.Thread(target=ask, daemon=True).start()
    code, document = call(capsys, data, "--method", "good", "--folds", "2", "--out", out)
    assert (code, document["interrupted"]) == (130, True)


def test_a_run_that_somebody_stopped_is_told_of(data, tmp_path, capsys, fake, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs(1.0))

    def stop_the_first_run() -> None:
        while not (out / "trained.txt").exists():
            time.sleep(0.02)
        (out / "cells/good-fold1-seed0-100/run/STOP").touch()

    threading.Thread(target=stop_the_first_run, daemon=True).start()
    options = ["--method", "good", "--folds", "2", "--jobs", "1", "--out", out]
    code, document = call(capsys, data, *options)
    assert (code, document["finished"], document["interrupted"]) == (1, 1, False)
    assert "stopped before its end" in document["failed"]["good-fold1-seed0-100"]


# ------------------------------------------------------------------------- with real children

TINY = ["--steps", "3", "--set", "patch=32,32", "--set", "batch_size=2", "--device", "cpu"]
TINY += ["--set", "precision=float32", "--folds", "2"]


def test_settings_are_told_by_a_child(data, tmp_path, capsys):
    recipe = tmp_path / "recipe.json"
    words = ["--method", "quick=partial_ce", "--set", "batch_size=2", "--steps", "7"]
    call(capsys, data, *words, "--save-recipe", recipe)
    (told,) = ask_for_settings(load_recipe(recipe))
    assert (told.label, told.method, told.preset) == ("quick", "partial_ce", "quick")
    assert (told.training.steps, told.training.batch_size, told.training.threads) == (7, 2, 1)
    assert told.parameters > 100_000


@pytest.mark.slow
def test_costs_are_measured_by_a_child(data):
    method = {"label": "a", "method": "partial_ce", "settings": {"patch": [32, 32]}}
    recipe = Recipe.model_validate({"dataset": str(data), "methods": [method], "steps": 10})
    cost = ask_for_costs(recipe)["a"]
    assert 0 < cost.seconds < 600
    assert cost.memory_mib > 100


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "magic"}, "There is no method 'magic'"),
        ({"preset": "gold"}, "has no preset 'gold'"),
        ({"settings": {"speed": 3}}, "no setting 'speed'"),
        ({"settings": {"threads": 3}}, "belongs to the whole experiment"),
        ({"settings": {"random_seed": 3}}, "belongs to the whole experiment"),
    ],
)
def test_settings_that_do_not_exist_are_refused(data, changes, said):
    from napari_scribseg.cli.recipes import settings_answer

    method = {"label": "a", "method": "partial_ce", **changes}
    recipe = Recipe.model_validate({"dataset": str(data), "methods": [method]})
    with pytest.raises(InvalidInput, match=said):
        settings_answer(recipe)


@pytest.mark.slow
def test_real_trials_interrupted_at_random_moments_give_the_same_bytes(data, tmp_path, capsys):
    options = ["--method", "partial_ce", "--method", "random_walker", *TINY]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    recipe = tmp_path / "recipe.json"
    assert call(capsys, data, *options, "--save-recipe", recipe)[0] == 0
    assert call(capsys, data, *options, "--out", whole)[0] == 0
    moments = random.Random(1)
    command = [sys.executable, "-m", "napari_scribseg", "experiment", recipe, "--out", killed]
    for attempt in range(3):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(10 + moments.uniform(0, 12))
        os.kill(child.pid, signal.SIGKILL if attempt else signal.SIGINT)
        child.wait()
    code, document = call(capsys, killed)
    assert (code, document["finished"]) == (0, 4)
    assert same_results(whole, killed)
    experiment = load_experiment(killed)
    assert {state_of(killed, trial) for trial in trials_of(experiment).values()} == {"finished"}
