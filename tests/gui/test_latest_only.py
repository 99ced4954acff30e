"""LatestOnly: one job at a time; what is asked meanwhile is done once, afterwards."""

from __future__ import annotations

import itertools

import pytest
from qtpy.QtCore import QObject

from napari_scribseg.gui.latest_only import Job, LatestOnly


class Later:
    """Runs nothing until it is told to."""

    def __init__(self) -> None:
        self.jobs = []

    def __call__(self, work, done, failed) -> None:
        self.jobs.append((work, done, failed))

    def finish(self) -> None:
        work, done, _ = self.jobs.pop(0)
        done(work())


@pytest.fixture
def later():
    return Later()


def follower(later, done, *, drops_stale) -> LatestOnly:
    owner, numbers = QObject(), itertools.count()

    def prepare() -> Job:
        number = next(numbers)
        return Job(lambda: number, done.append)

    made = LatestOnly(
        owner,
        later,
        prepare,
        done.append,
        delay_ms=1,
        drops_stale=drops_stale,
    )
    made.owner = owner
    return made


@pytest.mark.parametrize(("drops_stale", "expected"), [(True, 1), (False, 2)])
def test_what_is_asked_during_a_job_is_done_once_afterwards(later, qtbot, drops_stale, expected):
    done = []
    latest = follower(later, done, drops_stale=drops_stale)
    latest.ask()
    qtbot.waitUntil(lambda: bool(later.jobs))
    for _ in range(5):
        latest.ask()
    latest.begin()
    assert len(later.jobs) == 1, "one at a time"
    later.finish()
    qtbot.waitUntil(lambda: bool(later.jobs))
    later.finish()
    assert len(done) == expected
    assert done[-1] == 1
    assert not latest.is_pending
    assert not latest.is_busy


def test_what_was_forgotten_is_not_told(later, qtbot):
    done = []
    latest = follower(later, done, drops_stale=False)
    latest.ask()
    latest.begin()
    latest.forget()
    later.finish()
    qtbot.wait(20)
    assert done == []
    assert later.jobs == []
    latest.ask()
    qtbot.waitUntil(lambda: bool(later.jobs))
    later.finish()
    assert done == [1]
