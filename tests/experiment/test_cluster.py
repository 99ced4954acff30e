"""The same experiment on a cluster: workers that die, that can't compute, that aren't there."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from clusters import ROOT, posix, scheduler_here, worker
from experiments import phantom_experiment, stubs
from phantoms import phantom_dataset

from napari_scribseg.core.errors import RunError
from napari_scribseg.experiment.clients import at_work, clients_of
from napari_scribseg.experiment.cluster import compute_on_cluster
from napari_scribseg.experiment.cluster_work import ClusterWork, capacity
from napari_scribseg.experiment.cluster_workers import Worker
from napari_scribseg.experiment.experiment import Experiment, trials_of
from napari_scribseg.experiment.place import Place
from napari_scribseg.experiment.plan import draft
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import Done, allow_opening, compute_trials
from napari_scribseg.experiment.trial import Manner, Programs

distributed = pytest.importorskip("distributed")

RESULTS = ("cells.csv", "scores.csv", "summary.csv", "comparisons.csv", "agreement.csv")

WITHOUT_THE_PACKAGE = """
import importlib.abc
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "napari_scribseg":
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Blocked())
"""
OF_ANOTHER_VERSION = "import napari_scribseg; napari_scribseg.__version__ = '9.9.9'"
BLIND = """
from napari_scribseg.experiment import place
place._unreadable = lambda *_: "the data can't be read: /mr/p1.nii.gz (No such file), of /mr"
"""
OF_ANOTHER_TORCH = """
from napari_scribseg.experiment import place
there = place.parts_here
place.parts_here = lambda: {**there(), "torch": "1.0.0"}
"""


@pytest.fixture
def scheduler() -> Generator[str]:
    with scheduler_here() as address:
        yield address


class Enough(Exception):
    """What a test waited for was said."""


def computed(
    address: str,
    out: Path,
    experiment: Experiment,
    programs: Programs | None = None,
    told: list[str] | None = None,
    client: str = "",
    until: str = "",
    strict: bool = False,
) -> list[Done]:
    """Compute all trials; Enough, when something is said that begins with `until`."""
    told = [] if told is None else told

    def tell(line: str) -> None:
        told.append(line)
        if until and line.startswith(until):
            raise Enough(line)

    work = ClusterWork(
        address,
        out,
        experiment,
        list(trials_of(experiment)),
        Manner(client=client, strict=strict),
        programs=programs or stubs(),
        tell=tell,
    )
    return list(compute_on_cluster(work))


@posix
def test_a_worker_killed_in_the_middle_costs_nothing(tmp_path, scheduler):
    experiment = phantom_experiment(tmp_path, "good", "plain", random_seeds=(0, 1))
    names = list(trials_of(experiment))
    alone, together = tmp_path / "alone", tmp_path / "together"
    with at_work(alone, experiment, "test"):
        list(compute_trials(alone, experiment, names, jobs=4, programs=stubs()))
        write_results(alone, experiment)
    told: list[str] = []
    with (
        worker(scheduler, os.uname().nodename) as first,
        worker(scheduler, os.uname().nodename),
        at_work(together, experiment, "test") as client,
    ):
        threading.Thread(target=kill_when_busy, args=(first, together), daemon=True).start()
        done = computed(scheduler, together, experiment, stubs(0.3), told, client)
        write_results(together, experiment)
    assert (together / "killed").exists()
    assert sorted(d.trial for d in done) == sorted(names)
    assert {d.state for d in done} == {"finished"}
    assert any("goes on elsewhere" in line for line in told)
    for name in RESULTS:
        assert (together / name).read_bytes() == (alone / name).read_bytes()


def kill_when_busy(process: subprocess.Popen[bytes], folder: Path) -> None:
    """SIGKILL for a worker as soon as two trials have begun to train."""
    log = folder / "trained.txt"
    while not log.exists() or len(log.read_text().split()) < 2:
        time.sleep(0.02)
    process.kill()
    (folder / "killed").touch()


@posix
@pytest.mark.parametrize(
    ("before", "said"),
    [
        (WITHOUT_THE_PACKAGE, "napari-scribseg can't be imported there"),
        (OF_ANOTHER_VERSION, "it has napari-scribseg 9.9.9 and here is"),
        (BLIND, "the data can't be read: /mr/p1.nii.gz"),
    ],
    ids=["without the package", "of another version", "without the data"],
)
def test_a_worker_that_can_t_compute_is_named_and_fails_no_trial(tmp_path, scheduler, before, said):
    experiment = phantom_experiment(tmp_path, "good", "plain")
    out, told = tmp_path / "out", list[str]()
    with at_work(out, experiment, "test") as client:
        with worker(scheduler, "odd", before) as odd:
            with pytest.raises(Enough, match="No worker can compute: odd: ") as stopped:
                computed(scheduler, out, experiment, None, told, client, until="No worker can")
            assert odd.poll() is None, "it has closed itself"
            assert not list(out.glob("cells/*/run")), "it was given a trial"
            with worker(scheduler, "able"):
                done = computed(scheduler, out, experiment, None, told, client)
        write_results(out, experiment)
    assert said in str(stopped.value)
    assert any(line.startswith("Set aside: odd") and said in line for line in told)
    assert {d.state for d in done} == {"finished"}
    with (out / "timing.csv").open() as file:
        assert {row["host"] for row in csv.DictReader(file)} == {"able"}
    with (out / "scores.csv").open() as file:
        assert {row["status"] for row in csv.DictReader(file)} == {"scored"}


@posix
@pytest.mark.slow
def test_strict_gives_nothing_to_a_worker_with_another_torch(tmp_path, scheduler):
    experiment = phantom_experiment(tmp_path, "good")
    out, told = tmp_path / "out", list[str]()
    with at_work(out, experiment, "test") as client, worker(scheduler, "able"):
        computed(scheduler, out, experiment, None, told, client)
        shutil.rmtree(next(iter(sorted((out / "cells").iterdir()))))
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as other,
        at_work(out, experiment, "test") as client,
        worker(other.scheduler_address, "odd", OF_ANOTHER_TORCH),
        pytest.raises(Enough, match=r"odd: --strict refuses .*another torch \(.+ and 1.0.0\)"),
    ):
        computed(
            other.scheduler_address,
            out,
            experiment,
            None,
            told,
            client,
            until="No worker can",
            strict=True,
        )


@posix
def test_no_worker_is_told_within_seconds_and_one_that_comes_is_used(tmp_path, scheduler):
    experiment = phantom_experiment(tmp_path, "good")
    out, told = tmp_path / "out", list[str]()
    began = time.monotonic()
    moments: list[float] = []
    with contextlib.ExitStack() as stack, at_work(out, experiment, "test") as client:

        def tell(line: str) -> None:
            told.append(line)
            moments.append(time.monotonic() - began)
            if len(told) == 1:
                stack.enter_context(worker(scheduler, "late"))

        names = list(trials_of(experiment))
        work = ClusterWork(
            scheduler, out, experiment, names, Manner(client=client), programs=stubs(), tell=tell
        )
        done = list(compute_on_cluster(work))
    assert "has no workers: start some" in told[0]
    assert f"dask worker {scheduler}" in told[0]
    assert moments[0] < 20
    assert {d.state for d in done} == {"finished"}


@posix
@pytest.mark.slow
def test_a_killed_scheduler_ends_in_a_sentence_and_the_experiment_continues(tmp_path):
    experiment = phantom_experiment(tmp_path, "good")
    out, names, told = tmp_path / "out", list(trials_of(experiment)), list[str]()
    address_file = tmp_path / "scheduler.json"
    words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    words += ["--scheduler-file", str(address_file)]
    code = f"from distributed.cli.dask_scheduler import main; main({words!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        while not address_file.exists():
            time.sleep(0.05)
        address = json.loads(address_file.read_text())["address"]
        with at_work(out, experiment, "test") as client, worker(address, os.uname().nodename):
            threading.Thread(target=kill_when_busy, args=(process, out), daemon=True).start()
            threading.Timer(30, process.kill).start()
            with pytest.raises(RunError, match="The scheduler is gone: nobody answers at tcp://"):
                computed(address, out, experiment, stubs(3), told, client)
    finally:
        process.kill()
        process.wait()
    assert not [line for line in told if "goes on elsewhere" in line], "no worker's fault"
    assert not [p for p in out.glob("cells/*/result.json") if "failed" in p.read_text()]
    with at_work(out, experiment, "test"):
        done = list(compute_trials(out, experiment, names, jobs=2, programs=stubs()))
    assert {d.state for d in done} == {"finished"}


CLIENT = """
import sys
sys.path[:0] = sys.argv[3:5]
from pathlib import Path
from clusters import ROOT, posix, scheduler_here, worker
from experiments import stubs
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.cluster import compute_on_cluster
from napari_scribseg.experiment.cluster_work import ClusterWork
from napari_scribseg.experiment.experiment import load_experiment, trials_of
from napari_scribseg.experiment.trial import Manner
out = Path(sys.argv[1])
experiment = load_experiment(out)
with at_work(out, experiment, "killed") as client:
    work = ClusterWork(sys.argv[2], out, experiment, list(trials_of(experiment)),
                       Manner(client=client), programs=stubs(6))
    for done in compute_on_cluster(work):
        pass
"""


@posix
def test_trials_of_a_killed_client_are_adopted_by_the_next(tmp_path, scheduler):
    experiment = phantom_experiment(tmp_path, "good")
    out, told = tmp_path / "out", list[str]()
    with at_work(out, experiment, "plan"):
        pass
    words = [sys.executable, "-c", CLIENT, str(out), scheduler, str(ROOT), str(ROOT / "tests")]
    with worker(scheduler, os.uname().nodename), worker(scheduler, os.uname().nodename):
        client = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        log = out / "trained.txt"
        while not log.exists() or len(log.read_text().split()) < 2:
            assert client.poll() is None
            time.sleep(0.02)
        client.kill()
        client.wait()
        assert clients_of(out) == ()
        with at_work(out, experiment, "second") as second:
            done = computed(scheduler, out, experiment, stubs(6), told, second)
            write_results(out, experiment)
    assert {d.state for d in done} == {"finished"}
    assert len(log.read_text().split()) == 2, "a trial was trained twice"
    with (out / "cells.csv").open() as file:
        assert {row["state"] for row in csv.DictReader(file)} == {"finished"}


@posix
@pytest.mark.slow
def test_real_trainings_go_on_elsewhere(tmp_path, scheduler):
    data = phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32))
    settings = {"patch": [32, 32], "batch_size": 2, "precision": "float32"}
    method = {"label": "pce", "method": "partial_ce", "settings": settings}
    values = {"dataset": str(data), "methods": [method], "steps": 60, "device": "cpu"}
    split = {"kind": "cross-validation", "folds": 2}
    experiment = draft(Recipe.model_validate({**values, "split": split})).experiment
    assert experiment is not None
    names = list(trials_of(experiment))
    alone, together = tmp_path / "alone", tmp_path / "together"
    with at_work(alone, experiment, "test"):
        list(compute_trials(alone, experiment, names, jobs=2))
        write_results(alone, experiment)
    with (
        worker(scheduler, os.uname().nodename) as first,
        worker(scheduler, os.uname().nodename) as second,
        at_work(together, experiment, "test") as client,
    ):
        events = [together / "cells" / name / "run" / "events.jsonl" for name in names]

        def kill() -> None:
            while not any(path.exists() for path in events):
                time.sleep(0.05)
            first.send_signal(signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        work = ClusterWork(scheduler, together, experiment, names, Manner(client=client))
        done = list(compute_on_cluster(work))
        write_results(together, experiment)
        assert second.poll() is None
    assert {d.state for d in done} == {"finished"}
    for name in RESULTS:
        assert (together / name).read_bytes() == (alone / name).read_bytes()
    with (together / "timing.csv").open() as file:
        for row in csv.DictReader(file):
            assert (row["device"], row["precision"]) == ("cpu", "float32")
            assert float(row["peak_memory_mib"]) > 50


@posix
@pytest.mark.slow
def test_adapt_starts_workers_for_trials_that_wait_and_lets_them_go(tmp_path):
    experiment = phantom_experiment(tmp_path, "good")
    out = tmp_path / "out"
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        at_work(out, experiment, "test") as client,
    ):
        cluster.adapt(minimum=0, maximum=2, interval="500ms", wait_count=2)
        done = computed(cluster.scheduler_address, out, experiment, None, None, client)
        until = time.monotonic() + 60
        while cluster.workers and time.monotonic() < until:
            time.sleep(0.2)
        assert not cluster.workers
    assert {d.state for d in done} == {"finished"}


@posix
@pytest.mark.slow
def test_locked_cases_are_scored_where_trials_are_computed(tmp_path, scheduler):
    experiment = phantom_experiment(tmp_path, "plain", locked=("patient03",))
    out, names = tmp_path / "out", list(trials_of(experiment))
    with at_work(out, experiment, "test") as client, worker(scheduler, os.uname().nodename):
        computed(scheduler, out, experiment, None, None, client)
        allow_opening(out, experiment)
        manner = Manner(client=client, locked=True)
        work = ClusterWork(scheduler, out, experiment, names, manner, programs=stubs())
        assert [d.state for d in compute_on_cluster(work)] == ["finished", "finished"]
        write_results(out, experiment, locked=True)
    assert len((out / "locked_scores.csv").read_text().splitlines()) == 1 + 2 * 2


def test_nobody_at_the_address_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_scribseg.runs.dask_client._CONNECT_SECONDS", 0.5)
    experiment = phantom_experiment(tmp_path, "good")
    with pytest.raises(RunError, match="No scheduler answers at tcp://127.0.0.1:9"):
        computed("tcp://127.0.0.1:9", tmp_path, experiment)


def test_a_worker_computes_as_many_as_its_threads_gpus_and_memory_allow(tmp_path):
    def at_once(threads: int, of_trial: int = 1, mib: float = 0.0, **place: int) -> int:
        experiment = phantom_experiment(tmp_path, "good", threads=of_trial)
        work = ClusterWork("", tmp_path, experiment, (), Manner(per_gpu=2), trial_mib=mib)
        return capacity(Worker("tcp://x", threads, place=Place(host="x", **place)), work)

    assert at_once(8) == 8
    assert at_once(8, of_trial=3) == 2
    assert at_once(1, of_trial=4) == 1
    assert at_once(8, gpus=2) == 4
    assert at_once(8, gpus=4, slots=1) == 2
    assert at_once(8, mib=1000, memory_bytes=3 * 2**30) == 3
    assert at_once(8, mib=1000, memory_bytes=2**20) == 1


def test_planning_and_watching_load_neither_dask_nor_torch():
    code = (
        "import sys, napari_scribseg.experiment.cluster, napari_scribseg.cli\n"
        "print([name for name in ('distributed', 'dask', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
