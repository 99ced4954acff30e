"""Loggers are fed from events.jsonl: each number once, late or in the middle of a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from phantoms import phantom_dataset

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.events import Finished, Stepped, Validated
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.runs.documents import RunCase
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.loggers import Feed, MlflowLogger


class Noted:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def begin(self, run, settings):
        self.told.append(("begin", run, settings["method"]))
        self.settings = settings

    def numbers(self, run, step, seconds, values):
        self.told.append((run, step, dict(values)))

    def end(self, run, outcome):
        self.told.append(("end", run, outcome))

    def close(self):
        pass


@pytest.fixture
def run(tmp_path):
    dataset = read_dataset(phantom_dataset(tmp_path / "secret name", 1, shape=(2, 16, 16)))
    return RunFolder.create(
        tmp_path / "run",
        method="partial_ce",
        options={"base_width": 8},
        training=TrainConfig(),
        schema=dataset.schema,
        cases=tuple(RunCase(files=case, role="train") for case in dataset.cases),
        preset="quick",
    )


def step(number: int, loss: float) -> Stepped:
    return Stepped(
        step=number,
        progress=0.5,
        eta_seconds=1.0,
        loss=loss,
        terms={"ce": loss},
        learning_rate=0.1,
        slices_per_second=2.0,
    )


def test_every_number_is_passed_on_once(run):
    logger = Noted()
    feed = Feed(logger)
    runs = {"a": run.path, "b": run.path.with_name("not there yet")}
    run.append(step(1, 0.9))
    assert feed.pass_on(runs) == 4
    assert feed.pass_on(runs) == 0
    run.append(step(2, 0.5))
    scores = {"bright": 0.8, "dim": None}
    run.append(Validated(step=2, measure="dice", scores=scores, mean=0.8, best=True))
    run.append(Finished(outcome="completed", step=2, message="", seconds=1.0))
    assert feed.pass_on(runs) == 6
    first = {"loss": 0.9, "learning rate": 0.1, "slices per second": 2.0, "term/ce": 0.9}
    assert logger.told == [
        ("begin", "a", "partial_ce"),
        ("a", 1, first),
        ("a", 2, first | {"loss": 0.5, "term/ce": 0.5}),
        ("a", 2, {"dice/bright": 0.8, "dice/mean": 0.8}),
        ("end", "a", "completed"),
    ]
    assert logger.settings["base_width"] == 8
    assert not any("secret" in str(value) for value in logger.settings.values())


def test_mlflow_gets_one_run_for_each_of_ours(run):
    calls: list[tuple[Any, ...]] = []

    class Client:
        def get_experiment_by_name(self, title):
            return None

        def create_experiment(self, title):
            return f"id of {title}"

        def create_run(self, experiment, run_name):
            calls.append((experiment, run_name))
            return SimpleNamespace(info=SimpleNamespace(run_id="r1"))

        def log_param(self, run_id, name, value):
            pass

        def log_metric(self, run_id, name, value, timestamp, step):
            calls.append((run_id, name, value, step))

        def set_terminated(self, run_id, status):
            calls.append((run_id, status))

    logger = MlflowLogger("hearts", SimpleNamespace(MlflowClient=Client))
    run.append(step(1, 0.9))
    run.append(Finished(outcome="stopped", step=1, message="", seconds=1.0))
    Feed(logger).pass_on({"a": run.path})
    assert calls[0] == ("id of hearts", "a")
    assert ("r1", "loss", 0.9, 1) in calls
    assert calls[-1] == ("r1", "KILLED")


def test_tensorboard_gets_a_folder_for_each_run(run, tmp_path):
    from napari_scribseg.training.tensorboard_log import TensorBoardLogger

    wrote: list[tuple[Any, ...]] = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step, walltime):
            wrote.append((self.folder, name, value, step))

        def add_text(self, name, text):
            pass

        def flush(self):
            pass

        def close(self):
            wrote.append((self.folder, "closed"))

    logger = TensorBoardLogger(tmp_path / "logs", Writer)
    run.append(step(1, 0.9))
    Feed(logger).pass_on({"a": run.path})
    logger.close()
    assert (str(tmp_path / "logs" / "a"), "loss", 0.9, 1) in wrote
    assert wrote[-1] == (str(tmp_path / "logs" / "a"), "closed")
