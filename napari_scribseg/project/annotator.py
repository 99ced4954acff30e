"""Who draws: the name that a user of this computer gave, kept for all projects.

Nobody has to give one: until then it is the name of the login.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Final, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.io.lock import this_user

UNKNOWN_AUTHOR: Final = "unknown"
"""Who drew what was there before anybody took note of it."""
TOGETHER: Final = "together"
"""Strokes that several people drew in one file."""
CONSENSUS: Final = "consensus"
"""Strokes that nobody drew: they are made of those of several people."""
_RESERVED: Final = {UNKNOWN_AUTHOR, TOGETHER, CONSENSUS}
LONGEST_NAME: Final = 60


class _Annotator(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    name: str


def checked_name(name: str) -> str:
    """The name of an annotator as it is stored: one line, no spaces around it.

    Raises:
        InvalidInput: it is empty, too long, or stands for something else.
    """
    kept = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", name))
    plain = " ".join(kept.split())
    if not plain:
        raise InvalidInput("The name of an annotator is empty: give a name or initials.")
    if len(plain) > LONGEST_NAME:
        raise InvalidInput(
            f"The name of an annotator has {len(plain)} letters, expected at most {LONGEST_NAME}: "
            "give a shorter one."
        )
    if plain.casefold() in _RESERVED:
        raise InvalidInput(
            f"'{plain}' can't be the name of an annotator: it stands for strokes of nobody in "
            "particular. Give another name."
        )
    return plain


def setting_path() -> Path:
    """Where the name is stored."""
    return platformdirs.user_config_path("napari-scribseg", appauthor=False) / "annotator.json"


def given_name() -> str | None:
    """The name that the user gave; None = nobody asked yet, or the setting is damaged."""
    try:
        return checked_name(load_document(setting_path(), _Annotator).name)
    except InvalidInput:
        return None


def annotator_name() -> str:
    """Who draws on this computer: the name that was given, else that of the login."""
    given = given_name()
    if given is not None:
        return given
    try:
        return checked_name(this_user()[:LONGEST_NAME])
    except InvalidInput:  # a login may have no name, as in some containers
        return "annotator"


def set_annotator(name: str) -> str:
    """Keep a name for all projects of this user; gives it as it is stored.

    Raises:
        InvalidInput: it can't be a name, or the setting can't be written.
    """
    plain = checked_name(name)
    path = setting_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{path.parent} can't be made: {error.strerror}.") from error
    save_document(path, _Annotator(name=plain))
    return plain
