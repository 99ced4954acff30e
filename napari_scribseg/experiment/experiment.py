"""Experiment: a recipe applied to its data, and the trials that it consists of.

    recipe.json                  what was asked for; `scribseg experiment RECIPE` repeats it
    experiment.json              what it means here: settings, folds, cases, check sums, versions
    cells/<name>/run/            the training of one trial, an ordinary run folder
    cells/<name>/result.json     that the trial has ended, and how; written last
    cells/<name>/timing.json     when and on what it was computed
    cells/<name>/lease-*.json    who computes it, see `lease`
    cells/<name>/attempts.jsonl  which computers could not bring it to its end, see `attempts`
    cells/<name>/{scores,slices}.csv; with locked_ in front for the locked cases
    scribbles/<share>-seed<n>/   thinned scribbles, where shares of the strokes are compared;
                                 their names end with a check sum of what was thinned
    clients/<token>/             who has asked for trials and waits for them, see `clients`
    writing/ strict/             who writes plan or tables; what --strict has agreed on
    STOP                         asks everybody who works on the experiment to stop
    sessions.jsonl timing.csv    who worked on it, when and how long; the only files that two
                                 equal experiments differ in, with cells/
    *.csv table.tex              the results, see `results`
    report.html                  the same for the eye, see `report.html`

A trial is one method on one fold with one seed and one share of the annotation. What decides its
numbers is hashed; a finished trial with the same hash is never computed again. Nothing here needs
torch.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from napari_scribseg import __version__
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.experiment.case_facts import CaseFacts, LeftOut, Sha256
from napari_scribseg.experiment.recipe import Recipe, share_text
from napari_scribseg.experiment.settings import MethodSettings
from napari_scribseg.experiment.splits import Fold, kept_patients
from napari_scribseg.io.documents import load_document

RECIPE: Final = "recipe.json"
EXPERIMENT: Final = "experiment.json"
RESULT: Final = "result.json"
TIMING: Final = "timing.json"
"""When and on what a trial was computed."""
MARK: Final = "sha256"
"""Of which plan the run of a trial is."""
JOINED: Final = ", then "
"""Between the devices of a training that went on elsewhere."""
LOCKED_RESULT: Final = "locked_result.json"
"""That the locked cases were scored, as `RESULT` says it of the others."""
STOP: Final = "STOP"
REPORT: Final = "report.html"
"""What somebody reads; made from the result files and the predictions."""
LIBRARIES: Final = ("numpy", "scipy", "torch", "SimpleITK", "nibabel", "scikit-image")
"""Whose versions are noted."""

Outcome = Literal["finished", "failed"]
State = Literal["waiting", "interrupted", "outdated", "failed", "finished"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1


class Experiment(_Document):
    """The document experiment.json."""

    package_version: str = __version__
    python: str = platform.python_version()
    libraries: dict[str, str] = {}
    """Versions of what the numbers depend on, as far as it is installed where it was planned."""
    repeat: str = f"scribseg experiment {RECIPE} --out FOLDER"
    """The command that repeats it."""
    recipe: Recipe
    dataset_title: str
    labels: LabelSchema
    settings: tuple[MethodSettings, ...]
    cases: tuple[CaseFacts, ...]
    folds: tuple[Fold, ...]
    locked: tuple[str, ...] = ()
    """Ids of the cases that are scored at the very end only."""
    left_out: tuple[LeftOut, ...] = ()
    patients: str = ""
    """Whose the cases are and how that is known, in a sentence."""
    notes: tuple[str, ...] = ()


class CaseFailure(BaseModel):
    """A case without a usable segmentation, or without a usable reference, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: str
    reason: str


class TrialResult(_Document):
    """The document result.json of a trial."""

    sha256: Sha256
    outcome: Outcome
    reason: str = ""
    """Why it failed."""
    step: int = 0
    """The last training step."""
    scribbled_voxels: int = 0
    """What was drawn for it: in its training cases, background included."""
    scribbled_slices: int = 0
    labelled_share: float = 0.0
    """Share of the voxels of its training cases that are drawn on."""
    failures: tuple[CaseFailure, ...] = ()
    unusable: tuple[CaseFailure, ...] = ()
    """Cases whose reference can't be used; they are in no mean."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One method on one fold with one seed and one share of the annotation.

    Args:
        name: of its folder: label-fold-seed-share.
        settings: of the method; the training has the trial's seed.
        fold: name of the fold.
        random_seed: of the training, and of which share is taken.
        share: of the annotation, above 0 to 1.
        train: cases to learn from.
        test: cases to score, all with a reference, if not with a usable one.
        sha256: of everything that decides its numbers.
    """

    name: str
    settings: MethodSettings
    fold: str
    random_seed: int
    share: float
    train: tuple[CaseFacts, ...]
    test: tuple[CaseFacts, ...]
    sha256: str

    @property
    def label(self) -> str:
        """The method's name in the experiment."""
        return self.settings.label

    @property
    def budget(self) -> str:
        """Of its training, in words: "400 steps", "30 min"."""
        minutes = self.training.minutes
        return f"{minutes:g} min" if minutes is not None else f"{self.training.steps} steps"

    @property
    def training(self) -> TrainConfig:
        """The settings of the engine."""
        return self.settings.training.model_copy(update={"random_seed": self.random_seed})

    @property
    def pen_minutes(self) -> float | None:
        """Minutes with the pen behind the strokes it learns from; None = not known of all."""
        known = [case.pen_minutes for case in self.train if case.scribbles_sha256]
        if not known or None in known:
            return None
        return sum(minutes for minutes in known if minutes is not None)


def patients_and_cases(cases: Sequence[CaseFacts]) -> str:
    """How many, in words: "3 patients, 6 cases"."""
    return f"{len({case.files.patient for case in cases})} patients, {len(cases)} cases"


def library_versions() -> dict[str, str]:
    """Versions of the libraries that are installed, without importing them."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def is_experiment(folder: Path) -> bool:
    """Whether a folder holds an experiment."""
    return (folder / EXPERIMENT).is_file()


def load_experiment(folder: Path) -> Experiment:
    """The experiment in a folder.

    Raises:
        InvalidInput: there is none, or its document is damaged or newer.
    """
    if not is_experiment(folder):
        raise InvalidInput(
            f"{folder} is not an experiment: it has no {EXPERIMENT}. Give a folder that "
            "`scribseg experiment` made with --out."
        )
    return load_document(folder / EXPERIMENT, Experiment)


def trials_of(experiment: Experiment) -> dict[str, Trial]:
    """All trials by name: seed by seed, so that whole comparisons are finished early."""
    recipe = experiment.recipe
    sums = {case.files.id: _case_sum(case) for case in experiment.cases}
    of = {case.files.id: case for case in experiment.cases}
    methods = {
        settings.label: _settings_sum(settings, experiment) for settings in experiment.settings
    }
    trials: dict[str, Trial] = {}
    for random_seed in recipe.random_seeds:
        for fold in experiment.folds:
            test = tuple(of[i] for i in fold.test if has_reference(of[i]))
            for share in recipe.shares:
                train = _taught_by([of[i] for i in fold.train], share, random_seed, recipe)
                data = _sum([[sums[c.files.id] for c in train], [sums[c.files.id] for c in test]])
                for settings in experiment.settings:
                    parts = [methods[settings.label], data, random_seed, share, recipe.shares_of]
                    name = f"{settings.label}-{fold.name}-seed{random_seed}-{share_text(share)}"
                    trials[name] = Trial(
                        name, settings, fold.name, random_seed, share, train, test, _sum(parts)
                    )
    return trials


def has_reference(case: CaseFacts) -> bool:
    """Whether a case is to be scored: it has a reference, even if that can't be used."""
    return bool(case.reference_voxels or case.reference_problem)


def locked_sum(experiment: Experiment, trial: Trial) -> str:
    """The hash of everything that decides the scores of a trial on the locked cases."""
    of = {case.files.id: case for case in experiment.cases}
    return _sum([trial.sha256, *(_case_sum(of[i]) for i in experiment.locked)])


def trial_folder(folder: Path, name: str) -> Path:
    """Where a trial of the experiment in a folder is."""
    return folder / "cells" / name


def result_of(folder: Path, trial: Trial) -> TrialResult | None:
    """The result of a trial, if it has ended as it is planned now; None otherwise."""
    return _result(trial_folder(folder, trial.name) / RESULT, trial.sha256)


def locked_result_of(folder: Path, experiment: Experiment, trial: Trial) -> TrialResult | None:
    """The result of a trial on the locked cases, likewise."""
    return _result(trial_folder(folder, trial.name) / LOCKED_RESULT, locked_sum(experiment, trial))


def _result(path: Path, sha256: str) -> TrialResult | None:
    if not path.is_file():
        return None
    try:
        result = load_document(path, TrialResult)
    except InvalidInput:  # cut by a full disk: the trial is computed again
        return None
    return result if result.sha256 == sha256 else None


def state_of(folder: Path, trial: Trial) -> State:
    """How a trial is, by its folder; "interrupted" also while it is being computed."""
    result = result_of(folder, trial)
    if result is not None:
        return result.outcome
    there = trial_folder(folder, trial.name)
    if (there / RESULT).is_file():
        return "outdated"
    return "interrupted" if there.is_dir() else "waiting"


def _taught_by(
    cases: Sequence[CaseFacts], share: float, random_seed: int, recipe: Recipe
) -> tuple[CaseFacts, ...]:
    """The cases of a share: all of them where it is a share of the strokes."""
    if share == 1 or recipe.shares_of == "strokes":
        return tuple(cases)
    scribbled = {case.files.patient for case in cases if any(case.scribbled_voxels.values())}
    # Where nobody has drawn, references teach.
    annotated = scribbled or {case.files.patient for case in cases if case.reference_voxels}
    kept = kept_patients(annotated, share, random_seed)
    return tuple(case for case in cases if case.files.patient in kept)


def _case_sum(case: CaseFacts) -> str:
    """The hash of what a case teaches and is scored on.

    Not of whose it is: that decides the folds and how scores are put together, and the tables are
    made with what is known of it when they are written, see `trial_tables`.
    """
    convention, reference_convention = case.files.convention, case.files.reference_convention
    parts: list[object] = [
        case.files.id,
        case.files.frame,
        case.image_sha256,
        case.scribbles_sha256,
        case.reference_sha256,
        repr(convention) if convention is not None else None,
    ]
    parts += [repr(reference_convention)] if reference_convention else []
    parts += [f"region {case.files.region}"] if case.files.region else []
    further = zip(case.files.further, case.further_sha256, strict=True)
    return _sum([*parts, *([one.name, one.frame, sha256] for one, sha256 in further)])


def _settings_sum(settings: MethodSettings, experiment: Experiment) -> str:
    later = settings.training.later
    training = settings.training.model_dump(mode="json")
    decides = {k: value for k, value in training.items() if k not in later or value != later[k]}
    return _sum(
        [
            experiment.package_version,
            settings.method,
            settings.options,
            decides,
            experiment.labels.names,
        ]
    )


def _sum(parts: Sequence[object] | Mapping[str, object]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
