"""What real trainings survive: kills, a full disk, damage, a process that hangs, signals.

Every training here is our command line in a process of its own, on tiny phantoms. A promise in
seconds gets twice its time, since the machine that tests may be loaded.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from phantoms import phantom_dataset
from small_runs import phantom_run

from napari_scribseg.cli import main
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Event, Finished, Saved, Started, Warned
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.random_walker.method import RandomWalker
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.process import Command, TrainingProcess, start, worker_command
from napari_scribseg.runs.worker import record
from napari_scribseg.training.checkpoint import load_checkpoint

psutil = pytest.importorskip("psutil")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

STEPS = 12
PROMISED_SECONDS = 10.0
"""Twice the five seconds within which a training ends when it must."""
PATIENCE_SECONDS = 120.0
"""For what has no promise: a loaded machine may need half a minute to load torch."""

SAVES_OFTEN = """
import os, signal, sys, time
from napari_scribseg.cli import main
from napari_scribseg.training import loop
from napari_scribseg.io import atomic
loop._SAVE_SECONDS = 0.0
"""
GOES = "\nsys.exit(main(sys.argv[1:]))"
DIES_WHILE_SAVING = """
whole, left = atomic.{place}, {saves}
def dying(*arguments):
    global left
    left -= 1
    if left == 0:
        if "{place}" == "fill":
            whole(arguments[0], arguments[1][: len(arguments[1]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*arguments)
atomic.{place} = dying
"""
DISK_IS_FULL = """
import resource
from napari_scribseg.training import full_disk
full_disk._TRY_SECONDS = 0.2
whole = resource.getrlimit(resource.RLIMIT_FSIZE)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, lambda *_: resource.setrlimit(resource.RLIMIT_FSIZE, whole))
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, whole[1]))
"""
"""Until SIGUSR1 comes."""
DISK_HANGS = "atomic._sync = lambda temp: time.sleep(600)"

OWNS_ITS_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from napari_scribseg.cli import main
sys.exit(main(sys.argv[1:]))
"""

PLACES = ("fill", "_sync", "_replace", "_sync_folder")
"""Of a save: half of it written, all written, read back, in its place but not told of yet."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, so that preparing takes its time and leaves the user's alone."""
    monkeypatch.setenv("SCRIBSEG_CACHE", str(tmp_path / "cache"))


@dataclass(frozen=True)
class Trained:
    """An unbroken run, and its checkpoints as they were on the way."""

    run: RunFolder
    halfway: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("unbroken")
    run = tiny_run(folder)
    process = start(run, command=saving_often())
    for event in process.events(0.005):
        halfway = isinstance(event, Saved) and event.step >= STEPS // 2
        if halfway and not (folder / "halfway").exists():
            shutil.copytree(run.checkpoint("last").parent, folder / "halfway", ignore=_parts)
    assert process.wait(PATIENCE_SECONDS).outcome == "completed"
    _, info = load_checkpoint(folder / "halfway" / "last.safetensors")
    assert STEPS // 2 <= info.step < STEPS
    return Trained(run, folder / "halfway")


def _parts(_: str, names: list[str]) -> list[str]:
    return [name for name in names if ".part" in name]


def tiny_run(tmp_path: Path, method: type[Method] = PartialCE, steps: int = STEPS) -> RunFolder:
    return phantom_run(tmp_path, method, validate=1, validation_interval=4, steps=steps)


def run_that_prepares(tmp_path: Path) -> RunFolder:
    """A run that prepares for some seconds, in helper processes."""
    phantom_dataset(tmp_path / "data", 7, shape=(6, 96, 96))
    return phantom_run(tmp_path, RandomWalker, patients=6, validate=1, steps=10_000)


def halfway_run(tmp_path: Path, trained: Trained) -> RunFolder:
    run = tiny_run(tmp_path)
    shutil.copytree(trained.halfway, run.checkpoint("last").parent, dirs_exist_ok=True)
    return run


def saving_often(fault: str = "") -> Command:
    """The worker, but it saves after every step, and something is wrong with it."""

    def command(run: RunFolder, detached: bool, resume: bool) -> list[str]:
        words = worker_command(run, detached, resume)
        return [sys.executable, "-c", SAVES_OFTEN + fault + GOES, *words[4:]]

    return command


def until(happened: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it happens within this time."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def reaches(run: RunFolder, kind: str, since: int = 0) -> bool:
    """Whether such an event comes."""
    end = time.monotonic() + PATIENCE_SECONDS
    events = run.follow(0.005, lambda: time.monotonic() > end, since=since)
    return any(event.kind == kind for event in events)


def session(leader: int) -> set[int]:
    """Processes of the session that a training leads, without those that have ended."""
    found: set[int] = set()
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if os.getsid(process.pid) == leader:
                found.add(process.pid)
        except ProcessLookupError:
            continue
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            found.discard(process.pid)
    return found


def leftovers(folder: Path) -> list[str]:
    """Temporary files, which nobody may find when a training has ended."""
    return sorted(path.name for path in folder.rglob("*.part*"))


def saved_step(run: RunFolder) -> int:
    """Step of the last checkpoint, which must be whole; 0 without one."""
    path = run.checkpoint("last")
    return load_checkpoint(path)[1].step if path.exists() else 0


def assert_same_weights(run: RunFolder, unbroken: RunFolder) -> None:
    """Weights, average and optimiser are the same to the bit, and so are the best weights."""
    for which in ("last", "best"):
        first, first_info = load_checkpoint(unbroken.checkpoint(which))
        second, second_info = load_checkpoint(run.checkpoint(which))
        assert first_info.step == second_info.step
        assert first_info.best_score == second_info.best_score
        assert first.keys() == second.keys()
        for group, tensors in first.items():
            assert tensors.keys() == second[group].keys()
            for name, tensor in tensors.items():
                assert torch.equal(tensor, second[group][name]), f"{which}: {group} {name}"


@dataclass(frozen=True)
class Kill:
    """A moment to be killed at.

    Attributes:
        place: "starting", "stepping", or one of PLACES.
        delay: seconds from the start, or from the session's first step.
        saves: which save of the session, for PLACES.
    """

    place: str
    delay: float = 0.0
    saves: int = 1

    @classmethod
    def drawn(cls, rng: random.Random) -> Kill:
        """Half of the kills hit a save; of the others, some the start."""
        place = rng.choice(("starting", "stepping", "stepping", *PLACES))
        delay = rng.uniform(0.0, 4.0 if place == "starting" else 0.3)
        return cls(place, delay, rng.randint(1, 4))


def survive(run: RunFolder, kill: Kill) -> None:
    """Train on, be killed, and have a whole checkpoint that is not older than what was told."""
    before, since = saved_step(run), run.position
    in_save = kill.place in PLACES
    fault = DIES_WHILE_SAVING.format(place=kill.place, saves=kill.saves) if in_save else ""
    process = start(run, resume=before > 0, command=saving_often(fault))
    if not in_save:
        assert kill.place == "starting" or reaches(run, "stepped", since)
        time.sleep(kill.delay)
        os.kill(process.pid, signal.SIGKILL)
    end = process.wait(PATIENCE_SECONDS)
    assert (end.outcome, run.status) == ("crashed", "crashed"), f"{kill}: {end.message}"
    assert "was killed" in end.message
    assert not session(process.pid)
    saves = [e for e in run.events() if isinstance(e, Saved) and "last" in e.path]
    assert max([before, *(e.step for e in saves)]) <= saved_step(run)
    assert len(leftovers(run.path)) <= 1


def survive_all(run: RunFolder, kills: list[Kill], unbroken: RunFolder) -> None:
    for kill in kills:
        survive(run, kill)
    step, since = saved_step(run), run.position
    assert 0 < step < unbroken.record.training.steps, "all kills must come before the end"
    process = start(run, resume=True)
    assert process.wait(PATIENCE_SECONDS).outcome == "completed"
    session_events = list(run.follow(0.0, lambda: True, since=since))
    assert next(e for e in session_events if isinstance(e, Started)).first_step == step + 1
    ends = [event.outcome for event in run.events() if isinstance(event, Finished)]
    assert ends == ["crashed"] * len(kills) + ["completed"]
    assert_same_weights(run, unbroken)
    assert leftovers(run.path) == []


def test_a_killed_training_ends_bit_equal_to_an_unbroken_one(trained, tmp_path) -> None:
    kills = [Kill("fill", saves=2), Kill("stepping", delay=0.11), Kill("_replace", saves=2)]
    survive_all(tiny_run(tmp_path), kills, trained.run)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thirty_kills_at_random_moments_change_no_bit(tmp_path) -> None:
    steps = 160
    unbroken = tiny_run(tmp_path / "unbroken", steps=steps)
    assert start(unbroken).wait(600).outcome == "completed"
    rng = random.Random(0)
    kills = [Kill.drawn(rng) for _ in range(30)]
    survive_all(tiny_run(tmp_path / "broken", steps=steps), kills, unbroken)


STARTER = """
import json, sys, time
from napari_scribseg.runs.process import start
from napari_scribseg.runs.folder import RunFolder
process = start(RunFolder.open(sys.argv[1]), command=lambda *_: json.loads(sys.argv[2]))
print(process.pid, flush=True)
time.sleep(600)
"""


@dataclass(frozen=True)
class Phase:
    """What a training does when its starter dies."""

    make: Callable[[Path], RunFolder]
    command: Command
    reached: Callable[[RunFolder, int], Any]


def endless_run(tmp_path: Path) -> RunFolder:
    return tiny_run(tmp_path, steps=10_000)


PHASES = {
    "starting": Phase(endless_run, worker_command, lambda run, pid: pid),
    "loading helpers": Phase(
        run_that_prepares, worker_command, lambda run, pid: len(session(pid)) > 2
    ),
    "preparing": Phase(run_that_prepares, worker_command, lambda run, _: reaches(run, "prepared")),
    "training": Phase(endless_run, worker_command, lambda run, _: reaches(run, "stepped")),
    "saving": Phase(endless_run, saving_often(), lambda run, _: leftovers(run.path)),
    "hanging in a save": Phase(
        endless_run, saving_often(DISK_HANGS), lambda run, _: leftovers(run.path)
    ),
}


def outlive_the_starter(run: RunFolder, phase: Phase, delay: float) -> set[int]:
    """Kill the starter in this phase; gives what is left of the training in the end."""
    command = json.dumps(phase.command(run, False, False))
    arguments = [sys.executable, "-c", STARTER, str(run.path), command]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        leader = int(starter.stdout.readline())
        assert until(lambda: phase.reached(run, leader)), run.log_path.read_text()
        time.sleep(delay)
        family = session(leader)
        assert leader in family
        starter.kill()
    until(lambda: not session(leader), PROMISED_SECONDS)
    return session(leader) | {pid for pid in family if is_running(pid)}


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("name", ["preparing", "training", "saving"])
def test_a_training_and_its_helpers_end_with_their_starter(name, tmp_path) -> None:
    phase = PHASES[name]
    run = phase.make(tmp_path)
    assert outlive_the_starter(run, phase, delay=0.1) == set()
    if name == "training":
        assert run.status == "stopped"
        assert saved_step(run) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", PHASES)
def test_no_process_outlives_its_starter_at_random_moments(name, tmp_path, monkeypatch) -> None:
    rng, phase = random.Random(name), PHASES[name]
    for attempt in range(8):
        folder = tmp_path / str(attempt)
        monkeypatch.setenv("SCRIBSEG_CACHE", str(folder / "cache"))
        run = phase.make(folder)
        assert outlive_the_starter(run, phase, rng.uniform(0.0, 1.0)) == set(), attempt


def test_helpers_end_with_a_killed_training_that_nobody_watches(tmp_path) -> None:
    run = run_that_prepares(tmp_path)
    process = interruptible(run)
    assert reaches(run, "prepared")
    process.kill()
    process.wait()
    assert until(lambda: not session(process.pid), PROMISED_SECONDS)


def waits_for_room(run: RunFolder, since: int) -> TrainingProcess:
    """A training that can't save, and says so."""
    process = start(run, resume=True, command=saving_often(DISK_IS_FULL))
    assert reaches(run, "warned", since), run.log_path.read_text()
    time.sleep(1.0)  # some more attempts fail
    said = list(run.follow(0, lambda: True, since=since))
    (warned,) = [event.message for event in said if isinstance(event, Warned)]
    assert "run/checkpoints/last.safetensors was not saved: the disk" in warned
    assert "waits until there is room" in warned
    assert "\n" not in warned
    assert run.status == "running"
    assert not [event for event in said if isinstance(event, Saved)]
    assert leftovers(run.path) == []
    return process


def test_a_full_disk_pauses_a_training_which_then_goes_on_as_if_nothing_was(
    trained, tmp_path
) -> None:
    run = halfway_run(tmp_path, trained)
    before = run.checkpoint("last").read_bytes()
    process = waits_for_room(run, since=0)
    assert run.checkpoint("last").read_bytes() == before
    os.kill(process.pid, signal.SIGUSR1)
    assert process.wait(PATIENCE_SECONDS).outcome == "completed"
    warnings = [event.message for event in run.events() if isinstance(event, Warned)]
    assert "room on the disk again" in warnings[-1]
    assert not run.reserve_path.exists()
    assert_same_weights(run, trained.run)


def test_a_training_that_waits_for_room_can_be_stopped_and_keeps_its_checkpoint(
    trained, tmp_path
) -> None:
    run = halfway_run(tmp_path, trained)
    before, step = run.checkpoint("last").read_bytes(), saved_step(run)
    process = waits_for_room(run, since=0)
    run.request("stop")
    end = process.wait(PATIENCE_SECONDS)
    assert (end.outcome, end.step, run.status) == ("stopped", step, "stopped")
    assert "while the disk was full" in end.message
    assert run.checkpoint("last").read_bytes() == before
    assert leftovers(run.path) == []
    assert start(run, resume=True).wait(PATIENCE_SECONDS).outcome == "completed"
    assert_same_weights(run, trained.run)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_events_wait_for_room_and_the_end_is_told_even_without(small_disk) -> None:
    run = RunFolder.create(
        small_disk / "run",
        method="stub",
        options={},
        training=TrainConfig(),
        schema=PRESETS["structure"],
        cases=(),
        preset="quick",
    )
    filler = small_disk / "filler"

    def training() -> Iterator[Event]:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        for number in range(3):
            yield Warned(message=f"{number} {'long ' * 100}")
        yield Finished(outcome="stopped", step=1, message="Stopped.", seconds=1.0)

    seen = list(record(run, training()))
    assert isinstance(seen[-1], Finished)
    assert run.status == "stopped", "the reserve is for this"
    assert [event.kind for event in run.events()] == ["warned"] * 3 + ["finished"]


def test_a_disk_that_is_full_from_the_start_is_an_error_and_nothing_runs(
    tmp_path, monkeypatch
) -> None:
    def on_full_disk(run: RunFolder) -> None:
        (run.path / "heartbeat").touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run = tiny_run(tmp_path)
    monkeypatch.setattr(RunFolder, "heartbeat", on_full_disk)
    with pytest.raises(RunError, match=f"{run.path} can't be started.*No space left"):
        start(run)
    assert run.status == "created"


def test_an_end_that_can_t_be_written_down_is_told_with_the_reason(tmp_path) -> None:
    run = tiny_run(tmp_path)
    dies = "import os, sys; os.mkdir(sys.argv[1]); os.kill(os.getpid(), 9)"
    words = [sys.executable, "-c", dies, str(run.events_path)]
    end = start(run, command=lambda *_: words).wait(PATIENCE_SECONDS)
    assert end.outcome == "crashed"
    assert "was killed" in end.message
    assert f"can't be written to {run.events_path}" in end.message


def test_a_frozen_training_grows_silent_and_is_ended_in_time(tmp_path) -> None:
    run = tiny_run(tmp_path, steps=10_000)
    process = start(run, command=saving_often())
    assert reaches(run, "saved")
    os.kill(process.pid, signal.SIGSTOP)
    assert until(lambda: run.heart is not None and run.heart.age_seconds > 1.5)
    begun = time.monotonic()
    assert process.stop().outcome == "stopped"
    assert time.monotonic() - begun < PROMISED_SECONDS
    assert not session(process.pid)
    assert run.status == "stopped"
    assert saved_step(run) > 0


def _flipped(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize(
    "damage",
    [_flipped, lambda data: data[: len(data) // 2], lambda data: b""],
    ids=["flipped", "cut", "empty"],
)
def test_a_damaged_checkpoint_is_neither_used_nor_overwritten(
    damage, trained, tmp_path, capsys
) -> None:
    run = halfway_run(tmp_path, trained)
    last = run.checkpoint("last")
    last.write_bytes(damage(last.read_bytes()))
    before = {path.name: path.read_bytes() for path in last.parent.iterdir()}
    assert main(["train", str(run.path), "--resume", "--json"]) == 4
    answer = json.loads(capsys.readouterr().out)
    assert "run/checkpoints/last.safetensors is damaged" in answer["error"]
    assert run.status == "failed"
    assert main(["train", str(run.path)]) == 4, "trained anew without being asked to"
    assert "--resume" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in last.parent.iterdir()} == before


def interruptible(run: RunFolder, *words: str) -> subprocess.Popen[str]:
    """`scribseg train RUN` as in a terminal, where Ctrl-C reaches all processes at once."""
    return subprocess.Popen(
        [sys.executable, "-m", "napari_scribseg", "train", str(run.path), "--json", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def interrupt(run: RunFolder, process: subprocess.Popen[str], number: int) -> dict[str, Any]:
    """Signal all processes of a training that has begun; gives its answer, once all is right."""
    os.killpg(process.pid, number)
    if number == signal.SIGHUP:  # the shell and the system each send one
        os.killpg(process.pid, number)
    out, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, errors
    assert until(lambda: not session(process.pid), PROMISED_SECONDS)
    assert leftovers(run.path.parent) == []
    return json.loads(out)


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM, signal.SIGHUP],
)
def test_an_interrupted_training_says_what_was_done(number, tmp_path) -> None:
    run = tiny_run(tmp_path, steps=10_000)
    process = interruptible(run)
    assert reaches(run, "stepped")
    answer = interrupt(run, process, number)
    assert answer["status"] == run.status == "stopped"
    assert answer["step"] == saved_step(run) > 0


def test_a_training_under_nohup_outlives_its_terminal(tmp_path) -> None:
    run = tiny_run(tmp_path, steps=10_000)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = interruptible(run)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert reaches(run, "stepped")
    os.killpg(process.pid, signal.SIGHUP)
    since = run.position
    assert reaches(run, "stepped", since)
    run.request("stop")
    process.communicate(timeout=PATIENCE_SECONDS)
    assert run.status == "stopped"


def test_a_closed_terminal_ends_a_training_in_order(tmp_path) -> None:
    """What it prints goes to the terminal, so that printing fails from then on."""
    import pty

    run = tiny_run(tmp_path, steps=10_000)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", OWNS_ITS_TERMINAL, "train", str(run.path)]
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    assert reaches(run, "stepped")
    os.close(ours)
    assert process.wait(PATIENCE_SECONDS) == 130
    assert run.status == "stopped"
    assert run.events()[-1].message.startswith("Stopped at step")
    assert saved_step(run) > 0


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupt_while_helpers_load_is_no_failure(number, tmp_path) -> None:
    run = tiny_run(tmp_path, RandomWalker)
    process = interruptible(run)
    assert until(lambda: len(session(process.pid)) > 2)
    time.sleep(0.4)
    assert interrupt(run, process, number)["status"] == "stopped"


@pytest.mark.slow
def test_a_helper_that_is_killed_is_told_of_in_one_sentence(tmp_path) -> None:
    run = tiny_run(tmp_path, RandomWalker)
    process = start(run)
    assert until(lambda: len(session(process.pid)) > 2)
    os.kill(max(session(process.pid)), signal.SIGKILL)
    end = process.wait(PATIENCE_SECONDS)
    assert end.outcome == "failed"
    assert "memory ran out" in end.message
    assert not session(process.pid)


def test_a_heartbeat_that_a_kill_cut_off_goes_silent_like_any_other(tmp_path) -> None:
    run = tiny_run(tmp_path)
    run.heartbeat()
    (run.path / "heartbeat").write_text("")
    assert run.status == "running"
    long_ago = time.time() - 60
    os.utime(run.path / "heartbeat", (long_ago, long_ago))
    assert run.status == "crashed"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("method", [PartialCE, RandomWalker])
def test_interrupts_at_random_moments_change_no_bit(method, number, tmp_path, monkeypatch) -> None:
    steps = 200
    unbroken = tiny_run(tmp_path / "unbroken", method, steps=steps)
    assert start(unbroken).wait(600).outcome == "completed"
    run = tiny_run(tmp_path / "broken", method, steps=steps)
    rng = random.Random(int(number))
    for _ in range(5):
        monkeypatch.setenv("SCRIBSEG_CACHE", str(tmp_path / f"cache{rng.random()}"))
        since, resumed = run.position, saved_step(run) > 0
        process = interruptible(run, *(["--resume"] if resumed else []))
        assert until(lambda: run.heart is not None)
        if rng.random() < 0.5:
            assert reaches(run, "stepped", since)
            time.sleep(rng.uniform(0.0, 0.5))
        else:
            time.sleep(rng.uniform(0.2, 4.0))
        interrupt(run, process, number)
        assert run.status == "stopped"
        ends = [e for e in run.follow(0.0, lambda: True, since=since) if isinstance(e, Finished)]
        assert [end.outcome for end in ends] == ["stopped"]
    assert start(run, resume=saved_step(run) > 0).wait(600).outcome == "completed"
    assert_same_weights(run, unbroken)
