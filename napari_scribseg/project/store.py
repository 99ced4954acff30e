"""ProjectStore: keeps what is drawn - by the journal at once, by the project on saving.

It knows neither Qt nor napari. Every method may be called from any thread and waits for the disk,
so a window calls them in the background; one at a time is served.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.planes import Planes
from napari_scribseg.core.region import Region
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import Case, CaseFiles, CaseKey
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.project import case_names, journal, teamwork
from napari_scribseg.project.annotator import annotator_name, checked_name
from napari_scribseg.project.document import Progress, ProjectCase
from napari_scribseg.project.folder import Project
from napari_scribseg.project.journal import Journal, JournalHeader, Restored
from napari_scribseg.project.strokes_ledger import Stroke, found_strokes
from napari_scribseg.project.teamwork import CaseTeam
from napari_scribseg.project.versions import Made, chosen_version


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


class ProjectStore:
    """Keeps the strokes of one project at a time.

    Args:
        journals: the private folder of the journals; the user's own when None.

    Attributes:
        annotator: who draws.
    """

    def __init__(self, journals: Path | None = None) -> None:
        self.annotator = annotator_name()
        self._journals = journals or journal.private_folder()
        self._project: Project | None = None
        self._followed: dict[tuple[str, str], Journal] = {}
        """By case and annotator, see `Version.of`."""
        self._being_added: set[str] = set()
        self._one_call = threading.RLock()

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

    # The project

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

    def close(self) -> None:
        """Close the project; journals with unsaved strokes stay."""
        with self._one_call:
            if self._project is not None:
                self._project.close()
            self._project = None
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
                free = project.free_id(given.id, self._promised_ids(project))
                named = given.model_copy(update={"id": free})
                project.add_case(named, copy=False, schema=schema)
            else:
                free = project.free_id(given.id, self._promised_ids(project))
                renamed = Case(free, given.patient, given.image, given.scribbles, given.reference)
                project.add_case(renamed, schema=schema)
                _remember(project, free, given.source)
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
            if not self._has_unsaved(case_id, of):
                scribbles = case.scribbles
                saved = np.zeros(case.image.shape, np.uint8) if scribbles is None else scribbles
                self._follow((case_id, of), saved)
            return OpenedCase(
                case=case,
                schema=project.schema_of(case_id),
                entry=project.case(case_id),
                project=project.folder,
                read_only=project.read_only,
                notes=case.notes,
                title=_names(project)[case_id],
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

    def frames_of(self, image: Path) -> dict[str, ProjectCase]:
        """The cases that are frames of a time series, by id; none without a project."""
        with self._one_call:
            return {} if self._project is None else self._project.frames_of(image)

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
                case_id = project.free_id(safe_id(wanted), self._promised_ids(project))
            if (case_id, of) not in self._followed:
                self._follow((case_id, of), self._saved(case_id, of, scribbles.shape), schema)
            one = self._followed[case_id, of]
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
            try:
                reference = _as_reference(case.reference, schema)
            except InvalidInput:
                reference = None  # of other structures: it can't be scored with these
            whole = Case(case_id, case.patient, case.image, None, reference)
            project.add_case(whole, schema=schema, oriented=oriented)
            _remember(project, case_id, case.source)
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
            one = self._followed.get((case_id, of))
            if one is not None:
                one.record(scribbles, schema, by=self.annotator)
                if not one.is_pending:
                    return Kept(case_id, unsaved=False)
            saved = np.array(scribbles) if one is None else one.recorded.array()
            strokes = () if one is None else one.strokes
            project.save_scribbles(case_id, saved, schema=schema, annotator=of, strokes=strokes)
            if one is not None:
                one.settle(one.recorded, self._header((case_id, of), saved.shape, schema))
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
            if case_id is None or (case_id, of) not in self._followed:
                return bool(scribbles.any())
            one = self._followed[case_id, of]
            return one.is_pending or one.differs(scribbles)

    def pending(self) -> tuple[Restored, ...]:
        """What earlier sittings left unsaved, the oldest first."""
        with self._one_call:
            mine = {one.path for one in self._followed.values()}
            return tuple(one for one in journal.pending(self._journals) if one.path not in mine)

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
            project = self._open
            case_id = left.header.case
            if case_id not in project.case_ids:
                raise InvalidInput(
                    f"Case {case_id} is not in the project {project.title}; its strokes are kept."
                )
            note, of = "", left.header.annotator
            saved = project.scribbles_sha256(case_id, of)
            if saved is not None and saved != left.header.scribbles_sha256:
                name = project.copy_scribbles_aside(case_id, of)
                note = f"What was saved since then is in {name} beside the scribbles."
            project.save_scribbles(
                case_id,
                left.scribbles,
                schema=left.labels,
                annotator=of,
                strokes=left.ledger or (_told_by_journal(left),),
            )
            journal.discard(left.path)
            self._followed.pop((case_id, of), None)
            return case_id, note

    def discard(self, left: Restored) -> None:
        """Forget what an earlier sitting left.

        Raises:
            InvalidInput: the file can't be removed.
        """
        journal.discard(left.path)

    # Inside

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
            names=_names(project),
            schema=project.schema,
        )

    def _promised_ids(self, project: Project) -> set[str]:
        """Ids that strokes are kept under already, here or since an earlier sitting."""
        left = journal.pending(self._journals)
        earlier = {one.header.case for one in left if one.header.project == str(project.folder)}
        return {*(case_id for case_id, _ in self._followed), *self._being_added, *earlier}

    def _has_unsaved(self, case_id: str, of: str) -> bool:
        return (case_id, of) in self._followed and self._followed[case_id, of].is_pending

    def _saved(self, case_id: str, of: str, shape: tuple[int, ...]) -> Array:
        """The strokes that the project has; nothing where it has none that fit."""
        try:
            saved = self._open.saved_scribbles(case_id, of)
        except InvalidInput:  # the journal keeps all of them then
            saved = None
        fits = saved is not None and saved.shape == shape
        return saved if saved is not None and fits else np.zeros(shape, np.uint8)

    def _follow(
        self, whose: tuple[str, str], saved: Array, schema: LabelSchema | None = None
    ) -> None:
        shape = (saved.shape[0], saved.shape[1], saved.shape[2])
        header = self._header(whose, shape, schema or self._open.schema_of(whose[0]))
        # What is saved needs no copy in memory any more.
        self._followed = {key: one for key, one in self._followed.items() if one.is_pending}
        self._followed[whose] = Journal(self._journals, header, saved)

    def _header(
        self, whose: tuple[str, str], shape: tuple[int, ...], schema: LabelSchema
    ) -> JournalHeader:
        project, (case_id, of) = self._open, whose
        saved = project.scribbles_sha256(case_id, of) if case_id in project.case_ids else None
        return JournalHeader.begin(
            project.folder,
            case_id,
            (shape[0], shape[1], shape[2]),
            schema,
            annotator=of,
            revision=project.revision,
            scribbles_sha256=saved,
        )


def _told_by_journal(left: Restored) -> Stroke:
    """What a journal without strokes of its own tells: who wrote it."""
    by = left.header.writer.user
    return found_strokes(left.scribbles, left.changed, by, left.header.annotator)


def _remember(project: Project, case_id: str, source: str) -> None:
    """Remember where the image of a case was, so that it can be called by its folder."""
    if Path(source).is_absolute():
        case_names.remember_place(project.folder, case_id, Path(source))


def _names(project: Project) -> dict[str, str]:
    return case_names.shown_names(project.cases, case_names.places_of(project.folder))


def _as_reference(reference: Array | None, schema: LabelSchema) -> Array | None:
    """A reference as bytes.

    Raises:
        InvalidInput: it has values that are not in the schema.
    """
    if reference is None:
        return None
    schema.check_reference(reference)
    return reference.astype(np.uint8)
