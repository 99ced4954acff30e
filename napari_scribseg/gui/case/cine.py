"""A time series in the viewer: its frames become cases, two of them are ED and ES."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject

from napari_scribseg.gui.canvas import layers, opening
from napari_scribseg.gui.canvas.chosen_layers import kept_as
from napari_scribseg.gui.case.frames_panel import FramesPanel
from napari_scribseg.gui.case.opener import CaseOpener
from napari_scribseg.gui.case.project_opener import ProjectOpener
from napari_scribseg.gui.session import Session
from napari_scribseg.project.document import ProjectCase
from napari_scribseg.project.store import ProjectStore


class Cine(QObject):
    """Connects the panel of frames with the project.

    Args:
        panel: shows the frames.
        session: what the window works on.
        store: remembers which frame is which.
        cases: shows cases.
        projects: shows the project after a change.
    """

    def __init__(
        self,
        panel: FramesPanel,
        session: Session,
        store: ProjectStore,
        cases: CaseOpener,
        projects: ProjectOpener,
    ) -> None:
        super().__init__(session)
        self._panel = panel
        self._session = session
        self._store = store
        self._cases = cases
        self._projects = projects
        self._path: Path | None = None
        self._frames_of: Path | None = None
        self._frames: dict[str, ProjectCase] = {}
        panel.setVisible(False)
        panel.work_asked.connect(self._work)
        panel.mark_asked.connect(self._mark)
        panel.phase_asked.connect(self._open_phase)
        panel.series_asked.connect(self._show_series)
        session.selected_changed.connect(self.refresh)
        session.viewer.dims.events.current_step.connect(self._show)

    def end(self) -> None:
        """Follow the viewer no more."""
        self._session.viewer.dims.events.current_step.disconnect(self._show)

    def refresh(self) -> None:
        """Look which series is shown, and ask the project for its frames."""
        path = self._path_of_shown()
        self._path = path
        if path is not None and path != self._frames_of:
            self._frames_of, self._frames = path, {}
        self._show()
        if path is not None:
            self._session.run(
                lambda: self._store.frames_of(path), lambda frames: self._know(path, frames)
            )

    def _know(self, path: Path, frames: dict[str, ProjectCase]) -> None:
        if path == self._path:  # else another series is shown by now
            self._frames = frames
            self._show()

    def _path_of_shown(self) -> Path | None:
        """The file of the series that is shown, or of which a frame is shown."""
        image = self._session.selected.image
        if image is None:
            return None
        noted = layers.notes(image).get("path")
        return None if noted is None else Path(noted)

    def _show(self, _event: Any = None) -> None:
        image = self._session.selected.image
        shown = image is not None and (self._session.is_series or self._path is not None)
        self._panel.setVisible(shown)
        if image is None or not shown:
            return
        phases = {
            case.phase: case.frame
            for case in self._frames.values()
            if case.phase is not None and case.frame is not None
        }
        if self._session.is_series:
            count = int(image.data.shape[0])
            known = self._path is not None
            self._panel.show_series(self._session.frame, count, phases, can_mark=known)
        else:
            self._panel.show_frame(self._frame_of_shown(), phases)

    def _frame_of_shown(self) -> int | None:
        """The frame on the screen, whether it is a case or a part of the series."""
        if self._session.is_series:
            return self._session.frame
        image = self._session.selected.image
        return None if image is None else layers.notes(image).get("frame")

    def _work(self) -> None:
        if self._path is None:
            self._session.use_frame()
        else:
            self._cases.open_frame(self._path, self._session.frame)

    def _mark(self, phase: str) -> None:
        frame = self._frame_of_shown()
        if self._path is None or frame is None:
            return

        def mark(case_id: str) -> None:
            def marked(_state: object) -> None:
                self._session.say(f"Frame {frame + 1} is {phase} from now on ({case_id}).", "good")
                self.refresh()
                self._projects.refresh()

            self._session.run(lambda: self._store.mark(case_id, phase=phase), marked)

        scribbles = self._session.selected.scribbles
        shown = None if scribbles is None else kept_as(scribbles, self._session.project_folder)
        if shown is not None and not self._session.is_series:
            mark(shown)
        else:
            self._cases.open_frame(self._path, frame, then=mark)

    def _open_phase(self, phase: str) -> None:
        for case in self._frames.values():
            if case.phase == phase:
                self._cases.open_case(case.id)
                return

    def _show_series(self) -> None:
        path = self._path
        if path is not None:
            self._session.say(f"Opening {path.name} …")
            self._session.run(lambda: opening.layers_of_path(path), self._cases.show)
