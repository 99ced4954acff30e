"""Project: a folder with cases, label schema, scribbles and runs, written by one at a time.

    project.json                      version, revision, title, schema, cases
    project.lock                      who is writing, while somebody is
    cases/<id>/scribbles.nii.gz       drawn here, always on the grid of the image
    cases/<id>/annotators/            the same of people who draw apart, see `versions`
    cases/<id>/strokes.jsonl          who drew when, see `strokes_ledger`
    team.json                         how people work together, see `versions`
    cases/<id>/scribbles.conflict-*   what could not be saved there, as the place had changed
    cases/<id>/reference.nii.gz       the dense truth, if there is one
    cases/<id>/image.nii.gz           only where the image was copied
    cases/<id>/sequence-2.nii.gz      likewise its second sequence, and so on
    runs/<time>_<method>_<4 digits>/  one training run each

An image is copied, or stays where it is and is remembered by its path and the SHA-256 of its
bytes, so that scribbles are never shown on another image. Every change counts the revision of
project.json up by one; a revision or scribbles that moved on in the meantime are never written
over. A time series is a case per frame that is worked on; ED and ES are the phases of such cases.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import Case, CaseFiles, Dataset
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.io.atomic import remove_leftovers
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.io.lock import FolderLock
from napari_scribseg.io.storable import storable
from napari_scribseg.project import strokes_ledger, versions
from napari_scribseg.project.document import (
    ProjectCase,
    ProjectDocument,
    ProjectSequence,
    sha256_of,
)
from napari_scribseg.project.open_document import DOCUMENT, is_project
from napari_scribseg.project.reading import ReadableProject
from napari_scribseg.project.scribble_files import copy_aside, write_labels
from napari_scribseg.project.strokes_ledger import Stroke
from napari_scribseg.project.versions import Made, Team

_ADDING: Final = ".adding-"


class Project(ReadableProject):
    """An open project folder; use `create` or `open`, and `close` it or use it in a `with`.

    Attributes:
        folder: absolute, links resolved.
        read_only: whether nothing may be changed.
        notes: what was noticed on opening, in sentences.

    Example:
        >>> from napari_scribseg import LabelSchema, Project
        >>> with Project.create("liver", LabelSchema.of("liver")) as project:
        ...     project.read_only, len(project.cases)
        (False, 0)
    """

    @classmethod
    def create(cls, folder: str | Path, schema: LabelSchema, title: str | None = None) -> Project:
        """A new project in a folder that is empty or does not exist yet, open for writing.

        Raises:
            InvalidInput: the folder has something in it or can't be written to.
        """
        path = Path(os.path.realpath(folder))
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Runs may have been written before anybody asked for a project.
            occupied = any(entry.name != "runs" for entry in path.iterdir())
        except OSError as error:
            raise InvalidInput(f"{folder} can't be made a project: {error.strerror}.") from error
        if occupied:
            raise InvalidInput(
                f"{folder} is not empty; a new project needs an empty folder or a new name."
            )
        document = ProjectDocument(title=(title or path.name)[:200], labels=schema)
        lock = FolderLock.take(path)
        try:
            (path / "cases").mkdir()
            (path / "runs").mkdir(exist_ok=True)
            save_document(path / DOCUMENT, document)
        except BaseException:
            lock.release()
            raise
        return cls(path, document, lock)

    @classmethod
    def open(cls, folder: str | Path, *, read_only: bool = False) -> Project:
        """An existing project; for writing it must not be open elsewhere.

        Raises:
            InvalidInput: the folder is no project, its document is damaged, of a newer version or
                has paths that leave the project, or somebody else is writing (who and where).
        """
        path = Path(os.path.realpath(folder))
        if not (path / DOCUMENT).is_file():
            raise InvalidInput(f"{folder} is not a project: it has no {DOCUMENT}.")
        lock = None if read_only else FolderLock.take(path)
        try:
            document = load_document(path / DOCUMENT, ProjectDocument)
            project = cls(path, document, lock)
            for case in document.cases:
                project._image(case)
            if lock is not None:
                project._tidy()
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return project

    @classmethod
    def open_or_read_only(cls, folder: str | Path) -> Project:
        """An existing project, read-only with a note (who, where) when it can't be written.

        Raises:
            InvalidInput: the folder is no project, or its document can't be used.
        """
        try:
            return cls.open(folder)
        except InvalidInput as refusal:
            project = cls.open(folder, read_only=True)
            project.notes += (str(refusal),)
            return project

    @classmethod
    def open_or_create(
        cls, folder: str | Path, schema: LabelSchema, title: str | None = None
    ) -> Project:
        """The project in a folder (see `open_or_read_only`), or a new one where there is none.

        Raises:
            InvalidInput: the folder holds something else, or can't be written to.
        """
        if (Path(folder) / DOCUMENT).is_file():
            return cls.open_or_read_only(folder)
        return cls.create(folder, schema, title)

    def add_case(
        self,
        case: CaseFiles | Case,
        *,
        copy: bool = True,
        schema: LabelSchema | None = None,
        oriented: bool = True,
    ) -> None:
        """Add a case with its scribbles and reference, put on the grid of its image.

        Args:
            case: files, or volumes in memory.
            copy: store the image in the project; otherwise only its absolute path and sum.
            schema: the structures of the case; the project's when None.
            oriented: whether it is known how the image lies in the patient; its own grid that says
                it is not is believed in any case.

        Raises:
            InvalidInput: the project is read-only or changed elsewhere, the id is taken, the
                case can't be read, or a case in memory is not to be copied.
        """
        if isinstance(case, Case) and not copy:
            raise InvalidInput(f"Case {case.id} is only in memory, so its image must be copied.")
        with self._one_change:
            self._check_may_change()
            if case.id.casefold() in {known.casefold() for known in self.case_ids}:
                raise InvalidInput(f"There is a case {case.id} in the project already.")
            loaded = _checked(case, schema or self.schema)
            entry = ProjectCase.of(case, loaded, copied=copy)
            if schema is not None and schema != self.schema:
                entry = entry.model_copy(update={"labels": schema})
            if not (oriented and loaded.grid.oriented):
                entry = entry.model_copy(update={"oriented": False})
            entry = self._store(entry, loaded, copy=copy)
            self._save(self._document.model_copy(update={"cases": (*self._document.cases, entry)}))

    def save_reference(self, case_id: str, reference: Array) -> None:
        """Give a case a dense truth; the one that it had is kept in a file beside it.

        Args:
            case_id: one of `case_ids`.
            reference: (z, y, x) class indices on the grid of the image, UNKNOWN where a partial
                one says nothing.

        Raises:
            InvalidInput: shape or values don't fit, the project is read-only or changed elsewhere,
                or the file could not be written (the old one is untouched).
        """
        with self._one_change:
            self._check_may_change()
            entry = self._entry(case_id)
            name = f"The reference of case {case_id}"
            if reference.shape != entry.shape:
                raise InvalidInput(
                    f"{name} has the shape {reference.shape}, the image has {entry.shape}."
                )
            self.schema_of(case_id).check_reference(reference, name)
            path = self._inside(f"cases/{case_id}/reference.nii.gz")
            if path.is_file():
                copy_aside(path)
            write_labels(path, reference, entry.grid)

    def save_scribbles(
        self,
        case_id: str,
        scribbles: Array,
        *,
        schema: LabelSchema | None = None,
        annotator: str = "",
        strokes: Sequence[Stroke] = (),
        made: Made | None = None,
    ) -> None:
        """Replace the scribbles of a case.

        Args:
            case_id: one of `case_ids`.
            scribbles: (z, y, x) whole numbers in the scribble world, on the grid of the image.
            schema: the structures they were drawn with; those of the case when None.
            annotator: whose version they are; "" = the one that all share.
            strokes: who drew what since the last save.
            made: how they came about, where nobody drew them.

        Raises:
            InvalidInput: shape or values don't fit, the project is read-only, or the file could
                not be written (the old one is untouched); or project or scribbles were changed
                elsewhere: then these scribbles are in a file beside them, which is named.
        """
        with self._one_change:
            entry = self._entry(case_id)
            schema = schema or entry.labels or self.schema
            if scribbles.shape != entry.shape or scribbles.dtype.kind not in "iu":
                raise InvalidInput(
                    f"The scribbles of case {case_id} must be whole numbers of the shape "
                    f"{entry.shape}, got {scribbles.dtype} of the shape {scribbles.shape}."
                )
            schema.check_scribbles(scribbles, f"The scribbles of case {case_id}")
            path = self._scribbles_of(case_id, annotator)
            if self._lock is None:
                self._check_may_change()
            ledger = self._inside(f"cases/{case_id}/{strokes_ledger.LEDGER}")
            if strokes and self._lock is not None and self._lock.is_held:
                strokes_ledger.begin(ledger, self._unnoted(case_id))
            if annotator:
                versions.describe(path, annotator, made)
            self._scribbles.replace(path, scribbles, entry.grid, self._check_may_change)
            strokes_ledger.append(ledger, strokes)
            drawn = entry.progress == "untouched" and bool(scribbles.any())
            changes = {
                "labels": None if schema == self.schema else schema,
                "progress": "scribbled" if drawn else entry.progress,
            }
            self._save(self._document.with_entry(entry.model_copy(update=changes)))

    def copy_scribbles_aside(self, case_id: str, annotator: str = "") -> str:
        """Keep a copy of the saved scribbles beside them; gives its name.

        Raises:
            InvalidInput: there are none, or the copy can't be written.
        """
        with self._one_change:
            self._check_may_change()
            return copy_aside(self._scribbles_of(case_id, annotator))

    def save_team(self, team: Team) -> None:
        """Note how the people of the project work together.

        Raises:
            InvalidInput: the project is read-only or changed elsewhere, or it can't be written.
        """
        with self._one_change:
            self._check_may_change()
            versions.save_team(self.folder, team)

    def _unnoted(self, case_id: str) -> tuple[Stroke, ...]:
        """What lies in a case although nobody took note of who drew it."""
        path = self._scribbles_of(case_id)
        if not path.is_file() or self._inside(f"cases/{case_id}/{strokes_ledger.LEDGER}").is_file():
            return ()
        scribbles = io.read_labels(path).array
        at = path.stat().st_mtime
        return (strokes_ledger.found_strokes(scribbles, at),) if scribbles.any() else ()

    def _tidy(self) -> None:
        """Remove what a crash left half-made."""
        for folder in (self.folder / "cases").glob(f"{_ADDING}*"):
            shutil.rmtree(folder, ignore_errors=True)
        remove_leftovers(self.folder)
        for case_id in self.case_ids:
            folder = self._inside(f"cases/{case_id}")
            for each in (folder, *folder.glob("annotators/*/")):
                remove_leftovers(each)

    def _store(self, entry: ProjectCase, loaded: Case, *, copy: bool) -> ProjectCase:
        """Make the folder of a case at once; gives its entry, with the sum of a copied image."""
        target = self._inside(f"cases/{entry.id}")
        adding = self.folder / "cases" / f"{_ADDING}{secrets.token_hex(8)}"
        adding.mkdir()
        try:
            if copy:
                entry = _with_images(entry, loaded, adding)
            if loaded.scribbles is not None:
                write_labels(adding / "scribbles.nii.gz", loaded.scribbles, entry.grid)
            if loaded.reference is not None:
                write_labels(adding / "reference.nii.gz", loaded.reference, entry.grid)
            self._set_aside(target)
            adding.rename(target)
        finally:
            shutil.rmtree(adding, ignore_errors=True)
        return entry

    def _set_aside(self, folder: Path) -> None:
        """Make room for a case where a crash left a folder that no document knows."""
        if folder.exists():
            aside = f".orphan-{folder.name}-{secrets.token_hex(4)}"
            folder.rename(folder.with_name(aside))
            self.notes += (f"A folder that belonged to no case was renamed to cases/{aside}.",)


def _with_images(entry: ProjectCase, loaded: Case, folder: Path) -> ProjectCase:
    """Write the image and the further sequences of a case; gives its entry with their sums."""
    io.write_volume(folder / "image.nii.gz", Volume(loaded.image.array, entry.grid))
    further: list[ProjectSequence] = []
    for one in entry.further:
        path = folder / Path(one.image).name
        io.write_volume(path, storable(Volume(loaded.image.further[one.name], entry.grid)))
        further.append(one.model_copy(update={"image_sha256": sha256_of(path)}))
    sha256 = sha256_of(folder / "image.nii.gz")
    return entry.model_copy(update={"image_sha256": sha256, "further": tuple(further)})


def run_folder_name(method: str) -> str:
    """A fresh name for the folder of a run: <time>_<method>_<4 digits>, so names sort by time."""
    now = datetime.now().astimezone()
    return f"{now:%Y-%m-%dT%H-%M-%S}_{method}_{secrets.token_hex(2)}"


def _checked(case: CaseFiles | Case, schema: LabelSchema) -> Case:
    """The volumes of a case, whose values are all in the schema."""
    if isinstance(case, CaseFiles):
        return case.load(schema)
    if case.scribbles is not None:
        schema.check_scribbles(case.scribbles, f"The scribbles of case {case.id}")
    if case.reference is not None:
        schema.check_reference(case.reference, f"The reference of case {case.id}")
    return case


def cases_in(folder: Path, frame: int | None = None, strokes_of: str | None = None) -> Dataset:
    """The cases of a dataset folder or of a project.

    Args:
        folder: of either kind.
        frame: the frame to take from time series; None = as the folder says.
        strokes_of: whose strokes to take from a project, see `Project.dataset`.

    Raises:
        InvalidInput: it is neither, or its document is damaged; or somebody's strokes were asked
            for and there are none.
    """
    if is_project(folder):
        with Project.open(folder, read_only=True) as project:
            dataset = project.dataset(strokes_of)
    elif strokes_of is not None:
        raise InvalidInput(
            f"{folder} is no project, so it has no strokes of '{strokes_of}' in particular: give "
            "the folder of a project, or leave the name out."
        )
    else:
        dataset = read_dataset(folder)
    return dataset if frame is None else dataset.at_frame(frame)
