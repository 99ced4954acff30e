"""Commands that were killed, data that was moved, series, folders of images, and notes told."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest
from phantoms import phantom_dataset

from napari_scribseg.cli import main
from napari_scribseg.cli.answer import Answer
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Finished
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.evaluation.tables import evaluate_cases, metrics_rows
from napari_scribseg.project.folder import Project
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.moved import moved_to, refuse_missing, remember
from napari_scribseg.training.new_run import prepare_run


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    """Exit code, the JSON document, and standard error of a command."""
    code = main([*map(str, words), "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out), printed.err


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", 3, shape=(2, 16, 16))


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[Volume]:
    """The images that were predicted; the predictions are the image's grey levels over 256."""
    seen: list[Volume] = []

    def predict_case(model: str, image: Volume, z: int | None = None, **_: Any) -> Any:
        seen.append(image)
        return SimpleNamespace(
            segmentation=(np.nan_to_num(image.array) > 256).astype(np.uint8),
            probabilities=np.full((3, *image.shape), 1 / 3, np.float32),
            uncertainty=np.ones(image.shape, np.float32),
            grid=image.grid,
            notes=(),
        )

    module = SimpleNamespace(load_model=lambda *_, **__: "model", predict_case=predict_case)
    monkeypatch.setitem(sys.modules, "napari_scribseg.training.predict", module)
    return seen


@pytest.fixture
def run(data: Path, tmp_path: Path) -> RunFolder:
    run = prepare_run(read_dataset(data), tmp_path / "run", method="partial_ce")
    run.checkpoint("last").write_bytes(b"weights")
    return run


def series(path: Path) -> Path:
    """A time series of three frames, 100, 200 and 300 throughout but for one voxel.

    It lies where the volume lies that it takes the place of.
    """
    affine = nibabel.load(path).affine if path.exists() else np.diag([1.5, 1.5, 8.0, 1.0])
    frames = np.stack([np.full((16, 16, 2), 100 * (t + 1), np.int16) for t in range(3)], -1)
    frames[0, 0, 0] = 1
    nibabel.save(nibabel.Nifti1Image(frames, affine), path)
    return path


# ------------------------------------------------------------------------------- predictions


def test_a_folder_of_volumes_is_predicted_and_said(run, data, tmp_path, predicted, capsys) -> None:
    code, told, _ = call(capsys, "predict", run.path, data / "images", "--out", tmp_path / "out")
    assert code == 0
    assert list(told["written"]) == ["patient00", "patient01", "patient02"]
    assert f"All 3 volumes of {data / 'images'} are taken for images." in told["notes"]


def test_a_frame_of_a_series_is_chosen_by_an_option(run, tmp_path, predicted, capsys) -> None:
    path = series(tmp_path / "cine.nii.gz")
    code, told, _ = call(capsys, "predict", run.path, path, "--out", tmp_path / "a")
    assert code == 1
    assert "choose one, 0 to 2, with --frame" in told["failed"]["cine"]
    words = ("predict", run.path, path, "--frame", 2, "--out", tmp_path / "b")
    assert call(capsys, *words)[0] == 0
    assert int(predicted[-1].array.max()) == 300


def test_a_prediction_that_was_ended_early_goes_on(run, data, tmp_path, predicted, capsys) -> None:
    out = tmp_path / "out"
    words = ("predict", run.path, data, "--out", out, "--uncertainty")
    good = (data / "images" / "patient01.nii.gz").read_bytes()
    call(capsys, *words)
    assert not (out / "unfinished.json").exists()
    code, told, _ = call(capsys, *words)
    assert (code, "nothing is overwritten" in told["error"]) == (2, True)
    # As a kill leaves it: one case is whole, one lacks its last file, and a part file lies about.
    shutil.rmtree(out)
    (data / "images" / "patient01.nii.gz").write_bytes(b"broken")
    code, told, _ = call(capsys, *words)
    assert (code, list(told["failed"])) == (1, ["patient01"])
    (out / "patient02.nii.gz").unlink()
    kept = (out / "patient00.nii.gz").stat().st_mtime_ns
    predicted.clear()
    code, told, _ = call(capsys, *words)  # the broken image is as it was
    assert (code, told["already_there"], len(predicted)) == (1, ["patient00"], 1)
    assert (out / "patient02.nii.gz").exists()
    assert (out / "patient00.nii.gz").stat().st_mtime_ns == kept
    # Other options, weights or images would mix two predictions.
    code, told, _ = call(capsys, *words[:-1])
    assert (code, "--uncertainty" in told["error"]) == (2, True)
    run.checkpoint("last").write_bytes(b"trained further")
    assert "other weights" in call(capsys, *words)[1]["error"]
    run.checkpoint("last").write_bytes(b"weights")
    (data / "images" / "patient01.nii.gz").write_bytes(good)
    assert "other images" in call(capsys, *words)[1]["error"]


def test_notes_are_told_once_with_the_number_of_repeats(
    run, data, tmp_path, predicted, capsys
) -> None:
    for name in ("patient01", "patient02"):
        path = data / "images" / f"{name}.nii.gz"
        affine = nibabel.load(path).affine
        array = np.full((16, 16, 2), 5, np.float32)
        nibabel.save(nibabel.Nifti1Image(array, affine), path)
    constant = "patient01: All voxels have the same value, 5 (and 1 other case)."
    code, told, _ = call(capsys, "predict", run.path, data, "--out", tmp_path / "out")
    assert (code, told["notes"].count(constant)) == (0, 1)
    assert [note for note in told["notes"] if "same value" in note] == [constant]
    for name in ("patient01", "patient02"):
        assert "All voxels have the same value, 5." in told["notes_by_image"][name]
    code, told, _ = call(capsys, "check", data)
    assert (code, told["notes"].count(constant)) == (0, 1)
    assert main(["check", str(data)]) == 0
    assert f"Note: {constant}" in capsys.readouterr().out
    words = ("evaluate", data / "labels", data, "--out", tmp_path / "scores")
    shutil.copytree(data / "labels", tmp_path / "predictions")
    words = ("evaluate", tmp_path / "predictions", data, "--out", tmp_path / "scores")
    code, told, _ = call(capsys, *words)
    assert (code, told["mean_dice"], told["notes"].count(constant)) == (0, 1.0, 1)


# ------------------------------------------------------------------------ check, evaluate, train


def test_check_reads_a_project_and_a_frame(data, tmp_path, capsys) -> None:
    dataset = read_dataset(data)
    with Project.create(tmp_path / "project", dataset.schema) as project:
        for case in dataset.cases[:2]:
            project.add_case(case, copy=False)
    code, told, _ = call(capsys, "check", tmp_path / "project")
    assert (code, told["layout"], told["n_cases"]) == (0, "project", 2)
    series(data / "images" / "patient00.nii.gz")
    code, told, _ = call(capsys, "check", data)
    assert (code, told["cases"][0]["ok"]) == (1, False)
    code, told, _ = call(capsys, "check", data, "--frame", 1)
    assert (code, told["cases"][0]["ok"], told["cases"][1]["ok"]) == (0, True, True)


def test_half_written_tables_are_replaced_and_others_are_not(data, tmp_path, capsys) -> None:
    shutil.copytree(data / "labels", tmp_path / "predictions")
    out = tmp_path / "scores"
    words = ("evaluate", tmp_path / "predictions", data, "--out", out)
    out.mkdir()
    heading = ",".join(metrics_rows(evaluate_cases([], LabelSchema.of("x")))[0])
    (out / "metrics.csv").write_text(f"{heading}\nhalf", encoding="utf-8")
    assert call(capsys, *words)[0] == 0
    assert "half" not in (out / "metrics.csv").read_text(encoding="utf-8")
    assert call(capsys, *words)[0] == 2  # complete: nothing is overwritten
    (out / "summary.json").unlink()
    (out / "mine.txt").write_text("x", encoding="utf-8")
    assert call(capsys, *words)[0] == 2
    assert (out / "metrics.csv").exists()


def test_tables_are_replaced_when_there_are_scores_and_those_of_others_never(
    data, tmp_path, capsys
) -> None:
    out = tmp_path / "scores"
    out.mkdir()
    tables = [out / name for name in ("metrics.csv", "summary.csv")]
    heading = ",".join(metrics_rows(evaluate_cases([], LabelSchema.of("x")))[0])
    tables[0].write_text(f"{heading}\nhalf", encoding="utf-8")
    for predictions, references in ((tmp_path / "nothing", data), (data / "labels", tmp_path)):
        assert call(capsys, "evaluate", predictions, references, "--out", out)[0] == 2
        assert "half" in tables[0].read_text(encoding="utf-8")
    shutil.copytree(data / "labels", tmp_path / "predictions")
    for table in tables:
        table.write_text("patient,dice\nA,0.9\n", encoding="utf-8")
    code, told, _ = call(capsys, "evaluate", tmp_path / "predictions", data, "--out", out)
    assert (code, "nothing is overwritten" in told["error"]) == (2, True)
    assert all(table.read_text(encoding="utf-8").startswith("patient") for table in tables)


def test_a_repeated_training_says_what_to_type(run, data, capsys) -> None:
    words = ("train", data, "--method", "partial_ce", "--out", run.path)
    code, told, _ = call(capsys, *words)
    assert code == 2
    assert f"`scribseg train {run.path} --resume`" in told["error"]
    run.checkpoint("last").unlink()
    assert f"`scribseg train {run.path}` trains it" in call(capsys, *words)[1]["error"]


@pytest.fixture
def at_once(data: Path, tmp_path: Path) -> RunFolder:
    """A run of no steps that is complete."""
    changes = {"steps": 0, "start": "anatomy"}
    run = prepare_run(read_dataset(data), tmp_path / "zero", method="partial_ce", changes=changes)
    run.checkpoint("last").write_bytes(b"weights")
    run.append(Finished(outcome="completed", step=0, message="", seconds=0.0))
    return run


def test_an_answer_at_once_that_is_repeated_is_complete(at_once, data, capsys) -> None:
    words = ("train", data, "--method", "partial_ce", "--minutes", 0, "--out", at_once.path)
    code, told, _ = call(capsys, *words, "--resume")
    assert (code, "is complete" in told["error"]) == (4, True), told["error"]


def test_minutes_may_follow_a_budget_of_minutes_beside_no_steps(data, tmp_path) -> None:
    changes = {"steps": 0, "minutes": 1}
    run = prepare_run(read_dataset(data), tmp_path / "run0", method="partial_ce", changes=changes)
    run.extended(minutes=2)
    training = RunFolder.open(run.path).record.training
    assert (training.steps, training.minutes) == (0, 2)


def test_a_run_that_can_not_be_resumed_keeps_its_budget(run, capsys) -> None:
    run.checkpoint("last").unlink()
    code, told, _ = call(capsys, "train", run.path, "--resume", "--steps", 77)
    assert (code, "no checkpoint" in told["error"]) == (4, True)
    assert RunFolder.open(run.path).record.training.steps != 77


def test_strokes_that_teach_nothing_validate_nothing(data, tmp_path, capsys, monkeypatch) -> None:
    """The record says so, and the command that made the run resumes it."""
    monkeypatch.setattr("napari_scribseg.cli.training.train_run", lambda *_, **__: Answer({}, ""))
    words = ("train", data, "--method", "full_2d", "--validate", "strokes", "--out", tmp_path / "f")
    assert call(capsys, *words)[0] == 0
    run = RunFolder.open(tmp_path / "f")
    assert (run.record.validate_on, run.record.checkpoint_choice) == ("none", "last step")
    run.checkpoint("last").write_bytes(b"weights")
    assert call(capsys, *words, "--resume")[0] == 0
    assert call(capsys, *words[:4], "--out", tmp_path / "f", "--resume")[0] == 0


@pytest.mark.parametrize(
    "other",
    [
        ("--validate", "auto"),
        ("--split", "val"),
        ("--preset", "paper"),
        ("--convention", "wsl4mis"),
        ("--reference-convention", "unlabelled_255"),
        ("--frame", 1),
        ("--strokes-of", "Ada"),
        ("--sequences", "T2,ADC"),
        ("--patient-pattern", "(.)"),
    ],
    ids=lambda words: words[0],
)
def test_a_resumed_run_ignores_no_option(run, data, capsys, monkeypatch, other) -> None:
    monkeypatch.setattr("napari_scribseg.cli.training.train_run", lambda *_, **__: Answer({}, ""))
    words = ("train", data, "--out", run.path, "--resume")
    assert call(capsys, *words, "--split", "train", "--patient-pattern", "(.*)")[0] == 0
    code, told, _ = call(capsys, *words, *other)
    assert (code, bool(told["error"])) == (2, True)


def test_moved_data_is_found_by_the_end_of_its_path(run, data, tmp_path) -> None:
    refuse_missing(run)
    new = tmp_path / "elsewhere" / "heart"
    new.parent.mkdir()
    data.rename(new)
    with pytest.raises(InvalidInput, match=rf"train {run.path} --resume --data FOLDER") as error:
        refuse_missing(run)
    assert "9 of 9 files" in str(error.value)
    with pytest.raises(InvalidInput, match="are not in"):
        moved_to(run, tmp_path / "run")
    moved = moved_to(run, new)
    remember(moved)
    again = RunFolder.open(run.path)
    refuse_missing(again)
    assert [f.image for f in again.files("train")] == [
        new / "images" / f"patient0{i}.nii.gz" for i in range(3)
    ]
    # Files of one name in several folders stay apart, and one in the place of two is refused.
    flat = tmp_path / "flat"
    flat.mkdir()
    for kind in ("images", "scribbles", "labels"):
        for path in (new / kind).iterdir():
            shutil.copy(path, flat)
    with pytest.raises(InvalidInput, match="several of one name"):
        moved_to(run, flat)


def test_data_of_a_new_run_is_its_dataset(data, tmp_path, capsys) -> None:
    words = ("train", data, "--method", "partial_ce", "--out", tmp_path / "x", "--data", data)
    code, told, _ = call(capsys, *words)
    assert (code, "--data says where" in told["error"]) == (2, True)
