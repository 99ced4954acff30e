"""A training process: how it ends, whatever happens to it or to its parent.

A small program stands in for the training, so that these tests take seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Finished
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.process import TrainingProcess, explain_exit, start

psutil = pytest.importorskip("psutil")
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

PREAMBLE = """
import os, signal, sys, threading, time
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.worker import end_when_stdin_closes, record
from napari_scribseg.core.events import Finished, Started, Warned
run = RunFolder.open(sys.argv[1])
if "--lifeline" in sys.argv:
    end_when_stdin_closes(run)
started = Started(method="stub", device="cpu", precision="float32", cases=1, slices=1,
                  first_step=1, steps=1, minutes=None)
done = Finished(outcome="completed", step=1, message="Done.", seconds=0.1)
"""

FINISHES = "list(record(run, iter([started, done])))"
RAISES = "run.append(started)\nraise ValueError('the voxels are on strike')"
KILLED = "run.append(started)\nos.kill(os.getpid(), signal.SIGKILL)"
SEGFAULTS = "run.append(started)\nos.kill(os.getpid(), signal.SIGSEGV)"
OBEDIENT = """
def training():
    yield started
    while run.requested != "stop":
        time.sleep(0.02)
    yield Finished(outcome="stopped", step=1, message="Stopped.", seconds=0.1)
list(record(run, training()))
"""
STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
run.append(started)
while True:
    time.sleep(0.1)
"""
WITH_HELPER = """
import subprocess
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
run.append(Warned(message=str(helper.pid)))
while True:
    time.sleep(0.1)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(
        tmp_path / "run",
        method="stub",
        options={},
        training=TrainConfig(threads=1),
        schema=PRESETS["structure"],
        cases=(),
        preset="quick",
    )


def stub(program: str) -> Callable[[RunFolder, bool, bool], Sequence[str]]:
    def command(run: RunFolder, detached: bool, resume: bool) -> list[str]:
        flags = ["--detached" if detached else "--lifeline"]
        return [sys.executable, "-c", PREAMBLE + program, str(run.path), *flags]

    return command


def gone(pid: int, within_seconds: float) -> bool:
    """Whether a process is no more (a zombie that nobody buries has ended, too)."""
    until = time.monotonic() + within_seconds
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def wait_for_event(run: RunFolder, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not run.events():
        assert time.monotonic() < until, run.log_path.read_text()
        time.sleep(0.02)


def test_events_arrive_and_the_last_one_is_the_end(run: RunFolder) -> None:
    process = start(run, command=stub(FINISHES))
    assert run.status == "running"
    assert [e.kind for e in process.events()] == ["started", "finished"]
    assert run.status == "completed"
    assert process.wait(10).outcome == "completed"
    assert not process.is_alive


def test_a_second_session_shows_only_its_own_events(run: RunFolder) -> None:
    assert len(list(start(run, command=stub(FINISHES)).events())) == 2
    assert len(list(start(run, command=stub(FINISHES), resume=True).events())) == 2
    assert len(run.events()) == 4


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (RAISES, "the voxels are on strike (ValueError)"),
        ("sys.exit(3)", "ended with code 3"),
        ("print('about to go'); sys.exit(0)", "about to go"),
        pytest.param(KILLED, "memory ran out", marks=posix),
        pytest.param(SEGFAULTS, "native code (SIGSEGV)", marks=posix),
    ],
)
def test_a_crash_is_told_in_one_sentence(run: RunFolder, program: str, message: str) -> None:
    end = list(start(run, command=stub(program)).events())[-1]
    assert isinstance(end, Finished)
    assert end.outcome == "crashed"
    assert message in end.message
    assert run.events()[-1] == end
    assert run.status == "crashed"


def test_a_crash_with_a_checkpoint_says_that_it_can_be_resumed(run: RunFolder) -> None:
    run.checkpoint("last").touch()
    assert "resumed from the last checkpoint" in start(run, command=stub(RAISES)).wait(20).message


def test_an_end_is_told_once_however_often_it_is_asked_for(run: RunFolder) -> None:
    process = start(run, command=stub("sys.exit(1)"))
    ends = [process.wait(20), process.stop(), list(process.events())[-1]]
    assert {e.message for e in ends if isinstance(e, Finished)} == {ends[0].message}
    assert [e.kind for e in run.events()] == ["finished"]


def test_stop_lets_the_training_end_by_itself(run: RunFolder) -> None:
    process = start(run, command=stub(OBEDIENT))
    wait_for_event(run)
    assert process.stop().message == "Stopped."
    assert run.status == "stopped"


@posix
def test_stop_takes_at_most_five_seconds_when_nothing_is_listened_to(run: RunFolder) -> None:
    process = start(run, command=stub(STUBBORN))
    wait_for_event(run)
    begun = time.monotonic()
    end = process.stop(timeout_seconds=5)
    assert time.monotonic() - begun < 5
    assert (end.outcome, run.status) == ("stopped", "stopped")
    assert gone(process.pid, 0.1)


@posix
def test_a_process_can_be_ended_without_asking_others_who_train_the_run(run: RunFolder) -> None:
    process = start(run, command=stub(OBEDIENT))
    wait_for_event(run)
    assert process.stop(ask=False).outcome == "stopped"
    assert run.requested is None
    assert gone(process.pid, 0.1)


@posix
def test_stop_ends_a_process_that_is_frozen(run: RunFolder) -> None:
    process = start(run, command=stub(STUBBORN))
    wait_for_event(run)
    os.kill(process.pid, signal.SIGSTOP)
    assert process.stop(timeout_seconds=1).outcome == "stopped"
    assert gone(process.pid, 0.1)


@posix
def test_helpers_of_a_killed_training_end_too(run: RunFolder) -> None:
    process = start(run, command=stub(WITH_HELPER))
    wait_for_event(run)
    helper = int(getattr(run.events()[0], "message", "0"))
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(5).outcome == "crashed"
    assert gone(helper, 2)


def test_a_run_is_not_trained_twice_at_once(run: RunFolder) -> None:
    process = start(run, command=stub(OBEDIENT))
    with pytest.raises(RunError, match="being trained already"):
        start(run, command=stub(OBEDIENT))
    process.close()


def test_old_requests_do_not_stop_a_new_session(run: RunFolder) -> None:
    run.request("stop")
    process = start(run, command=stub(OBEDIENT))
    wait_for_event(run)
    time.sleep(0.2)
    assert process.is_alive
    process.close()


def test_a_program_that_is_missing_is_an_error_and_leaves_no_heartbeat(run: RunFolder) -> None:
    with pytest.raises(RunError, match="can't be started"):
        start(run, command=lambda *_: ["/no/such/program"])
    assert run.status == "created"


@posix
def test_the_child_yields_to_other_programs(run: RunFolder) -> None:
    process = start(run, command=stub(OBEDIENT))
    wait_for_event(run)
    assert psutil.Process(process.pid).nice() >= 10
    process.close()


PARENT = """
import sys, time
from napari_scribseg.runs.process import start
from napari_scribseg.runs.folder import RunFolder
command = lambda run, detached, resume: [
    sys.executable, "-c", sys.argv[2], str(run.path), "--detached" if detached else "--lifeline"]
process = start(RunFolder.open(sys.argv[1]), detached=sys.argv[3] == "detached", command=command)
print(process.pid, flush=True)
time.sleep(60)
"""


def kill_parent_of(run: RunFolder, program: str, how: str) -> int:
    """Start a process that starts the training, kill it, and give the training's pid."""
    arguments = [sys.executable, "-c", PARENT, str(run.path), PREAMBLE + program, how]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_for_event(run)
        parent.kill()
    return pid


@posix
@pytest.mark.parametrize("program", [OBEDIENT, STUBBORN, WITH_HELPER])
def test_the_child_ends_when_its_parent_is_killed(run: RunFolder, program: str) -> None:
    pid = kill_parent_of(run, program, "watched")
    assert gone(pid, 5)
    if program == OBEDIENT:
        assert run.status == "stopped"
    if program == WITH_HELPER:
        assert gone(int(getattr(run.events()[0], "message", "0")), 1)


@posix
def test_a_detached_child_lives_on_and_can_be_stopped_through_its_folder(run: RunFolder) -> None:
    pid = kill_parent_of(run, OBEDIENT, "detached")
    time.sleep(1)
    assert psutil.pid_exists(pid)
    assert run.status == "running"
    run.request("stop")
    assert gone(pid, 5)
    assert run.status == "stopped"


def test_closing_the_handle_leaves_a_detached_child_alone(run: RunFolder) -> None:
    process = start(run, detached=True, command=stub(OBEDIENT))
    wait_for_event(run)
    process.close()
    assert process.is_alive
    assert isinstance(process, TrainingProcess)
    process.stop()


def test_exits_are_explained_without_codes_where_people_know_the_cause() -> None:
    log = "Traceback (most recent call last):\n  File 'x'\ntorch.cuda.OutOfMemoryError: too big\n"
    assert explain_exit(1, log).endswith("too big (OutOfMemoryError).")
    assert explain_exit(1, log + "UserWarning: noise\n").endswith("too big (OutOfMemoryError).")
    assert "memory" in explain_exit(-9, "")
    assert "signal 15" in explain_exit(-15, "")
    assert "native code" in explain_exit(0xC0000005, "")
    assert "nothing" in explain_exit(1, "")
