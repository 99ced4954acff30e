"""The documents of a run folder, written once: run.json and cases.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from napari_scribseg.cases import CaseFiles
from napari_scribseg.config import TrainConfig


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
    """Name of the split that validates; "auto" = held-out patients, "none" = no case does."""
    checkpoint_choice: str = "last step"
    """What decides which weights become the best checkpoint."""


class RunCase(BaseModel):
    """One case of a run and what it is used for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: CaseFiles
    role: Literal["train", "validate"]


class RunCases(_Document):
    """The document cases.json."""

    cases: tuple[RunCase, ...]
