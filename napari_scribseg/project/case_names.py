"""What the window calls the cases of a project: p1/image and p2/image where two have one name.

The ids in a project tell nothing about whose a case is, and a project may be given away. Where an
image was that a project has copied is therefore remembered in the private folder of the user,
never in the project. No Qt, no napari.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.names import told_apart
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.io.volumes import extension_of
from napari_scribseg.project.document import ProjectCase

_MOST: Final = 5000
"""Places that are remembered; the oldest is forgotten first."""


class CasePlaces(BaseModel):
    """The document case_places.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    places: tuple[tuple[str, str, str], ...] = ()
    """Folder of a project, id of a case there, and the file or folder that its image was in."""


def document_path() -> Path:
    """Where the places are stored."""
    return platformdirs.user_state_path("napari-scribseg", appauthor=False) / "case_places.json"


def remember_place(project: Path, case_id: str, place: Path) -> None:
    """Remember where a copied image was, if that is a place on the disk (an absolute path).

    What can't be written is not worth a word.
    """
    if not place.is_absolute():
        return
    folder = os.path.realpath(project)
    path = document_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = [one for one in _load().places if one[:2] != (folder, case_id)]
        newest = (folder, case_id, os.path.realpath(place))
        save_document(path, CasePlaces(places=tuple([*kept, newest][-_MOST:])))
    except (InvalidInput, OSError):
        return


def places_of(project: Path) -> dict[str, Path]:
    """Where the copied images of a project were, by the id of the case, as far as it is known."""
    folder = os.path.realpath(project)
    return {case_id: Path(place) for known, case_id, place in _load().places if known == folder}


def shown_names(cases: Sequence[ProjectCase], places: Mapping[str, Path]) -> dict[str, str]:
    """What to call each case on the screen, by id; no two have the same name.

    Args:
        cases: of one project.
        places: where copied images were; see `places_of`.

    Returns:
        The id as a rule. Where it was made of the name of a file that other cases have, too, the
        name of the file with as many of its folders as tell it from them.
    """
    names, where = [case.id for case in cases], [Path(case.id) for case in cases]
    for index, case in enumerate(cases):
        place = Path(case.image) if Path(case.image).is_absolute() else places.get(case.id)
        wanted = None if place is None else file_case_id(place, case.frame)
        if place is not None and wanted is not None and _is_made_of(case.id, wanted):
            names[index], where[index] = wanted, place
    told = told_apart(names, where)
    known = [name.casefold() for name in told]
    return {
        case.id: name if known.count(name.casefold()) == 1 else case.id
        for case, name in zip(cases, told, strict=True)
    }


def file_case_id(path: Path, frame: int | None = None) -> str:
    """The id that a file, or one frame (counted from 0) of it, gets as a case if it is free."""
    name = safe_id(path.name.removesuffix(extension_of(path) or ""), series=path.is_dir())
    return name if frame is None else f"{name[:54]}_frame{frame + 1:02d}"


def _is_made_of(case_id: str, wanted: str) -> bool:
    """Whether an id is the wanted one, or that with a number behind since somebody had it."""
    return case_id == wanted or bool(re.fullmatch(re.escape(wanted[:60]) + r"-\d+", case_id))


def _load() -> CasePlaces:
    try:
        return load_document(document_path(), CasePlaces)
    except InvalidInput:
        return CasePlaces()
