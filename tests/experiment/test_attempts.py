"""A place that kills, crashes or has no memory left: tried again, named, and never a score."""

from __future__ import annotations

import csv
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from clusters import posix, scheduler_here, worker
from experiments import ending, phantom_experiment, stubs

from napari_scribseg.cli import main
from napari_scribseg.core.errors import RunError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.evaluation.case_scores import ScoreTables
from napari_scribseg.experiment import cluster, score_trial
from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment.attempts import (
    MOST_ATTEMPTS,
    Attempt,
    attempts_of,
    is_given_up,
    is_of_the_place,
    note_attempt,
    told,
)
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.cluster import compute_on_cluster
from napari_scribseg.experiment.cluster_work import ClusterWork
from napari_scribseg.experiment.cluster_workers import Worker
from napari_scribseg.experiment.experiment import Experiment, result_of, trials_of
from napari_scribseg.experiment.place import Place
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import Done, compute_trials
from napari_scribseg.experiment.trial import Manner, Programs
from napari_scribseg.runs.process import explain_exit
from napari_scribseg.runs.worker import sentence_of
from napari_scribseg.training.loop import Loop

NAME = "good-fold1-seed0-100"
OF_A_GPU = "Unexpected AcceleratorError: CUDA error: an illegal memory access was encountered."
OF_A_KERNEL = "Unexpected AcceleratorError: CUDA error: device-side assert triggered."
OF_MEMORY = "Memory of cuda:0 ran out with a batch of 4."


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(trial_process, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "_PAUSE_SECONDS", 0.0)


@pytest.fixture
def planned(tmp_path) -> tuple[Path, Experiment]:
    experiment, out = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    with at_work(out, experiment, "plan"):
        pass
    return out, experiment


def computed(out: Path, experiment: Experiment, programs: Programs) -> Done:
    """What a command with --jobs makes of one trial."""
    with at_work(out, experiment, "test") as client:
        manner = Manner(client=client)
        (done,) = compute_trials(out, experiment, [NAME], manner, jobs=1, programs=programs)
    return done


def row_of(out: Path, experiment: Experiment) -> dict[str, str]:
    write_results(out, experiment)
    with (out / "cells.csv").open() as file:
        return next(row for row in csv.DictReader(file) if row["cell"] == NAME)


@posix
@pytest.mark.parametrize("end", ["SIGKILL", "SIGSEGV", "told to end", OF_A_GPU, OF_MEMORY])
def test_what_a_place_does_to_a_training_is_tried_again_and_told(planned, end):
    out, experiment = planned
    assert computed(out, experiment, ending(end, "done")).state == "finished"
    (attempt,) = attempts_of(out / "cells" / NAME)
    assert attempt.host == socket.gethostname()
    (said,) = told(out, experiment)
    assert "1 trial had to be tried again because of a computer" in said
    assert f"{socket.gethostname()}: 1 time" in said
    assert row_of(out, experiment)["state"] == "finished"


def test_a_kernel_that_was_given_wrong_numbers_is_the_method_s_failure(planned):
    out, experiment = planned
    assert computed(out, experiment, ending(OF_A_KERNEL)).state == "failed"
    assert attempts_of(out / "cells" / NAME) == ()


@posix
def test_a_trial_that_is_always_killed_is_given_up_without_a_score_and_can_be_repeated(planned):
    out, experiment = planned
    done = computed(out, experiment, ending("SIGKILL"))
    assert done.state == "interrupted"
    assert f"given up after {MOST_ATTEMPTS} attempts ({socket.gethostname()}: 4 times)" in (
        done.reason
    )
    assert "was killed, most likely because memory ran out" in done.reason
    assert (out / "trained.txt").read_text().split() == [NAME] * MOST_ATTEMPTS
    assert result_of(out, trials_of(experiment)[NAME]) is None
    row = row_of(out, experiment)
    assert (row["state"], row["mean_dice"]) == ("interrupted", "")
    assert "was killed" in row["reason"]
    assert computed(out, experiment, ending("done")).state == "finished"


@posix
def test_a_process_that_scores_and_is_killed_is_tried_again_too(planned):
    out, experiment = planned
    programs = stubs()
    dying = ["/bin/sh", "-c", "kill -9 $$"]
    computed(out, experiment, Programs(programs.train, lambda *_: dying, None))
    reasons = {one.reason for one in attempts_of(out / "cells" / NAME)}
    assert "process that scores was killed" in reasons.pop()
    assert (out / "trained.txt").read_text().split() == [NAME], "it was trained once"
    assert computed(out, experiment, programs).state == "finished"


@posix
def test_one_trial_of_an_array_is_tried_again_here_and_given_up_with_exit_4(
    planned, monkeypatch, capsys
):
    out, _ = planned
    monkeypatch.setattr(trial_process, "PROGRAMS", ending("SIGKILL"))
    assert main(["experiment", str(out), "--trial", NAME]) == 4
    said = capsys.readouterr().err
    assert f"{NAME} on {socket.gethostname()}: The training process was killed" in said
    assert "It was given up after 4 attempts" in said
    assert not (out / "cells" / NAME / "result.json").exists()
    monkeypatch.setattr(trial_process, "PROGRAMS", ending(*["SIGKILL"] * 5, "done"))
    assert main(["experiment", str(out), "--trial", NAME]) == 0
    assert main(["experiment", str(out), "--tables"]) == 0
    assert "had to be tried again because of a computer" in capsys.readouterr().out
    assert "had to be tried again because of a computer" in (out / "report.html").read_text()


@posix
def test_on_a_cluster_it_is_tried_on_another_host_where_there_is_one(planned):
    pytest.importorskip("distributed")
    out, experiment = planned
    said: list[str] = []
    with (
        scheduler_here() as address,
        worker(address, "node1"),
        worker(address, "node2"),
        at_work(out, experiment, "test") as client,
    ):

        def work(programs: Programs) -> list[Done]:
            manner = Manner(client=client)
            cluster_work = ClusterWork(
                address, out, experiment, [NAME], manner, programs, tell=said.append
            )
            return list(compute_on_cluster(cluster_work))

        (done,) = work(ending("SIGKILL"))
        assert done.state == "interrupted"
        assert "given up after 4 attempts" in done.reason
        attempts = attempts_of(out / "cells" / NAME)
        assert len(attempts) == MOST_ATTEMPTS
        assert {one.host for one in attempts} <= {"node1", "node2"}
        assert not (out / "cells" / NAME / "result.json").exists()
    with (
        at_work(out, experiment, "again") as client,
        scheduler_here() as address,
        worker(address, "node3"),
    ):
        (done,) = compute_on_cluster(
            ClusterWork(address, out, experiment, [NAME], Manner(client=client), ending("done"))
        )
    assert done.state == "finished"


class Crew:
    """Workers that are lost as soon as they have a trial."""

    def __init__(self, dispatch: Any = None) -> None:
        self.workers = {"tcp://a": Worker("tcp://a", 1, "ready", Place(host="node7"))}
        self.dispatch = dispatch

    @property
    def ready(self) -> list[Worker]:
        return list(self.workers.values())

    def look(self) -> list[Worker]:
        return self.ready if self.dispatch.flights else []

    def others_tasks(self, *_: str) -> int:
        return 0


class Client:
    """A client of Dask whose tasks never end."""

    status = "running"

    def submit(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(done=lambda: False, release=lambda: None)


def test_a_trial_whose_workers_all_die_is_given_up_without_a_score(planned, monkeypatch):
    monkeypatch.setattr(cluster, "_HELD_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "_POLL_SECONDS", 0.0)
    out, experiment = planned
    said: list[str] = []
    work = ClusterWork(
        "tcp://s", out, experiment, [NAME], Manner(client="us"), stubs(), tell=said.append
    )
    crew = Crew()
    crew.dispatch = cluster._Dispatch(work, Client(), crew)
    (done,) = crew.dispatch.done()
    assert done.state == "interrupted"
    assert f"given up after {MOST_ATTEMPTS} attempts (node7: 4 times)" in done.reason
    assert [line for line in said if line.startswith("The worker on node7 is gone")]
    assert not (out / "cells" / NAME / "result.json").exists()


def test_it_goes_to_a_host_where_it_was_not_tried_and_waits_for_one_that_is_busy(planned):
    out, experiment = planned
    crew = Crew()
    crew.workers["tcp://b"] = Worker("tcp://b", 1, "ready", Place(host="node8"))
    work = ClusterWork("tcp://s", out, experiment, [NAME], Manner(client="us"), stubs())
    dispatch = cluster._Dispatch(work, Client(), crew)
    dispatch.trials = trials_of(experiment)
    first = cluster._Flight(NAME, crew.workers["tcp://a"], None)
    note_attempt(out / "cells" / NAME, Attempt(host="node7", reason="killed", client="us"))
    assert list(dispatch._tried_again(first, "killed")) == []
    assert dispatch._free_worker(NAME) is crew.workers["tcp://b"]
    dispatch.flights.append(cluster._Flight("another", crew.workers["tcp://b"], None))
    assert dispatch._free_worker(NAME) is None
    del crew.workers["tcp://b"]
    assert dispatch._free_worker(NAME) is crew.workers["tcp://a"], "there is no other one"


OWN_ERROR = """
from napari_scribseg.experiment import worker_task
there = worker_task.compute_for_client
def compute(folder, name, *rest):
    if name.startswith("bad"):
        raise AttributeError("'NoneType' object has no attribute 'shape'")
    return there(folder, name, *rest)
worker_task.compute_for_client = compute
"""


@posix
def test_a_trial_s_own_error_is_its_failure_and_sets_no_worker_aside(tmp_path):
    pytest.importorskip("distributed")
    experiment, out = phantom_experiment(tmp_path, "bad", "good"), tmp_path / "out"
    said: list[str] = []
    with (
        scheduler_here() as address,
        worker(address, "node1", OWN_ERROR),
        worker(address, "node2", OWN_ERROR),
        at_work(out, experiment, "test") as client,
    ):
        work = ClusterWork(
            *(address, out, experiment, list(trials_of(experiment)), Manner(client=client)),
            stubs(),
            tell=said.append,
        )
        done = {one.trial: one for one in compute_on_cluster(work)}
    assert {one.state for name, one in done.items() if name.startswith("good")} == {"finished"}
    assert {one.state for name, one in done.items() if name.startswith("bad")} == {"failed"}
    assert "no attribute 'shape'" in done["bad-fold1-seed0-100"].reason
    assert not [line for line in said if line.startswith("Set aside")]
    result = result_of(out, trials_of(experiment)["bad-fold1-seed0-100"])
    assert result is not None
    assert result.outcome == "failed"


def test_who_gets_on_begins_to_count_anew():
    def at(*steps: int) -> list[Attempt]:
        return [Attempt(host="a", step=step, reason="x") for step in steps]

    assert not is_given_up(at(0, 0, 0))
    assert is_given_up(at(0, 0, 0, 0))
    assert is_given_up(at(7, 7, 5, 7)), "always killed before the same step"
    assert not is_given_up(at(10, 20, 30, 40, 50, 60)), "its time was over, again and again"
    assert not is_given_up(at(0, 0, 0, 10, 10))


def _out_of_memory() -> str:
    loop = object.__new__(Loop)
    loop._out_of_memory = True
    loop._learner = SimpleNamespace(machine="cuda:0", batch_size=4)
    with pytest.raises(RunError) as refused:
        loop._shrink(torch.OutOfMemoryError())
    return str(refused.value)


@pytest.mark.parametrize(
    ("end", "of_place"),
    [
        (explain_exit(-9, ""), True),
        (explain_exit(-15, ""), True),
        (explain_exit(-11, ""), True),
        (explain_exit(130, ""), True),
        (sentence_of(MemoryError()), True),
        (_out_of_memory(), True),
        (sentence_of(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")), True),
        (sentence_of(RuntimeError("Found no NVIDIA driver on your system")), True),
        (sentence_of(RuntimeError("CUDA error: device-side assert triggered")), False),
        (sentence_of(ValueError("the loss is not finite")), False),
    ],
)
def test_what_tells_of_a_place_is_told_apart_from_what_tells_of_a_method(end, of_place):
    assert is_of_the_place(end) == of_place


@pytest.mark.parametrize(
    "text",
    [
        "p01 doesn't fit into memory (MemoryError).",
        "[Errno 5] Input/output error: 'p01.nii.gz'",
        "Unable to allocate 8.00 GiB for an array",
        "The device 'cuda' can't be used: PyTorch sees 0 CUDA device(s).",
        "libcudnn.so.9: cannot open shared object file",
        "Can't start new thread.",
    ],
)
def test_other_faults_of_a_place(text):
    assert is_of_the_place(text)


def test_a_line_that_was_cut_off_costs_no_later_attempt(tmp_path):
    (tmp_path / "attempts.jsonl").write_text('{"host": "n1", "rea')
    note_attempt(tmp_path, Attempt(reason="killed"))
    assert [one.reason for one in attempts_of(tmp_path)] == ["killed"]


def test_a_place_that_fails_while_a_case_is_scored_is_no_score(tmp_path, monkeypatch):
    files = CaseFiles(id="p01", patient="p01", image=tmp_path / "p01.nii")
    case: Any = SimpleNamespace(files=files, reference_problem="")
    run: Any = SimpleNamespace(schema=LabelSchema.of("a"))
    model: Any = None
    tables = ScoreTables()
    raised: list[Exception] = [MemoryError(), ValueError("odd")]
    monkeypatch.setattr(
        score_trial, "_segment_and_score", lambda *_: (_ for _ in ()).throw(raised[0])
    )
    with pytest.raises(RunError):
        score_trial._scored(run, model, [case], tables, tmp_path)
    raised.pop(0)
    failures, _ = score_trial._scored(run, model, [case], tables, tmp_path)
    assert [one.case for one in failures] == ["p01"]
