"""What the weights that a run starts from have learnt does not validate it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from phantoms import phantom_dataset

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.runs.learnt_before import learnt_patients
from napari_scribseg.training import warm_start
from napari_scribseg.training.new_run import cases_asked_for, prepare_run
from napari_scribseg.training.training_cases import held_out, training_cases

NAMES = [f"patient{i:02d}" for i in range(6)]


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    monkeypatch.setattr(warm_start, "check_start", lambda *_: None)
    return read_dataset(phantom_dataset(tmp_path / "data", 6, shape=(2, 24, 24)))


def run_on(dataset, out, patients=NAMES, **given):
    """A run of these patients that has weights."""
    cases = tuple(case for case in dataset.cases if case.patient in patients)
    some = replace(dataset, cases=cases) if len(cases) < len(dataset.cases) else dataset
    run = prepare_run(some, out, method="partial_ce", **given)
    run.checkpoint("last").write_bytes(b"weights")
    return run


def validating(run) -> set[str]:
    return {files.patient for files in run.files("validate")}


def test_patients_that_first_weights_know_are_not_held_out(dataset, tmp_path) -> None:
    """Whatever the seed, and however many runs lie between."""
    first = run_on(dataset, tmp_path / "first", NAMES[:5])
    second = run_on(dataset, tmp_path / "second", NAMES[:2], continues=first)
    for seed in range(5):
        run = run_on(
            dataset,
            tmp_path / f"third{seed}",
            continues=second,
            validate="auto",
            changes={"random_seed": seed},
        )
        assert validating(run) == {NAMES[5]}
        learnt = {files.patient for files in run.files("train")}
        assert cases_asked_for(dataset, None, "auto", seed, learnt) == run.cases, "to be resumed"


def test_the_same_patients_stay_held_out(dataset, tmp_path) -> None:
    first = run_on(dataset, tmp_path / "first", validate="auto")
    second = run_on(dataset, tmp_path / "second", validate="auto", continues=first)
    other = {"random_seed": 7}
    third = run_on(dataset, tmp_path / "3", validate="auto", continues=second, changes=other)
    assert validating(first) == validating(second) == validating(third)


def test_where_all_are_known_nobody_validates(dataset, tmp_path) -> None:
    first = run_on(dataset, tmp_path / "first")
    with pytest.raises(InvalidInput, match="from every patient of the split 'train'"):
        run_on(dataset, tmp_path / "auto", validate="auto", continues=first)
    sides = [c.model_copy(update={"split": "ab"[i % 2]}) for i, c in enumerate(dataset.cases)]
    parted = replace(dataset, cases=tuple(sides))
    with pytest.raises(InvalidInput, match="of the split 'b' .patient01, patient03"):
        run_on(parted, tmp_path / "b", split="a", validate="b", continues=first)
    assert not (tmp_path / "b").exists()


def test_people_of_another_dataset_are_others(dataset, tmp_path) -> None:
    """Unless the images are the same files."""
    first = run_on(dataset, tmp_path / "first")
    other = read_dataset(shutil.copytree(dataset.folder, tmp_path / "other"))
    assert learnt_patients(first, other.cases, other.folder) == frozenset()
    assert learnt_patients(first, dataset.cases, other.folder) == frozenset(NAMES)
    assert learnt_patients(None, dataset.cases, dataset.folder) == frozenset()


@pytest.mark.parametrize(("before", "is_told"), [("none", True), ("strokes", False)])
def test_strokes_that_first_weights_may_know_are_told(dataset, tmp_path, before, is_told) -> None:
    first = run_on(dataset, tmp_path / "first", validate=before)
    run = run_on(dataset, tmp_path / "second", validate="strokes", continues=first)
    _, held, told = held_out(run, training_cases(run))
    assert held
    assert ("may have learnt from them" in told) is is_told
    assert "may have" not in held_out(first, training_cases(first))[2]
