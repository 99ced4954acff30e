"""What the child process of a trial does after training: segment the test cases and score them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.labels import without_unsure
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import load_without_bad_reference
from napari_scribseg.data.pseudonyms import without_paths
from napari_scribseg.evaluation.case_scores import ScoreTables
from napari_scribseg.evaluation.tables import csv_text
from napari_scribseg.experiment.attempts import is_of_the_place
from napari_scribseg.experiment.case_facts import CaseFacts, paths_of, without_folder
from napari_scribseg.experiment.experiment import (
    LOCKED_RESULT,
    RESULT,
    CaseFailure,
    Experiment,
    Trial,
    TrialResult,
    has_reference,
    locked_sum,
    trial_folder,
)
from napari_scribseg.experiment.lease import LEASE_VARIABLE, still_ours
from napari_scribseg.io import write_volume
from napari_scribseg.io.atomic import write_text
from napari_scribseg.io.documents import save_document
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.worker import sentence_of
from napari_scribseg.training.predict import Model, load_model, predict_case


def score_trial(
    folder: Path, experiment: Experiment, trial: Trial, *, locked: bool = False
) -> None:
    """Segment the test cases of a trained trial, score them, and say that the trial has ended.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        trial: with a trained run.
        locked: score the locked cases instead, beside the others.

    Raises:
        InvalidInput: there is no run, or a table can't be written.
        RunError: the run has no checkpoint, or it is damaged.
    """
    there = trial_folder(folder, trial.name)
    run = RunFolder.open(there / "run")
    model = load_model(run, run.record.training.device)
    of = {case.files.id: case for case in experiment.cases}
    cases = [of[i] for i in experiment.locked if has_reference(of[i])] if locked else trial.test
    tables = ScoreTables.of(case.files for case in experiment.cases)
    failures, unusable = _scored(run, model, cases, tables, Path(experiment.recipe.dataset))
    _check_lease()
    prefix = "locked_" if locked else ""
    for name in ("scores", "slices", "clinical"):
        write_text(there / f"{prefix}{name}.csv", csv_text(getattr(tables, name)))
    voxels, slices, share = _effort(run)
    result = TrialResult(
        sha256=locked_sum(experiment, trial) if locked else trial.sha256,
        outcome="finished",
        step=model.step,
        scribbled_voxels=voxels,
        scribbled_slices=slices,
        labelled_share=share,
        failures=tuple(failures),
        unusable=tuple(unusable),
    )
    _check_lease()
    # Last, because its presence is what makes the trial finished.
    save_document(there / (LOCKED_RESULT if locked else RESULT), result)


def _check_lease() -> None:
    """Refuse to write where somebody else is at work now."""
    if not still_ours(os.environ.get(LEASE_VARIABLE)):
        raise RunError("Somebody else has taken the trial over, so its result is theirs to write.")


def _scored(
    run: RunFolder, model: Model, cases: Sequence[CaseFacts], tables: ScoreTables, dataset: Path
) -> tuple[list[CaseFailure], list[CaseFailure]]:
    """Fills the tables; gives the cases without a usable segmentation, or a usable reference."""
    failures, unusable = list[CaseFailure](), list[CaseFailure]()
    for case in cases:
        try:
            problem = _segment_and_score(run, model, case, tables)
        except Exception as error:
            reason = sentence_of(error)
            if is_of_the_place(reason):
                raise RunError(reason) from error
            reason = without_paths(reason, paths_of([case.files]))
            reason = without_folder(reason, dataset)
            if not case.reference_problem:  # else it says nothing of any segmentation
                failures.append(CaseFailure(case=case.files.id, reason=reason))
                tables.add_failed(case.files, reason, run.schema)
                continue
            problem = case.reference_problem
        if problem:
            reason = without_folder(problem, dataset)
            unusable.append(CaseFailure(case=case.files.id, reason=reason))
            tables.add_unusable(case.files, reason, run.schema)
    return failures, unusable


def _segment_and_score(run: RunFolder, model: Model, facts: CaseFacts, tables: ScoreTables) -> str:
    """Segment and score a case; gives why its reference can't be used, if so."""
    files = facts.files.model_copy(update={"scribbles": None})
    case, problem = load_without_bad_reference(files, run.schema)
    problem = facts.reference_problem or problem
    if case.reference is None and not problem:
        raise InvalidInput(f"Case {case.id} has no reference any more.")
    segmentation = predict_case(
        model, case.image, probabilities=False, uncertainty=False
    ).segmentation
    if case.region is not None:  # as by `scribseg predict`
        segmentation[case.region.outside(case.image.shape)] = 0
    path = run.path / "predictions" / f"{case.id}.nii.gz"
    write_volume(path, Volume(segmentation, case.grid))
    if case.reference is not None and not problem:
        tables.add(facts.files, segmentation, case.reference, case.image.spacing, run.schema)
    return problem


def _effort(run: RunFolder) -> tuple[int, int, float]:
    """Voxels and slices drawn in a run's training cases, and the share of all their voxels."""
    voxels, slices, total = 0, 0, 0
    for files in run.files("train"):
        case = files.model_copy(update={"reference": None}).load(run.schema)
        total += case.image.array.size
        if case.scribbles is not None:
            drawn = without_unsure(case.scribbles)  # as in the survey, for trials that failed
            voxels += int(np.count_nonzero(drawn))
            slices += int(drawn.any(axis=(1, 2)).sum())
    return voxels, slices, voxels / max(total, 1)
