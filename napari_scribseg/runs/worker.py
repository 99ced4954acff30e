"""The training process's side of a run: what it does besides training.

It writes every event to the run folder, beats the heart, turns a failure into one sentence, and
ends when the process that started it is gone.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Iterator
from typing import BinaryIO

from napari_scribseg.core.errors import RunError, ScribsegError
from napari_scribseg.core.events import Event, Finished, Stepped, Warned
from napari_scribseg.io.atomic import is_disk_full
from napari_scribseg.io.regular_file import open_own
from napari_scribseg.runs.children import watch_lifeline
from napari_scribseg.runs.folder import RunFolder

_RESERVE_BYTES = 1 << 16
"""Kept for the last events of a session."""
_BEAT_SECONDS = 1.0


def record(run: RunFolder, events: Iterator[Event]) -> Iterator[Event]:
    """The events of a training, each written to the run folder before it is passed on.

    The run's heart beats once a second until the end. What can't be written since the disk is full
    is kept, and written when there is room. Whatever happens, exactly one Finished is
    written and passed on: an exception becomes one with the outcome "failed", closing this
    generator or Ctrl-C one with the outcome "stopped". An exception that is not one of ours is
    written to the run's log in full. Neither has the path of a case: it may name a patient.

    Raises:
        RunError: the events can't be written any more.
        KeyboardInterrupt: passed on after the end was written.
    """
    begun = time.monotonic()
    heart, log = _Heart(run), _Log(run)
    try:
        for event in events:
            if isinstance(event, Finished):
                end = event
                break
            yield log.append(_shareable(event, run))
        else:
            end = _finished(run, "failed", "Training ended without saying how.", begun)
    except (GeneratorExit, KeyboardInterrupt):
        heart.stop()
        log.end(_finished(run, "stopped", "Training was interrupted.", begun))
        raise
    except Exception as error:  # noqa: BLE001  the last line of defence
        if not isinstance(error, ScribsegError):
            with contextlib.suppress(OSError), open_own(run.log_path, "ab") as printed:
                printed.write(run.shareable(traceback.format_exc()).encode(errors="replace"))
        end = _finished(run, "failed", run.shareable(sentence_of(error)), begun)
    finally:
        heart.stop()  # before the end is told: nobody may see a finished run whose heart beats
    yield log.end(end)


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
    """Stop this training in order when whoever started it dies, and end soon after.

    A training that was let go trains on. See `children.watch_lifeline`.

    Args:
        run: the run that is asked to stop.
        stdin: the input to watch; standard input when None.
    """

    def over() -> bool:
        if run.is_let_go:
            return False
        with contextlib.suppress(OSError):
            run.request("stop")
        return True

    return watch_lifeline(over, stdin)


def _shareable(event: Event, run: RunFolder) -> Event:
    """The event without paths: an error's sentence in a warning may hold one."""
    if not isinstance(event, Warned):
        return event
    return event.model_copy(update={"message": run.shareable(event.message)})


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


class _Log:
    """The events of a session; on a full disk, too.

    A small reserve is given up then, so that this can be told and, later, how the run has ended.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._waiting: list[Event] = []
        with contextlib.suppress(OSError), open_own(run.reserve_path, "wb") as reserve:
            reserve.write(b"\n" * _RESERVE_BYTES)

    def append(self, event: Event) -> Event:
        """Write an event, or keep it until there is room; gives it stamped.

        Raises:
            RunError: it can't be written for another reason than a full disk.
        """
        try:
            return self._write(event)
        except RunError as error:
            if not is_disk_full(error):
                raise
        if not isinstance(event, Stepped):  # that would be many, and the next one tells more
            self._waiting.append(event)
        return event

    def end(self, event: Finished) -> Event:
        """Write how the session has ended, behind everything that waits.

        Raises:
            RunError: it can't be written.
        """
        try:
            return self._write(event)
        except RunError as error:
            if not (is_disk_full(error) and self._waiting):
                raise
            self._waiting.clear()
            return self._write(event)
        finally:
            self._give_up_reserve()

    def _write(self, event: Event) -> Event:
        try:
            while self._waiting:
                self._run.append(self._waiting[0])
                del self._waiting[0]
            return self._run.append(event)
        except RunError as error:
            if not (is_disk_full(error) and self._give_up_reserve()):
                raise
        return self._write(event)

    def _give_up_reserve(self) -> bool:
        """Whether there was one."""
        try:
            self._run.reserve_path.unlink()
        except OSError:
            return False
        return True


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
