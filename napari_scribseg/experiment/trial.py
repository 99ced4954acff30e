"""One trial, computed: its run is prepared here, trained and scored by child processes.

Whatever happens to a child ends the trial, not the experiment. All that is known of a trial lies in
its folder, so it may be continued by another process or another machine. Nothing here needs torch.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import socket
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg import __version__
from napari_scribseg.core.errors import RunError, ScribsegError
from napari_scribseg.core.events import Finished
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.pseudonyms import without_paths
from napari_scribseg.experiment.case_facts import CaseFacts, paths_of, without_folder
from napari_scribseg.experiment.experiment import (
    EXPERIMENT,
    RESULT,
    STOP,
    Experiment,
    State,
    Trial,
    TrialResult,
    is_experiment,
    load_experiment,
    locked_result_of,
    result_of,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.experiment.thinned_scribbles import thinned
from napari_scribseg.io.atomic import remove_abandoned, remove_leftovers, write_text
from napari_scribseg.io.documents import save_document
from napari_scribseg.io.regular_file import open_own, refuse_links
from napari_scribseg.io.volumes import write_volume
from napari_scribseg.runs import children, process
from napari_scribseg.runs.children import Child
from napari_scribseg.runs.folder import SILENCE_SECONDS, RunCase, RunFolder, is_run

TIMING: Final = "timing.json"
_POLL_SECONDS = 0.2
_STOP_SECONDS = 20.0
"""Time a training has to save what it has learnt."""

ScoreCommand = Callable[[Path, str, bool], Sequence[str]]
"""(experiment, trial, locked) -> the command line that predicts and scores."""


@dataclass(frozen=True)
class Programs:
    """The command lines of the children; a test puts smaller ones here."""

    train: process.Command
    score: ScoreCommand


def score_command(folder: Path, name: str, locked: bool) -> list[str]:
    """The command line that predicts and scores the test cases of a trial."""
    command = [*children.PROGRAM, "experiment", str(folder), "--lifeline"]
    return [*command, "--score-locked" if locked else "--score", name]


PROGRAMS: Final = Programs(process.worker_command, score_command)


def compute_trial(
    folder: str | Path,
    name: str,
    *,
    retry: bool = False,
    experiment: Experiment | None = None,
    trials: dict[str, Trial] | None = None,
    programs: Programs | None = None,
) -> State:
    """Bring a trial to its end, from wherever it is; gives how it is afterwards.

    Args:
        folder: of the experiment.
        name: of the trial.
        retry: compute it again where it has failed.
        experiment: of the folder; read from there when None, as by a worker of a cluster.
        trials: of the experiment, if somebody has them already.
        programs: the children; None = our command line.

    Raises:
        ScribsegError: the folder is no experiment, or can't be written to.
    """
    programs = programs or PROGRAMS
    folder = Path(folder).absolute()  # the children work elsewhere
    if experiment is None or trials is None:
        stamp = (folder / EXPERIMENT).stat().st_mtime_ns if is_experiment(folder) else 0
        experiment, trials = _loaded(folder, stamp)
    trial = trials[name]
    state = state_of(folder, trial)
    if state == "finished" or (state == "failed" and not retry):
        return state
    if _stopping(folder):
        return state
    there = trial_folder(folder, name)
    refuse_links(there)
    if state in {"outdated", "failed"}:
        _remove(there)
    there.mkdir(parents=True, exist_ok=True)
    remove_leftovers(there)
    remove_abandoned(there)
    began = time.time()
    try:
        run = _prepared_run(folder, experiment, trial)
        end = _train(folder, run, programs)
        if end.outcome == "stopped":
            return "interrupted"
        if end.outcome in {"failed", "crashed"}:
            return _failed(folder, experiment, trial, end.message, end.step)
        trained = time.time()
        said = _score(folder, trial, locked=False, programs=programs)
        ended = result_of(folder, trial) is not None
    except ScribsegError as error:
        return _failed(folder, experiment, trial, str(error), 0)
    if not ended:
        stopped = _stopping(folder)
        return "interrupted" if stopped else _failed(folder, experiment, trial, said, end.step)
    _note_times(there, began, trained)
    return "finished"


@functools.cache
def code_sum() -> str:
    """A sum over the package's sources below the window and the command line.

    The version decides which trials are finished; this tells whether one version meant one code,
    which it doesn't where somebody develops methods.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in {"gui", "cli"} and name.parts[:2] != ("experiment", "report"):
            digest.update(name.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def score_locked(
    folder: Path, experiment: Experiment, trial: Trial, programs: Programs | None = None
) -> str | None:
    """Score the locked cases with a finished trial's run; gives what went wrong, if anything."""
    if locked_result_of(folder, experiment, trial) is not None:
        return None
    said = _score(folder, trial, locked=True, programs=programs or PROGRAMS)
    return None if locked_result_of(folder, experiment, trial) is not None else said


@functools.lru_cache(maxsize=2)
def _loaded(folder: Path, stamp: int) -> tuple[Experiment, dict[str, Trial]]:  # noqa: ARG001
    """The experiment of a folder and its trials; read once per change of the document.

    Raises:
        RunError: it was planned by another version, whose numbers may differ.
    """
    experiment = load_experiment(folder)
    if experiment.package_version != __version__:
        raise RunError(
            f"The experiment was planned by napari-scribseg {experiment.package_version}, and this "
            f"computer has {__version__}: install the same version everywhere."
        )
    return experiment, trials_of(experiment)


def _prepared_run(folder: Path, experiment: Experiment, trial: Trial) -> RunFolder:
    """The run of a trial: the one that is there, or a new one."""
    path = trial_folder(folder, trial.name) / "run"
    mark = path.parent / "sha256"
    if is_run(path) and mark.is_file() and mark.read_text(encoding="ascii") == trial.sha256:
        return RunFolder.open(path)
    _remove(path)
    run = RunFolder.create(
        path,
        method=trial.settings.method,
        options=trial.settings.options,
        training=trial.training,
        schema=experiment.labels,
        cases=tuple(
            RunCase(files=_files(folder, experiment, trial, case), role="train")
            for case in trial.train
        ),
        preset=trial.settings.preset,
        dataset=experiment.dataset_title,
        dataset_folder=Path(experiment.recipe.dataset),
    )
    write_text(mark, trial.sha256)
    return run


def _files(folder: Path, experiment: Experiment, trial: Trial, case: CaseFacts) -> CaseFiles:
    """The files of a training case, its scribbles thinned where the trial has a share of them."""
    files = case.files
    if trial.share == 1 or experiment.recipe.shares_of != "strokes" or files.scribbles is None:
        return files
    group = f"{share_text(trial.share)}-seed{trial.random_seed}"
    path = folder / "scribbles" / group / f"{files.id}.nii.gz"
    if not path.is_file():
        loaded = files.model_copy(update={"reference": None}).load(experiment.labels)
        rng = np.random.default_rng([trial.random_seed, zlib.crc32(files.id.encode())])
        assert loaded.scribbles is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(path, Volume(thinned(loaded.scribbles, trial.share, rng), loaded.grid))
    return files.model_copy(update={"scribbles": path, "convention": None})


def _train(folder: Path, run: RunFolder, programs: Programs) -> Finished:
    """Train a run to its end, or until everybody is asked to stop."""
    end = run.summary.end
    if end is not None and end.outcome == "completed":
        return end
    _wait_for_an_orphan(run)
    resume = run.checkpoint("last").exists()
    child = process.start(run, resume=resume, command=programs.train)
    try:
        while child.is_alive:
            if _stopping(folder):
                return child.stop(_STOP_SECONDS)
            time.sleep(_POLL_SECONDS)
        return child.wait()
    finally:
        if child.is_alive:
            child.stop()


def _wait_for_an_orphan(run: RunFolder) -> None:
    """A child whose starter was killed needs some seconds to notice and to save.

    Raises:
        RunError: it is still there afterwards, so somebody else trains this run.
    """
    until = time.monotonic() + SILENCE_SECONDS + 5
    while run.status == "running":
        if time.monotonic() > until:
            raise RunError(
                "Its run is being trained by another process. Stop that one, then repeat the trial."
            )
        time.sleep(_POLL_SECONDS)


def _score(folder: Path, trial: Trial, *, locked: bool, programs: Programs) -> str:
    """Predict and score in a child process; gives how that ended, in a sentence."""
    there = trial_folder(folder, trial.name)
    with open_own(there / "score.log", "wb") as log:
        child = children.start(
            programs.score(folder, trial.name, locked),
            output=log,
            threads=trial.training.threads,
        )
        _wait(child, folder)
    said = process.explain_exit(child.code, children.tail_of(there / "score.log"))
    return said.replace("training process", "process that scores")


def _wait(child: Child, folder: Path) -> None:
    try:
        while not child.ends_within(_POLL_SECONDS) and not _stopping(folder):
            pass
    finally:
        child.kill()
        child.ends_within(None)
        child.cut_line()


def _failed(folder: Path, experiment: Experiment, trial: Trial, reason: str, step: int) -> State:
    """Note that a trial has failed."""
    reason = without_paths(reason, paths_of([case.files for case in (*trial.train, *trial.test)]))
    for path in (Path(experiment.recipe.dataset), trial_folder(folder, trial.name), folder):
        reason = without_folder(reason, path)
    voxels, slices, share = _effort_of(trial)
    result = TrialResult(
        sha256=trial.sha256,
        outcome="failed",
        reason=reason,
        step=step,
        scribbled_voxels=voxels,
        scribbled_slices=slices,
        labelled_share=share,
    )
    save_document(trial_folder(folder, trial.name) / RESULT, result)
    return "failed"


def _effort_of(trial: Trial) -> tuple[int, int, float]:
    """What was drawn for a trial; of thinned strokes this is what there was before."""
    voxels = sum(sum(case.scribbled_voxels.values()) for case in trial.train)
    slices = sum(case.scribbled_slices for case in trial.train)
    return voxels, slices, voxels / max(sum(case.voxels for case in trial.train), 1)


def _note_times(there: Path, began: float, trained: float) -> None:
    document = {
        "train_seconds": round(trained - began, 3),
        "score_seconds": round(time.time() - trained, 3),
        "host": socket.gethostname(),
        "code_sha256": code_sum(),
    }
    write_text(there / TIMING, json.dumps(document))


def _stopping(folder: Path) -> bool:
    return (folder / STOP).exists()


def _remove(path: Path) -> None:
    """Remove what an earlier attempt has left in our own folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
