"""Several commands on one experiment: on a cluster, here, at the same time, and cut off."""

from __future__ import annotations

import csv
import os
import select
import subprocess
import time
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from clusters import ROOT, posix, scheduler_here, worker
from experiments import made_up_settings, recipe_of, stub_program, stubs
from phantoms import phantom_dataset

from napari_scribseg.experiment.clients import at_work, clients_of
from napari_scribseg.experiment.experiment import Experiment, trials_of
from napari_scribseg.experiment.plan import draft
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import compute_trials
from napari_scribseg.io.documents import save_document

pytest.importorskip("distributed")

RESULTS = ("cells.csv", "scores.csv", "summary.csv", "comparisons.csv", "agreement.csv")
HERE = os.uname().nodename if hasattr(os, "uname") else ""
TRAINS = """
from experiments import stubs
from napari_scribseg.experiment import trial
trial.PROGRAMS = stubs({seconds})
"""
"""What a worker does instead of training."""


@pytest.fixture
def scheduler() -> Generator[str]:
    with scheduler_here() as address:
        yield address


@pytest.fixture
def recipe(tmp_path) -> Path:
    phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32))
    path = tmp_path / "recipe.json"
    save_document(path, recipe_of(tmp_path / "data", "good", "plain", random_seeds=(0, 1)))
    return path


def trained(out: Path) -> Counter[str]:
    path = out / "trained.txt"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def states(out: Path) -> Counter[str]:
    with (out / "cells.csv").open() as file:
        return Counter(row["state"] for row in csv.DictReader(file))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


class Terminal:
    """A command with a terminal of its own, which can be closed over it."""

    def __init__(self, words: Sequence[str]) -> None:
        import pty

        self._end, its = pty.openpty()
        # The shell opens it first, so that it is the terminal of the new session.
        into = [f'exec "$@" < {os.ttyname(its)} > {os.ttyname(its)} 2>&1', "sh"]
        self.process = subprocess.Popen(
            ["sh", "-c", *into, *words], env=environment(), start_new_session=True
        )
        self._its = its

    def read(self) -> None:
        """Take what was said, as a terminal does, or the command would wait."""
        while select.select([self._end], [], [], 0)[0]:
            os.read(self._end, 65536)

    def close(self) -> None:
        """Close it: the system tells the command by SIGHUP."""
        os.close(self._its)
        os.close(self._end)


@posix
@pytest.mark.slow
def test_a_terminal_that_is_closed_stops_its_trials_and_the_next_command_continues(
    tmp_path, scheduler, recipe
):
    out = tmp_path / "out"
    options = ["--out", str(out), "--scheduler", scheduler]
    with (
        worker(scheduler, HERE, TRAINS.format(seconds=600)),
        worker(scheduler, HERE, TRAINS.format(seconds=600)),
    ):
        terminal = Terminal([*stub_program(), str(recipe), *options])
        while len(trained(out)) < 2:
            assert terminal.process.poll() is None
            terminal.read()
            time.sleep(0.05)
        terminal.close()
        assert terminal.process.wait(60) == 130
        assert clients_of(out) == ()
        assert states(out) == {"interrupted": 2, "waiting": 6}
    assert not list(out.glob("cells/*/result.json"))
    with worker(scheduler, HERE, TRAINS.format(seconds=0)):
        done = subprocess.run(
            [*stub_program(), str(out), "--scheduler", scheduler],
            capture_output=True,
            text=True,
            env=environment(),
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "fail" not in done.stdout + done.stderr
    assert states(out) == {"finished": 8}
    assert sorted(trained(out).values()) == [1] * 6 + [2] * 2, "the two that were stopped go on"


@posix
@pytest.mark.slow
def test_commands_on_the_cluster_and_here_at_once_share_the_trials(tmp_path, scheduler, recipe):
    out, alone = tmp_path / "out", tmp_path / "alone"
    on_cluster = [*stub_program(), str(recipe), "--out", str(out), "--scheduler", scheduler]
    here = [*stub_program(1.0), str(recipe), "--out", str(out), "--jobs", "1"]
    with (
        worker(scheduler, "one", TRAINS.format(seconds=1.0)),
        worker(scheduler, "two", TRAINS.format(seconds=1.0)),
    ):
        clients = [
            subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()
            )
            for words in (on_cluster, on_cluster, here)
        ]
        said = [client.communicate()[0].decode() for client in clients]
    assert [client.returncode for client in clients] == [0, 0, 0], said
    assert "fail" not in "".join(said)
    assert all("8 of 8 trials finished" in text for text in said)
    assert set(trained(out).values()) == {1}
    assert len(trained(out)) == 8
    with (out / "timing.csv").open() as file:
        assert {row["host"] for row in csv.DictReader(file)} == {"one", "two", HERE}
    experiment = planned(recipe, tmp_path)
    with at_work(alone, experiment, "test"):
        list(
            compute_trials(alone, experiment, list(trials_of(experiment)), jobs=4, programs=stubs())
        )
        write_results(alone, experiment)
    for name in RESULTS:
        assert (out / name).read_bytes() == (alone / name).read_bytes()


def planned(recipe: Path, tmp_path: Path) -> Experiment:
    from napari_scribseg.experiment.recipe import load_recipe

    experiment = draft(load_recipe(recipe), made_up_settings("good", "plain")).experiment
    assert experiment is not None
    return experiment
