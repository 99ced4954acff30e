"""The examples run as their pages say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from phantoms import phantom_dataset

import napari_scribseg
from napari_scribseg.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]
ADDED = ROOT / "examples/smooth_ce"


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which the example's package counts as installed."""
    info = tmp_path / "site" / "scribseg_smooth_ce-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: scribseg-smooth-ce\nVersion: 0.1.0\n"
    )
    points = (
        "[napari_scribseg.methods]\nsmooth_ce = scribseg_smooth_ce:SPEC\nbroken = not_there:SPEC\n"
    )
    (info / "entry_points.txt").write_text(points)
    paths = [str(tmp_path / "site"), str(ADDED), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}


def test_the_whole_job_from_python_is_one_that_the_command_line_knows(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import train_from_python

    dice = train_from_python.main(tmp_path, steps=3)
    assert 0 <= dice < 1
    assert len(list((tmp_path / "predictions").glob("*.nii.gz"))) == 4
    run = RunFolder.open(tmp_path / "run")
    assert (run.status, run.last_step) == ("completed", 3)
    said = capsys.readouterr().out
    assert "hd95_mm" in said
    history = napari_scribseg.history_table(run)
    assert history["step"].iloc[-1] == 3
    assert (history["loss"] > 0).all()
    scores = napari_scribseg.evaluate_folders(
        tmp_path / "predictions", napari_scribseg.sample_folder("cardiac"), split="val"
    )
    table = napari_scribseg.score_table(scores)
    assert len(table) == 4 * 3
    by_class = table.groupby("class")["dice"].mean()
    summary = napari_scribseg.summary_table(scores).set_index("class")
    assert summary.loc["LV", "dice_mean"] == pytest.approx(by_class["LV"])


def scribseg(environment: dict[str, str], *words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "napari_scribseg", *words, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_method_of_another_package_is_listed_trained_and_predicts(installed, tmp_path):
    listed = scribseg(installed, "methods")
    by_name = {m["name"]: m for m in listed["methods"]}
    assert by_name["smooth_ce"]["title"] == "Smooth cross-entropy"
    assert "smoothness" in by_name["smooth_ce"]["options"]
    (note,) = listed["notes"]
    assert "'broken' of another package can't be loaded from not_there:SPEC" in note

    data = phantom_dataset(tmp_path / "data", 2)
    run, out = str(tmp_path / "run"), str(tmp_path / "out")
    scribseg(installed, "train", str(tmp_path / "data"), "--method", "smooth_ce", "--steps", "2",
             "--set", "patch=[48,48]", "--set", "threads=1", "--out", run)  # fmt: skip
    image = next((tmp_path / "data" / "images").iterdir())
    scribseg(installed, "predict", run, str(image), "--out", out)
    assert (Path(out) / image.name).is_file()
    del data
