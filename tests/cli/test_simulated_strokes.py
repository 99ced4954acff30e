"""Simulated strokes become part of a dataset as the page about own data says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from phantoms import phantom_dataset

from napari_scribseg.cli import main
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.training.new_run import prepare_run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-own-data.md"


@pytest.mark.parametrize("is_named", [True, False], ids=["labels.json", "no document"])
def test_the_strokes_of_the_page_are_those_that_its_training_learns_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    data = phantom_dataset(tmp_path / "mydata", 3, shape=(2, 24, 24))
    shutil.rmtree(data / "scribbles")
    if not is_named:
        (data / "labels.json").unlink()
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    (command,) = re.findall(r"^scribseg (simulate .*)$", page, re.MULTILINE)
    assert main(command.split()) == 0
    trained = re.search(r"^scribseg train (\S+) --method (\S+) --validate", page, re.MULTILINE)
    assert trained is not None
    dataset = read_dataset(tmp_path / trained[1])
    run = prepare_run(dataset, tmp_path / "run", method=trained[2])
    for files in run.files("train"):
        case = files.load(run.schema)
        drawn = case.scribbles
        assert drawn is not None
        assert {1, 2, 255} <= set(drawn.ravel().tolist())
        inside = (drawn > 0) & (drawn < 255)
        assert (drawn[inside] == case.reference[inside]).all()
