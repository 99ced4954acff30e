"""What somebody has chosen for drawing, kept from one sitting to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.documents import load_document, save_document


class DrawingHabits(BaseModel):
    """The document drawing.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    automatic_mask: bool = True
    levels: dict[str, str] = {}
    """The preset of grey levels that was chosen last, by modality."""


def document_path() -> Path:
    """Where it is stored."""
    return platformdirs.user_state_path("napari-scribseg", appauthor=False) / "drawing.json"


def load_habits() -> DrawingHabits:
    """What was chosen last; the defaults where there is nothing or it is damaged."""
    try:
        return load_document(document_path(), DrawingHabits)
    except InvalidInput:
        return DrawingHabits()


def keep_habits(habits: DrawingHabits) -> None:
    """Keep it; what can't be written is not worth a word."""
    path = document_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        save_document(path, habits)
    except (InvalidInput, OSError):
        return
