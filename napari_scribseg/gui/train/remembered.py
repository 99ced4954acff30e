"""The settings of the last training, and how long steps took, kept for the next session. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.gui.train.budget import Speed
from napari_scribseg.gui.values import Choice
from napari_scribseg.io.documents import load_document, save_document

_MOST: Final = 40
"""Speeds that are kept, the latest."""


class _Speed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds_per_step: float
    memory_mib: float | None = None


class LastTraining(BaseModel):
    """The document last_training.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    method: str = ""
    preset: str = "quick"
    options: dict[str, Any] = {}
    training: TrainConfig | None = None
    all_cases: bool = False
    speeds: dict[str, _Speed] = {}

    @property
    def choice(self) -> Choice | None:
        """The settings that were trained with last, if any were."""
        if not self.method or self.training is None:
            return None
        return Choice(self.method, self.preset, self.options, self.training, self.all_cases)

    def known_speeds(self) -> dict[str, Speed]:
        """What steps took, by what they were measured with."""
        return {n: Speed(s.seconds_per_step, s.memory_mib) for n, s in self.speeds.items()}


def document_path() -> Path:
    """Where it is stored."""
    return platformdirs.user_state_path("napari-scribseg", appauthor=False) / "last_training.json"


def last_training() -> LastTraining:
    """What was remembered; nothing when there is no document or it is damaged or newer."""
    try:
        return load_document(document_path(), LastTraining)
    except InvalidInput:
        return LastTraining()


def remember(choice: Choice | None, speeds: Mapping[str, Speed]) -> None:
    """Keep settings and speeds; what can't be written is not worth a word."""
    path, before = document_path(), last_training()
    latest = list(speeds.items())[-_MOST:]
    document = before.model_copy(
        update={
            "speeds": {n: _Speed(**vars(speed)) for n, speed in latest},
            **({} if choice is None else _settings(choice)),
        }
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        save_document(path, document)
    except (InvalidInput, OSError):
        return


def _settings(choice: Choice) -> dict[str, Any]:
    return {
        "method": choice.method,
        "preset": choice.preset,
        "options": dict(choice.options),
        "training": choice.training,
        "all_cases": choice.all_cases,
    }
