"""A computed experiment of small programs, with slices and segmentations to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments import phantom_experiment, stubs

from napari_scribseg.evaluation.tables import csv_text
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment, result_of, trial_folder, trials_of
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import compute_trials
from napari_scribseg.experiment.worst_slices import prediction_path
from napari_scribseg.io import read_labels, write_volume

SLICE_HEADING = (
    *("case", "patient", "class", "class_index", "slice_index", "status"),
    *("dice", "hd95_mm", "area_mm2", "reference_area_mm2"),
)


def computed_experiment(tmp_path: Path, *labels: str, **changes: Any) -> tuple[Path, Experiment]:
    """The folder of an experiment whose trials have ended, and what it is.

    Every finished trial has the reference as its segmentation of every case, and made-up slices:
    slice 0 is a bit better than slice 1, later cases are better than earlier ones.

    Args:
        tmp_path: receives data/ and out/.
        labels: of its methods; those that begin with "bad" fail.
        changes: see `phantom_experiment`.
    """
    experiment = phantom_experiment(tmp_path, *labels, **changes)
    out = tmp_path / "out"
    trials = trials_of(experiment)
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, list(trials), jobs=4, programs=stubs()))
        for trial in trials.values():
            result = result_of(out, trial)
            if result is None or result.outcome == "failed":
                continue
            rows: list[tuple[Any, ...]] = [SLICE_HEADING]
            for n, case in enumerate(trial.test):
                files = case.files
                for z in (0, 1):
                    dice = 0.5 + 0.05 * n - 0.01 * z
                    rows += [
                        (files.id, files.patient, name, k, z, "scored", dice, 1.0, 40.0, 50.0)
                        for k, name in ((1, "bright"), (2, "dim"))
                    ]
                assert files.reference is not None
                path = prediction_path(out, trial.name, files.id)
                write_volume(path, read_labels(files.reference))
            text = csv_text(rows)
            (trial_folder(out, trial.name) / "slices.csv").write_text(text, encoding="utf-8")
        write_results(out, experiment)
    return out, experiment
