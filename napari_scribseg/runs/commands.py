"""Our own commands as child processes that answer with a JSON document. Needs no torch."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any, cast

from napari_scribseg.core.errors import RunError
from napari_scribseg.runs import children as processes
from napari_scribseg.runs.warm_child import WarmChild


class Children:
    """Runs our command line in child processes, and ends them all when asked to.

    Args:
        command: the words in front of a command.
        warm: a child that predicts single images, so that no process is started for them.
    """

    def __init__(
        self, command: Sequence[str] = processes.PROGRAM, warm: WarmChild | None = None
    ) -> None:
        self._command = tuple(command)
        self._warm = warm
        self._asking = 0
        self._alive: set[processes.Child] = set()
        self._lock = threading.Lock()
        self._ended = False

    @property
    def running(self) -> int:
        """How many children run now."""
        return len(self._alive) + self._asking

    def run(self, arguments: Sequence[str], tolerated: int = 0) -> dict[str, Any]:
        """The JSON document that a command prints.

        Args:
            arguments: the words behind the program's name.
            tolerated: an exit code that is no failure besides 0.

        Raises:
            RunError: the command failed; the message is what it said last.
        """
        is_short = arguments[:1] == ["predict"] and not tolerated  # not that of a whole project
        if is_short and self._warm is not None and not self._ended:
            return self._asked(self._warm, arguments)
        known: list[processes.Child] = []

        def begun(child: processes.Child) -> None:
            with self._lock:
                known.append(child)
                self._alive.add(child)
                if self._ended:
                    child.kill()

        if self._ended:
            raise RunError("The window is closing.")
        try:
            answer = processes.ask([*self._command, *arguments, "--lifeline"], begun=begun)
        except OSError as error:
            raise RunError(f"No process can be started: {error}.") from error
        finally:
            with self._lock:
                self._alive.difference_update(known)
        try:
            document: dict[str, Any] = json.loads(answer.output)
        except ValueError:
            document = {}
        if answer.code not in (0, tolerated) or "error" in document or not document:
            raise RunError(_complaint(document, answer.last_line))
        return document

    def _asked(self, warm: WarmChild, arguments: Sequence[str]) -> dict[str, Any]:
        """What the warm child answers to a command."""
        with self._lock:
            self._asking += 1
        try:
            answer = warm.ask("predict", {"words": list(arguments)})
        finally:
            with self._lock:
                self._asking -= 1
        document: dict[str, Any] = json.loads(str(answer.fields["document"]))
        if answer.fields["code"] != 0:
            raise RunError(_complaint(document, ""))
        return document

    def end(self) -> None:
        """End all children now, and start no more."""
        with self._lock:
            self._ended = True
            for child in self._alive:
                child.kill()
            if self._asking and self._warm is not None:
                self._warm.interrupt()


def _complaint(document: dict[str, Any], last_line: str) -> str:
    """What a failed command said: in its answer, or last on standard error."""
    failed = document.get("failed")
    if isinstance(failed, dict) and failed:
        return str(next(iter(cast("dict[str, Any]", failed).values())))
    return str(document.get("error") or last_line or "It ended without a word.")
