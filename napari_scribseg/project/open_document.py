"""The document of an open project: what it remembers, and who may change it.

Every change counts the revision of project.json up by one; one that moved on in the meantime is
never written over.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pydantic import ValidationError

from napari_scribseg.core.config import explain
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.region import Region
from napari_scribseg.data.names import path_inside
from napari_scribseg.data.patients import patient_of, patients_of
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.io.lock import FolderLock
from napari_scribseg.project.document import (
    STEPS,
    CaseComment,
    Progress,
    ProjectCase,
    ProjectDocument,
)

DOCUMENT: Final = "project.json"


class OpenDocument:
    """What a project remembers of its cases, open for reading or, with the lock, for writing.

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
        self._patients: tuple[ProjectDocument, dict[str, str]] | None = None
        self._one_change = threading.RLock()

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

    @property
    def cases(self) -> tuple[ProjectCase, ...]:
        """What is remembered of the cases; scribbles that lie in the folder count as drawn."""
        return tuple(self._seen(case) for case in self._document.cases)

    @property
    def patients(self) -> dict[str, str]:
        """Whose each case is, by its id.

        Cases come one by one, and p04_visit1 alone does not tell that p04 will come again. So
        patients that are told by names are told anew, by the names of all cases.
        """
        document = self._document
        if self._patients is None or self._patients[0] is not document:
            by_names = patients_of(case.id for case in document.cases)
            found = {
                case.id: by_names[case.id] if case.patient == patient_of(case.id) else case.patient
                for case in document.cases
            }
            self._patients = document, found
        return self._patients[1]

    def case(self, case_id: str) -> ProjectCase:
        """What is remembered of a case.

        Raises:
            InvalidInput: there is no such case.
        """
        return self._seen(self._entry(case_id))

    def schema_of(self, case_id: str) -> LabelSchema:
        """The structures of a case.

        Raises:
            InvalidInput: there is no such case.
        """
        return self._entry(case_id).labels or self.schema

    def free_id(self, wanted: str, taken: Collection[str] = ()) -> str:
        """An id that no case has yet: the wanted one, or with a number behind.

        Args:
            wanted: what it should be.
            taken: ids that others will have.
        """
        return self._document.free_id(wanted, taken)

    def set_progress(
        self, case_id: str, progress: Progress, *, only_up: bool = False, by: str = ""
    ) -> None:
        """Note how far the work on a case is.

        Args:
            case_id: one of `case_ids`.
            progress: the step that is reached.
            only_up: do nothing when the case is further already.
            by: who says so; "" = a program.

        Raises:
            InvalidInput: no such case, or the project is read-only or changed elsewhere.
        """
        with self._one_change:
            entry = self.case(case_id)
            further = STEPS.index(entry.progress) >= STEPS.index(progress)
            if entry.progress != progress and not (only_up and further):
                self._change(entry.model_copy(update={"progress": progress, "by": by}))

    def set_flagged(self, case_id: str, *, flagged: bool, by: str = "") -> None:
        """Mark a case for another look, or take the mark away; `by` is who says so.

        Raises:
            InvalidInput: no such case, or the project is read-only or changed elsewhere.
        """
        with self._one_change:
            self._change(self._entry(case_id).model_copy(update={"flagged": flagged, "by": by}))

    def add_comment(self, case_id: str, text: str, by: str) -> None:
        """Note what somebody says about a case, with the time.

        Raises:
            InvalidInput: no such case, the text is empty or too long, or the project is read-only
                or changed elsewhere.
        """
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        try:
            comment = CaseComment(by=by[:100], at=now, text=text)
        except ValidationError as error:
            raise InvalidInput(f"The comment: {explain(error, CaseComment)}") from error
        with self._one_change:
            entry = self._entry(case_id)
            self._change(entry.model_copy(update={"comments": (*entry.comments, comment)}))

    def set_region(self, case_id: str, region: Region | None) -> None:
        """Note outside which part of a case everything is background; None = of no part.

        Raises:
            InvalidInput: no such case, or the project is read-only or changed elsewhere.
        """
        with self._one_change:
            entry = self._entry(case_id)
            if entry.region != region:
                self._change(entry.model_copy(update={"region": region}))

    def set_phase(self, case_id: str, phase: str | None) -> None:
        """Note which phase (ED, ES) the frame of a case is; one frame of an image has it.

        Raises:
            InvalidInput: no such case, or the project is read-only or changed elsewhere.
        """
        with self._one_change:
            self._check_may_change()
            self._entry(case_id)
            self._save(self._document.with_phase(case_id, phase))

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

    def _inside(self, name: str) -> Path:
        return path_inside(self.folder, name, f"Project {self.title}")

    def _check_may_change(self) -> None:
        """Raises InvalidInput unless we are the writer and nobody else wrote since."""
        if self._lock is None:
            raise InvalidInput(f"Project {self.title} is open read-only; open it for writing.")
        if not self._lock.is_held:
            raise InvalidInput(
                f"Project {self.title} was taken over by somebody else; nothing was written. "
                "Close it and open it again."
            )
        there = load_document(self.folder / DOCUMENT, ProjectDocument).revision
        if there != self.revision:
            raise InvalidInput(
                f"Project {self.title} was changed elsewhere: its revision is {there}, expected "
                f"{self.revision}; nothing was written. Close it and open it again."
            )

    def _seen(self, entry: ProjectCase) -> ProjectCase:
        """The entry; one of an older version doesn't tell that it has scribbles."""
        if self.patients[entry.id] != entry.patient:
            entry = entry.model_copy(update={"patient": self.patients[entry.id]})
        if entry.progress == "untouched":
            path = self._inside(f"cases/{entry.id}/scribbles.nii.gz")
            if path.is_file():
                return entry.model_copy(update={"progress": "scribbled"})
        return entry

    def _change(self, entry: ProjectCase) -> None:
        self._check_may_change()
        self._save(self._document.with_entry(entry))

    def _save(self, document: ProjectDocument) -> None:
        newer = document.model_copy(update={"revision": self.revision + 1})
        save_document(self.folder / DOCUMENT, newer)
        self._document = newer


def is_project(folder: Path) -> bool:
    """Whether this is the folder of a project."""
    return (folder / DOCUMENT).is_file()
