"""Autosave: hands what is drawn to the store, soon after each stroke, and saves now and then.

Nothing is compared or written in the GUI thread: it only starts jobs, one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.planes import Planes
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui import drawn_strokes
from napari_scribseg.gui.background import Task
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.chosen_layers import (
    fitting_reference,
    is_oriented,
    kept_as,
    note_kept,
    region_of,
    strokes_of,
)
from napari_scribseg.gui.canvas.stroke_feed import Look
from napari_scribseg.gui.drawn_strokes import DrawnStrokes
from napari_scribseg.gui.latest_only import Job, LatestOnly
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.session import Session
from napari_scribseg.project.shown import Kept
from napari_scribseg.project.store import ProjectStore

T = TypeVar("T")

KEEP_MS: Final = 200
"""The journal is written so soon after strokes were found to have changed."""
LAST_WAIT_S: Final = 10.0
"""A window that closes waits this long for a slow drive; the journal has everything anyway."""
PEN_REST_S: Final = 2.0
"""A pen that rested longer has begun anew."""
SAVE_MS: Final = 3 * 60 * 1000
"""Time between two saves into the project by itself."""


@dataclass(frozen=True)
class SaveState:
    """Whether the strokes on the shown case are safe.

    Args:
        unsaved: whether the project lacks something.
        kept: whether the journal has all that the project lacks, so that nothing can be lost.
        saved_at: time of day of the last save in this sitting; "" = none yet.
        read_only: whether the project can't be written.
    """

    unsaved: bool = False
    kept: bool = True
    saved_at: str = ""
    read_only: bool = False


class PenClock:
    """Measures how long the pen moves."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._moved: float | None = None

    def moved(self) -> None:
        """The pen has moved just now."""
        now = time.monotonic()
        if self._began is None or self._moved is None or now - self._moved > PEN_REST_S:
            self._began = now
        self._moved = now

    def taken(self) -> float:
        """Seconds from the first to the last movement since it was asked last."""
        began, moved = self._began, self._moved
        self._began = self._moved = None
        return 0.0 if began is None or moved is None else moved - began


class Autosave(QObject):
    """Keeps the scribbles of a session.

    Args:
        session: what the window works on.
        store: keeps them.
    """

    state_changed = Signal(object)
    """A SaveState."""
    cases_changed = Signal()
    """The project has another case, or one with another status."""

    def __init__(self, session: Session, store: ProjectStore) -> None:
        super().__init__(session)
        self.state = SaveState()
        self._session = session
        self._store = store
        self._is_fresh = False
        """Whether something was drawn that is neither in the journal nor in the project yet."""
        self._leaves_unsaved = False
        self._current: DrawnStrokes | None = None
        self._tasks: list[Task] = []
        self._fresh_ids: MutableMapping[Layer, tuple[Path, str]] = WeakKeyDictionary()
        self._outdated: WeakSet[Layer] = WeakSet()
        """Scribbles layers that are not saved any more, see `let_go`."""
        self._pen = PenClock()
        self.unsaved: dict[tuple[CaseKey, str], DrawnStrokes] = {}
        """What is being saved or could not be saved, by the case of the project and by whose."""
        self._keeping = LatestOnly(
            self, self._run, self._keeping_job, self._failed, delay_ms=KEEP_MS
        )
        self._saving = QTimer(self)
        self._saving.setInterval(SAVE_MS)
        self._saving.timeout.connect(self._save_now_and_then)
        self._saving.start()
        session.strokes_drawn.connect(self._pen.moved)
        session.strokes_drawn.connect(self._drew)
        session.strokes_counted.connect(self._looked)
        session.region_changed.connect(self._changed_region)
        session.selected_changed.connect(self._selected)
        session.schema_changed.connect(self._changed_schema)

    # What may be asked

    def keep(self) -> None:
        """Write what was drawn into the journal, in the background."""
        self._keeping.begin()

    def save(self, done: Callable[[], None] | None = None) -> None:
        """Save the shown scribbles into the project, in the background.

        Args:
            done: is called in the GUI thread when they are saved.
        """
        drawing = self._drawing()
        if drawing is None:
            if done is not None:
                done()
            return
        self.save_drawing(drawing, done)

    def save_drawing(self, drawing: DrawnStrokes, done: Callable[[], None] | None = None) -> None:
        """Save scribbles that may be in no viewer any more."""
        store, known = self._store, drawing.kept
        if known is not None:
            self.unsaved[known, drawing.of] = drawing

        def saved(kept: Kept) -> None:
            if known is not None and self.unsaved.get((known, drawing.of)) is drawing:
                del self.unsaved[known, drawing.of]
            if kept.case:
                self._note_kept(drawing, kept.case, is_new=known is None)
            if kept.note:
                self._session.say(kept.note, "warning")
            if kept.voxels and self._shows(drawing):
                self._is_fresh = self._session.has_new_strokes
                self._tell(SaveState(kept.unsaved, True, _now(), self._store.read_only))
            if kept.voxels:
                self.cases_changed.emit()
            if done is not None:
                done()

        self._run(lambda: drawn_strokes.save(store, drawing), saved)

    def let_go(self, kept: CaseKey, of: str) -> None:
        """Save the strokes on a case no more: the project has others in their place now.

        Args:
            kept: the case of the project.
            of: whose version of the strokes it is, see `Version.of`.
        """
        for drawing in (self._current, self.unsaved.pop((kept, of), None)):
            if drawing is not None and (drawing.kept, drawing.of) == (kept, of):
                self._outdated.add(drawing.layer)
        if self._current is not None and self._current.layer in self._outdated:
            self._current, self._is_fresh = None, False

    def save_before_the_end(self) -> str:
        """Save now, and wait for it; gives what went wrong, in a sentence, or "".

        Only for a window that closes.
        """
        drawing = self._drawing()
        if drawing is None or not self.is_unsaved():
            return ""
        try:
            drawn_strokes.save(self._store, drawing)
        except ScribsegError as error:
            return str(error)
        return ""

    def keep_before_the_end(self) -> None:
        """Bring the last stroke into the journal, and wait for it.

        Raises:
            InvalidInput: the journal can't be written.
        """
        drawing = self._drawing()
        if drawing is not None and self.is_unsaved():
            drawn_strokes.keep(self._store, drawing)
        self._leaves_unsaved = True

    def is_unsaved(self) -> bool:
        """Whether the shown scribbles differ from what the project has; waits for the store."""
        drawing = self._drawing()
        if drawing is None or self._store.read_only:
            return False
        if drawing.kept_as is None:  # what came from elsewhere counts once it was drawn on
            return self.state.unsaved or self._is_fresh
        return self._store.differs(drawing.kept_as, drawing.array, of=drawing.of)

    def end(self) -> None:
        """Save, unless that was declined; stop the clocks, and wait for what is being written."""
        if not self._leaves_unsaved:
            if self._is_fresh and not self._store.read_only:
                self.save()
            self._save_now_and_then()
        self._keeping.forget()
        self._saving.stop()
        self.wait()

    def wait(self) -> None:
        """Wait for what is being written, but not for ever."""
        end = time.monotonic() + LAST_WAIT_S
        for task in self._tasks:
            task.join(max(0.0, end - time.monotonic()))
        self._tasks = []

    # Inside

    def _run(
        self,
        job: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        task = self._session.background.run(job, done, failed or self._failed)
        self._tasks = [one for one in self._tasks if one.is_alive()] + [task]

    def _drew(self) -> None:
        self._leaves_unsaved = False
        self._is_fresh = True

    def _looked(self, look: Look) -> None:
        if not look.is_first or self._is_fresh:
            self._keeping.ask()

    def _changed_schema(self, _schema: LabelSchema) -> None:
        """Other structures are worth keeping like strokes, on a case that is kept."""
        if self._current is not None and self._current.kept_as is not None:
            self._drew()
            self._keeping.ask()

    def _changed_region(self, _region: object) -> None:
        self._drew()
        self._keeping.ask()

    def _selected(self) -> None:
        """Other layers: save what was drawn on those before."""
        before, now = self._current, self._drawing()
        self._current = now
        if (before and before.layer) is (now and now.layer):
            return
        if before is not None and (
            before.kept_as is not None or self.state.unsaved or self._is_fresh
        ):
            self.save_drawing(drawn_strokes.as_of_now(before))
        self._is_fresh = False
        self._tell(SaveState(read_only=self._store.read_only))

    def _drawing(self) -> DrawnStrokes | None:
        """The shown scribbles; None when there are none or they don't fit their image."""
        chosen, case = self._session.selected, self._session.case
        if chosen.image is None or chosen.scribbles is None or case is None:
            return None
        if chosen.scribbles in self._outdated:
            return None
        try:
            image = layers.volume_of(chosen.image, self._session.frame)
            scribbles = layers.volume_of(chosen.scribbles)
        except ScribsegError:
            return None
        if scribbles.shape != image.shape or scribbles.array.dtype.kind not in "iu":
            return None
        self._current = DrawnStrokes(
            layer=chosen.scribbles,
            array=scribbles.array,
            region=region_of(chosen.scribbles),
            of=strokes_of(chosen.scribbles),
            planes=self._seen(chosen.scribbles),
            case=case,
            image=image,
            reference=fitting_reference(chosen.reference, image),
            oriented=is_oriented(chosen.image),
            schema=self._session.schema,
            project=self._session.project_folder,
            fresh_ids=self._fresh_ids,
        )
        return self._current

    def _seen(self, layer: Layer) -> Planes | None:
        look = self._session.look
        is_newest = look is not None and look.layer is layer and not self._session.has_new_strokes
        return look.planes if look is not None and is_newest else None

    def _keeping_job(self) -> Job[tuple[Kept, bool]] | None:
        drawing = self._drawing()
        if drawing is None:
            return None
        drawing = replace(drawing, seconds=self._pen.taken())
        store = self._store
        return Job(
            lambda: drawn_strokes.keep(store, drawing), lambda kept: self._kept(drawing, *kept)
        )

    def _shows(self, drawing: DrawnStrokes) -> bool:
        return self._session.selected.scribbles is drawing.layer

    def _kept(self, drawing: DrawnStrokes, kept: Kept, is_new: bool) -> None:
        if kept.case and kept.case != kept_as(drawing.layer, drawing.project):
            self._note_kept(drawing, kept.case, is_new=is_new)
        if self._shows(drawing):
            self._is_fresh = self._session.has_new_strokes
            if (kept.unsaved, True) != (self.state.unsaved, self.state.kept):
                at, read_only = self.state.saved_at, self._store.read_only
                self._tell(SaveState(kept.unsaved, True, at, read_only))
        if kept.note:
            self._session.say(kept.note, "warning")
        if is_new:
            store, case_id = self._store, kept.case

            def added(_is_ours: bool) -> None:
                self.cases_changed.emit()

            self._run(lambda: drawn_strokes.add_case(store, case_id, drawing), added)

    def _note_kept(self, drawing: DrawnStrokes, case_id: str, *, is_new: bool) -> None:
        """Note where strokes are kept; a new case of the project is made of the drawing's image."""
        note_kept(drawing.layer, case_id, drawing.project, drawing.of)
        if is_new:
            self._session.know_as(CaseKey.in_project(drawing.project, case_id), drawing.case)

    def _failed(self, message: str) -> None:
        self._session.say(message, "error")
        self._tell(SaveState(True, False, self.state.saved_at, self._store.read_only))

    def _save_now_and_then(self) -> None:
        """Save what is shown, and try again what could not be saved."""
        if self._store.read_only:
            return
        for drawing in list(self.unsaved.values()):
            if not self._shows(drawing):
                self.save_drawing(drawing)
        if self.state.unsaved:
            self.save()

    def _tell(self, state: SaveState) -> None:
        self.state = state
        self.state_changed.emit(state)


def _now() -> str:
    return f"{datetime.now().astimezone():%H:%M}"
