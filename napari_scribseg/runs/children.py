"""The one way in which this package starts a process: itself, beside the one that asks.

Whoever starts it, a child has the same guarantees. It can't import what lies in a folder that is
not ours, it works in a folder that belongs to nobody, it yields to other programs, it leads a group
that can be killed as a whole, and it holds the other end of its starter's line, so that it learns
when the starter dies, however it dies. Nothing here needs torch.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, Literal

import psutil

from napari_scribseg.core.module_path import safe_variables
from napari_scribseg.io.regular_file import open_own

PROGRAM: Final = (sys.executable, "-P", "-m", "napari_scribseg")
"""The words in front of a command of ours; -P: the current folder is no place for modules."""

Priority = Literal["normal", "low", "idle"]
"""Like other programs, behind them, or only when nobody else wants to compute."""

GRACE_SECONDS: Final = 3.0
"""Time to end in an orderly way, after the starter is gone."""
_NICENESS: Final = 10
_WINDOWS: Final = sys.platform == "win32"
_WINDOWS_FLAGS: Final[int] = sum(
    getattr(subprocess, name, 0)
    for name in ("CREATE_NEW_PROCESS_GROUP", "BELOW_NORMAL_PRIORITY_CLASS", "CREATE_NO_WINDOW")
)
_LOG_TAIL_BYTES: Final = 20_000


class Child:
    """A process that `start` has started. Safe to use from several threads."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, negative = the signal that ended it; None while it runs."""
        return self._process.poll()

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ends_within(self, seconds: float | None) -> bool:
        """Whether it ends within this time; None = wait for as long as it takes."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def tell(self, message: bytes) -> None:
        """Write to its input.

        Raises:
            OSError: it doesn't listen any more.
        """
        if self._process.stdin is not None:
            self._process.stdin.write(message)
            self._process.stdin.flush()

    def cut_line(self) -> None:
        """Close its input, which tells it that nobody waits for it any more."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def terminate(self) -> None:
        """Ask the system to end it."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill it together with the helpers that it has started in its group."""
        if _WINDOWS:
            _kill_family(self._process)
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Answer:
    """What a child has said until its end.

    Args:
        code: its exit code; None = its time was over and it was killed.
        output: what it printed.
        log: the end of what it printed to standard error.
    """

    code: int | None
    output: bytes
    log: str

    @property
    def last_line(self) -> str:
        """The last line of its log, "" without one."""
        lines = self.log.strip().splitlines()
        return lines[-1].strip() if lines else ""


def start(
    words: Sequence[str],
    *,
    output: IO[bytes],
    errors: IO[bytes] | None = None,
    lifeline: bool = True,
    threads: int = 0,
    priority: Priority = "low",
    variables: Mapping[str, str] | None = None,
) -> Child:
    """Start a child.

    Args:
        words: its command line: `PROGRAM` and a command of ours. It works in a folder that is
            nobody's, so paths have to be absolute.
        output: a file that it writes to.
        errors: likewise; None = the same file.
        lifeline: it is given an input that closes when this process ends, see `watch_lifeline`.
            False for one that lives on.
        threads: that it may compute with; 0 = as many as it likes.
        priority: of it and of whatever it starts.
        variables: of its environment, besides ours; such as which GPU it sees.

    Raises:
        OSError: no process can be started.
    """
    process = subprocess.Popen(  # noqa: S603  our own command line, no shell
        list(words),
        stdin=subprocess.PIPE if lifeline else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if errors is None else errors,
        cwd=neutral_folder(),
        env={**_environment(threads), **(variables or {})},
        start_new_session=not _WINDOWS,  # Ctrl-C is ours to answer
        creationflags=_WINDOWS_FLAGS if _WINDOWS else 0,
    )
    _lower(process.pid, priority)
    return Child(process)


def ask(
    words: Sequence[str],
    *,
    seconds: float | None = None,
    begun: Callable[[Child], None] = lambda _: None,
) -> Answer:
    """Start a child, wait for its end, and give what it said.

    Args:
        words: see `start`; give `--lifeline` among them.
        seconds: that it may take; None = as long as it takes.
        begun: is given the child as soon as there is one.

    Raises:
        OSError: no process can be started.
    """
    # Files, since a pipe that nobody empties would stop the child.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = start(words, output=output, errors=errors)
        begun(child)
        try:
            in_time = child.ends_within(seconds)
        finally:
            child.kill()  # and helpers that outlived it
            child.ends_within(None)
            child.cut_line()
        output.seek(0)
        return Answer(child.code if in_time else None, output.read(), _tail(errors, 0))


def neutral_folder() -> Path:
    """A folder to work in that is there for sure, and that no run, data or user's files are in."""
    return Path(Path(sys.executable).absolute().anchor)


def tail_of(path: Path, start: int = 0) -> str:
    """The end of a log, not further back than a position; "" of one that can't be read."""
    try:
        with open_own(path, "rb") as file:
            return _tail(file, start)
    except OSError:
        return ""


def watch_lifeline(
    over: Callable[[], bool] = lambda: True, stdin: BinaryIO | None = None
) -> threading.Thread:
    """Watch standard input, and end this process soon after it closes.

    The starter holds the other end and never writes, so the input closes when the starter dies,
    however it dies, on every system. What has not ended after GRACE_SECONDS is ended without
    further ado, helpers included.

    Args:
        over: called when the starter is gone; gives whether this process shall end, too.
        stdin: the input to watch; standard input when None.
    """
    descriptor = (stdin or sys.stdin).fileno()

    def watch() -> None:
        with contextlib.suppress(OSError):
            # Straight from the descriptor: a buffered reader's lock, held by this thread for
            # ever, would make the interpreter's own end fail.
            while os.read(descriptor, 4096):
                pass
        if not over():
            return
        time.sleep(GRACE_SECONDS)
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)  # takes helper processes along
        os._exit(1)

    thread = threading.Thread(target=watch, name="lifeline", daemon=True)
    thread.start()
    return thread


def let_this_thread_yield() -> None:
    """Let what this thread computes yield to other programs and threads, where the system can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


@contextlib.contextmanager
def helper_pool(workers: int, begin: Callable[[], None]) -> Generator[ProcessPoolExecutor]:
    """Processes that compute for this one, and end with it.

    Args:
        workers: how many.
        begin: called first in each; a function of a module.
    """
    context = multiprocessing.get_context("spawn")  # a fork of a threaded process may hang
    others = set(multiprocessing.active_children())
    with _safe_environment():
        pool = ProcessPoolExecutor(workers, context, initializer=_begin_helper, initargs=(begin,))
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            # One that still computes, or missed the end of the others, would keep us from ending.
            for process in set(multiprocessing.active_children()) - others:
                process.kill()


def _begin_helper(begin: Callable[[], None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that we compute for answers it
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()
    begin()


def _end_with_parent() -> None:
    """A helper of a pool never learns that its parent was killed: it would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _safe_environment() -> Generator[None]:
    """Helpers inherit the environment: without this they look for modules where we happen to be."""
    before = {name: os.environ.get(name) for name in safe_variables()}
    os.environ.update(safe_variables())
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _environment(threads: int) -> dict[str, str]:
    """The child's environment: prints at once, in UTF-8, and tells where native code crashed."""
    ours = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "PYTHONFAULTHANDLER": "1"}
    if threads:
        ours |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if cache := os.environ.get("SCRIBSEG_CACHE"):  # it works in another folder than we do
        ours["SCRIBSEG_CACHE"] = str(Path(cache).absolute())
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONINSPECT"}
    return {**kept, **safe_variables(), **ours}


def _lower(pid: int, priority: Priority) -> None:
    """Let a child yield to other programs; on Windows it was started like that."""
    if _WINDOWS or priority == "normal":
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
    if priority == "idle" and sys.platform == "linux":
        # Niceness alone lets a training delay the drawing of the canvas: see "Smoothness of the
        # window" in docs/benchmarks.md.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))


def _kill_family(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started, where there are no groups."""
    with contextlib.suppress(psutil.Error):
        for helper in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                helper.kill()
    if process.poll() is None:
        process.kill()


def _tail(file: IO[bytes], start: int) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(start, size - _LOG_TAIL_BYTES))
    return file.read().decode(errors="replace")
