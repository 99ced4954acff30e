"""The warm child: one process beside a window that keeps images and networks loaded and answers.

Starting a process and loading torch takes seconds; an answer while somebody draws may take a tenth
of one. The child is `scribseg serve`. It is started by `runs/children.py` when something is asked
for the first time, gets its requests through its input, which is its lifeline, too, and ends with
this process. One that has died is started again by the next request. Nothing here needs torch.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.types import Array
from napari_scribseg.runs import children
from napari_scribseg.runs.messages import Message, receive, send

_ERRORS: Final = {"InvalidInput": InvalidInput, "RunError": RunError}


class _Ended(RunError):
    """The process ended before it had answered."""


class _Waiting:
    """Somebody who waits for an answer."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.answer: Message | None = None


class WarmChild:
    """Asks the child, and starts it when there is none. Safe to use from several threads.

    Args:
        command: the words in front of `serve`.
    """

    def __init__(self, command: Sequence[str] = children.PROGRAM) -> None:
        self._words = [*command, "serve", "--lifeline"]
        self._lock = threading.Lock()
        self._connection: _Connection | None = None
        self._over = False
        self.starts = 0
        """How many processes were started so far."""

    def ask(
        self,
        kind: str,
        fields: Mapping[str, Any] | None = None,
        arrays: Mapping[str, Array] | None = None,
        *,
        shared: Mapping[str, tuple[str, Array]] | None = None,
    ) -> Message:
        """Ask, and wait for the answer.

        Args:
            kind: what is wanted, see `cli.serving`.
            fields: what JSON holds.
            arrays: sent with the request.
            shared: arrays that the child keeps, with a key that changes when their values do: sent
                when it does not have this one yet.

        Raises:
            InvalidInput, RunError: the child's own complaint, or it ended, or can't be started.
        """
        message = Message({**(fields or {}), "kind": kind}, arrays or {})
        try:
            answer = self._connected().ask(message, shared or {})
        except _Ended:
            if kind == "predict":  # somebody may have stopped it
                raise
            answer = self._connected().ask(message, shared or {})
        complaint = answer.fields.get("error")
        if complaint is not None:
            raise _ERRORS.get(str(answer.fields.get("type")), RunError)(str(complaint))
        return answer

    def begin(self) -> None:
        """Start the child without waiting, since something will be asked soon."""

        def start() -> None:
            with contextlib.suppress(RunError):  # whoever asks will be told
                self._connected()

        threading.Thread(target=start, name="scribseg-warm", daemon=True).start()

    def interrupt(self) -> None:
        """End the child with whatever it does now; the next request starts another one."""
        with self._lock:
            if self._connection is not None:
                self._connection.end()

    def end(self) -> None:
        """End the child, and start no more."""
        with self._lock:
            self._over = True
            if self._connection is not None:
                self._connection.end()

    def _connected(self) -> _Connection:
        with self._lock:
            if self._over:
                raise RunError("The window is closing.")
            if self._connection is None or self._connection.is_over:
                try:
                    self._connection = _Connection(self._words)
                except OSError as error:
                    raise RunError(f"No process can be started: {error}.") from error
                self.starts += 1
            return self._connection


class _Connection:
    """One process and the two pipes to it."""

    def __init__(self, words: Sequence[str]) -> None:
        read, write = os.pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        with os.fdopen(write, "wb") as output:
            try:
                # Somebody waits for its answers with the pen in the hand; a training does not.
                self._child = children.start(
                    words, output=output, errors=self._log, priority="normal"
                )
            except BaseException:
                os.close(read)
                self._log.close()
                raise
        self._answers = os.fdopen(read, "rb")
        self._writing = threading.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._kept: dict[str, str] = {}
        """Keys of the arrays that the process keeps, by name."""
        self.last_words = ""
        threading.Thread(target=self._listen, name="scribseg-warm", daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def ask(self, message: Message, shared: Mapping[str, tuple[str, Array]]) -> Message:
        waiting = _Waiting()
        with self._writing:
            number = next(self._numbers)
            self._waiting[number] = waiting
            try:
                send(_Input(self._child), self._complete(message, number, shared))
            except (OSError, ValueError):
                self._finish()
        if self.is_over:
            self._finish()
        waiting.arrived.wait()
        if waiting.answer is None:
            why = f" ({self.last_words})" if self.last_words else ""
            raise _Ended(f"The process that computes in the background ended by itself{why}.")
        return waiting.answer

    def _complete(
        self, message: Message, number: int, shared: Mapping[str, tuple[str, Array]]
    ) -> Message:
        """The message with its number, and the shared arrays that the process lacks."""
        keys = {name: key for name, (key, _) in shared.items()}
        missing = {n: a for n, (key, a) in shared.items() if self._kept.get(n) != key}
        self._kept.update(keys)
        fields = {**message.fields, "number": number, "shared": keys, "new": sorted(missing)}
        return Message(fields, {**message.arrays, **{f"shared:{n}": a for n, a in missing.items()}})

    def end(self) -> None:
        self._child.kill()
        self._child.cut_line()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._answers as answers:
            while (message := receive(answers)) is not None:
                waiting = self._waiting.pop(int(message.fields["number"]), None)
                if waiting is not None:
                    waiting.answer = message
                    waiting.arrived.set()
        self._over.set()
        self._child.kill()
        self._child.ends_within(None)
        self._child.cut_line()
        with self._log as log:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
        self.last_words = lines[-1].strip() if lines else ""
        self._finish()

    def _finish(self) -> None:
        """Nothing is answered any more."""
        self._over.set()
        for number in list(self._waiting):
            waiting = self._waiting.pop(number, None)
            if waiting is not None:
                waiting.arrived.set()


class _Input:
    """The input of a child as a stream."""

    def __init__(self, child: children.Child) -> None:
        self._child = child

    def write(self, content: bytes, /) -> object:
        self._child.tell(content)
        return None

    def flush(self) -> None:
        """Nothing is kept back."""
