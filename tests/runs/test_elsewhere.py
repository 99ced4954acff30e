"""A run trained elsewhere: the path travels, events are files, faults are sentences."""

from __future__ import annotations

import os
import re
import stat
import sys
import threading
from pathlib import Path

import pytest
from phantoms import phantom_dataset

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.events import Finished
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.runs.documents import RunCase
from napari_scribseg.runs.elsewhere import _able_worker, checked_address, train_elsewhere
from napari_scribseg.runs.folder import RunFolder

posix = pytest.mark.skipif(sys.platform == "win32", reason="a script stands for ssh")

SSH = """#!{python} -S
import pathlib, shlex, sys, time, json, select
words = shlex.split(sys.argv[-1])
assert words[:2] == ["{program}", "train"] and "--lifeline" in words, words
assert sys.argv[-2] == "me@gpu1" and sys.argv[-3] == "--", sys.argv
run = pathlib.Path(words[2])
until = time.monotonic() + {seconds}
outcome = "completed"
while time.monotonic() < until:
    if (run / "STOP").exists() or select.select([sys.stdin], [], [], 0.05)[0]:
        outcome = "stopped"
        break
if {seconds} < 0:
    sys.exit("ssh: connect to host gpu1 port 22: No route to host")
end = {{"kind": "finished", "time": time.time(), "outcome": outcome, "step": 3,
       "message": "Done.", "seconds": 0.1}}
with (run / "events.jsonl").open("a") as file:
    file.write(json.dumps(end) + "\\n")
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    dataset = read_dataset(phantom_dataset(tmp_path / "data", 1, shape=(2, 16, 16)))
    return RunFolder.create(
        tmp_path / "run",
        method="partial_ce",
        options={},
        training=TrainConfig(),
        schema=dataset.schema,
        cases=tuple(RunCase(files=case, role="train") for case in dataset.cases),
        preset="quick",
    )


def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, program: str) -> None:
    """A program called ssh that trains at once, on this computer."""
    place = tmp_path / "bin"
    place.mkdir()
    text = SSH.format(python=sys.executable, seconds=seconds, program=program)
    (place / "ssh").write_text(text, encoding="utf-8")
    (place / "ssh").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")


@posix
@pytest.mark.parametrize("program", ["scribseg", "/opt/venv/bin/scribseg"])
def test_events_come_back_as_files(run, tmp_path, monkeypatch, program):
    address = "ssh://me@gpu1" + (program if program.startswith("/") else "")
    fake_ssh(tmp_path, monkeypatch, 0.2, program)
    *_, end = train_elsewhere(run, address)
    assert isinstance(end, Finished)
    assert (end.outcome, end.step) == ("completed", 3)
    assert run.requested is None, "nobody asked it to stop"


@posix
def test_a_request_to_stop_goes_there_as_a_file(run, tmp_path, monkeypatch):
    fake_ssh(tmp_path, monkeypatch, 60, "scribseg")
    threading.Timer(0.5, run.request, ["stop"]).start()
    *_, end = train_elsewhere(run, "ssh://me@gpu1")
    assert end.outcome == "stopped"


@posix
def test_what_ssh_says_is_told(run, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_scribseg.runs.elsewhere._LAST_WORDS_SECONDS", 0.2)
    fake_ssh(tmp_path, monkeypatch, -1, "scribseg")
    with pytest.raises(RunError, match="training on me@gpu1 has ended: ssh: .*No route to host"):
        list(train_elsewhere(run, "ssh://me@gpu1"))


def test_nobody_at_a_scheduler_is_told(run, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("napari_scribseg.runs.dask_client._CONNECT_SECONDS", 0.5)
    with pytest.raises(RunError, match="No scheduler answers at tcp://127.0.0.1:9"):
        list(train_elsewhere(run, "tcp://127.0.0.1:9"))


class Scheduler:
    """A client of Dask whose workers are all this process; one that is called so hangs."""

    def __init__(self, **busy: int) -> None:
        self._busy = busy
        self.over = threading.Event()

    def run(self, function, *arguments, workers, on_error):
        assert on_error == "return"
        if workers == ["hangs"]:
            self.over.wait(60)
        return {name: function(*arguments) for name in workers}

    def nthreads(self):
        return dict.fromkeys(self._busy, 1)

    def processing(self):
        return {name: ("task",) * n for name, n in self._busy.items()}


def test_the_worker_with_the_least_to_do_is_taken(run):
    assert _able_worker(Scheduler(first=2, second=1), run, "tcp://x:1")[0] == "second"


def test_a_worker_whose_drive_hangs_is_passed_over_and_named(run, monkeypatch):
    monkeypatch.setattr("napari_scribseg.runs.elsewhere._ASK_SECONDS", 0.5)
    scheduler = Scheduler(hangs=0, able=3)
    assert _able_worker(scheduler, run, "tcp://x:1")[0] == "able"
    scheduler = Scheduler(hangs=0)
    with pytest.raises(RunError, match=r"hangs: it has not answered for .* a drive may hang"):
        _able_worker(scheduler, run, "tcp://x:1")


def test_a_worker_that_does_not_see_the_data_or_the_run_is_told(run, tmp_path):
    with pytest.raises(RunError, match=r"it has none: start one with `dask worker tcp://x:1`"):
        _able_worker(Scheduler(), run, "tcp://x:1")
    image = run.cases[0].files.image
    image.rename(tmp_path / "away")
    with pytest.raises(RunError, match=f"it does not see {re.escape(str(image))}"):
        _able_worker(Scheduler(blind=0), run, "tcp://x:1")
    (run.path / "run.json").unlink()
    with pytest.raises(RunError, match=f"it does not see {re.escape(str(run.path))}"):
        _able_worker(Scheduler(blind=0), run, "tcp://x:1")


def test_an_address_is_checked():
    assert checked_address(" tcp://[::1]:8786 ") == "tcp://[::1]:8786"
    for wrong in ("", "gpu1:8786", "tcp:// x", "ssh://-oProxyCommand=evil"):
        with pytest.raises(InvalidInput, match="expected the address of a Dask scheduler"):
            checked_address(wrong)
