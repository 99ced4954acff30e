"""Whether a run is being trained, whatever the clock or a stranger's file says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Finished
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.core.process_identity import ProcessIdentity, runs, started_of
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.process import refuse_when_running

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(
        tmp_path / "run",
        method="stub",
        options={},
        training=TrainConfig(),
        schema=PRESETS["structure"],
        cases=(),
        preset="quick",
    )


@pytest.fixture
def dead() -> int:
    """The id of a process that has just ended."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        pass
    return process.pid


def heart_of(run: RunFolder) -> Path:
    return run.path / "heartbeat"


def change(run: RunFolder, **values: object) -> None:
    """Change what the heartbeat says of the process, or of the time."""
    document = json.loads(heart_of(run).read_text())
    for name, value in values.items():
        (document if name == "time" else document["process"])[name] = value
    heart_of(run).write_text(json.dumps(document))


def test_a_dead_process_is_not_trusted_however_fresh_its_heart(run, dead) -> None:
    run.heartbeat(dead)
    assert run.heart.age_seconds < 10
    assert run.status == "crashed"
    refuse_when_running(run)


def test_another_process_with_the_same_id_is_not_the_one_that_trained(run) -> None:
    run.heartbeat()
    assert run.status == "running"
    change(run, started="1")
    assert run.status == "crashed"


@pytest.mark.parametrize("hours", [-3, 3])
def test_the_clock_may_be_set_while_a_process_trains(run, hours) -> None:
    run.append(Finished(outcome="stopped", step=1, message="", seconds=1.0))
    run.heartbeat()
    change(run, time=time.time() + 3600 * hours)
    assert run.status == "running", "a session after a stop, whose beats look older than its end"
    with pytest.raises(RunError, match=f"by process {os.getpid()} of this computer"):
        refuse_when_running(run)


@pytest.mark.parametrize("hours", [-3, 3])
@pytest.mark.parametrize("host", ["another-computer", ""])
def test_a_heart_that_can_t_be_asked_for_counts_while_it_is_near_our_time(run, hours, host) -> None:
    then = time.time() + 3600 * hours
    if host:
        run.heartbeat()
        change(run, host=host, time=then)
    else:
        heart_of(run).write_text(f"{then:.3f}")  # as earlier versions wrote it
    assert run.status == ("running" if host else "crashed"), "the drive's clock decides"
    os.utime(heart_of(run), (then, then))
    assert run.status == "crashed"


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e400", "{}", "\0\0\0", "é", '{"time": NaN}']
)
def test_garbage_is_no_beat_once_it_is_old(run, text) -> None:
    heart_of(run).write_text(text, encoding="utf-8")
    for moment in (time.time() - 60, time.time() + 3600):
        os.utime(heart_of(run), (moment, moment))
        assert run.status == "crashed"
        refuse_when_running(run)


@posix
@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "device"])
def test_what_is_no_file_is_neither_waited_for_nor_written_to(run, kind, tmp_path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    if kind == "pipe":
        os.mkfifo(heart_of(run))
    elif kind == "link":
        heart_of(run).symlink_to(victim)
    elif kind == "device":
        heart_of(run).symlink_to("/dev/zero")
    else:
        heart_of(run).mkdir()
    assert run.status == "crashed", "none of ours"
    with pytest.raises(OSError, match="regular file|link|directory"):
        run.heartbeat()
    assert victim.read_text() == "mine"


@posix
def test_a_process_that_nobody_buried_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    identity = ProcessIdentity.of(process.pid)
    assert identity.runs is True
    os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while runs(process.pid):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert identity.runs is False
    process.wait()
    assert identity.runs is False


def test_an_identity_knows_what_it_can_t_know() -> None:
    here = ProcessIdentity.of(os.getpid())
    assert here.runs is True
    assert here.model_copy(update={"started": ""}).runs is True, "of a system that can't tell"
    assert here.model_copy(update={"started": "1"}).runs is False
    assert here.model_copy(update={"host": "elsewhere"}).runs is None
    assert here.model_copy(update={"pid": 2**40}).runs is False
    if here.boot:
        boot, _, names = here.boot.partition("/")
        assert here.model_copy(update={"boot": f"an-earlier-start/{names}"}).runs is False
        assert here.model_copy(update={"boot": f"{boot}/pid:[1]"}).runs is None
    assert started_of(os.getpid()) == started_of(os.getpid()) != ""
