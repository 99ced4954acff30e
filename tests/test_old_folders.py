"""Folders that version 0.1.0 wrote are read, continued and predicted with as before."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_scribseg.cli import main
from napari_scribseg.experiment.experiment import load_experiment, state_of, trials_of
from napari_scribseg.experiment.recipe import load_recipe
from napari_scribseg.io import read_labels
from napari_scribseg.project.folder import Project
from napari_scribseg.runs.folder import RunFolder

OLD = Path(__file__).parent / "made_by_0_1_0"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the folders, whose documents name the copy."""
    here = tmp_path / "old"
    shutil.copytree(OLD, here)
    for path in here.rglob("*"):
        if path.suffix in {".json", ".jsonl", ".txt"}:
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("@HERE@", here.as_posix()), encoding="utf-8")
    return here


def test_a_run_predicts_what_it_predicted(old: Path, tmp_path: Path) -> None:
    image = old / "dataset/images/p0.nii.gz"
    assert main(["predict", str(old / "run"), str(image), "--out", str(tmp_path / "p")]) == 0
    now, then = read_labels(tmp_path / "p/p0.nii.gz"), read_labels(old / "predicted/p0.nii.gz")
    np.testing.assert_array_equal(now.array, then.array)


def test_a_run_says_how_it_ended(old: Path) -> None:
    run = RunFolder.open(old / "run")
    assert (run.record.method, run.last_step, run.status) == ("exmod", 3, "completed")


def test_a_run_is_continued_by_a_new_one(old: Path, tmp_path: Path) -> None:
    command = ["train", str(old / "dataset"), "--method", "exmod", "--steps", "2"]
    command += ["--continue-from", str(old / "run"), "--out", str(tmp_path / "more")]
    assert main(command) == 0
    assert RunFolder.open(tmp_path / "more").last_step == 2


def test_a_project_opens_with_its_strokes_and_runs(old: Path) -> None:
    with Project.open(old / "project") as project:
        assert (project.title, project.case_ids) == ("Old project", ("p0", "p1"))
        strokes = project.load_case("p1").scribbles
        assert strokes is not None
        assert np.count_nonzero(strokes[1, 16, 10:22] == 1) == 12
        (run,) = project.runs()
    assert RunFolder.open(run).record.method == "exmod"


def test_a_recipe_means_the_same(old: Path) -> None:
    recipe = load_recipe(old / "recipe.json")
    (choice,) = recipe.methods
    assert (choice.label, choice.method, recipe.steps) == ("mix", "exmod", 2)
    assert choice.settings == {"base_width": 1, "patch": [32, 32]}


def test_an_experiment_is_finished_and_keeps_its_scores(old: Path) -> None:
    folder = old / "experiment"
    before = (folder / "scores.csv").read_text(encoding="utf-8")
    (folder / "scores.csv").unlink()
    experiment = load_experiment(folder)
    assert experiment.recipe.steps == 2
    states = {state_of(folder, trial) for trial in trials_of(experiment).values()}
    assert states == {"finished"}
    assert main(["experiment", str(folder), "--json"]) == 0, "nothing is left to be computed"
    after = (folder / "scores.csv").read_text(encoding="utf-8")
    old_rows, rows = (list(csv.DictReader(text.splitlines())) for text in (before, after))
    # Later versions have more columns: what is known of an old row's reference is that it was used.
    assert [{name: row[name] for name in old_rows[0]} for row in rows] == old_rows
    assert {(row["status"], row["reference_share"]) for row in rows} == {("scored", "1.0")}
    result = json.loads(next(folder.glob("cells/*/result.json")).read_text(encoding="utf-8"))
    assert result
