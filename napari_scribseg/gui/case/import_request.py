"""Into which project found cases go, and what is to be done with them. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.found import FoundCase
from napari_scribseg.data.names import slug
from napari_scribseg.gui.case.class_choices import same_names


@dataclass(frozen=True)
class OpenProject:
    """The project of the window, as far as it decides where cases go.

    Args:
        folder: its folder; need not exist.
        title: what it is called.
        schema: its classes; None = it is not made yet.
        n_cases: how many cases it has.
        is_own: whether it was chosen by the user: not merely the one that is there at first, and
            not the one of the samples.
        read_only: whether it can't be written.
    """

    folder: Path
    title: str
    schema: LabelSchema | None = None
    n_cases: int = 0
    is_own: bool = True
    read_only: bool = False


@dataclass(frozen=True)
class Target:
    """Where cases go.

    Args:
        title: of the project.
        folder: of the project.
        schema: its classes; None = it is made.
    """

    title: str
    folder: Path
    schema: LabelSchema | None = None

    @property
    def is_new(self) -> bool:
        """Whether the project is to be made."""
        return self.schema is None


@dataclass(frozen=True)
class ImportRequest:
    """What is to be done.

    Args:
        cases: to be added, the one to show first in front.
        schema: the classes of the project, and of cases that have none of their own.
        folder: of the project.
        title: of a project that is to be made.
        renames: whether the classes that data sets name are to be called otherwise.
    """

    cases: tuple[FoundCase, ...]
    schema: LabelSchema
    folder: Path
    title: str
    renames: bool = False

    def schema_of(self, case: FoundCase) -> LabelSchema:
        """The classes of one case: those that its data set names, where these are others."""
        own = case.schema
        if own is None or same_names(own, self.schema):
            return self.schema
        return self.schema if self.renames and own.n_classes == self.schema.n_classes else own


def free_folder(home: Path, name: str) -> Path:
    """A folder that is not there yet, called like a project."""
    wanted = slug(name.strip() or "project")
    number, folder = 1, home / wanted
    while folder.exists():
        number += 1
        folder = home / f"{wanted}-{number}"
    return folder
