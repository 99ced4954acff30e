"""Which project is open: one at a time, and it serves one caller at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.project.case_names import places_of, shown_names
from napari_scribseg.project.document import Progress, ProjectCase
from napari_scribseg.project.folder import Project
from napari_scribseg.project.shown import ProjectState


class CurrentProject:
    """Opens projects, each in the place of the one before, and says what is to be shown of it."""

    def __init__(self) -> None:
        self._project: Project | None = None
        self._one_call = threading.RLock()

    @property
    def folder(self) -> Path | None:
        """The folder of the open project; does not wait."""
        project = self._project
        return None if project is None else project.folder

    @property
    def read_only(self) -> bool:
        """Whether the open project can't be changed; does not wait."""
        project = self._project
        return project is not None and project.read_only

    def open_project(self, folder: Path) -> ProjectState:
        """Open a project that exists, in the place of the one that is open.

        Raises:
            InvalidInput: the folder is no project or can't be used.
        """
        with self._one_call:
            project = self._project
            if project is not None and project.folder == folder.resolve():
                return self._state(project)
            return self._take(Project.open_or_read_only(folder))

    def ensure_project(
        self, folder: Path, schema: LabelSchema, title: str | None = None
    ) -> ProjectState:
        """The project in this folder, made if it is not there yet.

        Raises:
            InvalidInput: the folder can't be made a project.
        """
        with self._one_call:
            if self._project is not None and self._project.folder == folder.resolve():
                return self._state(self._project)
            return self._take(Project.open_or_create(folder, schema, title))

    def state(self) -> ProjectState | None:
        """What is to be shown of the open project."""
        with self._one_call:
            return None if self._project is None else self._state(self._project)

    def mark(
        self,
        case_id: str,
        *,
        progress: Progress | None = None,
        only_up: bool = False,
        flagged: bool | None = None,
        phase: str | None = None,
        comment: str | None = None,
        by: str = "",
    ) -> ProjectState:
        """Note something about a case; what is None stays. `by` is who says so.

        Raises:
            InvalidInput: no such case, or the project can't be changed.
        """
        with self._one_call:
            project = self._open
            if progress is not None:
                project.set_progress(case_id, progress, only_up=only_up, by=by)
            if flagged is not None:
                project.set_flagged(case_id, flagged=flagged, by=by)
            if phase is not None:
                project.set_phase(case_id, phase)
            if comment is not None:
                project.add_comment(case_id, comment, by)
            return self._state(project)

    def mark_predicted(self, cases: Iterable[str]) -> ProjectState:
        """Note that these cases have segmentations, unless they are further or gone.

        Raises:
            InvalidInput: the project can't be changed.
        """
        with self._one_call:
            project = self._open
            for case_id in {*cases} & {*project.case_ids}:
                project.set_progress(case_id, "predicted", only_up=True)
            return self._state(project)

    def close(self) -> None:
        """Close the project."""
        with self._one_call:
            if self._project is not None:
                self._project.close()
            self._project = None

    def frames_of(self, image: Path) -> dict[str, ProjectCase]:
        """The cases that are frames of a time series, by id; none without a project."""
        with self._one_call:
            return {} if self._project is None else self._project.frames_of(image)

    @property
    def _open(self) -> Project:
        if self._project is None:
            raise InvalidInput("No project is open: choose a folder for it in the Case tab.")
        return self._project

    def _meant(self, folder: Path | None) -> Project:
        """The open project, if it is the one that is meant."""
        project = self._open
        if folder is not None and project.folder != folder.resolve():
            raise InvalidInput(
                f"{project.title} is open now, and this belongs to the project {folder.name}: open "
                "that one again. What was drawn there is kept."
            )
        return project

    def _take(self, project: Project) -> ProjectState:
        self.close()
        self._project = project
        return self._state(project)

    def _state(self, project: Project) -> ProjectState:
        return ProjectState(
            folder=project.folder,
            title=project.title,
            read_only=project.read_only,
            cases=project.cases,
            notes=project.notes,
            names=shown_names(project.cases, places_of(project.folder)),
            schema=project.schema,
        )
