"""The user's own presets: settings under a name, kept for all projects. No Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.documents import load_document, save_document


class OwnPreset(BaseModel):
    """Settings of one method under a name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    name: str
    options: dict[str, Any]
    training: TrainConfig


class _OwnPresets(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    presets: tuple[OwnPreset, ...] = ()


def presets_path() -> Path:
    """Where they are stored."""
    return platformdirs.user_config_path("napari-scribseg", appauthor=False) / "presets.json"


def own_presets(method: str) -> tuple[OwnPreset, ...]:
    """The user's presets of a method; none when the document is damaged."""
    return tuple(preset for preset in _load().presets if preset.method == method)


def keep_preset(preset: OwnPreset) -> None:
    """Store a preset; one of the same method and name is replaced.

    Raises:
        InvalidInput: the document can't be written.
    """
    others = [p for p in _load().presets if (p.method, p.name) != (preset.method, preset.name)]
    path = presets_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{path.parent} can't be made: {error.strerror}.") from error
    save_document(path, _OwnPresets(presets=(*others, preset)))


def forget_preset(method: str, name: str) -> None:
    """Remove a preset.

    Raises:
        InvalidInput: the document can't be written.
    """
    others = tuple(p for p in _load().presets if (p.method, p.name) != (method, name))
    save_document(presets_path(), _OwnPresets(presets=others))


def _load() -> _OwnPresets:
    try:
        return load_document(presets_path(), _OwnPresets)
    except InvalidInput:
        return _OwnPresets()
