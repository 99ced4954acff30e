"""Project: a folder with cases, label schema, scribbles and runs, written by one at a time.

    project.json                      version, revision, title, schema, cases
    project.lock                      who is writing, while somebody is
    cases/<id>/scribbles.nii.gz       drawn here, always on the grid of the image
    cases/<id>/reference.nii.gz       the dense truth, if there is one
    cases/<id>/image.nii.gz           only where the image was copied
    runs/<time>_<method>_<4 digits>/  one training run each

An image is copied, or stays where it is and is remembered by its path and the SHA-256 of its
bytes, so that scribbles are never shown on another image. Every change counts the revision of
project.json up by one; a revision that moved on in the meantime is never written over.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from napari_scribseg import io
from napari_scribseg.cases import Array, Case, CaseFiles, Dataset
from napari_scribseg.datasets.names import path_inside
from napari_scribseg.errors import InvalidInput
from napari_scribseg.io.atomic import remove_leftovers
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.labels import LabelSchema
from napari_scribseg.lock import FolderLock
from napari_scribseg.project_document import ProjectCase, ProjectDocument, sha256_of
from napari_scribseg.volume import Grid, Volume

_DOCUMENT: Final = "project.json"
_ADDING: Final = ".adding-"
_METHOD: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


class Project:
    """An open project folder; use `create` or `open`, and `close` it or use it in a `with`.

    Attributes:
        folder: absolute, links resolved.
        read_only: whether nothing may be changed.
        notes: what was noticed on opening, in sentences.
    """

    def __init__(self, folder: Path, document: ProjectDocument, lock: FolderLock | None) -> None:
        self.folder = folder
        self.read_only = lock is None
        self.notes = (lock.note,) if lock is not None and lock.note else ()
        self._document = document
        self._lock = lock
        self._one_change = threading.RLock()
        self._sums: dict[tuple[str, int, int], str] = {}

    @classmethod
    def create(cls, folder: str | Path, schema: LabelSchema, title: str | None = None) -> Project:
        """A new project in a folder that is empty or does not exist yet, open for writing.

        Raises:
            InvalidInput: the folder has something in it or can't be written to.
        """
        path = Path(os.path.realpath(folder))
        try:
            path.mkdir(parents=True, exist_ok=True)
            occupied = any(path.iterdir())
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
            (path / "runs").mkdir()
            save_document(path / _DOCUMENT, document)
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
        if not (path / _DOCUMENT).is_file():
            raise InvalidInput(f"{folder} is not a project: it has no {_DOCUMENT}.")
        lock = None if read_only else FolderLock.take(path)
        try:
            document = load_document(path / _DOCUMENT, ProjectDocument)
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

    @property
    def title(self) -> str:
        """What the project is called."""
        return self._document.title

    @property
    def schema(self) -> LabelSchema:
        """The structures of the project."""
        return self._document.labels

    @property
    def revision(self) -> int:
        """How many times the project was changed, counting its creation."""
        return self._document.revision

    @property
    def case_ids(self) -> tuple[str, ...]:
        """Ids of the cases, in the order in which they were added."""
        return tuple(case.id for case in self._document.cases)

    def add_case(self, case: CaseFiles | Case, *, copy: bool = True) -> None:
        """Add a case with its scribbles and reference, put on the grid of its image.

        Args:
            case: files, or volumes in memory.
            copy: store the image in the project; otherwise only its absolute path and sum.

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
            loaded = self._checked(case)
            entry = ProjectCase.of(case, loaded, copied=copy)
            target = self._inside(f"cases/{entry.id}")
            adding = self.folder / "cases" / f"{_ADDING}{secrets.token_hex(8)}"
            adding.mkdir()
            try:
                if copy:
                    io.write_volume(adding / "image.nii.gz", Volume(loaded.image.array, entry.grid))
                    sha256 = sha256_of(adding / "image.nii.gz")
                    entry = entry.model_copy(update={"image_sha256": sha256})
                if loaded.scribbles is not None:
                    _write_labels(adding / "scribbles.nii.gz", loaded.scribbles, entry.grid)
                if loaded.reference is not None:
                    _write_labels(adding / "reference.nii.gz", loaded.reference, entry.grid)
                self._set_aside(target)
                adding.rename(target)
            finally:
                shutil.rmtree(adding, ignore_errors=True)
            self._save(self._document.model_copy(update={"cases": (*self._document.cases, entry)}))

    def save_scribbles(self, case_id: str, scribbles: Array) -> None:
        """Replace the scribbles of a case.

        Args:
            case_id: one of `case_ids`.
            scribbles: (z, y, x) whole numbers in the scribble world, on the grid of the image.

        Raises:
            InvalidInput: shape or values don't fit, the project is read-only or changed
                elsewhere, or the file could not be written (the old one is untouched).
        """
        with self._one_change:
            entry = self._entry(case_id)
            if scribbles.shape != entry.shape or scribbles.dtype.kind not in "iu":
                raise InvalidInput(
                    f"The scribbles of case {case_id} must be whole numbers of the shape "
                    f"{entry.shape}, got {scribbles.dtype} of the shape {scribbles.shape}."
                )
            self.schema.check_scribbles(scribbles, f"The scribbles of case {case_id}")
            self._check_may_change()
            path = self._inside(f"cases/{case_id}/scribbles.nii.gz")
            _write_labels(path, scribbles, entry.grid)
            self._save(self._document)

    def load_case(self, case_id: str) -> Case:
        """The volumes of a case.

        Raises:
            InvalidInput: there is no such case, its image was replaced, or a file can't be read.
        """
        return self._files(self._entry(case_id)).load(self.schema)

    def dataset(self) -> Dataset:
        """The cases as a dataset for training.

        Raises:
            InvalidInput: an image was replaced since it was added.
        """
        cases = tuple(self._files(entry) for entry in self._document.cases)
        return Dataset(self.title, "project", self.folder, self.schema, cases)

    def runs(self) -> tuple[Path, ...]:
        """The run folders, oldest first."""
        return tuple(sorted(path.parent for path in (self.folder / "runs").glob("*/run.json")))

    def new_run_path(self, method: str) -> Path:
        """Where a run of this method shall go; nothing is created.

        Raises:
            InvalidInput: the project is read-only or this can't be the name of a method.
        """
        self._check_may_change()
        if not _METHOD.fullmatch(method):
            raise InvalidInput(f"{method!r} can't be the name of a method.")
        return self._inside(f"runs/{run_folder_name(method)}")

    def close(self) -> None:
        """Give the lock back; the project can only be read from now on."""
        with self._one_change:
            if self._lock is not None:
                self._lock.release()
            self._lock = None
            self.read_only = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _entry(self, case_id: str) -> ProjectCase:
        for entry in self._document.cases:
            if entry.id == case_id:
                return entry
        raise InvalidInput(
            f"There is no case {case_id!r} in the project; "
            f"there are: {', '.join(self.case_ids) or 'none yet'}."
        )

    def _checked(self, case: CaseFiles | Case) -> Case:
        """The volumes of a case, whose values are all in the schema."""
        if isinstance(case, CaseFiles):
            return case.load(self.schema)
        if case.scribbles is not None:
            self.schema.check_scribbles(case.scribbles, f"The scribbles of case {case.id}")
        if case.reference is not None:
            self.schema.check_segmentation(case.reference, f"The reference of case {case.id}")
        return case

    def _files(self, entry: ProjectCase) -> CaseFiles:
        """The files of a case, its image being the one that was added."""
        image = self._image(entry)
        if self._sum(image) != entry.image_sha256:
            raise InvalidInput(
                f"The image of case {entry.id} is not the one that was added ({image} was "
                "replaced or changed). Its scribbles are kept; put the old image back, or add "
                "the new one as a case of its own."
            )
        scribbles = self._inside(f"cases/{entry.id}/scribbles.nii.gz")
        reference = self._inside(f"cases/{entry.id}/reference.nii.gz")
        return CaseFiles(
            id=entry.id,
            patient=entry.patient,
            image=image,
            scribbles=scribbles if scribbles.is_file() else None,
            reference=reference if reference.is_file() else None,
            split=entry.split,
            group=entry.group,
            phase=entry.phase,
            frame=entry.frame,
        )

    def _image(self, entry: ProjectCase) -> Path:
        """Where the image of a case is; only an absolute path may lie outside of the project."""
        path = Path(entry.image)
        if path.is_absolute() and "\0" not in entry.image:
            return path
        return self._inside(entry.image)

    def _inside(self, name: str) -> Path:
        return path_inside(self.folder, name, f"Project {self.title}")

    def _sum(self, path: Path) -> str:
        """SHA-256 of an image; of a file that did not change since, the one known."""
        if not path.is_file():
            return sha256_of(path)
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._sums:
            self._sums[key] = sha256_of(path)
        return self._sums[key]

    def _check_may_change(self) -> None:
        """Raises InvalidInput unless we are the writer and nobody else wrote since."""
        if self._lock is None:
            raise InvalidInput(f"Project {self.title} is open read-only; open it for writing.")
        if not self._lock.is_held:
            raise InvalidInput(
                f"Project {self.title} was taken over by somebody else; nothing was written. "
                "Close it and open it again."
            )
        there = load_document(self.folder / _DOCUMENT, ProjectDocument).revision
        if there != self.revision:
            raise InvalidInput(
                f"Project {self.title} was changed elsewhere: its revision is {there}, expected "
                f"{self.revision}; nothing was written. Close it and open it again."
            )

    def _save(self, document: ProjectDocument) -> None:
        newer = document.model_copy(update={"revision": self.revision + 1})
        save_document(self.folder / _DOCUMENT, newer)
        self._document = newer

    def _tidy(self) -> None:
        """Remove what a crash left half-made."""
        for folder in (self.folder / "cases").glob(f"{_ADDING}*"):
            shutil.rmtree(folder, ignore_errors=True)
        remove_leftovers(self.folder)
        for case_id in self.case_ids:
            remove_leftovers(self._inside(f"cases/{case_id}"))

    def _set_aside(self, folder: Path) -> None:
        """Make room for a case where a crash left a folder that no document knows."""
        if folder.exists():
            aside = f".orphan-{folder.name}-{secrets.token_hex(4)}"
            folder.rename(folder.with_name(aside))
            self.notes += (f"A folder that belonged to no case was renamed to cases/{aside}.",)


def run_folder_name(method: str) -> str:
    """A fresh name for the folder of a run: <time>_<method>_<4 digits>, so names sort by time."""
    now = datetime.now().astimezone()
    return f"{now:%Y-%m-%dT%H-%M-%S}_{method}_{secrets.token_hex(2)}"


def _write_labels(path: Path, array: Array, grid: Grid) -> None:
    io.write_volume(path, Volume(array.astype(np.uint8), grid))
