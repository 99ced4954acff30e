"""LatestOnly: work that follows something that changes quickly, such as a pen.

It waits for a pause, does one thing at a time in the background, and what was asked meanwhile is
done once, afterwards. So nobody needs timers and busy flags of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from qtpy.QtCore import QObject

from napari_scribseg.gui.qt import single_shot

T = TypeVar("T")


class Runner(Protocol):
    """What runs work elsewhere and brings the result to the GUI thread, as `Background.run`."""

    def __call__(
        self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[str], None], /
    ) -> object:
        """Run `work`; then `done` with its result, or `failed` with a sentence."""
        ...


@dataclass(frozen=True)
class Job(Generic[T]):
    """What is to be done elsewhere, and what with its result in the GUI thread."""

    work: Callable[[], T]
    done: Callable[[T], None]


class LatestOnly(QObject):
    """Runs the newest of many requests.

    Args:
        parent: its owner, with which it ends.
        run: runs work elsewhere.
        prepare: makes the job in the GUI thread, of how things stand then; None = nothing to do.
        failed: is told in a sentence when a job failed.
        delay_ms: a job begins when nothing was asked for this long.
        longest_ms: it begins after this time at the latest, however often is asked; None = never.
        drops_stale: whether the result of a job is thrown away when something was asked meanwhile.
    """

    def __init__(
        self,
        parent: QObject,
        run: Runner,
        prepare: Callable[[], Job[Any] | None],
        failed: Callable[[str], None],
        *,
        delay_ms: int,
        longest_ms: int | None = None,
        drops_stale: bool = False,
    ) -> None:
        super().__init__(parent)
        self._run, self._prepare, self._failed = run, prepare, failed
        self._drops_stale = drops_stale
        self._asked = self._forgotten = 0
        self._begun: int | None = None
        """What was asked when the job that runs began; None = none runs."""
        self._quiet = single_shot(self, delay_ms, self.begin)
        self._longest = single_shot(self, longest_ms or 0, self.begin)
        self._has_longest = longest_ms is not None

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._begun is not None

    @property
    def is_pending(self) -> bool:
        """Whether something was asked that no job has begun with yet."""
        return self._quiet.isActive() or self._longest.isActive()

    def ask(self, _event: object = None) -> None:
        """Something changed: do it again, soon."""
        self._asked += 1
        self._quiet.start()
        if self._has_longest and not self._longest.isActive():
            self._longest.start()

    def begin(self) -> None:
        """Do it now, or as soon as the job that runs is done."""
        self._quiet.stop()
        self._longest.stop()
        if self._begun is not None:
            self._asked = max(self._asked, self._begun + 1)
            return
        job = self._prepare()
        if job is None:
            return
        self._begun = self._asked
        self._run(job.work, lambda result: self._take(job, result), self._fail)

    def forget(self) -> None:
        """Drop what was asked and what is being made."""
        self._quiet.stop()
        self._longest.stop()
        self._forgotten = self._asked = self._asked + 1

    def _take(self, job: Job[Any], result: Any) -> None:
        begun, self._begun = self._begun or 0, None
        is_forgotten = begun < self._forgotten
        is_stale = begun < self._asked
        if not is_forgotten and not (is_stale and self._drops_stale):
            job.done(result)
        self._go_on(begun)

    def _fail(self, sentence: str) -> None:
        begun, self._begun = self._begun or 0, None
        if begun >= self._forgotten:
            self._failed(sentence)
        self._go_on(begun)

    def _go_on(self, begun: int) -> None:
        if max(begun, self._forgotten) < self._asked and not self.is_pending:
            self._quiet.start()
