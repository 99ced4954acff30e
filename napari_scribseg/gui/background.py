"""Work in threads that report to the GUI thread, and the dock's jobs made of it.

Plain daemon threads instead of napari's `thread_worker`: those share a pool with as many places
as there are cores, and one that watches a training for an hour would block the pool of a small
machine. The heavy part is in child processes anyway.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from qtpy.QtCore import (
    QObject,
    Qt,
    Signal,  # pyright: ignore[reportAttributeAccessIssue]  qtpy adds it at run time
)

from napari_scribseg.engine.process import TrainingProcess, start
from napari_scribseg.engine.worker import sentence_of
from napari_scribseg.gui import work
from napari_scribseg.gui.presenter import Choice, Presenter, Snapshot

T = TypeVar("T")

_STOP_SECONDS = 60.0
"""A step of a large batch and a checkpoint on a slow disk may still be under way."""


class Background(QObject):
    """Runs functions in threads; their results arrive in the GUI thread."""

    _handed_over = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._over = False
        # Queued: what a thread hands over must run in the thread that this object lives in.
        self._handed_over.connect(self._do, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[str], None],
    ) -> threading.Thread:
        """Run `work` in a thread; then `done` with its result, or `failed` with a sentence."""

        def body() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001  the user must learn of all of them
                sentence = sentence_of(error)
                self.post(lambda: failed(sentence))
            else:
                self.post(lambda: done(result))

        thread = threading.Thread(target=body, name="scribseg", daemon=True)
        thread.start()
        return thread

    def post(self, action: Callable[[], None]) -> None:
        """Have something done in the GUI thread soon, unless the dock is closed by then."""
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._handed_over.emit(action)

    def end(self) -> None:
        """Forget everything that still arrives."""
        self._over = True

    def _do(self, action: Callable[[], None]) -> None:
        if not self._over:
            action()


class BackgroundJobs:
    """The presenter's jobs, done in threads and child processes."""

    def __init__(self, background: Background, project: Path) -> None:
        self.project = project
        self.presenter: Presenter | None = None
        """Whom to report to; set once, right after both are made."""
        self._background = background
        self._children = work.Children()
        self._process: TrainingProcess | None = None
        self._over = False

    def train(self, snapshot: Snapshot, choice: Choice) -> None:
        """Write a run and train it in a child process, passing its events on."""
        presenter = self._presenter
        project = self.project

        def body() -> None:
            run = work.write_run(project, snapshot, choice)
            process = start(run)
            self._process = process
            if self._over:  # the window was closed while the files were written
                process.close()
                return
            self._background.post(lambda: presenter.run_started(run.path))
            for event in process.events():
                self._background.post(lambda event=event: presenter.happened(event))

        self._background.run(body, lambda _: None, presenter.failed)

    def stop(self, *, keep_going_to_best: bool) -> None:
        """End the training; its last event tells when that has happened."""
        process = self._process
        if process is None:
            return
        if keep_going_to_best:
            process.request("finish")
        else:
            self._background.run(
                lambda: process.stop(_STOP_SECONDS), lambda _: None, self._presenter.failed
            )

    def predict(self, run: Path, snapshot: Snapshot) -> None:
        """Segment an image in a child process and score the result."""
        presenter = self._presenter
        self._background.run(
            lambda: work.predict(run, snapshot, self._children),
            presenter.predicted,
            presenter.failed,
        )

    def end(self) -> None:
        """The window closes: whatever still runs ends now."""
        self._over = True
        self._background.end()
        self._children.end()
        if self._process is not None and self._process.is_alive:
            # Not in this thread: closing a window must not take seconds. Should the interpreter
            # end first, the lifeline ends the child.
            threading.Thread(target=self._process.close, name="scribseg-end", daemon=True).start()

    @property
    def _presenter(self) -> Presenter:
        if self.presenter is None:
            raise RuntimeError("set `presenter` before asking for jobs")
        return self.presenter
