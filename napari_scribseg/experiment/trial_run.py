"""The run of a trial, prepared: the one that is there, or a new one with the trial's cases."""

from __future__ import annotations

import hashlib
import shutil
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.experiment.case_facts import CaseFacts
from napari_scribseg.experiment.data_now import data_now
from napari_scribseg.experiment.experiment import MARK, TIMING, Experiment, Trial, trial_folder
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.experiment.thinned_scribbles import thinned
from napari_scribseg.io.atomic import write_text
from napari_scribseg.io.volumes import write_volume
from napari_scribseg.methods.registry import spec_named
from napari_scribseg.project.teamwork import effort_of_files
from napari_scribseg.runs.documents import RunCase, validation_words
from napari_scribseg.runs.folder import RunFolder, is_run

_DIGITS: Final = 12
"""Of a check sum, in the name of a file of thinned strokes."""


def prepared_run(folder: Path, experiment: Experiment, trial: Trial) -> RunFolder:
    """The run of a trial: the one that is there, or a new one.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        trial: whose folder is there.

    Raises:
        ScribsegError: it can't be written, or its strokes can't be read.
    """
    path = trial_folder(folder, trial.name) / "run"
    mark = path.parent / MARK
    if is_run(path) and mark.is_file() and mark.read_text(encoding="ascii") == trial.sha256:
        return RunFolder.open(path)
    _remove(path)
    _remove(path.parent / TIMING)  # of another run
    cases = tuple(
        RunCase(files=_files(folder, experiment, trial, case), role="train") for case in trial.train
    )
    # No case validates a trial, but strokes may be held out.
    held = trial.training.held_out_strokes > 0
    by_references = held and spec_named(trial.settings.method).uses_references
    words = validation_words(cases, trial.training, "none", by_references=by_references)
    run = RunFolder.create(
        path,
        method=trial.settings.method,
        options=trial.settings.options,
        training=trial.training,
        schema=experiment.labels,
        cases=cases,
        preset=trial.settings.preset,
        dataset=experiment.dataset_title,
        dataset_folder=Path(experiment.recipe.dataset),
        effort=effort_of_files(case.files.scribbles for case in trial.train),
        validate_on=words["validate_on"],
        checkpoint_choice=words["checkpoint_choice"],
    )
    write_text(mark, trial.sha256)
    return run


def empty(there: Path) -> None:
    """Remove what an earlier attempt has left in the folder of a trial, but for its lease."""
    for path in there.iterdir():
        if not path.name.startswith("lease-"):
            _remove(path)


def _files(folder: Path, experiment: Experiment, trial: Trial, case: CaseFacts) -> CaseFiles:
    """The files of a training case, its scribbles thinned where the trial has a share of them."""
    files = case.files
    if trial.share == 1 or experiment.recipe.shares_of != "strokes" or files.scribbles is None:
        return files
    group = f"{share_text(trial.share)}-seed{trial.random_seed}"
    name = f"{files.id}-{_strokes_sum(experiment, case)[:_DIGITS]}.nii.gz"
    path = folder / "scribbles" / group / name
    if not path.is_file():
        loaded = files.model_copy(update={"reference": None}).load(experiment.labels)
        rng = np.random.default_rng([trial.random_seed, zlib.crc32(files.id.encode())])
        assert loaded.scribbles is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(path, Volume(thinned(loaded.scribbles, trial.share, rng), loaded.grid))
    return files.model_copy(update={"scribbles": path, "convention": None})


def _strokes_sum(experiment: Experiment, case: CaseFacts) -> str:
    """The hash of everything that decides which strokes of a case are kept, but share and seed.

    The files are taken as they lie on the disk now, because those are what is thinned.
    """
    files = case.files
    parts = (data_now([case]).sha256, files.frame, files.convention, experiment.labels.names)
    text = repr((*parts, experiment.package_version))
    return hashlib.sha256(text.encode()).hexdigest()


def _remove(path: Path) -> None:
    """Remove a folder with all that is in it, or a file."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
