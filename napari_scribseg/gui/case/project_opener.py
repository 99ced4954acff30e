"""Opening projects: the last one at the start, others when asked; and what was left unsaved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui import recent
from napari_scribseg.gui.autosave import Autosave
from napari_scribseg.gui.canvas.chosen_layers import strokes_of
from napari_scribseg.gui.case.new_project import NewProjectDialog, projects_home
from napari_scribseg.gui.case.opener import CaseOpener
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.recent import RecentProjects
from napari_scribseg.gui.session import Session
from napari_scribseg.project.journals import Restored
from napari_scribseg.project.shown import ProjectState
from napari_scribseg.project.store import ProjectStore


@dataclass(frozen=True, eq=False)
class _Start:
    """What is found when the window opens."""

    state: ProjectState | None
    left: tuple[Restored, ...]
    recent: RecentProjects


class ProjectOpener(QObject):
    """Opens projects, and restores what earlier sittings left.

    Args:
        parent: over which the dialogs appear.
        session: what the window works on.
        store: keeps the project.
        autosave: saves the case that is left.
        cases: shows cases.
    """

    state_changed = Signal(object)
    """A ProjectState, or None."""
    recent_changed = Signal(object)
    """RecentProjects."""
    left_changed = Signal(object)
    """What earlier sittings left: a tuple of Restored."""

    def __init__(
        self,
        parent: QWidget,
        session: Session,
        store: ProjectStore,
        autosave: Autosave,
        cases: CaseOpener,
    ) -> None:
        super().__init__(session)
        self._parent = parent
        self._session = session
        self._store = store
        self._autosave = autosave
        self._cases = cases
        # After the first paint: the dock shows at once, the cases come when they come.
        QTimer.singleShot(0, self._start)

    def ask(self, what: str) -> None:
        """Ask what a "new-project" is to be; or open "recent:" and a folder."""
        if what.startswith("recent:"):
            self.open(Path(what.removeprefix("recent:")))
            return
        dialog = NewProjectDialog(projects_home(), self._parent)

        def chosen() -> None:
            wanted = dialog.value()
            self.create(wanted.folder, wanted.schema, wanted.title)

        dialog.accepted.connect(chosen)
        dialog.open()

    def open(self, folder: Path) -> None:
        """Open a project in the place of this one, whose strokes are saved first."""
        self._session.say(f"Opening the project {folder.name} …")
        self._autosave.save(
            lambda: self._session.run(lambda: self._store.open_project(folder), self._opened)
        )

    def create(
        self,
        folder: Path,
        schema: LabelSchema,
        title: str | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Make a new project, its folder too, and open it; `then` is done afterwards."""

        def made(state: ProjectState) -> None:
            self._opened(state)
            self._session.set_schema(schema)
            if then is not None:
                then()

        self._autosave.save(
            lambda: self._session.run(
                lambda: self._store.ensure_project(folder, schema, title), made
            )
        )

    def refresh(self) -> None:
        """Show the project as it is now."""
        self._session.run(self._store.state, self.state_changed.emit)

    def look_for_left(self) -> None:
        """Look again for what earlier sittings left."""
        self._session.run(self._store.pending, self.left_changed.emit)

    def restore(self, left: Restored) -> None:
        """Save what was left in its project, and show the case."""
        project, autosave = self._session.project_folder, self._autosave
        kept = CaseKey.in_project(Path(left.header.project), left.header.case)
        of = left.header.annotator

        def job() -> tuple[str, str, ProjectState | None]:
            return *self._store.restore(left), self._store.state()

        def restored(result: tuple[str, str, ProjectState | None]) -> None:
            case_id, note, state = result
            if note:
                self._session.say(note)
            # The layer that is shown is older than what was restored.
            autosave.let_go(kept, of)
            if state is not None and state.folder != project.resolve():
                self._opened(state)
            self.look_for_left()
            self.refresh()
            self._cases.put_away()
            self._cases.open_case(case_id)

        def begin() -> None:
            unlock = self._lock(kept, of)

            def failed(why: str) -> None:
                unlock()
                self._session.refuse(why)

            self._session.background.run(job, restored, failed)

        def save_waiting() -> None:
            waiting = autosave.unsaved.get((kept, of))
            if waiting is None:
                begin()
            else:  # they were drawn in this sitting, and get into a file beside
                autosave.save_drawing(waiting, begin)

        autosave.save(save_waiting)

    def discard(self, left: Restored) -> None:
        """Forget what was left."""

        def done(_: None) -> None:
            self._session.say(f"The strokes on {left.header.case} were deleted.")
            self.look_for_left()

        self._session.run(lambda: self._store.discard(left), done)

    def remember(self, case_id: str | None) -> None:
        """Remember what is open, for the next start."""
        folder = self._session.project_folder.resolve()

        def job() -> RecentProjects:
            recent.remember(folder, case_id)
            return recent.load_recent()

        self._session.run(job, self.recent_changed.emit)

    # Inside

    def _lock(self, kept: CaseKey, of: str) -> Callable[[], None]:
        """Let nothing be drawn on these strokes, if they are shown; gives what ends that."""
        shown = self._session.selected.scribbles
        is_meant = shown is not None and (self._session.kept, strokes_of(shown)) == (kept, of)
        if shown is None or not is_meant:
            return _nothing
        before, shown.editable = shown.editable, False

        def unlock() -> None:
            shown.editable = before

        return unlock

    def _start(self) -> None:
        folder, store = self._session.project_folder, self._store

        def job() -> _Start:
            there = (folder / "project.json").is_file()
            state = store.open_project(folder) if there else None
            return _Start(state, store.pending(), recent.load_recent())

        self._session.run(job, self._started)

    def _started(self, start: _Start) -> None:
        self.recent_changed.emit(start.recent)
        self.left_changed.emit(start.left)
        if start.state is None:
            return
        self._tell(start.state)
        last = start.recent.case_of(start.state.folder)
        known = any(case.id == last for case in start.state.cases)
        if last is not None and known and not self._session.viewer.layers:
            self._cases.open_case(last)

    def _opened(self, state: ProjectState) -> None:
        self._cases.put_away()
        self._session.set_project(state.folder)
        self._tell(state)
        self.remember(None)

    def _tell(self, state: ProjectState) -> None:
        self.state_changed.emit(state)
        count = "1 case" if len(state.cases) == 1 else f"{len(state.cases)} cases"
        if state.read_only:
            self._session.say(" ".join(state.notes), "warning")
        else:
            self._session.say(f"Project {state.title}: {count}. {' '.join(state.notes)}".strip())


def _nothing() -> None:
    """Nothing was locked."""
