"""What a window is told of a project, of an opened case, and of strokes that were kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import Case, CaseKey
from napari_scribseg.project.document import ProjectCase


@dataclass(frozen=True)
class ProjectState:
    """What a window shows of a project.

    Args:
        folder: absolute.
        title: what it is called.
        read_only: whether somebody else writes it.
        cases: in the order of the project.
        notes: what was noticed on opening, in sentences.
        names: what to call the cases on the screen, by id.
        schema: the structures of the project.
    """

    folder: Path
    title: str
    read_only: bool
    cases: tuple[ProjectCase, ...]
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    schema: LabelSchema | None = None

    def name_of(self, case_id: str) -> str:
        """What to call a case on the screen."""
        return self.names.get(case_id, case_id)


@dataclass(frozen=True, eq=False)
class OpenedCase:
    """A case that is ready to be shown.

    Args:
        case: its volumes.
        schema: its structures.
        entry: what the project remembers of it; None = it is in no project.
        project: the folder of the project; None = it is in no project.
        read_only: whether nothing that is drawn can be saved.
        notes: what was noticed while it was opened, in sentences.
        title: what to call it on the screen; "" = its id.
        strokes_of: whose strokes are shown, see `Version.of`; "" = those that all share.
        is_own: whether the user may draw on them.
    """

    case: Case
    schema: LabelSchema
    entry: ProjectCase | None
    project: Path | None
    read_only: bool
    notes: tuple[str, ...] = ()
    title: str = ""
    strokes_of: str = ""
    is_own: bool = True

    @property
    def key(self) -> CaseKey:
        """Which case it is: one of the project, or else of its file."""
        if self.project is None:
            return self.case.key
        return CaseKey.in_project(self.project, self.case.id, self.title)


@dataclass(frozen=True)
class Kept:
    """What became of strokes.

    Args:
        case: the id under which they are kept.
        unsaved: whether the journal holds something that the project does not.
        voxels: how many changed since they were kept last.
        note: something to tell, in a sentence; "" = nothing.
    """

    case: str
    unsaved: bool
    voxels: int = 0
    note: str = ""
