"""An experiment in a child process: answers, refusals, crashes, and who may end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from experiments import recipe_of, stub_program
from phantoms import phantom_dataset

from napari_scribseg.experiment.clients import ask_to_stop
from napari_scribseg.experiment.experiment import load_experiment, state_of, trials_of
from napari_scribseg.experiment.process import ExperimentProcess
from napari_scribseg.experiment.recipe import Recipe

_SLOW = 30.0
"""Seconds of a training that somebody ends."""


@pytest.fixture
def recipe(tmp_path) -> Recipe:
    return recipe_of(phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32)), "good", "plain")


def until(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def trains(folder: Path) -> bool:
    return (folder / "trained.txt").exists()


def states(folder: Path) -> set[str]:
    experiment = load_experiment(folder)
    return {state_of(folder, trial) for trial in trials_of(experiment).values()}


def test_a_check_answers_and_writes_nothing(recipe, tmp_path):
    ended = ExperimentProcess.checking(recipe, tmp_path / "out", stub_program()).wait()
    assert ended.ending == "answered"
    assert len(ended.document["cells"]) == 4
    assert not (tmp_path / "out").exists()


def test_a_run_gives_the_files_and_is_continued_by_its_folder(recipe, tmp_path):
    out = tmp_path / "out"
    process = ExperimentProcess.running(recipe, out, jobs=2, program=stub_program())
    looks: list[bool] = []
    ended = process.wait(lambda: looks.append(process.is_alive))
    assert (ended.ending, ended.said) == ("answered", "")
    assert ended.document["finished"] == 4
    assert looks
    assert not process.log_path.exists(), "its own files are gone"
    again = ExperimentProcess.running(out, out, program=stub_program()).wait()
    assert again.document["finished"] == 4
    assert len((out / "trained.txt").read_text().splitlines()) == 4, "nothing is done twice"


def test_what_it_refuses_is_told_in_its_words(recipe, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "photo.jpg").touch()
    ended = ExperimentProcess.running(recipe, tmp_path / "out", program=stub_program()).wait()
    assert ended.ending == "refused"
    assert "nothing is overwritten" in ended.said


@pytest.mark.parametrize("by_file", [True, False])
def test_stop_saves_and_says_so(recipe, tmp_path, by_file):
    out = tmp_path / "out"
    process = ExperimentProcess.running(recipe, out, jobs=1, program=stub_program(_SLOW))
    if by_file:
        until(lambda: trains(out))
        ask_to_stop(out)
    else:
        process.stop()  # while it reads the cases, whose end would forget the request
    ended = process.wait()
    assert ended.document["interrupted"]
    assert states(out) <= {"interrupted", "waiting"}


def test_it_stops_in_order_when_its_starter_dies(recipe, tmp_path):
    out = tmp_path / "out"
    process = ExperimentProcess.running(recipe, out, jobs=1, program=stub_program(_SLOW))
    until(lambda: trains(out))
    process.close()
    assert process.wait().document["interrupted"]


def test_one_that_was_let_go_outlives_its_starter(recipe, tmp_path):
    out, code = (
        tmp_path / "out",
        (
            "import json, sys, time; from pathlib import Path\n"
            "from napari_scribseg.experiment.process import ExperimentProcess\n"
            "from napari_scribseg.experiment.recipe import load_recipe\n"
            "recipe, out = load_recipe(Path(sys.argv[1])), Path(sys.argv[2])\n"
            "process = ExperimentProcess.running(recipe, out, program=json.loads(sys.argv[3]))\n"
            "while not (out / 'trained.txt').exists(): time.sleep(0.05)\n"
            "process.let_go(); process.close()\n"
        ),
    )
    path = tmp_path / "recipe.json"
    path.write_text(recipe.model_dump_json())
    program = json.dumps(stub_program(1.0))
    subprocess.run([sys.executable, "-c", code, path, out, program], check=True, timeout=120)
    until((out / "comparisons.csv").exists)
    assert states(out) == {"finished"}


def test_a_crash_is_told_with_the_end_of_the_log(recipe, tmp_path):
    code = "import os, sys; print('The disk is on fire.', file=sys.stderr); os._exit(7)"
    program = (sys.executable, "-c", code)
    ended = ExperimentProcess.running(recipe, tmp_path / "out", program=program).wait()
    assert ended.ending == "crashed"
    assert "code 7" in ended.said
    assert "The disk is on fire." in ended.said


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_check_leaves_nothing_behind(recipe, tmp_path):
    process = ExperimentProcess.checking(recipe, tmp_path / "out", stub_program())
    process.kill()
    assert process.wait().ending == "crashed"
    assert not process.log_path.parent.exists()
