"""Nothing that lies in a run, experiment, data or current folder is executed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from phantoms import phantom_dataset
from small_runs import phantom_run
from strangers import AT_START, environment, executed, lay_traps

from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.random_walker.method import RandomWalker
from napari_scribseg.runs import children
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.process import start

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 600.0
CONSOLE_SCRIPT = """
import sys
from napari_scribseg.__main__ import main
if __name__ == "__main__":
    sys.exit(main())
"""
"""What an installer makes of the entry point."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIBSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "executed.txt"


def run_there(folder: Path, words: list[str], env: dict[str, str] | None = None) -> int:
    """Run a command in a folder; gives its process id, once it has succeeded."""
    process = subprocess.Popen(
        words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    return process.pid


def test_the_entry_point_is_the_one_that_is_tested() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"scribseg": "napari_scribseg.__main__:main"}


@pytest.mark.parametrize("how", ["-m", "script"])
def test_a_training_in_a_stranger_s_folder_executes_nothing_of_it(how, tmp_path, log) -> None:
    """In the folder of the run itself; the method prepares in helper processes."""
    run = phantom_run(tmp_path, RandomWalker, patients=1, steps=1)
    for folder in (run.path, tmp_path / "data", tmp_path / "data" / "images"):
        lay_traps(folder, log)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "scribseg"
    script.write_text(CONSOLE_SCRIPT)
    start = [sys.executable, "-m", "napari_scribseg"] if how == "-m" else [sys.executable, script]
    env = environment() if how == "script" else None
    pid = run_there(run.path, [*start, "train", str(run.path)], env)
    # With such a module path Python itself runs these two before it comes to us.
    assert [entry for entry in executed(log) if entry not in [(n, pid) for n in AT_START]] == []
    assert RunFolder.open(run.path).status == "completed"


def test_no_child_finds_modules_where_its_starter_works(tmp_path, log, monkeypatch) -> None:
    lay_traps(tmp_path / "here", log)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    tells = "import json, os, sys; print(json.dumps([sys.path, os.getcwd(), sys.flags.safe_path]))"
    for words in ([sys.executable, "-c", tells], [sys.executable, "-P", "-c", tells]):
        path, folder, safe = json.loads(children.ask(words).output)
        assert safe
        assert Path(folder) == children.neutral_folder()
        assert not {"", ".", str(tmp_path / "here")} & set(path)
        assert all(Path(entry).is_absolute() for entry in path)
    answer = children.ask([*children.PROGRAM, "--version"])
    assert answer.code == 0, answer.log
    assert executed(log) == []


def test_the_run_folder_is_not_where_a_training_works(tmp_path, log) -> None:
    run = phantom_run(tmp_path, PartialCE, patients=1, steps=1)
    lay_traps(run.path, log)
    assert start(run).wait(PATIENCE_SECONDS).outcome == "completed"
    assert executed(log) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("empty_entries", [False, True])
def test_no_command_executes_what_lies_around(empty_entries, tmp_path, log) -> None:
    data = phantom_dataset(tmp_path / "data", 4, shape=(3, 48, 48))
    for folder in (data, data / "images", data / "labels", tmp_path / "here"):
        lay_traps(folder, log)
    env = environment("images") if empty_entries else None
    run, out, scores = (tmp_path / name for name in ("run", "out", "scores"))
    quick = ["--method", "partial_ce", "--steps", "1", "--device", "cpu"]
    experiment = ["--method", "partial_ce", "--folds", "2", "--steps", "1", "--out"]
    commands = [
        (data, ["check", str(data)]),
        (data, ["train", str(data), *quick, "--out", str(run)]),
        (run, ["predict", str(run), str(data), "--out", str(out)]),
        (out, ["evaluate", str(out), str(data), "--out", str(scores)]),
        (data, ["experiment", str(data), *experiment, str(tmp_path / "experiment")]),
        (tmp_path / "experiment", ["experiment", str(tmp_path / "experiment")]),
    ]
    pids = set()
    for place, words in commands:
        lay_traps(place, log)
        pids.add(run_there(place, [sys.executable, "-m", "napari_scribseg", *words], env))
    allowed = {(name, pid) for name in AT_START for pid in pids} if empty_entries else set()
    assert [entry for entry in executed(log) if entry not in allowed] == []
