"""A run folder from somebody else: links in it lead nowhere, and nothing in it makes us wait."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from phantoms import two_ball_case
from small_runs import phantom_run

from napari_scribseg.cli import main
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.volume import Volume
from napari_scribseg.io import write_volume
from napari_scribseg.io.atomic import write_bytes, write_text
from napari_scribseg.io.regular_file import open_own, refuse_links
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.process import start, tail_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are POSIX")

WAIT_SECONDS = 60.0


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return phantom_run(tmp_path, PartialCE, patients=1, steps=1)


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file and a folder of the user's that nobody may change."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("three years")
    yield folder
    assert sorted(path.name for path in folder.iterdir()) == ["thesis.txt"]
    assert (folder / "thesis.txt").read_text() == "three years"


def in_time(work: Callable[[], object]) -> object:
    """What work gives or raises; fails when it waits for something."""
    found: list[object] = []

    def do() -> None:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001  whatever it is
            found.append(error)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    assert found, "it waits"
    return found[0]


@pytest.mark.parametrize(
    "name",
    ["events.jsonl", "log.txt", "heartbeat", "STOP", "reserve"],
)
def test_files_that_a_run_writes_are_not_written_through_a_link(name, run, victim, capsys) -> None:
    (run.path / name).unlink(missing_ok=True)
    (run.path / name).symlink_to(victim / "thesis.txt")
    (run.path / "checkpoints" / "last.safetensors").symlink_to(victim / "new")
    assert main(["train", str(run.path)]) != 0
    assert run.status in {"failed", "crashed", "created"}
    said = capsys.readouterr().err
    assert "are not followed" in said
    assert "Unexpected" not in said


def test_a_link_that_leads_to_nothing_makes_no_file(run, victim) -> None:
    for name in ("STOP", "PAUSE", "DETACHED", "heartbeat", "log.txt"):
        (run.path / name).unlink(missing_ok=True)
        (run.path / name).symlink_to(victim / "new.txt")
    run.request("stop")
    run.let_go()
    with pytest.raises(OSError, match="link"):
        run.heartbeat()
    with pytest.raises(RunError, match="can't be started"):
        start(run)


@pytest.mark.parametrize("folder", ["checkpoints", "predictions", "previews", "relabelled"])
def test_a_folder_of_a_run_that_is_a_link_is_refused(folder, run, victim) -> None:
    shutil.rmtree(run.path / folder, ignore_errors=True)
    (run.path / folder).symlink_to(victim)
    inner = run.path / folder / "deep" / "a.nii.gz"
    grid = two_ball_case().grid
    volume = Volume(np.zeros(grid.shape, np.uint8), grid)
    for write in (
        lambda: write_bytes(run.path / folder / "thesis.txt", b"no"),
        lambda: write_text(inner, "no"),
        lambda: write_volume(inner, volume),
        lambda: refuse_links(inner),
    ):
        with pytest.raises(InvalidInput, match=f"{folder} can't be written: it is a link"):
            write()
    run.remove_leftovers()


def test_a_run_that_is_reached_through_links_is_trained(run, tmp_path) -> None:
    (tmp_path / "disks").mkdir()
    shutil.move(run.path, tmp_path / "disks" / "big")
    (tmp_path / "linked").symlink_to(tmp_path / "disks")
    (tmp_path / "chosen").symlink_to(tmp_path / "linked" / "big")
    for name in ("chosen", "linked/big"):
        there = RunFolder.open(tmp_path / name)
        write_bytes(there.checkpoint("best"), b"weights")
        there.heartbeat()
        there.end_heartbeat()
    assert (tmp_path / "disks" / "big" / "checkpoints" / "best.safetensors").read_bytes()


def test_a_linked_file_outside_of_runs_is_still_written_where_it_is(tmp_path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "linked.json").symlink_to(tmp_path / "real.json")
    write_text(tmp_path / "linked.json", "new")
    assert (tmp_path / "real.json").read_text() == "new"


PIPES = (
    *("run.json", "labels.json", "cases.json", "budget.json", "preview.json", "heartbeat"),
    *("events.jsonl", "log.txt", "STOP", "FINISH", "PAUSE", "DETACHED", "reserve"),
    *("checkpoints/last.safetensors", "checkpoints/best.safetensors"),
    "checkpoints/start.safetensors",
)


@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_in_a_run_is_never_waited_for(name, run, tmp_path, capsys) -> None:
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)

    def look() -> object:
        opened = RunFolder.open(run.path)
        opened.clear_requests()
        told = (opened.status, opened.events(), opened.requested, tail_of(opened.log_path))
        return told, opened.used, opened.preview_request

    in_time(look)
    image = tmp_path / "data" / "images" / "patient00.nii.gz"
    for words in (
        ["predict", str(run.path), str(image), "--out", str(tmp_path / "out")],
        ["train", str(run.path), *(["--resume"] if "last" in name else [])],
    ):
        code = in_time(lambda words=words: main([*words, "--json"]))
        answer = json.loads(capsys.readouterr().out)
        assert code == answer.get("exit_code", 0)
        assert "Unexpected" not in answer.get("error", "")


@pytest.mark.parametrize("kind", ["images", "scribbles", "labels"])
def test_a_pipe_among_the_data_is_refused_by_name(kind, tmp_path, capsys) -> None:
    run = phantom_run(tmp_path, PartialCE, patients=2, validate=1, steps=1)
    path = tmp_path / "data" / kind / "patient01.nii.gz"
    path.unlink()
    os.mkfifo(path)
    assert in_time(lambda: main(["train", str(run.path), "--json"])) in {0, 2}
    said = json.loads(capsys.readouterr().out)
    assert kind == "labels" or "pipe" in said["error"]


def test_devices_and_pipes_are_no_files_of_ours(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null"), Path("/dev/zero"), tmp_path):
        for mode in ("rb", "ab", "a+b", "r+b", "wb"):
            with pytest.raises(OSError):  # noqa: PT011
                open_own(path, mode)
