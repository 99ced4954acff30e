"""The commands of the tutorials, run in order and as they stand, but for the number of steps."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parent.parent / "docs" / "tutorials"
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="the commands are for bash")


def run(page: str, folder: Path) -> str:
    commands = "".join(BLOCK.findall((PAGES / page).read_text(encoding="utf-8")))
    short = re.sub(r"--steps \d+", "--steps 2 --device cpu", commands)
    root, programs = PAGES.parent.parent, Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-eu", "-c", short],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(root),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@needs_bash
def test_own_volume(tmp_path):
    said = run("own-volume.md", tmp_path)
    assert "All 12 cases can be used." in said
    assert len(list((tmp_path / "predictions").glob("heart*_uncertainty.nii.gz"))) == 4
    assert list((tmp_path / "scores").glob("*.csv"))
    assert (tmp_path / "heart.scribseg").is_file()


@needs_bash
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_compare_methods(tmp_path):
    run("compare-methods.md", tmp_path)
    names = {path.name for path in (tmp_path / "compared").iterdir()}
    assert {"report.html", "comparisons.csv", "table.tex", "experiment.json"} <= names
    assert any(name.startswith("locked_") for name in names)
    assert "0.5" in (tmp_path / "curve" / "summary.csv").read_text(encoding="utf-8")
    assert (tmp_path / "recipe.json").is_file()


@pytest.mark.parametrize(
    ("page", "said"), [("how-to/run-headless.md", "heart06_ES"), ("anatomy.md", "")]
)
def test_python_examples_run_as_they_stand_but_for_the_minutes(page, said, tmp_path):
    text = (PAGES.parent / page).read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example.replace('{"minutes": 5}', '{"steps": 0}')],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PAGES.parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
