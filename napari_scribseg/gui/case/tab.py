"""The Case tab: the project and its cases, time series, and which layers are worked on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShowEvent
from qtpy.QtWidgets import QLabel, QShortcut, QWidget

from napari_scribseg.core.types import Array
from napari_scribseg.core.wording import counted
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.autosave import Autosave
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.chosen_layers import SLOTS, facts_of, kept_as
from napari_scribseg.gui.canvas.drawing_context import hide_brush_box, keep_current
from napari_scribseg.gui.case.canvas_letters import CanvasLetters
from napari_scribseg.gui.case.case_list import (
    FLAG_KEY,
    NEXT_KEY,
    ORDERS,
    PREVIOUS_KEY,
    REVIEWED_KEY,
    CaseList,
)
from napari_scribseg.gui.case.cine import Cine
from napari_scribseg.gui.case.frames_panel import FramesPanel
from napari_scribseg.gui.case.importer import Importer
from napari_scribseg.gui.case.inputs_panel import InputsPanel
from napari_scribseg.gui.case.open_menu import OpenButton
from napari_scribseg.gui.case.opener import CaseOpener
from napari_scribseg.gui.case.people import People
from napari_scribseg.gui.case.project_opener import ProjectOpener
from napari_scribseg.gui.case.restore_panel import RestorePanel
from napari_scribseg.gui.closing import (
    CloseGuard,
    Leaving,
    Running,
    UnsavedStrokes,
    main_window_of,
)
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.recent import RecentProjects
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.style import Fold, Panel, Tab, button, note_label
from napari_scribseg.project.case_doubt import case_doubts
from napari_scribseg.project.document import Progress
from napari_scribseg.project.shown import OpenedCase, ProjectState
from napari_scribseg.project.store import ProjectStore

SAVE_KEY: Final = "F2"
_WARNING_STYLE: Final = "color: #c98f06;"
_PROJECT_ASKS: Final = ("new-project", "recent:")


class CaseTab(Tab):
    """Open projects and cases, and choose among layers.

    Args:
        session: what the window works on.
    """

    save_state_changed = Signal(object)
    """A SaveState."""
    first_steps_asked = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.store = ProjectStore()
        self.autosave = Autosave(session, self.store)
        self.opener = CaseOpener(session, self.store, self.autosave)
        self.projects = ProjectOpener(self, session, self.store, self.autosave, self.opener)
        self.importer = Importer(self, session, self.store, self.opener, self.projects)
        self.trainings = Running(None, "training")
        self.leaving = Leaving(
            [UnsavedStrokes(session, self.autosave), self.trainings], session.refuse
        )
        self.letters = CanvasLetters(session)
        self.restore = RestorePanel()
        self.open = OpenButton()
        self.cases = CaseList()
        self.frames = FramesPanel()
        self.cine = Cine(self.frames, session, self.store, self.opener, self.projects)
        self.inputs = InputsPanel()
        self.people = People(session, self.store, self.opener)
        self._guard: CloseGuard | None = None
        self._end_context: Callable[[], None] = _nothing
        self._keys: list[QShortcut] = []
        self._state: ProjectState | None = None
        self._project, self._facts, self._notes = note_label(), note_label(), note_label()
        self._case = QLabel("No case is open.")
        self._save = button("Save", f"Save the strokes in the project now ({SAVE_KEY})")
        self._lay_out()
        self._connect()
        # Bound to the store and not to this object, which is gone by then.
        self.destroyed.connect(self.store.close)
        self._show_state(None)
        self._show_offers()

    def end(self) -> None:
        """Save what is under way, and give the project back."""
        if self._guard is not None:
            self._guard.end()
        for key in self._keys:
            key.setParent(None)
        self.autosave.end()
        self.cine.end()
        self.letters.end()
        self._end_context()
        self._session.viewer.layers.events.inserted.disconnect(self._note_prediction)
        self.store.close()

    def showEvent(self, a0: QShowEvent | None) -> None:  # noqa: N802  Qt's name
        """Watch over the window that the tab has come to."""
        super().showEvent(a0)
        self.watch_over_window()

    def watch_over_window(self) -> None:
        """Guard the main window around this tab, also while another tab is shown."""
        window = main_window_of(self)
        if window is None or self._guard is not None:
            return
        self.letters.attach(window)
        hide_brush_box(self._session.viewer)
        self._end_context = keep_current(self._session.viewer, window)
        self._guard = CloseGuard(
            window, self.leaving, self._has_layers, last_words=self.autosave.wait
        )
        self._add_keys(window)
        window.destroyed.connect(self.store.close)

    # Inside

    def _lay_out(self) -> None:
        project = Panel("Project", aside=self.open, page="guide/case.md#go-through-the-cases")
        project.body.addWidget(self._project)
        project.body.addWidget(self.cases)
        case = Panel("Case", aside=self._save, page="guide/case.md#image-or-labels")
        self._case.setWordWrap(True)
        self._case.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._notes.setStyleSheet(_WARNING_STYLE)
        self._notes.setVisible(False)
        for widget in (self._case, self._facts, self._notes):
            case.body.addWidget(widget)
        case.body.addWidget(self.people.question)
        case.body.addWidget(self.people.fold)
        case.body.addWidget(Fold("Layers", self.inputs))
        for widget in (self.restore, project, self.frames, case):
            self.column.addWidget(widget)

    def _connect(self) -> None:
        session = self._session
        self.open.asked.connect(self._ask_to_open)
        self._save.clicked.connect(self._save_now)
        self.inputs.value_changed.connect(lambda: session.take(self.inputs.value()))
        self.inputs.new_scribbles_asked.connect(session.new_scribbles)
        self.cases.case_asked.connect(self.opener.open_case)
        self.cases.done_asked.connect(self._set_done)
        self.cases.comment_asked.connect(self._comment)
        self.cases.doubts_asked.connect(self._order_cases)
        self.cases.reviewed_asked.connect(self._set_reviewed)
        self.cases.flagged_asked.connect(self._set_flagged)
        self.restore.restore_asked.connect(self.projects.restore)
        self.restore.discard_asked.connect(self.projects.discard)
        self.opener.case_opened.connect(self._opened)
        self.opener.cases_changed.connect(self.projects.refresh)
        self.projects.state_changed.connect(self._show_state)
        self.projects.recent_changed.connect(self._show_recent)
        self.projects.left_changed.connect(self.restore.set_offers)
        self.autosave.cases_changed.connect(self.projects.refresh)
        self.autosave.state_changed.connect(self.people.saved)
        self.projects.state_changed.connect(self.people.refresh)
        self.people.panel.told.connect(lambda: self.reveal(self.people.panel.result))
        self.autosave.state_changed.connect(self.save_state_changed)
        session.offers_changed.connect(self._show_offers)
        session.selected_changed.connect(self._show_selected)
        session.viewer.layers.events.inserted.connect(self._note_prediction)
        session.reference_loaded.connect(self._keep_reference)

    def _has_layers(self) -> bool:
        return bool(self._session.viewer.layers)

    def _add_keys(self, window: QWidget) -> None:
        """Keys work in the whole window, whatever tab is open."""
        for key, call in (
            (SAVE_KEY, self._save_now),
            (PREVIOUS_KEY, lambda: self.cases.step(-1)),
            (NEXT_KEY, lambda: self.cases.step(1)),
            (REVIEWED_KEY, self.cases.reviewed.click),
            (FLAG_KEY, self.cases.flag.click),
        ):
            shortcut = QShortcut(QKeySequence(key), window)
            shortcut.activated.connect(call)
            self._keys.append(shortcut)

    def _ask_to_open(self, what: str) -> None:
        if what == "first-steps":
            self.first_steps_asked.emit()
            return
        if what == "any":
            self.importer.ask()
            return
        (self.projects if what.startswith(_PROJECT_ASKS) else self.opener).ask(what)

    def _save_now(self) -> None:
        if self.store.read_only:
            self._session.say("The project is open read-only: strokes can't be saved.", "warning")
            return
        self.autosave.save(lambda: self._session.say("The strokes are saved.", "good"))

    def _shown_case(self) -> str | None:
        """The id under which the project knows what is shown."""
        scribbles = self._session.selected.scribbles
        return None if scribbles is None else kept_as(scribbles, self._session.project_folder)

    def _mark(self, progress: Progress | None = None, **more: Any) -> None:
        case_id = self._shown_case()
        if case_id is None:
            return
        self._session.run(
            lambda: self.store.mark(case_id, progress=progress, **more), self._show_state
        )

    def _set_reviewed(self, is_reviewed: bool) -> None:
        self._mark("reviewed" if is_reviewed else "done", by=self.store.annotator)

    def _set_done(self, is_done: bool) -> None:
        self._mark("done" if is_done else "scribbled", by=self.store.annotator)

    def _comment(self, text: str) -> None:
        self._mark(comment=text, by=self.store.annotator)

    def _order_cases(self) -> None:
        """Show the cases in the order that is chosen; their doubt is read from the disk."""
        self._show_state(self._state)
        if self.cases.order.currentText() != ORDERS[2]:
            return
        folder = self._session.project_folder

        def read(doubts: dict[str, float]) -> None:
            self.cases.set_doubts(doubts)
            if not doubts:
                self._session.say(
                    "The newest prediction of no case has an uncertainty map yet: press All cases "
                    "in the Results tab."
                )

        self._session.run(lambda: case_doubts(folder), read)

    def _set_flagged(self, is_flagged: bool) -> None:
        self._mark(flagged=is_flagged, by=self.store.annotator)

    def _note_prediction(self, event: Any) -> None:
        """A case that got a segmentation is predicted."""
        layer = event.value
        known = self._state is not None and not self.store.read_only
        is_shown = self._session.kept is not None and layers.case_of(layer) == self._session.case
        if known and is_shown and layers.role_of(layer) == "segmentation":
            self._mark("predicted", only_up=True)

    def note_predictions(self, cases: Sequence[CaseKey]) -> None:
        """These cases got segmentations: they are predicted, if their project is still open."""
        if self._state is None or self.store.read_only:
            return

        def marked(state: ProjectState) -> None:
            self._show_state(state)
            self._order_cases()  # their doubt may have changed

        project = self._session.project_folder
        ids = [case.id for case in cases if case.is_in(project)]
        if ids:
            self._session.run(lambda: self.store.mark_predicted(ids), marked)

    def _keep_reference(self, reference: Array) -> None:
        """A reference that was loaded belongs to the case from now on, also in the project."""
        kept = self._session.kept
        if kept is not None and not self.store.read_only:
            self._session.run(
                lambda: self.store.keep_reference(kept.id, reference), lambda _none: None
            )

    def _opened(self, opened: OpenedCase) -> None:
        self._notes.setText("\n".join(opened.notes))
        self._notes.setVisible(bool(opened.notes))
        self.projects.refresh()
        self.projects.remember(opened.case.id)

    def _show_state(self, state: ProjectState | None) -> None:
        self._state = state
        self.cases.setVisible(state is not None and bool(state.cases))
        if state is None:
            self._project.setText(
                "What you open becomes a case of your own project, which keeps your strokes. "
                "Begin with Open, or drop files or folders on the window."
            )
            return
        reviewed = sum(case.progress == "reviewed" for case in state.cases)
        about = f"{counted(len(state.cases), 'case')}, {reviewed} reviewed"
        about = about if state.cases else "no case yet"
        who = f"\n{' '.join(state.notes)}" if state.read_only else ""
        self._project.setText(f"{state.title}: {about}{who}")
        self._project.setToolTip(str(state.folder))
        self.cases.set_cases(state.cases, self._shown_case(), state.names)

    def _show_recent(self, known: RecentProjects) -> None:
        self.open.set_recent([Path(one.folder) for one in known.projects])

    def _show_offers(self) -> None:
        for slot in SLOTS:
            self.inputs.set_choices(slot, self._session.offered(slot))
        self._show_selected()

    def _show_selected(self) -> None:
        selected = self._session.selected
        self.inputs.set_value(selected)
        self._case.setText(str(self._session.case or "No case is open."))
        facts = facts_of(selected.image)
        self._facts.setText(facts)
        self._facts.setVisible(bool(facts))
        if selected.image is None:
            self._notes.setVisible(False)
        if self._state is not None:
            self.cases.set_cases(self._state.cases, self._shown_case(), self._state.names)


def _nothing() -> None:
    """Nothing is to be ended yet."""
