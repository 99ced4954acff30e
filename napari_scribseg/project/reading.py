"""Reading a project: volumes and strokes of its cases, as long as they are the ones it remembers.

An image stays where it is, or was copied, and is known by the SHA-256 of its bytes, so that
scribbles are never shown on another image.
"""

from __future__ import annotations

from pathlib import Path

from napari_scribseg import io
from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import Case, CaseFiles, Dataset
from napari_scribseg.data.pseudonyms import safe_title
from napari_scribseg.data.sequence_files import SequenceFile
from napari_scribseg.io.lock import FolderLock
from napari_scribseg.project import versions
from napari_scribseg.project.annotator import annotator_name
from napari_scribseg.project.document import (
    ProjectCase,
    ProjectDocument,
    ProjectSequence,
    sha256_of,
)
from napari_scribseg.project.open_document import OpenDocument
from napari_scribseg.project.scribble_files import ScribblesFiles, sum_of
from napari_scribseg.project.versions import Team


class ReadableProject(OpenDocument):
    """The cases of an open project and their files; what changes files is in `Project`."""

    def __init__(self, folder: Path, document: ProjectDocument, lock: FolderLock | None) -> None:
        super().__init__(folder, document, lock)
        self._sums: dict[tuple[str, int, int], str] = {}
        self._scribbles = ScribblesFiles()

    def case_with_image(self, image: Path, frame: int | None = None) -> str | None:
        """The id of the case that has this very image (by its bytes) and frame; None = no case.

        Raises:
            InvalidInput: the image can't be read.
        """
        sha256 = self._sum(image)
        for case in self._document.cases:
            if case.image_sha256 == sha256 and case.frame == frame:
                return case.id
        return None

    def frames_of(self, image: Path) -> dict[str, ProjectCase]:
        """The cases that are frames of this time series, by id.

        Raises:
            InvalidInput: the image can't be read.
        """
        sha256 = self._sum(image)
        return {
            case.id: case
            for case in self.cases
            if case.image_sha256 == sha256 and case.frame is not None
        }

    def scribbles_sha256(self, case_id: str, annotator: str = "") -> str | None:
        """SHA-256 of the saved scribbles of a case; None = there are none.

        Raises:
            InvalidInput: there is no such case, or the file can't be read.
        """
        self._entry(case_id)
        return sum_of(self._scribbles_of(case_id, annotator))

    def saved_scribbles(self, case_id: str, annotator: str = "") -> Array | None:
        """The saved scribbles of a case (z, y, x) as they were stored; None = there are none.

        Raises:
            InvalidInput: they can't be read.
        """
        path = self._scribbles_of(case_id, annotator)
        return io.read_labels(path).array if path.is_file() else None

    @property
    def team(self) -> Team:
        """How the people of the project work together.

        Raises:
            InvalidInput: its document is damaged.
        """
        return versions.team_of(self.folder)

    def load_case(self, case_id: str, annotator: str = "") -> Case:
        """The volumes of a case, with the strokes of an annotator ("" = those that all share).

        Raises:
            InvalidInput: there is no such case, its image was replaced, or a file can't be read.
        """
        with self._one_change:
            files = self._files(self._entry(case_id), annotator)
            self._scribbles.look_at(self._scribbles_of(case_id, annotator))
            return files.load(self.schema_of(case_id))

    def dataset(self, strokes_of: str | None = None) -> Dataset:
        """The cases with the project's structures as a dataset for training.

        Args:
            strokes_of: whose strokes: the name of an annotator, or "consensus"; None = where
                everybody draws apart the user's own, else those that all share.

        Raises:
            InvalidInput: an image was replaced since it was added, or there are no such strokes.
        """
        entries = [entry for entry in self._document.cases if entry.labels is None]
        ids = [entry.id for entry in entries]
        whose = versions.chosen_versions(self.folder, ids, annotator_name(), strokes_of)
        cases = tuple(self._files(entry, whose.of[entry.id]) for entry in entries)
        other = len(self._document.cases) - len(cases)
        notes = (f"{other} case(s) with other structures were left out.",) if other else ()
        notes += (whose.note,) if whose.note else ()
        return Dataset(safe_title(self.title), "project", self.folder, self.schema, cases, notes)

    def runs(self) -> tuple[Path, ...]:
        """The run folders, oldest first."""
        return tuple(sorted(path.parent for path in (self.folder / "runs").glob("*/run.json")))

    def _scribbles_of(self, case_id: str, annotator: str = "") -> Path:
        """Where the strokes of an annotator lie; "" = those that all share."""
        name = f"cases/{case_id}/{versions.SCRIBBLES}"
        if annotator:
            place = versions.place_of(self.folder, case_id, annotator)
            name = place.relative_to(self.folder).as_posix()
        return self._inside(name)

    def _files(self, entry: ProjectCase, annotator: str = "") -> CaseFiles:
        """The files of a case, its image being the one that was added."""
        image = self._image(entry)
        further = tuple(
            SequenceFile(name=one.name, path=self._image(one), frame=one.frame)
            for one in entry.further
        )
        sums = [(image, entry.image_sha256)]
        sums += [(f.path, one.image_sha256) for f, one in zip(further, entry.further, strict=True)]
        replaced = [path for path, sha256 in sums if self._sum(path) != sha256]
        if replaced:
            image = replaced[0]
            raise InvalidInput(
                f"The image of case {entry.id} is not the one that was added ({image} was "
                "replaced or changed). Its scribbles are kept; put the old image back, or add "
                "the new one as a case of its own."
            )
        scribbles = self._scribbles_of(entry.id, annotator)
        reference = self._inside(f"cases/{entry.id}/reference.nii.gz")
        return CaseFiles(
            id=entry.id,
            patient=self.patients[entry.id],
            image=image,
            scribbles=scribbles if scribbles.is_file() else None,
            reference=reference if reference.is_file() else None,
            split=entry.split,
            group=entry.group,
            phase=entry.phase,
            frame=entry.frame,
            region=entry.region,
            sequence=entry.sequence,
            further=further,
            # A partial reference is kept as it is in memory: 255 where it says nothing.
            reference_convention=ScribbleConvention.unlabelled_255(
                self.schema_of(entry.id).n_classes - 1
            ),
        )

    def _image(self, entry: ProjectCase | ProjectSequence) -> Path:
        """Where an image or a further sequence is.

        Only an absolute path may lie outside of the project.
        """
        path = Path(entry.image)
        if path.is_absolute() and "\0" not in entry.image:
            return path
        return self._inside(entry.image)

    def _sum(self, path: Path) -> str:
        """SHA-256 of an image; of a file that did not change since, the one known."""
        if not path.is_file():
            return sha256_of(path)
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._sums:
            self._sums[key] = sha256_of(path)
        return self._sums[key]
