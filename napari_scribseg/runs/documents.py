"""The documents of a run folder: run.json and cases.json, budget.json and preview.json."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_scribseg import __version__
from napari_scribseg.core.config import Minutes, Positive, Steps, TrainConfig
from napari_scribseg.data.case import CaseFiles

BEGINNINGS: Final = {
    "random": "random weights",
    "anatomy": "weights that know synthetic anatomy",
}
"""What a training begins with that continues no other, by its setting `start`."""

STROKES: Final = "strokes"
"""As what is validated on: no case, but a share of the strokes of the training cases."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1


class RunRecord(_Document):
    """What was asked of a run, and what it was asked of: enough to repeat it."""

    package_version: str
    python: str
    platform: str
    method: str
    preset: str
    """The preset the settings started from."""
    options: dict[str, Any]
    """The method's own settings, all of them."""
    training: TrainConfig
    created: str
    """ISO 8601 with time zone."""
    dataset: str = ""
    """Title of the dataset or project."""
    dataset_folder: Path | None = None
    validate_on: str = "none"
    """Name of the split that validates; "auto" = held-out patients, "strokes" = held-out
    strokes of the training cases, "none" = nothing does."""
    checkpoint_choice: str = "last step"
    """What decides which weights become the best checkpoint."""
    continues: str = ""
    """Name of the run whose weights it starts from, see `RunFolder.start_weights`."""
    sequences: tuple[str, ...] = ()
    """That the network sees of every case, in its order; none = one that nobody named."""
    effort: str = ""
    """What drawing the strokes took, in a line that names nobody; "" = it is not known."""

    @classmethod
    def now(cls, *, options: dict[str, Any], **asked: Any) -> RunRecord:
        """The record of a run that is made now, by this version on this computer."""
        return cls(
            package_version=__version__,
            python=platform.python_version(),
            platform=platform.platform(),
            created=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
            options=json.loads(json.dumps(options)),  # tuples come back from disk as lists
            **asked,
        )

    @property
    def began_with(self) -> str:
        """The weights that its training began with, in words."""
        if self.continues:
            return f"the weights of {self.continues}"
        return BEGINNINGS[self.training.start]


class RunCase(BaseModel):
    """One case of a run and what it is used for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: CaseFiles
    role: Literal["train", "validate"]


def validation_words(
    cases: Iterable[RunCase], training: TrainConfig, validate: str, *, by_references: bool
) -> dict[str, str]:
    """What a run's record says of its validation: on what, and what that decides.

    Args:
        cases: of the run.
        training: its settings.
        validate: what was asked for.
        by_references: whether its method learns from references: then no stroke is held out.
    """
    if any(case.role == "validate" for case in cases):
        return {"validate_on": validate, "checkpoint_choice": "score on the validation cases"}
    if training.held_out_strokes and not by_references:
        return {"validate_on": STROKES, "checkpoint_choice": "agreement with held-out strokes"}
    return {"validate_on": "none", "checkpoint_choice": "last step"}


class RunCases(_Document):
    """The document cases.json."""

    cases: tuple[RunCase, ...]


class Budget(_Document):
    """The document budget.json: a budget that was asked for after the run was made."""

    steps: Steps
    minutes: Minutes | None


class PreviewRequest(_Document):
    """The document preview.json: which case somebody wants to see while the run is trained."""

    case: CaseFiles
    """With an absolute path; only its image is read."""
    every_seconds: Positive = 10.0
    """Least time between two previews; more where one takes long, see `training.preview`."""
    most: Annotated[int, Field(ge=2, le=1000)] = 24
    """How many are kept."""
