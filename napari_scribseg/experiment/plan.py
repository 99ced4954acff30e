"""Planning: a recipe applied to its data, with everything that is wrong before anything starts."""

from __future__ import annotations

import contextlib
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.names import few
from napari_scribseg.data.patients import named_patients, patients_sentence
from napari_scribseg.data.sequences import in_sequences, same_sequences, sequences_of
from napari_scribseg.experiment.case_facts import CaseFacts, Survey, survey
from napari_scribseg.experiment.experiment import (
    TIMING,
    Experiment,
    Trial,
    library_versions,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.recipe import (
    CrossValidation,
    DatasetSplit,
    ListedFolds,
    PublishedFolds,
    Recipe,
)
from napari_scribseg.experiment.settings import Cost, MethodSettings, ask_for_settings
from napari_scribseg.experiment.splits import (
    PUBLISHED,
    Fold,
    fold_faults,
    k_folds,
    listed_fold,
    published_absent,
    published_folds,
)
from napari_scribseg.io.documents import read_json
from napari_scribseg.project.folder import cases_in

_SPLIT_WORD: Final = "split:"
_SECONDS_PER_PIXEL: Final = 4e-6
"""Of a training step on one core, forwards and backwards: 2.0e-6 in bfloat16 and 5.6e-6 in float32
for `partial_ce` (docs/benchmarks.md); a first guess until a trial of the method has finished."""
_START_SECONDS: Final = 8.0
"""Two processes that load torch."""
_SECONDS_PER_VOXEL: Final = 4e-6
"""Of prediction and scoring, on one core."""
_COPIES: Final = 4
"""Of every weight in a checkpoint: itself, its average and two moments of the optimiser."""
_BYTES_PER_VOXEL: Final = 0.05
"""Of a packed segmentation."""


@dataclass(frozen=True)
class Estimate:
    """What trials will cost.

    Args:
        seconds: of all of them, one after the other.
        bytes: on the disk.
    """

    seconds: float
    bytes: int


@dataclass(frozen=True)
class Draft:
    """A planned experiment.

    Args:
        experiment: what would be done; None where not even that can be said.
        obstacles: why it can't be started, in sentences.
    """

    experiment: Experiment | None
    obstacles: tuple[str, ...]


def draft(
    recipe: Recipe,
    settings: Sequence[MethodSettings] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Draft:
    """Apply a recipe to its data: every case is read, every fault is told at once.

    Args:
        recipe: with the absolute path of the dataset.
        settings: of its methods, if somebody has them; else a child process is asked.
        progress: called with the number of cases read and of all cases.

    Raises:
        InvalidInput: the folder is no dataset, or a method, preset or setting does not exist.
        RunError: the settings could not be told.
    """
    dataset = _dataset_of(recipe)
    settings = tuple(settings or ask_for_settings(recipe))
    obstacles: list[str] = []
    try:
        chosen = _chosen(dataset, recipe)
    except InvalidInput as error:
        return Draft(None, (str(error),))
    found = survey(chosen, dataset.schema, dataset.folder, progress)
    obstacles += found.obstacles
    files = [case.files for case in found.cases]
    try:
        locked = _locked(files, recipe)
        folds = _folds([case for case in files if case.id not in locked], recipe)
    except InvalidInput as error:
        return Draft(None, (*obstacles, str(error)))
    if recipe.shares_of == "strokes" and min(recipe.shares) < 1 and not _any_drawn(found.cases):
        obstacles.append(
            "Shares of the strokes are asked for, and no case has strokes, so all shares would be "
            "the same: take shares of the patients."
        )
    known_by = dataset.patients_from
    ours = isinstance(recipe.split, CrossValidation)
    for fold in folds:
        obstacles += _faults(fold, found.cases, known_by, ours=ours)
        if locked and fold.train:
            sides = Fold(name=f"{fold.name} with the locked list", train=fold.train, test=locked)
            obstacles += fold_faults(sides, files, known_by=known_by)
    experiment = Experiment(
        libraries=library_versions(),
        recipe=recipe,
        dataset_title=dataset.title,
        labels=dataset.schema,
        settings=settings,
        cases=found.cases,
        folds=folds,
        locked=locked,
        left_out=found.left_out,
        patients=patients_sentence(files, known_by),
        notes=(*dataset.faults, *dataset.notes, *found.notes, *_notes(files, folds, found, recipe)),
    )
    return Draft(experiment, tuple(obstacles))


def estimate(
    folder: Path,
    experiment: Experiment,
    trials: Sequence[Trial],
    costs: Mapping[str, Cost] | None = None,
) -> Estimate:
    """What these trials will cost: by finished ones of each method, else by `costs`, else roughly.

    Args:
        folder: of the experiment, with finished trials or without.
        experiment: what they belong to.
        trials: those that are still to be computed.
        costs: of a training of each method, by label.
    """
    measured = _measured(folder, experiment)
    seconds, size = 0.0, 0
    voxels: dict[str, int] = {}
    for trial in trials:
        if trial.fold not in voxels:
            voxels[trial.fold] = sum(case.voxels for case in trial.test)
        cost = (costs or {}).get(trial.label)
        guess = _guess_seconds(trial, voxels[trial.fold], cost.seconds if cost else None)
        seconds += measured.get(trial.label, guess)
        size += _COPIES * 4 * trial.settings.parameters + int(_BYTES_PER_VOXEL * voxels[trial.fold])
    return Estimate(seconds, size)


def memory_mib(folder: Path, experiment: Experiment) -> float:
    """The most memory that a finished trial's processes have had; 0 where none has finished."""
    most = 0.0
    for trial in trials_of(experiment).values():
        path = trial_folder(folder, trial.name) / TIMING
        if path.is_file():
            with contextlib.suppress(InvalidInput, TypeError, ValueError):
                most = max(most, float(read_json(path).get("peak_memory_mib", 0)))
    return most


def disk_obstacle(folder: Path, needed: int) -> str | None:
    """Why the disk under a folder, which need not exist yet, is too small; None when it isn't."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free >= needed:
        return None
    return (
        f"The experiment needs about {needed / 1e9:.1f} GB, and the disk of {folder} has "
        f"{free / 1e9:.1f} GB left: free space or choose another place with --out."
    )


def _dataset_of(recipe: Recipe) -> Dataset:
    table = None if recipe.patient_table is None else Path(recipe.patient_table)
    dataset = named_patients(
        cases_in(Path(recipe.dataset), recipe.frame, recipe.strokes_of),
        pattern=recipe.patient_pattern,
        table=table,
    )
    dataset = dataset.read_in(recipe.convention, recipe.reference_convention)
    names = recipe.sequences or sequences_of(dataset)
    return in_sequences(dataset, names) if names else dataset


def _chosen(dataset: Dataset, recipe: Recipe) -> list[CaseFiles]:
    """The cases that take part."""
    cases = dataset.split(recipe.part)
    if not cases:
        raise InvalidInput(f"{dataset.title} has no cases in '{recipe.part}'.")
    if not recipe.patients:
        return list(same_sequences(cases, dataset.sequences))
    unknown = set(recipe.patients) - {case.patient for case in cases}
    if unknown:
        raise InvalidInput(
            f"{dataset.title} has no patient {few(unknown)} in '{recipe.part}': correct the list "
            "of patients."
        )
    chosen = [case for case in cases if case.patient in recipe.patients]
    return list(same_sequences(chosen, dataset.sequences))


def _locked(cases: Sequence[CaseFiles], recipe: Recipe) -> tuple[str, ...]:
    """Ids of the locked cases."""
    locked: set[str] = set()
    for word in recipe.locked:
        if word.startswith(_SPLIT_WORD):
            name = word.removeprefix(_SPLIT_WORD)
            found = {case.id for case in cases if case.split == name}
        elif word in PUBLISHED:
            found = {i for fold in published_folds(cases, word) for i in fold.test}
        else:
            found = {case.id for case in cases if case.patient == word}
        if not found:
            raise InvalidInput(
                f"The locked list names '{word}', which is no patient, published list "
                f"({', '.join(PUBLISHED)}) or split ({_SPLIT_WORD}NAME) of the cases."
            )
        locked |= found
    patients = {case.patient for case in cases if case.id in locked}
    return tuple(case.id for case in cases if case.patient in patients)


def _folds(cases: Sequence[CaseFiles], recipe: Recipe) -> tuple[Fold, ...]:
    match recipe.split:
        case CrossValidation(folds=k, random_seed=seed):
            return k_folds(cases, k, seed)
        case PublishedFolds(name=name):
            return published_folds(cases, name)
        case DatasetSplit(train=train, test=test):
            by_split = {
                name: tuple(case.id for case in cases if case.split == name)
                for name in (train, test)
            }
            missing = [name for name, ids in by_split.items() if not ids]
            if missing:
                raise InvalidInput(
                    f"The dataset has no case in the split '{missing[0]}' that takes part: choose "
                    "other splits or folds."
                )
            return (Fold(name=f"{train}_{test}", train=by_split[train], test=by_split[test]),)
        case ListedFolds(folds=listed):
            return tuple(listed_fold(cases, fold.name, fold.train, fold.test) for fold in listed)


def _faults(
    fold: Fold, cases: Sequence[CaseFacts], known_by: str = "", *, ours: bool = False
) -> list[str]:
    """Why a fold can't be used, in sentences."""
    files = [case.files for case in cases]
    faults = list(fold_faults(fold, files, known_by=known_by, ours=ours))
    of = {case.files.id: case for case in cases}
    if fold.test and not any(of[i].reference_voxels for i in fold.test):
        faults.append(f"{fold.name} has no test case with a reference, so nothing can be scored.")
    train = [of[i] for i in fold.train]
    if train and not _any_drawn(train) and not any(case.reference_voxels for case in train):
        faults.append(f"{fold.name} has no training case with scribbles: draw some strokes first.")
    return faults


def _any_drawn(cases: Sequence[CaseFacts]) -> bool:
    return any(any(case.scribbled_voxels.values()) for case in cases)


def _notes(
    cases: Sequence[CaseFiles], folds: Sequence[Fold], found: Survey, recipe: Recipe
) -> list[str]:
    notes: list[str] = []
    if isinstance(recipe.split, PublishedFolds):
        notes.append(f"Split '{recipe.split.name}': {PUBLISHED[recipe.split.name].note}")
        absent = published_absent(cases, recipe.split.name)
        if absent:
            notes.append(
                f"{absent} patient(s) of the split '{recipe.split.name}' are not among the cases, "
                "so the numbers are not those of the publication's patients."
            )
    of = {case.files.id: case for case in found.cases}
    for fold in folds:
        drawn = {name for i in fold.train for name, n in of[i].scribbled_voxels.items() if n}
        known = {name for case in found.cases for name, n in case.scribbled_voxels.items() if n}
        if known - drawn:
            notes.append(
                f"{fold.name}: no training case has a scribble of {few(known - drawn)}; methods "
                "that need every class will refuse it."
            )
    return notes


def _guess_seconds(trial: Trial, test_voxels: int, taught: float | None) -> float:
    training = trial.training
    pixels = training.batch_size * training.patch[0] * training.patch[1]
    if training.minutes is not None:
        taught = 60 * training.minutes
    elif taught is None:
        taught = training.steps * pixels * _SECONDS_PER_PIXEL
    return _START_SECONDS + taught + test_voxels * _SECONDS_PER_VOXEL


def _measured(folder: Path, experiment: Experiment) -> dict[str, float]:
    """Median seconds of the finished trials of every method that has some."""
    if not (folder / "cells").is_dir():
        return {}
    times: dict[str, list[float]] = {}
    for trial in trials_of(experiment).values():
        path = trial_folder(folder, trial.name) / TIMING
        if path.is_file():
            try:
                noted = read_json(path)
                seconds = float(noted["train_seconds"]) + float(noted["score_seconds"])
            except (InvalidInput, KeyError, TypeError, ValueError):
                continue
            times.setdefault(trial.label, []).append(seconds)
    return {label: statistics.median(seconds) for label, seconds in times.items()}
