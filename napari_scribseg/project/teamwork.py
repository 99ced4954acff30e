"""Teamwork on a case: who has drawn what, who may see whose strokes, what is made of them.

Where everybody draws apart, nobody sees the strokes of others on a case before being done with it:
what one has seen one can't forget, and agreement would say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.project.annotator import CONSENSUS, UNKNOWN_AUTHOR
from napari_scribseg.project.effort import Effort, effort_of, effort_sentence, pen_minutes
from napari_scribseg.project.folder import Project
from napari_scribseg.project.open_document import is_project
from napari_scribseg.project.strokes_ledger import Stroke
from napari_scribseg.project.versions import (
    Made,
    Version,
    known_version,
    strokes_of_case,
    team_of,
    version_named,
    versions_of,
)


@dataclass(frozen=True)
class CaseTeam:
    """What is to be shown of the people who work on a case.

    Args:
        case: its id.
        own: the name of the user.
        apart: whether everybody draws strokes of their own.
        own_done: whether the user is done with the case.
        versions: whose strokes there are.
        effort: who has drawn how much, also into strokes that all share.
    """

    case: str
    own: str
    apart: bool
    own_done: bool
    versions: tuple[Version, ...]
    effort: tuple[Effort, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Whose strokes there are."""
        return tuple(version.name for version in self.versions)

    def hidden(self, name: str) -> bool:
        """Whether the user may not see the strokes of somebody yet."""
        return self.apart and not self.own_done and name != self.own


def case_team(project: Project, case_id: str, own: str) -> CaseTeam:
    """Who has drawn what in a case.

    Args:
        project: an open one.
        case_id: one of its cases.
        own: the name of the user.

    Raises:
        InvalidInput: no such case, or a document is damaged.
    """
    project.case(case_id)
    team = project.team
    return CaseTeam(
        case=case_id,
        own=own,
        apart=team.apart,
        own_done=own in team.done.get(case_id, ()),
        versions=versions_of(project.folder, case_id),
        effort=effort_of(case_id, strokes_of_case(project.folder, case_id, team)),
    )


def check_may_see(project: Project, case_id: str, own: str, name: str) -> None:
    """Raises InvalidInput where the strokes of somebody are still hidden from the user."""
    team = project.team
    if team.apart and name != own and own not in team.done.get(case_id, ()):
        raise InvalidInput(
            f"The strokes of '{name}' on case {case_id} are hidden until {own} is done with it: "
            "in this project everybody draws apart. Say that you are done first."
        )


def hides_others(project: Path, case_id: str, own: str) -> bool:
    """Whether somebody else has drawn on a case, and the user may not see it yet.

    What was learnt from those strokes would give them away, too.

    Args:
        project: its folder.
        case_id: of the case.
        own: the name of the user.

    Raises:
        InvalidInput: a document is damaged.
    """
    team = team_of(project)
    if not team.apart or own in team.done.get(case_id, ()):
        return False
    return any(version.name != own for version in versions_of(project, case_id))


def set_done(project: Project, case_id: str, name: str, *, done: bool) -> None:
    """Note that somebody is, or is not, done with the strokes of a case.

    Raises:
        InvalidInput: no such case, or the project can't be changed.
    """
    project.case(case_id)
    team = project.team
    others = [one for one in team.done.get(case_id, ()) if one != name]
    names = (*others, name) if done else tuple(others)
    project.save_team(team.model_copy(update={"done": {**team.done, case_id: names}}))


def strokes(project: Project, case_id: str, name: str) -> Array:
    """The saved strokes of somebody as (z, y, x) uint8 on the grid of the image.

    Raises:
        InvalidInput: there are none, or they can't be read or lie elsewhere.
    """
    entry = project.case(case_id)
    version = known_version(project.folder, case_id, name)
    where = f"The strokes of '{name}' on case {case_id}"
    array, _ = put_on_grid(io.read_labels(version.path), entry.grid, where)
    project.schema_of(case_id).check_scribbles(array, where)
    return array.astype(np.uint8)


def segmentation_strokes(project: Project, case_id: str, path: Path) -> Array:
    """A segmentation of a case as scribbles that are drawn everywhere, to compare it with others.

    Args:
        project: an open one.
        case_id: one of its cases.
        path: a file of class indices on the grid of the image.

    Raises:
        InvalidInput: it can't be read, lies elsewhere, or has other values.
    """
    entry, schema = project.case(case_id), project.schema_of(case_id)
    where = f"The segmentation {path.name}"
    array, _ = put_on_grid(io.read_labels(path), entry.grid, where)
    schema.check_segmentation(array, where)
    return schema.to_scribbles(array)


def save_consensus(project: Project, case_id: str, scribbles: Array, made: Made) -> None:
    """Keep what was made of the strokes of several people as a version called "consensus".

    One that was there before is kept in a file beside it.

    Raises:
        InvalidInput: the project can't be changed, or shape or values don't fit.
    """
    if version_named(project.folder, case_id, CONSENSUS).path.is_file():
        project.copy_scribbles_aside(case_id, CONSENSUS)
    project.save_scribbles(case_id, scribbles, annotator=CONSENSUS, made=made)


class Place(NamedTuple):
    """Strokes in a project: its folder, id of the case, whose they are (see `Version.of`)."""

    project: Path
    case: str
    of: str


def place_in_project(path: Path) -> Place | None:
    """Where in a project a file of scribbles lies; None = in none.

    Raises:
        InvalidInput: a document is damaged.
    """
    path = path.resolve()
    case = path.parent.parents[1] if path.parent.parent.name == "annotators" else path.parent
    project = case.parent.parent
    if case.parent.name != "cases" or not is_project(project):
        return None
    found = [one for one in versions_of(project, case.name) if one.path == path]
    return Place(project, case.name, found[0].of) if found else None


def effort_text(
    places: Iterable[Place], unsaved: Mapping[Place, Sequence[Stroke]] | None = None
) -> str:
    """The effort behind the strokes that a training learns from, in a line; "" = not known.

    Args:
        places: the strokes.
        unsaved: those of them that are not in the ledger yet.

    Raises:
        InvalidInput: a ledger can't be read.
    """
    by_place: dict[str, list[Stroke]] = {}
    for place in places:
        fresh = (unsaved or {}).get(place, ())
        by_place[str(place)] = list(dict.fromkeys([*_strokes_behind(place), *fresh]))
    return effort_sentence(by_place)


def effort_of_files(scribbles: Iterable[Path | None]) -> str:
    """The same of files of scribbles, as far as they lie in a project.

    Args:
        scribbles: of the cases that are learnt from.

    Raises:
        InvalidInput: a document or ledger can't be read.
    """
    places = [place_in_project(path) for path in scribbles if path is not None]
    return effort_text(place for place in places if place is not None)


def minutes_behind(scribbles: Path) -> float | None:
    """Minutes with the pen behind a file of scribbles; None where they are not known.

    Args:
        scribbles: a file; only those of a project are known.

    Raises:
        InvalidInput: a document or ledger can't be read.
    """
    place = place_in_project(scribbles)
    strokes = () if place is None else _strokes_behind(place)
    if not strokes or any(stroke.by == UNKNOWN_AUTHOR for stroke in strokes):
        return None
    people = {stroke.by for stroke in strokes}
    return sum(pen_minutes(one for one in strokes if one.by == who) for who in people)


def _strokes_behind(place: Place) -> tuple[Stroke, ...]:
    """What a version of a case's strokes consists of."""
    people = _people(*place)
    known = strokes_of_case(place.project, place.case)
    return tuple(stroke for stroke in known if stroke.of in people)


def _people(project: Path, case_id: str, of: str) -> set[str]:
    """Whose strokes are in a version: of a consensus, those that it is made of."""
    version = next((one for one in versions_of(project, case_id) if one.of == of), None)
    if version is None or version.made is None:
        return {of}
    return {version_named(project, case_id, name).of for name in version.made.of}
