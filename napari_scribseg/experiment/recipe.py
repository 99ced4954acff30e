"""Recipe: what an experiment compares, on which data and how; the file that repeats it.

`scribseg experiment RECIPE` reads it; the command line's options and napari's window make one.
It holds no results and nothing of the machine but the path of the dataset, which may be relative
to the recipe.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from napari_scribseg.core.config import DEVICE, Minutes, PositiveInt, Threads
from napari_scribseg.io.documents import load_document

Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._]{0,39}$")]
"""Names a method in tables and folders; without "-", which separates it from the fold."""
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Share = Annotated[float, Field(gt=0, le=1)]
MOST_TRIALS: Final = 100_000
"""Of one experiment: methods x folds x seeds x shares."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MethodChoice(_Part):
    """A method with its settings, as one row of the comparison."""

    label: Label
    """Its name in this experiment; two rows may train one method with different settings."""
    method: str
    preset: str = "quick"
    settings: dict[str, Any] = {}
    """Changes of the preset: settings of the method or of the training."""


class CrossValidation(_Part):
    """Folds by patient; every patient is tested once."""

    kind: Literal["cross-validation"] = "cross-validation"
    folds: Annotated[int, Field(ge=2, le=1000)] = 5
    random_seed: Seed = 0


class PublishedFolds(_Part):
    """The folds of a publication, see `splits.PUBLISHED`."""

    kind: Literal["published"] = "published"
    name: str


class DatasetSplit(_Part):
    """The splits that the dataset itself names."""

    kind: Literal["dataset"] = "dataset"
    train: str = "train"
    test: str = "val"


class ListedFold(_Part):
    """Patients, or ids of cases, that somebody listed."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._]{0,39}$")]
    train: tuple[str, ...]
    test: tuple[str, ...]


class ListedFolds(_Part):
    """Folds that somebody listed."""

    kind: Literal["listed"] = "listed"
    folds: Annotated[tuple[ListedFold, ...], Field(min_length=1, max_length=1000)]


Split = Annotated[
    CrossValidation | PublishedFolds | DatasetSplit | ListedFolds, Field(discriminator="kind")
]


class Recipe(_Part):
    """All that is asked of an experiment; methods x folds x seeds x shares are its trials."""

    version: Literal[1] = 1
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    dataset: Annotated[str, StringConstraints(min_length=1)]
    """Folder of the dataset; absolute, or relative to the recipe."""
    convention: str | None = None
    """How the scribble files are written, if not as the folder's layout says."""
    reference_convention: str | None = None
    """How the references are written, likewise."""
    frame: Annotated[int, Field(ge=0)] | None = None
    """Frame to take from files that are a time series."""
    strokes_of: Name | None = None
    """Whose strokes of a project are learnt from: those of an annotator, or "consensus"; None = as
    `scribseg train` takes them."""
    sequences: tuple[Name, ...] = ()
    """What the networks see of every case, by name; empty = all that the dataset names."""
    part: str = "all"
    """Split of the dataset that takes part in the experiment."""
    patient_pattern: Annotated[str, StringConstraints(max_length=500)] | None = None
    """Regular expression that finds the patient in the id of every case; None = as the dataset has
    it."""
    patient_table: Annotated[str, StringConstraints(min_length=1)] | None = None
    """Or a table with the columns case and patient; absolute, or relative to the recipe."""
    patients: tuple[Name, ...] = ()
    """Patients that take part; empty = all of the part."""
    methods: Annotated[tuple[MethodChoice, ...], Field(min_length=1, max_length=1000)]
    split: Split = CrossValidation()
    random_seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)] = (0,)
    """Every trial is trained once with each."""
    steps: PositiveInt | None = None
    """Budget of every run; None leaves it to presets and settings, or to `minutes`."""
    minutes: Minutes | None = None
    clock: Literal["wall", "cpu"] = "wall"
    """What the minutes count; processor time is fair where trials share the machine."""
    shares: Annotated[tuple[Share, ...], Field(min_length=1, max_length=1000)] = (1.0,)
    """Shares of the annotation to learn from, for learning curves."""
    shares_of: Literal["patients", "strokes"] = "patients"
    """What a share is taken of: scribbled patients (where nobody has drawn, those with a
    reference), or the strokes of every patient."""
    locked: tuple[Name, ...] = ()
    """Patients kept for the end: neither trained on nor scored until all trials are finished.
    "maag" = the test patients of that published split, "split:NAME" = those of a dataset's split.
    """
    device: Annotated[str, StringConstraints(pattern=DEVICE)] = "auto"
    threads: Threads = 1
    """CPU threads of every run; part of the recipe, because sums depend on it in the last digits.
    """

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for what, words in (
            ("method labels", [choice.label.casefold() for choice in self.methods]),
            ("random seeds", list(map(str, self.random_seeds))),
            ("shares", [share_text(share) for share in self.shares]),
            ("folds", _fold_names(self.split)),
        ):
            twice = sorted({word for word in words if words.count(word) > 1})
            if twice:
                raise ValueError(f"the {what} must differ, got {', '.join(twice)} twice")
        if self.patient_pattern is not None and self.patient_table is not None:
            raise ValueError("give a patient pattern or a patient table, not both")
        if self.steps is not None and self.minutes is not None:
            raise ValueError("give steps or minutes as the budget, not both")
        folds = _n_folds(self.split)
        parts = (len(self.methods), folds, len(self.random_seeds), len(self.shares))
        if math.prod(parts) > MOST_TRIALS:
            raise ValueError(
                f"{parts[0]} method(s) x {folds} fold(s) x {parts[2]} seed(s) x {parts[3]} "
                f"share(s) are {math.prod(parts)} trials, more than the {MOST_TRIALS} that an "
                "experiment can have: choose fewer of one of them"
            )
        return self

    def differences(self, other: Recipe) -> tuple[str, ...]:
        """Names of the fields that differ."""
        ours, theirs = self.model_dump(), other.model_dump()
        return tuple(name for name in ours if ours[name] != theirs[name])


def share_text(share: float) -> str:
    """A share as whole or broken percent, as folders and tables call it: "25", "12.5"."""
    return f"{100 * share:.6g}"


def load_recipe(path: Path) -> Recipe:
    """The recipe in a file, with the absolute path of its dataset.

    Raises:
        InvalidInput: the file can't be read, or something in it is unknown, missing or wrong.
    """
    recipe = load_document(path, Recipe)
    there = path.absolute().parent
    changes = {"dataset": str((there / recipe.dataset).resolve())}
    if recipe.patient_table is not None:
        changes["patient_table"] = str((there / recipe.patient_table).resolve())
    return recipe.model_copy(update=changes)


def _n_folds(split: Split) -> int:
    """Folds of a split, as far as the recipe alone tells; the published ones are few."""
    if isinstance(split, CrossValidation):
        return split.folds
    return len(split.folds) if isinstance(split, ListedFolds) else 1


def _fold_names(split: Split) -> list[str]:
    return [f.name.casefold() for f in split.folds] if isinstance(split, ListedFolds) else []
