"""The training process's side of a run: what it does besides training.

It writes every event to the run folder, beats the heart, turns a failure into one sentence, and
ends when the process that started it is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import BinaryIO

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.events import Event, Finished
from napari_scribseg.runs.folder import RunFolder

GRACE_SECONDS = 3.0
"""Time to stop in an orderly way, after the parent is gone."""
_BEAT_SECONDS = 1.0


def record(run: RunFolder, events: Iterator[Event]) -> Iterator[Event]:
    """The events of a training, each written to the run folder before it is passed on.

    The run's heart beats once a second until the end. Whatever happens, exactly one Finished is
    written and passed on: an exception becomes one with the outcome "failed", closing this
    generator or Ctrl-C one with the outcome "stopped". An exception that is not one of ours is
    written to the run's log in full.

    Raises:
        RunError: the events can't be written any more.
        KeyboardInterrupt: passed on after the end was written.
    """
    begun = time.monotonic()
    heart = _Heart(run)
    try:
        for event in events:
            if isinstance(event, Finished):
                end = event
                break
            yield run.append(event)
        else:
            end = _finished(run, "failed", "Training ended without saying how.", begun)
    except (GeneratorExit, KeyboardInterrupt):
        heart.stop()
        run.append(_finished(run, "stopped", "Training was interrupted.", begun))
        raise
    except Exception as error:  # noqa: BLE001  the last line of defence
        if not isinstance(error, ScribsegError):
            with contextlib.suppress(OSError), run.log_path.open("a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
        end = _finished(run, "failed", sentence_of(error), begun)
    finally:
        heart.stop()  # before the end is told: nobody may see a finished run whose heart beats
    yield run.append(end)


def sentence_of(error: BaseException) -> str:
    """What went wrong, as a sentence for the user."""
    if isinstance(error, ScribsegError):
        return str(error)
    if isinstance(error, MemoryError):
        return "Memory ran out. Choose a smaller patch or batch size, then resume the run."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {error.filename}."
    text = " ".join(str(error).split())[:300].rstrip(".")
    return f"Unexpected {type(error).__name__}: {text or 'no further details'}."


def end_when_stdin_closes(run: RunFolder, stdin: BinaryIO | None = None) -> threading.Thread:
    """Watch standard input and end this process soon after it closes.

    The parent holds the other end and never writes, so the input closes when the parent dies,
    however it dies, on every system. Training is asked to stop first; what has not ended after
    GRACE_SECONDS is ended without further ado. A training that was let go trains on.

    Args:
        run: the run that is asked to stop.
        stdin: the input to watch; standard input when None.
    """
    descriptor = (stdin or sys.stdin).fileno()

    def watch() -> None:
        with contextlib.suppress(OSError):
            # Straight from the descriptor: a buffered reader's lock, held by this thread for
            # ever, would make the interpreter's own end fail.
            while os.read(descriptor, 4096):
                pass
        if run.is_let_go:
            return
        with contextlib.suppress(OSError):
            run.request("stop")
        time.sleep(GRACE_SECONDS)
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)  # takes helper processes along
        os._exit(1)

    thread = threading.Thread(target=watch, name="lifeline", daemon=True)
    thread.start()
    return thread


def _finished(run: RunFolder, outcome: str, message: str, begun: float) -> Finished:
    summary = run.summary
    return Finished.model_validate(
        {
            "outcome": outcome,
            "step": summary.last_step,
            "message": message,
            "seconds": summary.seconds + time.monotonic() - begun,
        }
    )


class _Heart:
    """A thread that says once a second that this process is alive, until it is stopped."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the heart has stopped; may be called again."""
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._run.end_heartbeat()

    def _beat(self) -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk is told of by the events
                self._run.heartbeat()
            if self._over.wait(_BEAT_SECONDS):
                return
