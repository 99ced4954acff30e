"""An experiment in a process of its own: check it, run it, stop it, learn how it ended.

The child is our own command line, `scribseg experiment`, so what a window does can be typed, and
gives the same files. It stops in order when whoever started it dies, unless it was let go. Nothing
here needs torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from napari_scribseg.core.errors import RunError
from napari_scribseg.experiment.clients import ask_to_stop
from napari_scribseg.experiment.experiment import RECIPE
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.io.documents import save_document
from napari_scribseg.runs import children
from napari_scribseg.runs.children import tail_of

PROGRAM: Final = (*children.PROGRAM, "experiment")
_GO_ON: Final = b"go on\n"
"""What is written to a child's input that shall not end with its starter."""
_POLL_SECONDS: Final = 0.3
_LAST_LINES: Final = 8
"""Of its log, told when it has ended without an answer."""
_ANSWERED: Final = frozenset({0, 1, 2, 130})
"""Exit codes of a child that has answered, see `cli`."""

Ending = Literal["answered", "refused", "crashed"]


@dataclass(frozen=True)
class Ended:
    """How a child has ended.

    Args:
        ending: "refused" = it said why it can't do that, "crashed" = it is gone without a word.
        document: what it answered.
        said: what went wrong, with the end of its log after a crash; "" otherwise.
    """

    ending: Ending
    document: dict[str, Any] = field(default_factory=dict[str, Any])
    said: str = ""


class ExperimentProcess:
    """A child that works on an experiment; safe to use from several threads.

    Args:
        source: a recipe, or the folder of an experiment to continue.
        out: the folder of the experiment; None = that of `source`.
        options: further words of the command line.
        program: the words in front of them; None = our command line.

    Raises:
        RunError: no process can be started.
    """

    def __init__(
        self,
        source: Recipe | Path,
        out: Path | None = None,
        options: Sequence[str] = (),
        program: Sequence[str] | None = None,
    ) -> None:
        self.folder = (out or source) if isinstance(source, Path) else out
        """Of the experiment."""
        self._place = Path(tempfile.mkdtemp(prefix="scribseg-"))
        self._stopping, self._let_go = False, False
        words = [*(program or PROGRAM), str(self._named(source).absolute())]
        words += [] if out is None else ["--out", str(out.absolute())]
        try:
            with self._answer.open("wb") as answer, self.log_path.open("wb") as log:
                self._child = children.start(
                    [*words, *options, "--lifeline", "--json"],
                    output=answer,
                    errors=log,
                    priority="idle",
                )
        except OSError as error:
            shutil.rmtree(self._place, ignore_errors=True)
            raise RunError(f"The experiment can't be started: {error}.") from error

    @classmethod
    def checking(
        cls, recipe: Recipe, out: Path, program: Sequence[str] | None = None
    ) -> ExperimentProcess:
        """A child that reads everything and says what would be done, and what is wrong."""
        return cls(recipe, out, ("--dry-run",), program)

    @classmethod
    def running(
        cls,
        source: Recipe | Path,
        out: Path,
        *,
        jobs: int | None = None,
        retry: bool = False,
        program: Sequence[str] | None = None,
    ) -> ExperimentProcess:
        """A child that runs or continues an experiment.

        Args:
            source: a recipe; or the folder of the experiment, which is then `out`, too.
            out: the folder of the experiment.
            jobs: trials at once; None = as many as fit the computer.
            retry: also repeat trials that failed.
            program: the words in front of the command line; None = ours.
        """
        options = [] if jobs is None else ["--jobs", str(jobs)]
        return cls(source, out, [*options, *(["--retry-failed"] if retry else [])], program)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._child.is_alive

    @property
    def log_path(self) -> Path:
        """What the child prints beside its answer; gone when it has ended."""
        return self._place / "log.txt"

    @property
    def last_line(self) -> str:
        """What it said last."""
        lines = tail_of(self.log_path).strip().splitlines()
        return lines[-1].strip() if lines else ""

    def stop(self) -> None:
        """Ask it to save what runs and to stop; `wait` tells when that has happened."""
        self._stopping = True

    def let_go(self) -> None:
        """Let it go on when this process ends."""
        self._let_go = True
        with contextlib.suppress(OSError):
            self._child.tell(_GO_ON)

    def kill(self) -> None:
        """End it now; for one that only checks."""
        self._child.kill()

    def close(self) -> None:
        """The window closes: it stops in order, unless it was let go."""
        if not self._let_go:
            self._child.cut_line()

    def wait(self, look: Callable[[], None] = lambda: None) -> Ended:
        """Wait for its end, and give how that was.

        Args:
            look: is called now and then meanwhile.
        """
        while self.is_alive:
            if self._stopping:
                _stop(self.folder)
            look()
            self._child.ends_within(_POLL_SECONDS)
        self.close()
        ended = self._ended()
        shutil.rmtree(self._place, ignore_errors=True)
        return ended

    @property
    def _answer(self) -> Path:
        return self._place / "answer.json"

    def _named(self, source: Recipe | Path) -> Path:
        if isinstance(source, Path):
            return source
        path = self._place / RECIPE
        save_document(path, source)
        return path

    def _ended(self) -> Ended:
        code = self._child.code
        try:
            document: dict[str, Any] = json.loads(self._answer.read_bytes())
        except (OSError, ValueError):
            return Ended("crashed", said=_crash(code, tail_of(self.log_path)))
        if "error" in document and "obstacles" not in document:
            return Ended("refused", document, str(document["error"]))
        if code not in _ANSWERED:
            return Ended("crashed", document, _crash(code, tail_of(self.log_path)))
        return Ended("answered", document, str(document.get("error", "")))


def stop_when_stdin_closes(folder: Path, stdin: BinaryIO | None = None) -> threading.Thread:
    """Stop the experiment that this process works on in order when its starter dies.

    The starter holds the other end of the input, which closes when it dies, however it dies. It
    writes a line to it when the experiment shall go on without it.

    Args:
        folder: of the experiment; need not exist yet.
        stdin: the input to watch; standard input when None.
    """
    descriptor = (stdin or sys.stdin).fileno()

    def watch() -> None:
        with contextlib.suppress(OSError):
            # Straight from the descriptor, as in `worker.end_when_stdin_closes`.
            if os.read(descriptor, len(_GO_ON)):
                return
        while True:  # work that begins only now would take the request away
            _stop(folder)
            time.sleep(_POLL_SECONDS)

    thread = threading.Thread(target=watch, name="lifeline", daemon=True)
    thread.start()
    return thread


def _stop(folder: Path | None) -> None:
    """Ask everybody to stop, if there is an experiment already; any other folder stays as it is."""
    if folder is not None and (folder / RECIPE).is_file():
        with contextlib.suppress(OSError):
            ask_to_stop(folder)


def _crash(code: int | None, log: str) -> str:
    how = f"signal {-code}" if code is not None and code < 0 else f"code {code}"
    lines = [line for line in log.strip().splitlines() if line.strip()][-_LAST_LINES:]
    tail = "\n".join(lines) if lines else "(it said nothing)"
    return (
        f"The process of the experiment has ended unexpectedly ({how}). What is finished stays. "
        f"The end of its log:\n{tail}"
    )
