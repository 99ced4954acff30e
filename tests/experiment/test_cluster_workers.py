"""What is said of workers; a made-up client of Dask stands for the scheduler."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from napari_scribseg.experiment import cluster_workers
from napari_scribseg.experiment.cluster_workers import Crew

ADDRESS = "tcp://10.0.0.7:40123"


class Scheduler:
    """Knows one worker, whose package is missing or which does not answer."""

    status = "running"

    def __init__(self) -> None:
        self.silent, self.asked = threading.Event(), 0

    def nthreads(self) -> dict[str, int]:
        return {ADDRESS: 1}

    def processing(self) -> dict[str, tuple[str, ...]]:
        return {}

    def run(self, _function: Any, word: str, *, workers: list[str]) -> dict[str, str]:
        if "gethostname" in word:
            return {workers[0]: "node7"}
        self.asked += 1
        if not self.silent.is_set():
            raise ImportError("No module named 'napari_scribseg'")
        time.sleep(0.5)
        raise OSError("ConnectionPool closing")


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster_workers, "_ASK_SECONDS", 0.01)
    monkeypatch.setattr(cluster_workers, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(cluster_workers, "_AGAIN_SECONDS", 0.1)
    (tmp_path / "experiment.json").write_text("{}")
    told: list[str] = []
    scheduler = Scheduler()
    crew = Crew(scheduler, tmp_path, None, told.append)
    yield crew, scheduler, told
    crew.close()


def look_until_asked(crew: Crew, scheduler: Scheduler, times: int) -> None:
    until = time.monotonic() + 30
    while scheduler.asked < times and time.monotonic() < until:
        crew.look()
        time.sleep(0.02)
    assert scheduler.asked >= times


def test_a_worker_that_stays_set_aside_is_named_once(crew):
    crew, scheduler, told = crew
    look_until_asked(crew, scheduler, 3)
    assert len(told) == 1
    assert told[0].startswith(f"Set aside: node7 ({ADDRESS}): napari-scribseg can't be imported")


def test_a_worker_that_does_not_say_what_it_is_is_named_and_used_when_it_does(crew, monkeypatch):
    crew, scheduler, told = crew
    monkeypatch.setattr(cluster_workers, "_ANSWER_SECONDS", 0.3)
    over = threading.Event()
    scheduler.run = lambda *_, **__: over.wait(60) and {}
    until = time.monotonic() + 30
    while not told and time.monotonic() < until:
        crew.look()
        time.sleep(0.02)
    assert f"Set aside: {ADDRESS} ({ADDRESS}): it has not said for" in told[0]
    time.sleep(0.3)
    crew.look()
    greetings = [thread for thread in threading.enumerate() if thread.name == "greeting"]
    assert len(greetings) == 1, "it is asked once, however long it hangs"
    over.set()


def test_a_worker_that_is_just_being_asked_at_the_end_is_not_blamed(crew):
    crew, scheduler, told = crew
    scheduler.silent.set()
    look_until_asked(crew, scheduler, 1)
    crew.close()
    for thread in threading.enumerate():
        if thread.name == "greeting":
            thread.join(30)
    assert told == []
