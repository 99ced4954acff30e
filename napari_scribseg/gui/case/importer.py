"""Whatever is opened: finds the cases in it, asks what is to be known, and brings them in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_scribseg.core.samples import SAMPLES, sample_folder
from napari_scribseg.data.find import find_cases
from napari_scribseg.data.found import Found
from napari_scribseg.gui import recent
from napari_scribseg.gui.canvas import layers, opening
from napari_scribseg.gui.case.import_dialog import ImportDialog
from napari_scribseg.gui.case.import_request import ImportRequest, OpenProject
from napari_scribseg.gui.case.new_project import projects_home
from napari_scribseg.gui.case.open_dialog import OpenDialog
from napari_scribseg.gui.case.opener import CaseOpener
from napari_scribseg.gui.case.presenter import ImportPresenter
from napari_scribseg.gui.case.project_opener import ProjectOpener
from napari_scribseg.gui.qt import single_shot
from napari_scribseg.gui.session import Session
from napari_scribseg.project.shown import ProjectState
from napari_scribseg.project.store import ProjectStore

_TOGETHER_MS = 60
"""napari hands over files that are dropped together one by one."""


class Importer(QObject):
    """Opens files and folders of any kind.

    Args:
        parent: over which the dialogs appear.
        session: what the window works on.
        store: the project.
        cases: shows cases.
        projects: opens and makes projects.
    """

    def __init__(
        self,
        parent: QWidget,
        session: Session,
        store: ProjectStore,
        cases: CaseOpener,
        projects: ProjectOpener,
    ) -> None:
        super().__init__(session)
        self._parent = parent
        self._session = session
        self._store = store
        self._cases = cases
        self._projects = projects
        self._waiting: list[Path] = []
        self._folder = ""
        self._soon = single_shot(self, _TOGETHER_MS, self._look)

    def ask(self) -> None:
        """Ask for files and folders, and open them."""
        dialog = OpenDialog(self._parent, self._folder)

        def chosen() -> None:
            self._folder = dialog.directory().absolutePath()
            self.open_paths(dialog.chosen)

        dialog.accepted.connect(chosen)
        dialog.open()

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open files and folders; those that come at the same moment belong together."""
        self._waiting += paths
        self._soon.start()

    # Inside

    def _look(self) -> None:
        paths, self._waiting = self._waiting, []
        if not paths:
            return
        name = paths[0].name if len(paths) == 1 else f"{len(paths)} files and folders"
        self._session.say(f"Looking for cases in {name} …")

        def job() -> tuple[Found, ProjectState | None]:
            return find_cases(paths), self._store.state()

        self._session.run(job, lambda result: self._found(*result))

    def _found(self, found: Found, state: ProjectState | None) -> None:
        if not found.cases:
            self._without_cases(found)
            return
        presenter = ImportPresenter(found, self._project(state), projects_home())
        if presenter.needs_no_question:
            self._take(presenter.request())
            return
        self._session.say(found.summary())
        dialog = ImportDialog(presenter, self._parent)
        dialog.accepted.connect(lambda: self._take(presenter.request()))
        dialog.open()

    def _without_cases(self, found: Found) -> None:
        if found.projects:
            self._projects.open(found.projects[0])
        elif found.lone_labels:
            self._add_labels(found.lone_labels)
        else:
            why = " ".join(found.left_out_sentences(3))
            self._session.refuse(f"{found.summary()} {why}".strip())

    def _add_labels(self, paths: Sequence[Path]) -> None:
        """Show labels beside the image that is open; whoever has opened them chooses what for."""

        def job() -> list[layers.LayerData]:
            return [data for path in paths for data in opening.layers_of_path(path)]

        def read(made: list[layers.LayerData]) -> None:
            if self._session.selected.image is None:
                self._cases.show(made)
                return
            for data in made:
                self._session.viewer.add_layer(layers.layer_of(data))
            self._session.say(
                "The labels are a layer now. To score or train with them choose it as reference "
                "or scribbles under Case, Layers."
            )

        self._session.run(job, read)

    def _project(self, state: ProjectState | None) -> OpenProject:
        folder = self._session.project_folder
        is_first = os.path.realpath(folder) == os.path.realpath(recent.default_project())
        if state is None:
            return OpenProject(folder, folder.name, is_own=not is_first)
        return OpenProject(
            state.folder,
            state.title,
            state.schema,
            len(state.cases),
            is_own=not _only_samples(state),
            read_only=state.read_only,
        )

    def _take(self, request: ImportRequest) -> None:
        """Bring the chosen cases in; the project that they are to go to is opened, or made."""
        if self._store.folder == request.folder.resolve():
            self._bring_in(request)
            return
        self._projects.create(
            request.folder, request.schema, request.title, then=lambda: self._bring_in(request)
        )

    def _bring_in(self, request: ImportRequest) -> None:
        first = request.cases[0]
        if len(request.cases) == 1 and first.is_series:
            self._cases.show_series(first)
        else:
            self._cases.add_found(request)


def _only_samples(state: ProjectState) -> bool:
    """Whether a project holds the cases of samples and nothing else."""
    folders = [sample_folder(name) for name in SAMPLES]
    return bool(state.cases) and all(
        any(folder in Path(case.image).parents for folder in folders) for case in state.cases
    )
