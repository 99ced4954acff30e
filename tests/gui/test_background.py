"""Threads of the window: as many as there is work, and used again."""

from __future__ import annotations

import threading
import weakref

from napari_scribseg.gui.background import Background, Task, Threads


def test_work_never_waits_for_other_work_and_free_threads_are_used_again():
    threads, gate = Threads(), threading.Event()
    together = threading.Barrier(4)
    who: list[int] = []

    def at_once() -> None:
        together.wait(60)  # breaks unless all four are at work at the same time
        who.append(threading.get_ident())

    first = [Task(at_once) for _ in range(4)]
    for task in first:
        threads.begin(task)
    for task in first:
        task.join(60)
    assert len(set(who)) == 4
    for _ in range(200):  # the last one may not be waiting for work yet
        if threads._free == 4:
            break
        gate.wait(0.05)
    known, who = set(who), []
    again = Task(lambda: who.append(threading.get_ident()))
    threads.begin(again)
    again.join(60)
    assert not again.is_alive()
    assert set(who) <= known


def test_a_thread_at_rest_holds_nothing_of_what_it_did():
    class Large:
        pass

    threads, large = Threads(), Large()
    alive = weakref.ref(large)
    task = Task(lambda kept=large: None)
    threads.begin(task)
    task.join(60)
    del large
    assert alive() is None


def test_results_and_failures_arrive_in_the_gui_thread(qtbot):
    background, heard = Background(), []

    def fail() -> None:
        raise ValueError("no such file")

    here = threading.get_ident()
    background.run(lambda: 5, lambda n: heard.append((n, threading.get_ident())), heard.append)
    qtbot.waitUntil(lambda: len(heard) == 1)
    assert heard == [(5, here)]
    background.run(fail, heard.append, lambda told: heard.append((told, threading.get_ident())))
    qtbot.waitUntil(lambda: len(heard) == 2)
    assert "no such file" in heard[1][0]
    assert heard[1][1] == here
