"""What the scheduler of experiments costs: planning many trials, and computing tiny ones.

The trials' own programs do nothing but sleep, so whatever the experiment takes beyond their sum is
the scheduler's: preparing runs, starting and watching processes, hashing, reading results.

    python benchmarks/scheduler.py [--cluster] [--trials 24] [--seconds 0.5] [--jobs 1 2]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import (
    Experiment,
    load_experiment,
    state_of,
    trials_of,
)
from napari_scribseg.experiment.plan import draft, estimate
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import compute_trials
from napari_scribseg.experiment.settings import MethodSettings
from napari_scribseg.experiment.trial import Programs
from napari_scribseg.io import write_volume

PATIENTS = 6
FOLDS = 2
SHAPE = (2, 32, 32)

TRAIN = """
import json, pathlib, sys, time
run = pathlib.Path(sys.argv[1])
time.sleep(float(sys.argv[2]))
end = {"kind": "finished", "time": time.time(), "outcome": "completed", "step": 1,
       "message": "Done.", "seconds": 0.1}
(run / "heartbeat").unlink(missing_ok=True)
with (run / "events.jsonl").open("a") as file:
    file.write(json.dumps(end) + "\\n")
"""
SCORE = """
import json, pathlib, sys
there = pathlib.Path(sys.argv[1])
for name, heading in json.loads(sys.argv[3]).items():
    (there / name).write_text(heading + "\\n")
result = {"version": 1, "sha256": sys.argv[2], "outcome": "finished"}
(there / "result.json").write_text(json.dumps(result))
"""


def dataset(folder: Path) -> Path:
    """A dataset of small cases in the plain layout."""
    rng = np.random.default_rng(0)
    grid = Grid.from_spacing(SHAPE, (8.0, 1.5, 1.5))
    reference = np.zeros(SHAPE, np.uint8)
    reference[:, 8:24, 8:24] = 1
    for kind in ("images", "scribbles", "labels"):
        (folder / kind).mkdir(parents=True)
    for index in range(PATIENTS):
        image = rng.normal(size=SHAPE).astype(np.float32)
        for kind, array in (("images", image), ("scribbles", reference), ("labels", reference)):
            write_volume(folder / kind / f"patient{index:02d}.nii.gz", Volume(array, grid))
    schema = LabelSchema.of("square")
    (folder / "labels.json").write_text(schema.model_dump_json(), encoding="utf-8")
    return folder


def experiment_of(data: Path, n_methods: int, n_seeds: int) -> Experiment:
    """An experiment of n_methods * FOLDS * n_seeds trials."""
    labels = [f"method{i}" for i in range(n_methods)]
    recipe = Recipe.model_validate(
        {
            "dataset": str(data),
            "methods": [{"label": label, "method": label} for label in labels],
            "split": {"kind": "cross-validation", "folds": FOLDS},
            "random_seeds": tuple(range(n_seeds)),
        }
    )
    settings = [
        MethodSettings(
            label=label,
            method=label,
            preset="quick",
            options={},
            training=TrainConfig(threads=1),
            parameters=0,
        )
        for label in labels
    ]
    experiment = draft(recipe, settings).experiment
    assert experiment is not None
    return experiment


def sleepers(experiment: Experiment, seconds: float) -> Programs:
    """Programs of trials that sleep instead of training, and have nothing to score."""
    from napari_scribseg.evaluation.case_scores import (
        CLINICAL_COLUMNS,
        SCORE_COLUMNS,
        SLICE_COLUMNS,
    )

    trials = trials_of(experiment)
    headings = {
        "scores.csv": ",".join(SCORE_COLUMNS),
        "slices.csv": ",".join(SLICE_COLUMNS),
        "clinical.csv": ",".join(CLINICAL_COLUMNS),
    }
    python = [sys.executable, "-S", "-c"]
    return Programs(
        lambda run, _detached, _resume: [*python, TRAIN, str(run.path), str(seconds)],
        lambda folder, name, _locked: [
            *(*python, SCORE, str(folder / "cells" / name)),
            *(trials[name].sha256, json.dumps(headings)),
        ],
        None,
    )


def overhead(data: Path, out: Path, n_trials: int, seconds: float, jobs: int) -> dict[str, float]:
    """Wall and processor time of an experiment of trials that sleep."""
    experiment = experiment_of(data, 1, n_trials // FOLDS)
    names = list(trials_of(experiment))
    wall, cpu = time.perf_counter(), time.process_time()
    with at_work(out, experiment, "benchmark"):
        programs = sleepers(experiment, seconds)
        done = list(compute_trials(out, experiment, names, jobs=jobs, programs=programs))
        write_results(out, experiment)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert {one.state for one in done} == {"finished"}
    own = len(names) * seconds / jobs
    return {
        "trials": len(names),
        "jobs": jobs,
        "own_seconds": own,
        "wall_seconds": round(wall, 2),
        "overhead_seconds_per_trial": round((wall - own) * jobs / len(names), 3),
        "scheduler_cpu_seconds_per_trial": round(cpu / len(names), 4),
    }


def planning(data: Path, out: Path, n_trials: int) -> dict[str, float]:
    """Seconds to plan, list and estimate many trials, to write the plan and to look at it."""
    from napari_scribseg.experiment.watch import ExperimentWatch

    began = time.perf_counter()
    experiment = experiment_of(data, 20, n_trials // (20 * FOLDS))
    trials = trials_of(experiment)
    planned = time.perf_counter() - began
    began = time.perf_counter()
    states = [state_of(out, trial) for trial in trials.values()]
    estimate(out, experiment, list(trials.values()))
    listed = time.perf_counter() - began
    assert len(states) == len(trials)
    began = time.perf_counter()
    with at_work(out, experiment, "benchmark"):
        write_results(out, experiment)
    written = time.perf_counter() - began
    began = time.perf_counter()
    look = ExperimentWatch(out, load_experiment(out)).look()
    looked = time.perf_counter() - began
    assert look.states == {"waiting": len(trials)}
    return {
        "trials": len(trials),
        "plan_seconds": round(planned, 2),
        "list_seconds": round(listed, 2),
        "write_seconds": round(written, 2),
        "read_and_look_seconds": round(looked, 2),
    }


def on_a_cluster(
    data: Path, out: Path, n_trials: int, seconds: float, jobs: int
) -> dict[str, float]:
    """The same on a cluster of this computer, once its workers are asked what they are."""
    from distributed import LocalCluster

    from napari_scribseg.experiment.cluster import compute_on_cluster
    from napari_scribseg.experiment.cluster_work import ClusterWork

    experiment = experiment_of(data, 1, n_trials // FOLDS)
    names = list(trials_of(experiment))
    with (
        LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None) as cluster,
        at_work(out, experiment, "benchmark"),
    ):
        programs = sleepers(experiment, seconds)
        address = cluster.scheduler_address
        wall = time.perf_counter()
        work = ClusterWork(address, out, experiment, names, programs=programs)
        done = list(compute_on_cluster(work))
        write_results(out, experiment)
        wall = time.perf_counter() - wall
    assert {one.state for one in done} == {"finished"}
    own = len(names) * seconds / jobs
    return {
        "trials": len(names),
        "workers": jobs,
        "own_seconds": own,
        "wall_seconds": round(wall, 2),
        "overhead_seconds_per_trial": round((wall - own) * jobs / len(names), 3),
    }


def tabulating(data: Path, out: Path, n_trials: int) -> dict[str, float]:
    """Seconds to look at many finished trials, and to write their tables."""
    from napari_scribseg.evaluation.case_scores import CLINICAL_COLUMNS, ScoreTables
    from napari_scribseg.evaluation.tables import csv_text
    from napari_scribseg.experiment.watch import ExperimentWatch

    experiment = experiment_of(data, 20, n_trials // (20 * FOLDS))
    with at_work(out, experiment, "benchmark"):
        for name, trial in trials_of(experiment).items():
            there = out / "cells" / name
            there.mkdir(parents=True)
            tables = ScoreTables()
            for case in trial.test:
                tables.add_failed(case.files, "made up", experiment.labels)
            (there / "scores.csv").write_text(csv_text(tables.scores))
            (there / "slices.csv").write_text(csv_text(tables.slices))
            (there / "clinical.csv").write_text(",".join(CLINICAL_COLUMNS) + "\n")
            document = {"version": 1, "sha256": trial.sha256, "outcome": "finished"}
            (there / "result.json").write_text(json.dumps(document))
            (there / "timing.json").write_text('{"torch": "2.7", "train_seconds": 1}')
        times: dict[str, float] = {}
        watch = ExperimentWatch(out, experiment)
        for what, function in (
            ("first_look", watch.look),
            ("next_look", watch.look),
            ("tables", lambda: write_results(out, experiment)),
        ):
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            times[f"{what}_seconds"] = round(time.perf_counter() - wall, 2)
            times[f"{what}_cpu_seconds"] = round(time.process_time() - cpu, 2)
    return {"trials": len(trials_of(experiment)), **times}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a trial's own")
    parser.add_argument(
        "--jobs", type=int, nargs="+", default=[1, 2], help="at once; a number may be repeated"
    )
    parser.add_argument("--plan", type=int, default=10_000, help="trials that are only planned")
    parser.add_argument("--finished", type=int, default=2000, help="trials that are tabulated")
    parser.add_argument("--cluster", action="store_true", help="also on workers of Dask")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = dataset(Path(folder) / "data")
        print(json.dumps(planning(data, Path(folder) / "plan", options.plan)))
        print(json.dumps(tabulating(data, Path(folder) / "finished", options.finished)))
        for number, jobs in enumerate(options.jobs):
            out = Path(folder) / f"out{number}"
            print(json.dumps(overhead(data, out, options.trials, options.seconds, jobs)))
            if options.cluster:
                out = Path(folder) / f"cluster{number}"
                print(json.dumps(on_a_cluster(data, out, options.trials, options.seconds, jobs)))


if __name__ == "__main__":
    main()
