"""Planning: what an experiment would do, and every reason why it can't, before it begins."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from experiments import made_up_settings, phantom_experiment, recipe_of
from phantoms import TWO_BALLS, phantom_dataset

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.region import Region
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.experiment import plan as planning
from napari_scribseg.experiment.experiment import (
    Experiment,
    load_experiment,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.plan import disk_obstacle, draft, estimate
from napari_scribseg.experiment.splits import Fold
from napari_scribseg.io.documents import save_document
from napari_scribseg.project.store import ProjectStore


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32))


def obstacles(data: Path, **changes: object) -> tuple[str, ...]:
    return draft(recipe_of(data, "a", **changes), made_up_settings("a")).obstacles


def listed(train: list[str], test: list[str]) -> dict[str, object]:
    return {"kind": "listed", "folds": [{"name": "mine", "train": train, "test": test}]}


def test_trials_are_methods_times_folds_times_seeds_times_shares(tmp_path):
    experiment = phantom_experiment(
        tmp_path, "a", "b", random_seeds=(0, 5), shares=(0.5, 1.0), shares_of="patients"
    )
    trials = trials_of(experiment)
    assert len(trials) == 2 * 2 * 2 * 2
    assert list(trials)[:3] == ["a-fold1-seed0-50", "b-fold1-seed0-50", "a-fold1-seed0-100"]
    assert len({trial.sha256 for trial in trials.values()}) == 16
    half, whole = trials["a-fold1-seed0-50"], trials["a-fold1-seed0-100"]
    assert len(half.train) == 1
    assert len(whole.train) == 2
    assert half.test == whole.test
    assert trials["a-fold1-seed5-100"].training.random_seed == 5


def test_a_share_of_patients_without_strokes_is_one_of_those_with_references(tmp_path):
    """What learns from references learnt from nobody, and had failed with Dice 0."""
    experiment = phantom_experiment(
        tmp_path,
        "a",
        patients=8,
        change=lambda data: shutil.rmtree(data / "scribbles"),
        shares=(0.5, 1.0),
    )
    trials = trials_of(experiment)
    half, whole = trials["a-fold1-seed0-50"], trials["a-fold1-seed0-100"]
    assert len(half.train) == 2
    assert {case.files.id for case in half.train} < {case.files.id for case in whole.train}


def test_shares_of_strokes_need_strokes(data):
    shares = {"shares": (0.5, 1.0), "shares_of": "strokes"}
    assert obstacles(data, **shares) == ()
    shutil.rmtree(data / "scribbles")
    (fault,) = obstacles(data, **shares)
    assert fault.endswith("take shares of the patients.")


def test_an_experiment_survives_its_document(tmp_path):
    experiment = phantom_experiment(tmp_path, "a")
    save_document(tmp_path / "experiment.json", experiment)
    assert load_experiment(tmp_path) == experiment
    assert {"numpy", "torch"} <= set(experiment.libraries)
    with pytest.raises(InvalidInput, match="is not an experiment"):
        load_experiment(tmp_path / "data")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"recipe": {"title": "other words"}}, True),
        ({"settings": {"options": {"tau": 0.8}}}, False),
        ({"settings": {"label": "a", "preset": "paper"}}, True),
        ({"package_version": "9.9"}, False),
    ],
)
def test_the_hash_follows_what_decides_the_numbers(tmp_path, changes, same):
    experiment = phantom_experiment(tmp_path, "a")
    name = "a-fold1-seed0-100"
    update: dict[str, object] = dict(changes)
    if "recipe" in changes:
        update["recipe"] = experiment.recipe.model_copy(update=changes["recipe"])
    if "settings" in changes:
        update["settings"] = (experiment.settings[0].model_copy(update=changes["settings"]),)
    other = trials_of(experiment.model_copy(update=update))[name]
    assert (other.sha256 == trials_of(experiment)[name].sha256) is same


def test_a_region_is_hashed_and_whose_a_case_is_is_not(tmp_path):
    """What decides a number of a case makes its trials outdated, and nothing else."""
    experiment = phantom_experiment(tmp_path, "a")

    def sums(**changes: object) -> list[str]:
        first, *others = experiment.cases
        files = first.files.model_copy(update=changes)
        cases = (first.model_copy(update={"files": files}), *others)
        known = experiment.model_copy(update={"cases": cases})
        return [trial.sha256 for trial in trials_of(known).values()]

    small, large = (Region(z=(0, 1), y=(0, n), x=(0, n)) for n in (8, 16))
    assert len({tuple(sums(region=region)) for region in (None, small, large)}) == 3
    assert sums(patient="else", group="NOR", phase="ED") == sums()


def test_ten_thousand_trials_are_planned_and_listed_in_seconds(tmp_path):
    began = time.process_time()
    experiment = phantom_experiment(
        tmp_path, *(f"method{i}" for i in range(20)), patients=6, random_seeds=tuple(range(250))
    )
    trials = trials_of(experiment)
    assert len(trials) == 10_000
    states = {state_of(tmp_path / "out", trial) for trial in trials.values()}
    cost = estimate(tmp_path / "out", experiment, list(trials.values()))
    assert states == {"waiting"}
    assert cost.seconds > 10_000
    assert time.process_time() - began < 5


def test_a_patient_on_both_sides_is_refused_with_the_name(data):
    (fault,) = obstacles(data, split=listed(["patient00", "patient01"], ["patient00"]))
    assert fault.startswith("mine has patient00 on both sides")


def test_phases_of_one_heart_under_two_names_are_refused(tmp_path):
    experiment = phantom_experiment(tmp_path, "a")
    ed, es, *rest = experiment.cases
    ed = ed.model_copy(update={"files": ed.files.model_copy(update={"id": "heart1_ED"})})
    es = es.model_copy(update={"files": es.files.model_copy(update={"id": "heart1_ES"})})
    fold = Fold(name="mine", train=("heart1_ED",), test=("heart1_ES",))
    (fault,) = planning._faults(fold, [ed, es, *rest])
    assert "heart1_ED (train) and heart1_ES (test)" in fault


def test_a_locked_patient_cannot_be_listed(data):
    split = listed(["patient00"], ["patient01"])
    (fault,) = obstacles(data, split=split, locked=("patient01",))
    assert "lists patient01, which is no patient and no case that takes part" in fault


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": {"kind": "cross-validation", "folds": 5}}, "5 folds need at least 5 patients"),
        ({"split": {"kind": "dataset", "train": "train", "test": "val"}}, "in the split 'val'"),
        ({"split": {"kind": "published", "name": "mine"}}, "There is no split 'mine'"),
        ({"locked": ("nobody",)}, "names 'nobody'"),
        ({"locked": ("split:test",)}, "names 'split:test'"),
        ({"part": "val"}, "has no split 'val'"),
        ({"patients": ("patient00", "patient77")}, "has no patient patient77"),
        ({"patients": ("patient00",)}, "2 folds need at least 2 patients, got 1"),
    ],
)
def test_faults_of_a_recipe_are_told(data, changes, said):
    (fault,) = obstacles(data, **changes)
    assert said in fault


def test_everything_wrong_with_the_data_is_told_at_once(data):
    shutil.copy(data / "images/patient00.nii.gz", data / "images/patient03.nii.gz")
    for name in ("patient02", "patient03"):
        (data / f"labels/{name}.nii.gz").unlink()
    split = listed(["patient00", "patient01"], ["patient02", "patient03"])
    first, second = obstacles(data, split=split)
    assert "patient00, patient03 have the same image" in first
    assert second == "mine has no test case with a reference, so nothing can be scored."


def test_a_bad_case_is_left_out_and_the_rest_is_planned(data):
    (data / "images/patient01.nii.gz").write_bytes(b"no image")
    drafted = draft(recipe_of(data, "a"), made_up_settings("a"))
    assert drafted.obstacles == ()
    assert drafted.experiment is not None
    assert [case.case for case in drafted.experiment.left_out] == ["patient01"]
    assert {i for f in drafted.experiment.folds for i in f.test} == {
        "patient00",
        "patient02",
        "patient03",
    }


def test_a_case_without_a_reference_teaches_but_is_not_scored(data):
    (data / "labels/patient01.nii.gz").unlink()
    split = listed(["patient02"], ["patient00", "patient01"])
    drafted = draft(recipe_of(data, "a", split=split), made_up_settings("a"))
    assert drafted.experiment is not None
    (trial,) = trials_of(drafted.experiment).values()
    assert [case.files.id for case in trial.test] == ["patient00"]


def test_a_case_whose_reference_is_no_use_teaches_and_has_no_score(data):
    (data / "labels/patient01.nii.gz").write_bytes(b"no volume")
    split = listed(["patient01"], ["patient00", "patient02"])
    experiment = draft(recipe_of(data, "a", split=split), made_up_settings("a")).experiment
    assert experiment is not None
    assert experiment.left_out == ()
    (trial,) = trials_of(experiment).values()
    (teacher,) = trial.train
    assert "patient01.nii.gz" in teacher.reference_problem
    assert str(data) not in teacher.reference_problem
    assert teacher.files.reference is None, "or training would trip over it"
    split = listed(["patient00"], ["patient01", "patient02"])
    tested = draft(recipe_of(data, "a", split=split), made_up_settings("a")).experiment
    assert tested is not None
    (trial,) = trials_of(tested).values()
    assert [case.files.id for case in trial.test] == ["patient01", "patient02"]


def test_a_recipe_says_whose_the_cases_are(data):
    experiment = draft(recipe_of(data, "a"), made_up_settings("a")).experiment
    assert experiment is not None
    assert experiment.patients == "4 patients for 4 cases, told by the names of the cases."
    recipe = recipe_of(data, "a", patient_pattern=r"patient(\d)")
    (fault,) = draft(recipe, made_up_settings("a")).obstacles
    assert "2 folds need at least 2 patients, got 1 (0)" in fault
    table = data.parent / "whose.csv"
    table.write_text("case,patient\n" + "".join(f"patient0{n},p{n // 2}\n" for n in range(4)))
    recipe = recipe_of(data, "a", patient_table=str(table))
    experiment = draft(recipe, made_up_settings("a")).experiment
    assert experiment is not None
    assert experiment.patients == (
        "2 patients for 4 cases, by the table whose.csv. p0 is patient00 and patient01."
    )
    assert {len(fold.test) for fold in experiment.folds} == {2}


def test_an_unknown_convention_or_dataset_is_refused(data, tmp_path):
    with pytest.raises(InvalidInput, match="no convention 'mine'"):
        obstacles(data, convention="mine")
    with pytest.raises(InvalidInput, match="is not a folder"):
        obstacles(tmp_path / "nowhere")


def test_a_full_disk_is_told_before_anything_begins(tmp_path, monkeypatch):
    assert disk_obstacle(tmp_path / "not" / "there", 1) is None
    usage = SimpleNamespace(free=2e9)
    monkeypatch.setattr(planning.shutil, "disk_usage", lambda _: usage)
    assert "needs about 5.0 GB" in str(disk_obstacle(tmp_path, int(5e9)))


def timed(out: Path, experiment: Experiment, seconds: float) -> None:
    there = trial_folder(out, "a-fold1-seed0-100")
    there.mkdir(parents=True)
    times = {"train_seconds": seconds - 1, "score_seconds": 1.0, "host": "x"}
    (there / "timing.json").write_text(json.dumps(times))


def test_the_estimate_follows_what_was_measured(tmp_path):
    experiment = phantom_experiment(tmp_path, "a")
    trials = list(trials_of(experiment).values())
    out = tmp_path / "out"
    assert estimate(out, experiment, trials).bytes > 2 * 4000
    timed(out, experiment, 100.0)
    assert estimate(out, experiment, trials).seconds == 200.0


def test_whose_strokes_are_learnt_from_and_how_long_they_took(tmp_path, data):
    """An experiment on a project: the strokes of one annotator, with the minutes of the pen."""
    store = ProjectStore(tmp_path / "journals")
    project = tmp_path / "project"
    store.ensure_project(project, TWO_BALLS)
    store.set_apart(apart=True)
    for files in read_dataset(data).cases:
        store.bring_in(files.model_copy(update={"scribbles": None}), TWO_BALLS)
        for name, seconds in (("Ana", 60), ("Ben", 30)):
            store.work_as(name)
            opened = store.load(files.id)
            drawn = np.zeros(opened.case.image.shape, np.uint8)
            drawn[0, 2:5, 2:8] = [[1], [2], [255]]
            of = opened.strokes_of
            store.keep(files.id, files.id, drawn, TWO_BALLS, of=of, seconds=seconds)
            store.save(files.id, drawn, TWO_BALLS, of=of)
    store.close()
    recipe = recipe_of(project, "a", strokes_of="Ana")
    found = draft(recipe, made_up_settings("a")).experiment
    assert found is not None
    assert {case.pen_minutes for case in found.cases} == {1.0}
    assert all("annotators" in str(case.files.scribbles) for case in found.cases)
    trial = next(iter(trials_of(found).values()))
    assert trial.pen_minutes == len(trial.train)
    with pytest.raises(InvalidInput, match="Nobody called 'Eve' has drawn"):
        draft(recipe_of(project, "a", strokes_of="Eve"), made_up_settings("a"))
    assert (
        draft(recipe_of(data, "a"), made_up_settings("a")).experiment.cases[0].pen_minutes is None
    )
