"""Experiments whose children are small programs instead of trainings, for everybody's tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from phantoms import phantom_dataset

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.plan import draft
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.settings import MethodSettings
from napari_scribseg.experiment.trial import Programs

TRAIN = """
import json, pathlib, sys, time
run = pathlib.Path(sys.argv[1])
trial = run.parent.name
with (run.parent.parent.parent / "trained.txt").open("a") as file:
    file.write(trial + "\\n")
until = time.monotonic() + SECONDS
while time.monotonic() < until and not (run / "STOP").exists():
    time.sleep(0.02)
outcome = "failed" if trial.startswith("bad") else "completed"
outcome = "stopped" if (run / "STOP").exists() else outcome
message = "The loss is not finite any more." if outcome == "failed" else "Done."
(run / "checkpoints" / "last.safetensors").write_bytes(b"weights")
(run / "heartbeat").unlink(missing_ok=True)
end = {"kind": "finished", "time": time.time(), "outcome": outcome, "step": 3,
       "message": message, "seconds": 0.1}
with (run / "events.jsonl").open("a") as file:
    file.write(json.dumps(end) + "\\n")
"""
"""Trains nothing; methods whose label begins with "bad" fail."""

SCORE = """
import hashlib, json, os, pathlib, sys
folder, trial, locked = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "locked"
there = folder / "cells" / trial
experiment = json.loads((folder / "experiment.json").read_text())
fold = trial.rsplit("-", 2)[0].split("-", 1)[1]
ids = experiment["locked"] if locked else next(
    f["test"] for f in experiment["folds"] if f["name"] == fold)
scores = ["case,patient,group,phase,class,class_index,status,dice,hd95_mm,assd_mm,precision,"
          "recall,volume_ml,reference_volume_ml,volume_error_ml,volume_error_share,note"]
for case in ids:
    for index, name in enumerate(("bright", "dim"), start=1):
        draw = hashlib.sha256(f"{trial} {case} {name}".encode()).digest()[0] / 1000
        dice = round(0.5 + draw + (0.2 if trial.startswith("good") else 0.0), 6)
        scores.append(f"{case},{case},,,{name},{index},scored,{dice},{round(10 - dice, 6)},1.0,"
                      f"0.5,0.5,2.0,2.5,-0.5,-0.2,")
slices = "case,patient,class,class_index,slice_index,status,dice,hd95_mm,area_mm2," \\
         "reference_area_mm2\\n"
clinical = "patient,group,measurement,unit,value,reference,error,note\\n"
prefix = "locked_" if locked else ""
for name, text in (("scores", "\\n".join(scores) + "\\n"), ("slices", slices),
                   ("clinical", clinical)):
    (there / f"{prefix}{name}.csv").write_text(text)
result = {"version": 1, "sha256": sys.argv[4], "outcome": "finished", "step": 3,
          "scribbled_voxels": 10, "scribbled_slices": 2, "labelled_share": 0.1}
temp = there / f".result-{os.getpid()}"
temp.write_text(json.dumps(result))
temp.replace(there / f"{prefix}result.json")
"""
"""Makes up scores that follow from the names; methods called "good..." are better."""


ENDING = """
import json, os, pathlib, signal, sys, time
run = pathlib.Path(sys.argv[1])
trial = run.parent.name
with (run.parent.parent.parent / "trained.txt").open("a") as file:
    file.write(trial + "\\n")
count = (run.parent.parent.parent / "trained.txt").read_text().split().count(trial)
end = ENDS[min(count, len(ENDS)) - 1]
if end in {"SIGKILL", "SIGSEGV"}:
    os.kill(os.getpid(), getattr(signal, end))
(run / "heartbeat").unlink(missing_ok=True)
outcome = {"done": "completed", "told to end": "stopped"}.get(end, "failed")
event = {"kind": "finished", "time": time.time(), "outcome": outcome, "step": 3,
         "message": end, "seconds": 0.1}
(run / "checkpoints" / "last.safetensors").write_bytes(b"weights")
with (run / "events.jsonl").open("a") as file:
    file.write(json.dumps(event) + "\\n")
sys.exit(130 if end == "told to end" else 0)
"""
"""Trains nothing, and ends as it is told for its first, second, ... time."""


def ending(*ends: str) -> Programs:
    """Programs whose trainings end like this, one after the other.

    Args:
        ends: "done"; "SIGKILL", "SIGSEGV"; "told to end" (by SIGTERM, having saved); else the
            sentence of a failure. The last one stays.
    """
    return stubs(train=ENDING.replace("ENDS", repr(ends)))


def stubs(train_seconds: float = 0.0, train: str = TRAIN) -> Programs:
    """Programs that end at once, or after some seconds; without closures of test modules."""
    python, train, score = sys.executable, train.replace("SECONDS", str(train_seconds)), SCORE

    def train_command(run: Any, detached: bool, resume: bool) -> Sequence[str]:
        return [python, "-S", "-c", train, str(run.path)]

    def score_command(folder: Path, name: str, locked: bool) -> Sequence[str]:
        from napari_scribseg.experiment.experiment import load_experiment, locked_sum, trials_of

        experiment = load_experiment(folder)
        trial = trials_of(experiment)[name]
        sha256 = locked_sum(experiment, trial) if locked else trial.sha256
        which = "locked" if locked else "test"
        return [python, "-S", "-c", score, str(folder), name, which, sha256]

    return Programs(train_command, score_command, None)


_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from experiments import made_up_settings, stubs
from napari_scribseg import cli
from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment import settings as method_settings
from napari_scribseg.experiment import plan as planning
from napari_scribseg.experiment.settings import Cost

trial_process.PROGRAMS = stubs(float(sys.argv[2]))
planning.ask_for_settings = lambda recipe: made_up_settings(*(c.label for c in recipe.methods))
method_settings.ask_for_costs = lambda recipe: {
    c.label: Cost(label=c.label, seconds=30.0, memory_mib=700.0, device="cpu")
    for c in recipe.methods
}
sys.exit(cli.main(["experiment", *sys.argv[3:]]))
"""


def stub_program(train_seconds: float = 0.0) -> tuple[str, ...]:
    """The words of a `scribseg experiment` with made-up methods, whose children are `stubs`."""
    return (sys.executable, "-c", _PROGRAM, str(Path(__file__).parent), str(train_seconds))


def made_up_settings(*labels: str, **training: Any) -> tuple[MethodSettings, ...]:
    """Settings of methods that nobody trains."""
    return tuple(
        MethodSettings(
            label=label,
            method=label,
            preset="quick",
            options={"tau": 0.9},
            training=TrainConfig().updated({"steps": 3, "threads": 1, **training}),
            parameters=1000,
        )
        for label in labels
    )


def recipe_of(folder: Path, *labels: str, **changes: Any) -> Recipe:
    """A recipe of a dataset with two folds."""
    methods = [{"label": label, "method": label} for label in labels]
    split = {"kind": "cross-validation", "folds": 2}
    values = {"dataset": str(folder), "methods": methods, "split": split, **changes}
    return Recipe.model_validate(values)


def phantom_experiment(
    tmp_path: Path,
    *labels: str,
    patients: int = 4,
    change: Callable[[Path], None] = lambda _: None,
    **changes: Any,
) -> Experiment:
    """An experiment on two-ball cases, planned without a child process.

    Args:
        tmp_path: holds the dataset, in data/.
        labels: of its methods.
        patients: one case each.
        change: is given the folder of the dataset before it is read.
        changes: of the recipe.
    """
    data = tmp_path / "data"
    if not data.exists():
        phantom_dataset(data, patients, shape=(2, 32, 32))
    change(data)
    drafted = draft(recipe_of(data, *labels, **changes), made_up_settings(*labels))
    assert drafted.obstacles == ()
    assert drafted.experiment is not None
    return drafted.experiment
