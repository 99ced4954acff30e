"""ProjectStore: keeps what is drawn - by the journal at once, by the project on saving.

It knows neither Qt nor napari. Every method may be called from any thread and waits for the disk,
so a window calls them in the background; one at a time is served.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.planes import Planes
from napari_scribseg.core.region import Region
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import Case, CaseFiles
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.project import case_names, teamwork
from napari_scribseg.project.annotator import annotator_name, checked_name
from napari_scribseg.project.current import CurrentProject
from napari_scribseg.project.folder import Project
from napari_scribseg.project.followed import FollowedStrokes
from napari_scribseg.project.journals import Restored, discard, private_folder
from napari_scribseg.project.restoring import save_left
from napari_scribseg.project.shown import Kept, OpenedCase
from napari_scribseg.project.teamwork import CaseTeam
from napari_scribseg.project.versions import Made, chosen_version

_UNSAVED: Final = "Its strokes are shown as they were drawn last, which is not saved yet."


class ProjectStore(CurrentProject):
    """Keeps the strokes of one project at a time.

    Args:
        journals: the private folder of the journals; the user's own when None.

    Attributes:
        annotator: who draws.
    """

    def __init__(self, journals: Path | None = None) -> None:
        super().__init__()
        self.annotator = annotator_name()
        self._journals = journals or private_folder()
        self._followed = FollowedStrokes(self._journals)
        self._being_added: set[str] = set()

    @contextmanager
    def at(self, folder: Path, schema: LabelSchema) -> Generator[ProjectStore]:
        """What keeps the strokes of one project, whichever is open here; nobody else is served.

        Strokes may be kept after another project was opened: that one stays open.

        Args:
            folder: of the project, made if it is not there yet.
            schema: of a project that is made.

        Raises:
            InvalidInput: the folder can't be made a project.
        """
        with self._one_call:
            if self._project is None or self._project.folder == folder.resolve():
                self.ensure_project(folder, schema)
                yield self
                return
            other = ProjectStore(self._journals)
            other.annotator = self.annotator
            other.ensure_project(folder, schema)
            try:
                yield other
            finally:
                other.close()

    def is_at(self, folder: Path) -> bool:
        """Whether this project, or none, is open; does not wait."""
        return self.folder in {None, folder.resolve()}

    def close(self) -> None:
        """Close the project; journals with unsaved strokes stay."""
        with self._one_call:
            super().close()
            self._followed.clear()

    # Cases

    def bring_in(
        self, given: CaseFiles | Case, schema: LabelSchema, folder: Path | None = None
    ) -> str:
        """The id of a case in the project; it is added if its image is not there yet.

        Args:
            given: files are added by reference, volumes in memory are copied.
            schema: its structures.
            folder: of the project that is meant; None = the open one.

        Raises:
            InvalidInput: another project is open, it can't be changed, or the case can't be read.
        """
        with self._one_call:
            project = self._meant(folder)
            if isinstance(given, CaseFiles):
                known = project.case_with_image(given.image, given.frame)
                if known is not None:
                    return known
            free = self._free_id(project, given.id)
            if isinstance(given, CaseFiles):
                named = given.model_copy(update={"id": free})
                project.add_case(named, copy=False, schema=schema)
            else:
                project.add_case(replace(given, id=free), schema=schema)
                case_names.remember_place(project.folder, free, Path(given.source))
            return free

    def load(self, case_id: str, strokes_of: str | None = None) -> OpenedCase:
        """A case of the project, whose strokes are followed from now on.

        Args:
            case_id: one of the project.
            strokes_of: whose strokes, by name; None = the user's own where everybody draws apart,
                else those that all share.

        Raises:
            InvalidInput: no such case, its image was replaced, or a file can't be read; or the
                strokes of others are hidden until the user is done.
        """
        with self._one_call:
            project = self._open
            if strokes_of is not None:
                teamwork.check_may_see(project, case_id, self.annotator, strokes_of)
            chosen = chosen_version(project.folder, case_id, self.annotator, strokes_of)
            of = "" if chosen is None else chosen.of
            case = project.load_case(case_id, of)
            drawn = self._followed.unsaved(project, (case_id, of))
            if drawn is not None:
                case = replace(case, scribbles=drawn, notes=(*case.notes, _UNSAVED))
            else:
                scribbles = case.scribbles
                saved = np.zeros(case.image.shape, np.uint8) if scribbles is None else scribbles
                self._followed.follow(project, (case_id, of), saved)
            return OpenedCase(
                case=case,
                schema=project.schema_of(case_id),
                entry=project.case(case_id),
                project=project.folder,
                read_only=project.read_only,
                notes=case.notes,
                title=self._state(project).name_of(case_id),
                strokes_of=of,
                is_own=strokes_of in {None, self.annotator} or not (of or project.team.apart),
            )

    # Several people

    def work_as(self, name: str) -> None:
        """Draw as somebody else from now on; what was drawn before stays that of whoever drew."""
        with self._one_call:
            self.annotator = checked_name(name)

    def team_of(self, case_id: str) -> CaseTeam | None:
        """Who has drawn what in a case; None without a project or such a case."""
        with self._one_call:
            project = self._project
            if project is None or case_id not in project.case_ids:
                return None
            return teamwork.case_team(project, case_id, self.annotator)

    def set_apart(self, *, apart: bool) -> None:
        """Let everybody draw strokes of their own from now on, or all the same.

        Raises:
            InvalidInput: the project can't be changed.
        """
        with self._one_call:
            project = self._open
            project.save_team(project.team.model_copy(update={"apart": apart}))

    def set_own_done(self, case_id: str, *, done: bool) -> None:
        """Note that the user is, or is not, done with the strokes of a case.

        Raises:
            InvalidInput: the project can't be changed.
        """
        with self._one_call:
            teamwork.set_done(self._open, case_id, self.annotator, done=done)

    def strokes_of(self, case_id: str, name: str) -> Array:
        """The saved strokes of somebody (z, y, x), if the user may see them.

        Raises:
            InvalidInput: there are none, they are hidden from the user, or can't be read.
        """
        with self._one_call:
            project = self._open
            teamwork.check_may_see(project, case_id, self.annotator, name)
            return teamwork.strokes(project, case_id, name)

    def save_consensus(self, case_id: str, scribbles: Array, made: Made) -> None:
        """Keep what was made of the strokes of several people as a version of its own.

        Raises:
            InvalidInput: the project can't be changed, or they don't fit.
        """
        with self._one_call:
            teamwork.save_consensus(self._open, case_id, scribbles, made)

    # Strokes

    def keep(
        self,
        case_id: str | None,
        wanted: str,
        scribbles: Array | Planes,
        schema: LabelSchema,
        *,
        of: str = "",
        seconds: float = 0.0,
    ) -> Kept:
        """Write what was drawn into the journal; it is on the disk when this returns.

        Args:
            case_id: where the strokes belong; None = to a case that is not in the project yet.
            wanted: the id that a new case gets, if it is free.
            scribbles: (z, y, x); an array may be drawn on meanwhile.
            schema: the structures.
            of: whose version of the strokes it is, see `Version.of`.
            seconds: how long the pen moved since they were kept last; 0 = it is not known.

        Raises:
            InvalidInput: there is no project, or the journal can't be written.
        """
        with self._one_call:
            project = self._open
            if case_id is None:
                case_id = self._free_id(project, safe_id(wanted))
            one = self._followed.followed(project, (case_id, of), scribbles.shape, schema)
            done = one.record(scribbles, schema, by=self.annotator, seconds=seconds)
            return Kept(case_id, one.is_pending, done.voxels, done.note)

    def add_drawn(
        self,
        case_id: str,
        case: Case,
        schema: LabelSchema,
        *,
        oriented: bool = True,
        folder: Path | None = None,
    ) -> bool:
        """Add a case whose strokes are kept already; False when the project has it.

        Args:
            case_id: under which they are kept.
            case: its image, its reference if it has one, and where it comes from.
            schema: the structures.
            oriented: whether it is known how the image lies in the patient.
            folder: of the project that is meant; None = the open one.

        Raises:
            InvalidInput: another project is open, it can't be changed, or the image can't be
                stored.
        """
        with self._one_call:
            project = self._meant(folder)
            if case_id in project.case_ids or case_id in self._being_added:
                return False
            self._being_added.add(case_id)
        # Strokes are kept meanwhile: a large image takes its time.
        try:
            reference = _fitting(case.reference, schema)
            whole = replace(case, id=case_id, scribbles=None, reference=reference)
            project.add_case(whole, schema=schema, oriented=oriented)
            case_names.remember_place(project.folder, case_id, Path(case.source))
        finally:
            self._being_added.discard(case_id)
        return True

    def lacks(self, case_id: str) -> bool:
        """Whether the project could have this case and does not."""
        with self._one_call:
            project = self._project
            return project is not None and not project.read_only and case_id not in project.case_ids

    def save(self, case_id: str, scribbles: Array, schema: LabelSchema, *, of: str = "") -> Kept:
        """Write scribbles into the project, and end their journal.

        Args:
            case_id: a case of the project.
            scribbles: (z, y, x), may be drawn on meanwhile.
            schema: the structures.
            of: whose version of the strokes it is, see `Version.of`.

        Raises:
            InvalidInput: they can't be saved; the journal stays.
        """
        with self._one_call:
            project = self._open
            one = self._followed.of((case_id, of))
            if one is not None:
                one.record(scribbles, schema, by=self.annotator)
                if not one.is_pending:
                    return Kept(case_id, unsaved=False)
            saved = np.array(scribbles) if one is None else one.recorded.array()
            strokes = () if one is None else one.strokes
            project.save_scribbles(case_id, saved, schema=schema, annotator=of, strokes=strokes)
            if one is not None:
                self._followed.settle(project, (case_id, of), schema)
            return Kept(case_id, unsaved=False)

    def keep_reference(self, case_id: str, reference: Array) -> None:
        """Give a case of the project a reference; see `Project.save_reference`.

        Raises:
            InvalidInput: no such case, it does not fit, or the project can't be changed.
        """
        with self._one_call:
            self._open.save_reference(case_id, reference)

    def keep_region(self, case_id: str, region: Region | None) -> None:
        """Note the region of interest of a case that the project has.

        Raises:
            InvalidInput: the project can't be changed.
        """
        with self._one_call:
            project = self._open
            if case_id in project.case_ids and not project.read_only:
                project.set_region(case_id, region)

    def differs(self, case_id: str | None, scribbles: Array, *, of: str = "") -> bool:
        """Whether scribbles differ from what is saved in the project; quick."""
        with self._one_call:
            one = None if case_id is None else self._followed.of((case_id, of))
            if one is None:
                return bool(scribbles.any())
            return one.is_pending or one.differs(scribbles)

    def pending(self) -> tuple[Restored, ...]:
        """What earlier sittings left unsaved, the oldest first."""
        with self._one_call:
            return self._followed.left()

    def restore(self, left: Restored) -> tuple[str, str]:
        """Save what an earlier sitting left; gives the id of its case and a sentence, or "".

        Scribbles that were saved since that sitting began are put into a file beside.

        Raises:
            InvalidInput: its project or case is not there or can't be changed; nothing is lost.
        """
        with self._one_call:
            folder = Path(left.header.project)
            if self.folder != folder:
                self._take(Project.open_or_read_only(folder))
            note = save_left(self._open, left)
            self._followed.forget((left.header.case, left.header.annotator))
            return left.header.case, note

    def discard(self, left: Restored) -> None:
        """Forget what an earlier sitting left.

        Raises:
            InvalidInput: the file can't be removed.
        """
        discard(left.path)

    # Inside

    def _free_id(self, project: Project, wanted: str) -> str:
        """An id for a new case, under which no strokes are kept yet either."""
        promised = self._followed.promised_ids(project.folder)
        return project.free_id(wanted, promised | self._being_added)


def _fitting(reference: Array | None, schema: LabelSchema) -> Array | None:
    """A reference as bytes; None where it is of other structures, so it can't be scored."""
    if reference is None:
        return None
    try:
        schema.check_reference(reference)
    except InvalidInput:
        return None
    return reference.astype(np.uint8)
