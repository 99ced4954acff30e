"""A run trained on another computer that sees its folder: a worker of Dask, or a host by ssh.

Only the path of the run travels; events come back as files, as from any training, and a request to
stop goes there as a file. Should whoever asked be gone, the run is asked to save and to stop.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from napari_scribseg import __version__
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.events import Event, Finished
from napari_scribseg.io.regular_file import open_own
from napari_scribseg.runs import children, process
from napari_scribseg.runs.dask_client import dask_client
from napari_scribseg.runs.folder import RunFolder

_GATHER_SECONDS = 20
_ASK_SECONDS = 30.0
"""A worker that has not said for so long what it is, is passed over."""
_POLL_SECONDS = 0.3
_LAST_WORDS_SECONDS: Final = 5.0
"""A shared drive may show the last events later than the network tells the end."""
_ADDRESS: Final = re.compile(r"(tcp|tls|ssh)://[A-Za-z0-9_\[][^\s]*")
_FACTS: Final = (
    "(__import__('socket').gethostname(),"
    " getattr(__import__('napari_scribseg'), '__version__', ''),"
    " next((p for p in [run, *data] if not __import__('os').path.exists(p)), ''))"
)
"""What a worker evaluates to say what it is; words of Python, which every worker understands."""
_TASK: Final = (
    "__import__('napari_scribseg.runs.elsewhere', fromlist=['x']).train_there(*arguments)"
)


def checked_address(text: str) -> str:
    """The address of a scheduler or a host.

    Args:
        text: such as "tcp://10.0.0.1:8786", "ssh://me@gpu1" or, where `scribseg` is not on the
            path there, "ssh://me@gpu1/opt/venv/bin/scribseg".

    Raises:
        InvalidInput: it is none.
    """
    if not _ADDRESS.fullmatch(text.strip()):
        raise InvalidInput(
            f"There is no computer at {text!r}: expected the address of a Dask scheduler, such as "
            "tcp://10.0.0.1:8786, or of a host, such as ssh://me@gpu1."
        )
    return text.strip()


def command_on(address: str) -> process.Command:
    """Makes the command line that trains a run elsewhere, for `process.start`.

    Args:
        address: see `checked_address`.
    """

    def command(run: RunFolder, detached: bool, resume: bool) -> Sequence[str]:
        return [*process.worker_command(run, detached, resume), "--on", address]

    return command


def train_elsewhere(run: RunFolder, address: str, *, resume: bool = False) -> Iterator[Event]:
    """Train a run on another computer, and give its events as they come, a Finished last.

    Closed early, the run is asked to stop.

    Args:
        run: prepared; the other computer must see it, and its cases, under the same path.
        address: see `checked_address`.
        resume: continue from the last checkpoint.

    Raises:
        InvalidInput: the address is none, or what it needs is not installed.
        RunError: nobody answers there, nobody there can train it, or it has ended without a word.
    """
    address = checked_address(address)
    there = _by_ssh if address.startswith("ssh:") else _by_dask
    heart = run.heart
    if heart is None or heart.process is None or heart.process.pid != os.getpid():
        process.refuse_when_running(run)  # by anybody but us, for whoever has started us
    since, ended = run.position, False
    with there(run, address, resume) as remote:
        try:
            for event in run.follow(_POLL_SECONDS, _Over(remote), since=since):
                ended = isinstance(event, Finished)
                yield event
                if ended:
                    return
        finally:
            if not ended and not remote.is_over():
                with contextlib.suppress(OSError):
                    run.request("stop")
        raise RunError(f"The training on {remote.host} has ended: {remote.said()}")


def train_there(path: str, resume: bool) -> str:
    """Train a run on this computer, for somebody elsewhere; gives how it ended.

    Args:
        path: of the run.
        resume: continue from the last checkpoint.

    Raises:
        ScribsegError: it can't be trained.
    """
    run = RunFolder.open(path)
    if run.requested == "stop":
        return "it was stopped before it began"
    return process.start(run, resume=resume).wait().message


@dataclass(frozen=True)
class _Remote:
    """A training on another computer.

    Args:
        host: where.
        is_over: whether it has ended.
        said: how, in words.
    """

    host: str
    is_over: Callable[[], bool]
    said: Callable[[], str]


class _Over:
    """Whether no more events will come: a while after the training has ended."""

    def __init__(self, remote: _Remote) -> None:
        self._remote = remote
        self._since: float | None = None

    def __call__(self) -> bool:
        if not self._remote.is_over():
            return False
        if self._since is None:
            self._since = time.monotonic()
        return time.monotonic() - self._since > _LAST_WORDS_SECONDS


@contextmanager
def _by_ssh(run: RunFolder, address: str, resume: bool) -> Generator[_Remote]:
    parts = urlsplit(address)
    ssh = shutil.which("ssh")
    if ssh is None:
        raise InvalidInput("ssh:// needs the program ssh, which is not on this computer.")
    program = parts.path if len(parts.path) > 1 else "scribseg"
    words = [program, "train", str(run.path.absolute()), "--lifeline"]
    words += ["--resume"] if resume else []
    port = ["-p", str(parts.port)] if parts.port else []
    target = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    options = ["-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", *port]
    run.end_heartbeat()  # ours, so that it may be trained there
    start = run.log_path.stat().st_size if run.log_path.exists() else 0
    with open_own(run.log_path, "ab") as log:
        child = children.start([ssh, *options, "--", target, shlex.join(words)], output=log)

    def said() -> str:
        lines = children.tail_of(run.log_path, start).strip().splitlines()
        return lines[-1] if lines else f"ssh has ended with code {child.code}."

    try:
        yield _Remote(target, lambda: not child.is_alive, said)
    finally:
        child.cut_line()  # it saves and stops there, as whenever its starter is gone
        if not child.ends_within(children.GRACE_SECONDS):
            child.kill()


@contextmanager
def _by_dask(run: RunFolder, address: str, resume: bool) -> Generator[_Remote]:
    with dask_client(address) as client:
        worker, host = _able_worker(client, run, address)
        run.end_heartbeat()  # ours, so that it may be trained there
        future = client.submit(
            eval,
            _TASK,
            {"arguments": (str(run.path.absolute()), resume)},
            workers=[worker],
            allow_other_workers=False,
            pure=False,
        )

        def is_over() -> bool:
            return future.done() or client.status != "running" or worker not in client.nthreads()

        yield _Remote(host, is_over, lambda: _said(future))


def _said(future: Any) -> str:
    if not future.done():
        return "its worker or scheduler is gone; resume it when there is one again."
    try:
        return str(future.result(timeout=_GATHER_SECONDS))
    except Exception as error:  # noqa: BLE001  of the worker
        return str(error) or type(error).__name__


def _able_worker(client: Any, run: RunFolder, address: str) -> tuple[str, str]:
    """The worker with the least to do that sees run and data, with this version; its host.

    Raises:
        RunError: there is none; the message says why of each.
    """
    files = [case.files for case in run.cases]
    data = [str(path) for one in files for path in one.paths if path != one.reference]
    names = {"run": str(run.path.absolute() / "run.json"), "data": data}
    busy = client.processing()
    told = _asked(client, names, list(client.nthreads()))
    able: dict[str, str] = {}
    why: list[str] = []
    for worker, facts in told.items():
        if facts is None:
            why.append(
                f"{worker}: it has not answered for {_ASK_SECONDS:.0f} s; a drive may hang there"
            )
        elif isinstance(facts, BaseException):
            why.append(f"{worker}: napari-scribseg can't be used there ({facts})")
        elif facts[1] != __version__:
            why.append(f"{facts[0]}: it has napari-scribseg {facts[1]} and here is {__version__}")
        elif facts[2]:
            missing = run.path.absolute() if facts[2] == names["run"] else facts[2]
            why.append(f"{facts[0]}: it does not see {missing}")
        else:
            able[worker] = str(facts[0])
    if not able:
        said = "; ".join(why) or f"it has none: start one with `dask worker {address}`"
        raise RunError(f"No worker of {address} can train the run. {said}.")
    best = min(able, key=lambda worker: len(busy.get(worker, ())))
    return best, able[best]


def _asked(client: Any, names: Any, workers: Sequence[str]) -> dict[str, Any]:
    """What workers say of themselves, or the error that they give; None of those that hang."""
    told: dict[str, Any] = dict.fromkeys(workers)

    def ask(worker: str) -> None:
        try:
            answers = client.run(eval, _FACTS, names, workers=[worker], on_error="return")
            told[worker] = answers[worker]
        except Exception as error:  # noqa: BLE001  it is gone meanwhile, or so
            told[worker] = error

    # One thread each, since a call waits for all that it asks.
    threads = [threading.Thread(target=ask, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    until = time.monotonic() + _ASK_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(told)
