"""Requests to end: Ctrl-C, the system's "terminate", a terminal that was closed, a log-out."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Generator
from typing import Final

HANG_UP: Final = getattr(signal, "SIGHUP", None)
"""The terminal was closed; None where the system has no such signal."""


@contextlib.contextmanager
def ended_by_signals() -> Generator[None]:
    """A request to terminate, or a terminal that is closed, is like Ctrl-C: it ends in order."""

    def handle(number: int) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    with answered(handle, ctrl_c=False):
        yield


@contextlib.contextmanager
def answered(handle: Callable[[int], None], *, ctrl_c: bool = True) -> Generator[None]:
    """Requests to end are answered by a function that is given the number of the signal.

    A signal that this process was started to ignore, as `nohup` does with a closed terminal, stays
    ignored. Only the main thread can do this; elsewhere nothing changes.

    Args:
        handle: answers.
        ctrl_c: whether Ctrl-C is one of these requests.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def answer(number: int, frame: object) -> None:  # noqa: ARG001
        if number == HANG_UP:
            signal.signal(number, signal.SIG_IGN)  # the shell sends another one, no second wish
            _let_go_of_the_terminal()
        handle(number)

    names = ["SIGTERM", "SIGHUP", "SIGBREAK", *(["SIGINT"] if ctrl_c else [])]
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, answer) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _let_go_of_the_terminal() -> None:
    """What is still said goes nowhere: writing to a terminal that is gone is an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            descriptor = stream.fileno()
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere, descriptor)
    os.close(nowhere)
