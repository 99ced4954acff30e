"""The projects that were open last, the newest first, with the case that was shown."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.documents import load_document, save_document

_MOST: Final = 8


class RecentProject(BaseModel):
    """One project that was open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    case: str | None = None


class RecentProjects(BaseModel):
    """The document recent.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    projects: tuple[RecentProject, ...] = ()

    def with_newest(self, folder: Path, case: str | None) -> RecentProjects:
        """The same list with this project in front."""
        others = [one for one in self.projects if one.folder != str(folder)]
        newest = RecentProject(folder=str(folder), case=case)
        return RecentProjects(projects=(newest, *others)[:_MOST])

    def case_of(self, folder: Path) -> str | None:
        """The case that was shown last in a project."""
        return next((one.case for one in self.projects if one.folder == str(folder)), None)


def document_path() -> Path:
    """Where the list is stored."""
    return platformdirs.user_state_path("napari-scribseg", appauthor=False) / "recent.json"


def default_project() -> Path:
    """The folder that holds the runs of somebody who chose none."""
    return platformdirs.user_data_path("napari-scribseg", appauthor=False) / "projects" / "default"


def load_recent() -> RecentProjects:
    """The list; empty when there is none or it is damaged."""
    try:
        return load_document(document_path(), RecentProjects)
    except InvalidInput:
        return RecentProjects()


def newest_project() -> Path | None:
    """The project that was open last, if it is still there."""
    folders = (Path(one.folder) for one in load_recent().projects)
    return next((one for one in folders if (one / "project.json").is_file()), None)


def remember(folder: Path, case: str | None) -> None:
    """Put a project in front of the list; a list that can't be written is not worth a word."""
    path = document_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        save_document(path, load_recent().with_newest(folder, case))
    except (InvalidInput, OSError):
        return
