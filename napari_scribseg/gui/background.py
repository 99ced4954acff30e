"""Work in threads that report to the GUI thread.

Plain daemon threads instead of napari's `thread_worker`: those share a pool with as many places
as there are cores, and one that watches a training for an hour would block the pool of a small
machine. The heavy part is in child processes anyway.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from qtpy.QtCore import QObject, Qt

from napari_scribseg.gui.qt import Signal
from napari_scribseg.runs.worker import sentence_of

T = TypeVar("T")


class Background(QObject):
    """Runs functions in threads; their results arrive in the GUI thread."""

    _handed_over = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._over = False
        # Queued: what a thread hands over must run in the thread that this object lives in.
        queued = Qt.ConnectionType.QueuedConnection
        self._handed_over.connect(self._do, queued)  # pyright: ignore[reportCallIssue]  a stub

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


class WidgetJobs:
    """Work for one widget: nobody is told any more when the widget is gone by then.

    Args:
        background: runs it and brings its news to the GUI thread.
    """

    def __init__(self, background: Background) -> None:
        self.over = False
        """Set when the widget closes."""
        self._background = background

    def run(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[str], None],
    ) -> None:
        """As `Background.run`."""

        def unless_over(result: T) -> None:
            if not self.over:
                done(result)

        def failed_unless_over(sentence: str) -> None:
            if not self.over:
                failed(sentence)

        self._background.run(work, unless_over, failed_unless_over)

    def post(self, action: Callable[[], None]) -> None:
        """As `Background.post`."""
        self._background.post(lambda: None if self.over else action())
