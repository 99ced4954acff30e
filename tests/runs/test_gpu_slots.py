"""Every child gets a GPU of its own; there need be none here."""

from __future__ import annotations

import os
import threading
import time

import pytest

from napari_scribseg.experiment.schedule import cores, default_jobs
from napari_scribseg.runs import gpu_slots
from napari_scribseg.runs.gpu_slots import VISIBLE, a_gpu, gpus, own_gpu, slots


@pytest.fixture
def two(monkeypatch, tmp_path):
    monkeypatch.setenv(VISIBLE, "GPU-aa,GPU-bb")
    return tmp_path


@pytest.mark.parametrize(
    ("told", "found"),
    [("0,2", ("0", "2")), ("", ()), ("-1", ()), ("1,-1,0", ("1",)), ("MIG-x/1/0", ("MIG-x/1/0",))],
)
def test_the_gpus_are_those_that_the_batch_system_gives(monkeypatch, told, found):
    monkeypatch.setenv(VISIBLE, told)
    assert gpus() == found


def test_two_at_once_get_two_gpus_and_the_third_waits(two):
    with a_gpu("auto", folder=two) as first, a_gpu("cuda", folder=two) as second:
        assert {first[VISIBLE], second[VISIBLE]} == {"GPU-aa", "GPU-bb"}
        got: list[dict[str, str] | None] = []

        def third() -> None:
            with a_gpu("auto", folder=two) as variables:
                got.append(variables)

        thread = threading.Thread(target=third)
        thread.start()
        time.sleep(0.3)
        assert got == []
    thread.join(30)
    assert got[0] is not None
    assert got[0][VISIBLE] in {"GPU-aa", "GPU-bb"}


def test_jobs_of_a_batch_system_that_both_call_their_gpu_0_do_not_wait_for_each_other(
    monkeypatch, tmp_path
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv(VISIBLE, "0")
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    with a_gpu("auto") as first:
        with a_gpu("auto", over=lambda: True) as second_of_the_job:
            assert second_of_the_job is None
        monkeypatch.setenv("SLURM_JOB_ID", "72")
        with a_gpu("auto", over=lambda: True) as another_job:
            assert another_job == first
            assert another_job[VISIBLE] == "0"


def test_small_trials_share_gpus_only_when_all_are_taken(two):
    with (
        a_gpu("auto", 2, folder=two) as first,
        a_gpu("auto", 2, folder=two) as second,
        a_gpu("auto", 2, folder=two) as third,
    ):
        assert first[VISIBLE] != second[VISIBLE]
        assert third[VISIBLE] in {"GPU-aa", "GPU-bb"}


def test_nobody_waits_for_a_gpu_when_the_work_is_over(two):
    with (
        a_gpu("auto", folder=two),
        a_gpu("auto", folder=two),
        a_gpu("auto", over=lambda: True, folder=two) as none,
    ):
        assert none is None


def test_a_training_on_the_cpu_or_on_a_named_gpu_takes_no_slot(two):
    for device in ("cpu", "cuda:1", "mps"):
        with a_gpu(device, folder=two) as variables:
            assert variables == {}
        assert slots(device) is None
    assert slots("auto", 3) == 6


def test_as_many_jobs_as_gpus_threads_and_memory_allow(monkeypatch):
    monkeypatch.setattr("napari_scribseg.experiment.schedule.cores", lambda: 16)
    monkeypatch.setenv(VISIBLE, "0,1,2")
    assert default_jobs(1) == 8
    assert default_jobs(4) == 4
    assert default_jobs(1, ["auto", "cuda"]) == 3
    assert default_jobs(1, ["auto"], per_gpu=2) == 6
    assert default_jobs(8, ["auto"]) == 2
    assert default_jobs(1, ["auto", "cpu"]) == 8
    assert default_jobs(1, trial_mib=1e9) == 1
    assert cores() >= 1


def test_a_run_of_the_window_takes_a_gpu_that_trials_then_wait_for(two):
    waited: list[str] = []
    with own_gpu("auto", folder=two) as note:
        assert note == ""
        taken = os.environ[VISIBLE]
        os.environ[VISIBLE] = "GPU-aa,GPU-bb"  # what another process sees
        with a_gpu("auto", over=lambda: True, folder=two) as trial:
            assert {taken, trial[VISIBLE]} == {"GPU-aa", "GPU-bb"}
            with a_gpu("auto", over=lambda: True, waiting=waited.append, folder=two) as none:
                assert none is None
    assert os.environ[VISIBLE] == "GPU-aa,GPU-bb"
    assert waited == []


def test_who_waits_for_a_gpu_says_for_whom(two):
    over = threading.Event()
    waited: list[str] = []

    def waiting(why: str) -> None:
        waited.append(why)
        over.set()

    with (
        a_gpu("auto", folder=two),
        a_gpu("auto", folder=two),
        a_gpu("auto", over=over.is_set, waiting=waiting, folder=two) as none,
    ):
        assert none is None
    assert waited == [f"by process {os.getpid()}"]


def test_a_run_that_finds_no_free_gpu_does_not_wait_and_says_so(two):
    with (
        a_gpu("auto", folder=two),
        a_gpu("auto", folder=two),
        own_gpu("auto", folder=two) as note,
    ):
        assert f"is taken by process {os.getpid()}" in note
        assert os.environ[VISIBLE] == "GPU-aa,GPU-bb", "nothing was taken from it"


def test_the_training_of_a_trial_takes_no_second_gpu(two, monkeypatch):
    with a_gpu("auto", folder=two) as given:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        with own_gpu("auto", folder=two) as note:
            assert note == ""
            assert os.environ[VISIBLE] == given[VISIBLE]


def test_a_training_on_the_cpu_needs_no_folder_of_locks(monkeypatch):
    monkeypatch.setattr(gpu_slots, "_folder", lambda: (_ for _ in ()).throw(OSError("none")))
    with own_gpu("cpu") as note:
        assert note == ""
