"""Work in threads that report to the GUI thread.

Plain daemon threads instead of napari's `thread_worker`: those share a pool with as many places
as there are cores, and one that watches a training for an hour would block the pool of a small
machine. The heavy part is in child processes anyway.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from qtpy.QtCore import QObject, Qt

from napari_scribseg.gui.qt import Signal
from napari_scribseg.runs.worker import sentence_of

T = TypeVar("T")


_REST_S: Final = 20.0
"""A thread without work ends after this time."""


class Task:
    """Work in a thread."""

    def __init__(self, body: Callable[[], None]) -> None:
        self._body: Callable[[], None] | None = body
        self._done = threading.Event()

    def run(self) -> None:
        """Do it, in this thread; what it has worked on is let go of."""
        body, self._body = self._body, None
        try:
            if body is not None:
                body()
        finally:
            self._done.set()

    def is_alive(self) -> bool:
        """Whether it is still to be done."""
        return not self._done.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it is done, at most so many seconds."""
        self._done.wait(timeout)


class Threads:
    """As many threads as there is work, which go on with the next work when they are done.

    Starting a thread waits until it runs, which takes long on a busy machine, and a stroke asks for
    five pieces of work. `ThreadPoolExecutor` does the same, but Python waits for its threads at the
    end: a drive that hangs would keep a closed window alive.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0
        """Threads that wait for work which was not handed to them yet."""

    def begin(self, task: Task) -> None:
        """Do this at once, in a thread that is free or a new one."""
        with self._lock:
            is_free = self._free > 0
            self._free -= is_free
        if is_free:
            self._work.put(task)
        else:
            threading.Thread(target=self._live, args=(task,), name="scribseg", daemon=True).start()

    def _live(self, task: Task) -> None:
        following: Task | None = task
        while following is not None:
            following.run()
            following = self._next()

    def _next(self) -> Task | None:
        with self._lock:
            self._free += 1
        with contextlib.suppress(queue.Empty):
            return self._work.get(timeout=_REST_S)
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return None
        return self._work.get()  # handed over at the last moment


class Background(QObject):
    """Runs functions in threads; their results arrive in the GUI thread."""

    _handed_over = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._over = False
        self._threads = Threads()
        # Queued: what a thread hands over must run in the thread that this object lives in.
        queued = Qt.ConnectionType.QueuedConnection
        self._handed_over.connect(self._do, queued)  # pyright: ignore[reportCallIssue]  a stub

    def run(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[str], None],
    ) -> Task:
        """Run `work` in a thread; then `done` with its result, or `failed` with a sentence."""

        def body() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001  the user must learn of all of them
                sentence = sentence_of(error)
                self.post(lambda: failed(sentence))
            else:
                self.post(lambda: done(result))

        task = Task(body)
        self._threads.begin(task)
        return task

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
