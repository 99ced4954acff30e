"""Versions: the strokes of a case by who drew them, in files of their own.

    team.json                                      whether everybody draws apart, who is done
    cases/<id>/scribbles.nii.gz                    the strokes that all share, as ever
    cases/<id>/strokes.jsonl                       who drew when, see `strokes_ledger`
    cases/<id>/annotators/<key>/scribbles.nii.gz   the strokes of one annotator, or the consensus
    cases/<id>/annotators/<key>/version.json       whose they are, whether they are done, how made

The shared file is the version of whoever has drawn all of it, so a project of one person needs no
other file. Programs that know nothing of versions read the shared file as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.names import slug
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.project import strokes_ledger
from napari_scribseg.project.annotator import CONSENSUS, TOGETHER, UNKNOWN_AUTHOR
from napari_scribseg.project.strokes_ledger import LEDGER, Stroke

SCRIBBLES: Final = "scribbles.nii.gz"
_FOLDER: Final = "annotators"
_TEAM: Final = "team.json"
Name = Annotated[str, StringConstraints(max_length=100)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1


class Team(_Document):
    """The document team.json: how the people of a project work together."""

    apart: bool = False
    """Whether everybody draws strokes of their own and sees those of others only when done."""
    unknown_is: Name = ""
    """Who drew what was there before anybody took note; "" = it is not known."""
    done: dict[str, tuple[Name, ...]] = {}
    """Who is done with a case, by its id."""


class Made(BaseModel):
    """How strokes came about that nobody drew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    how: str
    """"majority" or "STAPLE"."""
    of: tuple[str, ...]
    """The annotators, or names of files of segmentations."""
    at: str
    """ISO 8601."""
    by: str = ""
    """Who asked for it."""
    library: str = ""
    """What computed it, with its version."""
    voxels: dict[str, int] = {}
    """How many were drawn by several, decided, left open."""


class VersionDocument(_Document):
    """The document version.json."""

    name: Name
    made: Made | None = None


@dataclass(frozen=True)
class Version:
    """The strokes of one annotator of one case.

    Args:
        name: of the annotator; "unknown", "together" or "consensus" for those of nobody alone.
        path: the file; need not exist.
        of: how the ledger calls it: "" for the shared file, else the name.
        done: whether the annotator is done with the case.
        made: how it came about, where nobody drew it.
    """

    name: str
    path: Path
    of: str
    done: bool = False
    made: Made | None = None

    @property
    def is_shared(self) -> bool:
        """Whether it is the file that was there before there were versions."""
        return not self.of


def team_of(project: Path) -> Team:
    """How the people of a project work together; as ever where nobody said anything.

    Raises:
        InvalidInput: the document is damaged or of a newer version.
    """
    path = project / _TEAM
    return load_document(path, Team) if path.is_file() else Team()


def save_team(project: Path, team: Team) -> None:
    """Note how the people of a project work together.

    Raises:
        InvalidInput: it can't be written.
    """
    save_document(project / _TEAM, team)


def strokes_of_case(project: Path, case_id: str, team: Team | None = None) -> tuple[Stroke, ...]:
    """The ledger of a case; those of unknown authors have the name that was given to them.

    Raises:
        InvalidInput: it can't be read.
    """
    strokes = strokes_ledger.read(project / "cases" / case_id / LEDGER)
    name = (team or team_of(project)).unknown_is
    if not name:
        return strokes
    return tuple(
        one.model_copy(update={"by": name}) if one.by == UNKNOWN_AUTHOR else one for one in strokes
    )


def versions_of(project: Path, case_id: str) -> tuple[Version, ...]:
    """The versions of a case that have a file: the shared one first, the consensus last.

    Raises:
        InvalidInput: a document is damaged.
    """
    team = team_of(project)
    folder = project / "cases" / case_id
    done = team.done.get(case_id, ())
    found: list[Version] = []
    if (folder / SCRIBBLES).is_file():
        name = _owner(project, case_id, team)
        found.append(Version(name, folder / SCRIBBLES, "", name in done))
    for path in sorted(folder.glob(f"{_FOLDER}/*/{SCRIBBLES}")):
        document = load_document(path.with_name("version.json"), VersionDocument)
        name = document.name
        found.append(Version(name, path, name, name in done, document.made))
    return tuple(sorted(found, key=lambda one: (one.name == CONSENSUS, one.of != "", one.name)))


def version_named(project: Path, case_id: str, name: str) -> Version:
    """The version of somebody; its file need not exist yet.

    Raises:
        InvalidInput: a document is damaged.
    """
    for version in versions_of(project, case_id):
        if version.name == name:
            return version
    done = name in team_of(project).done.get(case_id, ())
    return Version(name, place_of(project, case_id, name), name, done)


def known_version(project: Path, case_id: str, name: str) -> Version:
    """The version of somebody that is there.

    Raises:
        InvalidInput: there is none; says which there are.
    """
    version = version_named(project, case_id, name)
    if not version.path.is_file():
        names = ", ".join(one.name for one in versions_of(project, case_id)) or "none yet"
        raise InvalidInput(
            f"Case {case_id} has no strokes of '{name}'; there are strokes of: {names}."
        )
    return version


def place_of(project: Path, case_id: str, name: str) -> Path:
    """Where the strokes of somebody lie who does not own the shared file."""
    return project / "cases" / case_id / _FOLDER / _key(name) / SCRIBBLES


def describe(path: Path, name: str, made: Made | None = None) -> None:
    """Note whose a version is, before its strokes are written.

    Raises:
        InvalidInput: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{path.parent} can't be made: {error.strerror}.") from error
    document = VersionDocument(name=name, made=made)
    target = path.with_name("version.json")
    if not target.is_file() or load_document(target, VersionDocument) != document:
        save_document(target, document)


def chosen_version(project: Path, case_id: str, own: str, wanted: str | None) -> Version | None:
    """The version that is learnt from or opened; None = the shared one, as ever.

    Args:
        project: its folder.
        case_id: the case.
        own: the name of the user.
        wanted: whose strokes were asked for; None = the user's own where everybody draws apart.

    Raises:
        InvalidInput: a document is damaged.
    """
    if wanted is None and not team_of(project).apart:
        return None
    version = version_named(project, case_id, own if wanted is None else wanted)
    return None if version.is_shared else version


@dataclass(frozen=True)
class Chosen:
    """Whose strokes the cases of a project are taken with.

    Args:
        of: by id of the case, see `Version.of`.
        note: what somebody should know of it, in a sentence; "" = nothing.
    """

    of: dict[str, str]
    note: str


def chosen_versions(project: Path, case_ids: Sequence[str], own: str, wanted: str | None) -> Chosen:
    """Whose strokes the cases of a project are learnt from.

    Args:
        project: its folder.
        case_ids: of the cases.
        own: the name of the user.
        wanted: whose strokes were asked for; None = the user's own where everybody draws apart.

    Raises:
        InvalidInput: nobody of the wanted name has strokes here, or a document is damaged.
    """
    names = names_of(project, case_ids)
    if wanted is not None and wanted not in names:
        raise InvalidInput(
            f"Nobody called '{wanted}' has drawn in this project; there are strokes of: "
            f"{', '.join(names) or 'nobody yet'}."
        )
    chosen = {case_id: chosen_version(project, case_id, own, wanted) for case_id in case_ids}
    note = ""
    several = [case_id for case_id in case_ids if len(versions_of(project, case_id)) > 1]
    if several or wanted is not None:
        whose = wanted or (own if team_of(project).apart else "")
        taken = f"those of {whose}" if whose else "the shared ones"
        lacking = sum(one is not None and not one.path.is_file() for one in chosen.values())
        note = f"{len(several)} case(s) have strokes of several people; {taken} are taken."
        note += f" {lacking} case(s) have none of them." if lacking else ""
    return Chosen({i: "" if one is None else one.of for i, one in chosen.items()}, note)


def names_of(project: Path, case_ids: Sequence[str]) -> tuple[str, ...]:
    """Everybody who has strokes in one of these cases.

    Raises:
        InvalidInput: a document is damaged.
    """
    found = [one.name for case_id in case_ids for one in versions_of(project, case_id)]
    return tuple(dict.fromkeys(found))


def _owner(project: Path, case_id: str, team: Team) -> str:
    """Whose the shared strokes are: of the one who has drawn all of them, else of several."""
    strokes = strokes_of_case(project, case_id, team)
    people = {one.by for one in strokes if not one.of and (one.drawn or one.erased)}
    if not people:
        return team.unknown_is or UNKNOWN_AUTHOR
    return people.pop() if len(people) == 1 else TOGETHER


def _key(name: str) -> str:
    """A folder name for any name of a person: readable, and no two people have the same."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug(name, 40).lower()}-{digest}"
