"""People: who draws on a case, whose strokes are shown, how people agree, their consensus."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from math import isnan
from typing import TypeVar

from qtpy.QtCore import QObject

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.evaluation.agreement import Agreement, agreement, agreement_map
from napari_scribseg.evaluation.consensus import TITLES, Consensus, How, consensus
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.chosen_layers import kept_as, strokes_of
from napari_scribseg.gui.canvas.people_layers import agreement_data, others_data
from napari_scribseg.gui.canvas.slices import show_slice, shown_slice
from napari_scribseg.gui.case.opener import CaseOpener
from napari_scribseg.gui.case.people_panel import NameQuestion, PeoplePanel
from napari_scribseg.gui.case.people_screen import screen_of
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.style import Fold
from napari_scribseg.project.annotator import annotator_name, given_name, set_annotator
from napari_scribseg.project.store import ProjectStore
from napari_scribseg.project.teamwork import CaseTeam
from napari_scribseg.project.versions import Made

T = TypeVar("T")


class People(QObject):
    """Connects the part "People" with the store and the canvas.

    Args:
        session: what the window works on.
        store: knows who has drawn what.
        opener: shows other strokes.
    """

    def __init__(self, session: Session, store: ProjectStore, opener: CaseOpener) -> None:
        super().__init__(session)
        self._session, self._store, self._opener = session, store, opener
        self._team: CaseTeam | None = None
        self._conflicts: tuple[int, ...] = ()
        self._looks = 0
        self._is_named = given_name() is not None
        self.panel = PeoplePanel()
        self.fold = Fold("People", self.panel)
        self._is_gone = False
        self.fold.destroyed.connect(self._forget_panel)
        self.question = NameQuestion(annotator_name())
        self.question.named.connect(self.call)
        self.panel.named.connect(self.call)
        self.panel.apart_asked.connect(self._set_apart)
        self.panel.done_asked.connect(self._set_done)
        self.panel.open_asked.connect(self._open)
        self.panel.compare_asked.connect(self.compare)
        self.panel.conflict_asked.connect(self._next_conflict)
        self.panel.consensus_asked.connect(self.make_consensus)
        session.selected_changed.connect(self._other_layers)
        self._show(None)

    def call(self, name: str) -> None:
        """Let the user be called otherwise from now on, in all projects."""
        if self._is_named and name == self._store.annotator:
            return
        try:
            kept = set_annotator(name)
        except InvalidInput as error:
            self._session.refuse(str(error))
            self._show(self._team)
            return
        is_other = kept != self._store.annotator
        self._is_named = True
        self._session.say(f"Your strokes are noted under the name {kept} from now on.", "good")
        case_id = self._case

        def renamed(_none: None) -> None:
            if is_other and case_id is not None and self._team is not None and self._team.apart:
                self._opener.open_strokes(case_id, None)
            self.refresh()

        if not is_other:
            self.refresh()
            return
        # What was drawn until now is that of whoever drew it.
        self._opener.save_first(lambda: self._run(lambda: self._store.work_as(kept), renamed))

    def refresh(self, _news: object = None) -> None:
        """Look who has drawn what, and show it."""
        self._looks += 1
        case_id, look = self._case, self._looks
        if case_id is None:
            self._show(None)
            return

        def looked(team: CaseTeam | None) -> None:
            if look == self._looks:  # else a newer one is on its way
                self._show(team)

        self._run(lambda: self._store.team_of(case_id), looked)

    def saved(self, state: object) -> None:
        """Look again once strokes were saved."""
        if not getattr(state, "unsaved", True):
            self.refresh()

    def compare(self, name: str) -> None:
        """Compare what is shown with the strokes of somebody; the map comes onto the canvas."""
        case_id, schema = self._case, self._session.schema
        scribbles = self._session.selected.scribbles
        if case_id is None or scribbles is None or not name:
            return
        shown = layers.volume_of(scribbles)
        ours = shown.array.copy()
        store = self._store

        def job() -> tuple[Array, Agreement]:
            theirs = store.strokes_of(case_id, name)
            return theirs, agreement(ours, theirs, schema)

        def compared(found: tuple[Array, Agreement]) -> None:
            if self._session.selected.scribbles is scribbles:
                self._show_agreement(name, ours, *found)

        self._run(job, compared)

    def make_consensus(self, how: How) -> None:
        """Make one set of strokes of those of everybody, and keep it as a version of its own."""
        case_id, schema, team = self._case, self._session.schema, self._team
        if case_id is None or team is None:
            return
        names = tuple(version.name for version in team.versions if version.made is None)
        store = self._store

        def job() -> Consensus:
            return _made(store, case_id, names, schema, how)

        def made(found: Consensus) -> None:
            self.panel.tell(
                f"Consensus by {TITLES[how]} of {', '.join(names)}: {found.conflicts} conflicts, "
                f"{found.undecided} voxels left open. Choose it under 'Strokes of' to train on it.",
                has_conflicts=False,
            )
            self._session.say("The consensus is kept as a version of the strokes.", "good")
            self.refresh()

        self._opener.save_first(lambda: self._run(job, made))

    # Inside

    @property
    def _case(self) -> str | None:
        """The id under which the open project knows what is shown."""
        scribbles = self._session.selected.scribbles
        folder = self._store.folder
        return None if scribbles is None or folder is None else kept_as(scribbles, folder)

    def _run(self, job: Callable[[], T], done: Callable[[T], None]) -> None:
        def failed(message: str) -> None:
            self._session.refuse(message)
            self._show(self._team)

        self._session.background.run(job, done, failed)

    def _forget_panel(self) -> None:
        """The dock is gone; the session may outlive it."""
        self._is_gone = True

    def _show(self, team: CaseTeam | None) -> None:
        if self._is_gone:
            return
        self._team = team
        own = self._store.annotator
        shown = strokes_of(self._session.selected.scribbles)
        screen = screen_of(team, own, shown, read_only=self._store.read_only)
        self.fold.set_title(screen.title)
        self.panel.set_value(screen)
        self.question.setVisible(not self._is_named and self._session.selected.image is not None)

    def _other_layers(self) -> None:
        self._conflicts = ()
        self.panel.tell("", has_conflicts=False)
        self.refresh()

    def _set_apart(self, apart: bool) -> None:
        case_id, store = self._case, self._store

        def changed(_none: None) -> None:
            self._session.say(
                "Everybody draws strokes of their own now; what was drawn together is kept."
                if apart
                else "All draw the same strokes now; those of each are kept.",
                "good",
            )
            if case_id is not None:
                self._opener.open_strokes(case_id, None)
            self.refresh()

        self._opener.save_first(lambda: self._run(lambda: store.set_apart(apart=apart), changed))

    def _set_done(self, done: bool) -> None:
        case_id, store = self._case, self._store
        if case_id is not None:
            self._run(lambda: store.set_own_done(case_id, done=done), self.refresh)

    def _open(self, name: str) -> None:
        case_id = self._case
        if case_id is not None:
            self._opener.open_strokes(case_id, name)

    def _show_agreement(self, name: str, ours: Array, theirs: Array, found: Agreement) -> None:
        session, image = self._session, self._session.selected.image
        if image is None or session.case is None:
            return
        grid = layers.grid_of(image)
        seen = others_data(grid, session.schema, case=session.case, array=theirs, name=name)
        session.put(seen, "others", session.case).editable = False
        map_of = agreement_data(grid, case=session.case, array=agreement_map(ours, theirs))
        shown = session.put(map_of, "agreement", session.case)
        shown.editable = False
        known = session.viewer.layers
        known.move(known.index(shown), len(known))  # conflicts lie under nobody's strokes
        self._conflicts = tuple(found.conflict_slices)
        told = _result(found, self.panel.offered.currentText() or "What is shown", name)
        self.panel.tell(told, has_conflicts=bool(self._conflicts))

    def _next_conflict(self) -> None:
        """The worst slice first, then the others in order of their conflicts."""
        layer = self._session.selected.scribbles
        if layer is None or not self._conflicts:
            return
        z = shown_slice(self._session.viewer, layer)
        at = self._conflicts.index(z) + 1 if z in self._conflicts else 0
        show_slice(self._session.viewer, layer, self._conflicts[at % len(self._conflicts)])


def _result(found: Agreement, shown: str, name: str) -> str:
    """The result of a comparison of the shown strokes with those of somebody, for people."""
    classes = [f"{one.name} {one.dice:.2f}" for one in found.classes if not isnan(one.dice)]
    dice = f" Dice where both drew: {', '.join(classes)}." if classes else ""
    return f"{found.sentence(shown, name)}{dice}"


def _made(
    store: ProjectStore, case_id: str, names: tuple[str, ...], schema: LabelSchema, how: How
) -> Consensus:
    """A consensus that is kept."""
    found = consensus([store.strokes_of(case_id, name) for name in names], schema, how)
    made = Made(
        how=TITLES[how],
        of=names,
        at=datetime.now().astimezone().isoformat(timespec="seconds"),
        by=store.annotator,
        library=found.library,
        voxels=found.counts,
    )
    store.save_consensus(case_id, found.scribbles, made)
    return found
