"""Several sequences on the command line: chosen, told when missing, found by name, moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import made_up_settings
from phantoms import two_sequence_dataset

from napari_scribseg.cli import main
from napari_scribseg.cli.inputs import items_of
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.sequences import with_sequences
from napari_scribseg.experiment.plan import draft
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.io import read_labels
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.moved import moved_to, refuse_missing

SMALL = ("--steps", 2, "--device", "cpu", "--set", "patch=32,32", "--set", "batch_size=2")


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return two_sequence_dataset(tmp_path / "data", 3, coarse_adc=True)


def test_train_predict_and_evaluate_with_two_sequences(data, tmp_path, capsys) -> None:
    code, checked = call(capsys, "check", data)
    assert (code, checked["sequences"]) == (0, ["T2", "ADC"])
    run, out = tmp_path / "run", tmp_path / "out"
    code, trained = call(capsys, "train", data, "--method", "partial_ce", "--out", run, *SMALL)
    assert code == 0
    assert any("ADC of case patient00: resampled" in told for told in trained["warnings"])
    assert RunFolder.open(run).record.sequences == ("T2", "ADC")
    code, _ = call(capsys, "predict", run, data, "--split", "test", "--out", out)
    assert code == 0
    code, _ = call(capsys, "evaluate", out, data, "--split", "test", "--out", tmp_path / "scores")
    assert code == 0
    # The same from a folder of channels, and from one file that stands for the others beside it.
    by_number, alone = tmp_path / "numbered", tmp_path / "alone"
    code, told = call(capsys, "predict", run, data / "imagesTs", "--out", by_number)
    assert code == 0
    assert "_0001 for ADC" in " ".join(told["notes"])
    first = data / "imagesTs" / "patient02_0000.nii.gz"
    assert call(capsys, "predict", run, first, "--out", alone)[0] == 0
    for folder in (by_number, alone):
        np.testing.assert_array_equal(
            read_labels(folder / "patient02.nii.gz").array,
            read_labels(out / "patient02.nii.gz").array,
        )
    (data / "imagesTs" / "patient02_0001.nii.gz").unlink()
    code, told = call(capsys, "predict", run, data, "--split", "test", "--out", tmp_path / "bad")
    assert code == 1
    assert "the image has no ADC" in told["failed"]["patient02"]


def test_chosen_sequences_and_missing_ones(data, tmp_path, capsys) -> None:
    (data / "imagesTr" / "patient01_0001.nii.gz").unlink()
    words = ("train", data, "--method", "partial_ce", *SMALL, "--out", tmp_path / "run")
    code, refused = call(capsys, *words)
    assert code == 2
    assert "case patient01 has no ADC" in refused["error"]
    code, refused = call(capsys, *words, "--sequences", "T2,")
    assert (code, "without a name" in refused["error"]) == (2, True)
    code, _ = call(capsys, *words, "--sequences", "t2")
    assert code == 0
    assert RunFolder.open(tmp_path / "run").record.sequences == ("T2",)
    code, refused = call(capsys, "train", tmp_path / "run", "--sequences", "T2")
    assert code == 2
    assert "keeps the settings" in refused["error"]


def test_a_case_without_its_first_channel_is_refused_by_name_and_stops_no_other(data) -> None:
    (data / "imagesTr" / "patient01_0000.nii.gz").unlink()
    whole, lacking = items_of([data / "imagesTr"], "all", None, ("T2", "ADC")).items
    assert with_sequences(whole.read(), ("T2", "ADC")).sequences == ("T2", "ADC")
    with pytest.raises(InvalidInput, match=r"has no T2 \(it has: ADC\)"):
        with_sequences(lacking.read(), ("T2", "ADC"))


def test_a_model_of_one_sequence_reads_no_other(data, tmp_path) -> None:
    (data / "imagesTs" / "patient02_0001.nii.gz").write_bytes(b"no volume")
    (item,) = items_of([data], "test", None, ("T2",)).items
    assert item.read().sequences == ("T2",)


def test_the_files_of_every_sequence_are_looked_for_when_data_moved(data, tmp_path, capsys) -> None:
    words = ("--method", "partial_ce", *SMALL, "--out", tmp_path / "run")
    assert call(capsys, "train", data, *words)[0] == 0
    shutil.move(data, tmp_path / "elsewhere")
    run = RunFolder.open(tmp_path / "run")
    moved = moved_to(run, tmp_path / "elsewhere")
    refuse_missing(moved)
    assert moved.files("train")[0].read_image().sequences == ("T2", "ADC")


def test_a_plan_knows_the_sequences_and_their_bytes(tmp_path) -> None:
    data = two_sequence_dataset(tmp_path / "data", 3)
    values = {
        "dataset": str(data),
        "methods": [{"label": "a", "method": "partial_ce"}],
        "split": {"kind": "dataset", "train": "train", "test": "test"},
    }
    planned = draft(Recipe.model_validate(values), made_up_settings("a")).experiment
    assert all(len(case.further_sha256) == 1 for case in planned.cases)
    chosen = Recipe.model_validate({**values, "sequences": ["ADC"]})
    one = draft(chosen, made_up_settings("a")).experiment
    assert all(case.files.image.name.endswith("_0001.nii.gz") for case in one.cases)
