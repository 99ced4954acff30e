"""The document project.json: what a project remembers of itself and of its cases."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from napari_scribseg.core.config import explain
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.region import Region
from napari_scribseg.core.volume import Grid
from napari_scribseg.data.case import Case, CaseFiles, CaseId
from napari_scribseg.data.sequence_files import SequenceName
from napari_scribseg.io.regular_file import open_own

Progress = Literal["untouched", "scribbled", "predicted", "done", "reviewed"]
"""How far the work on a case is; a step never goes back by itself."""
Status = Literal["untouched", "scribbled", "predicted", "done", "reviewed", "flagged"]
"""What a list shows of a case: flagged for another look, or else its progress."""
STEPS: Final[tuple[Progress, ...]] = get_args(Progress)

Row = tuple[float, float, float, float]
Count = Annotated[int, Field(ge=1)]


class CaseComment(BaseModel):
    """What somebody says about a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Annotated[str, StringConstraints(max_length=100)]
    """The user of the computer."""
    at: Annotated[str, StringConstraints(max_length=40)]
    """Date and time in ISO 8601."""
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class ProjectSequence(BaseModel):
    """A further sequence of a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: SequenceName
    image: Annotated[str, StringConstraints(min_length=1)]
    """As `ProjectCase.image`."""
    image_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    frame: int | None = None


class ProjectCase(BaseModel):
    """What project.json remembers of one case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: CaseId
    patient: str
    image: Annotated[str, StringConstraints(min_length=1)]
    """Relative to the project where the image was copied, absolute where it was not."""
    image_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    shape: tuple[Count, Count, Count]
    """Voxels along (z, y, x)."""
    affine: tuple[Row, Row, Row, Row]
    """(z, y, x, 1) -> LPS mm, see `Grid`."""
    split: str | None = None
    group: str | None = None
    phase: str | None = None
    frame: int | None = None
    labels: LabelSchema | None = None
    """The structures of this case, where they are not the project's."""
    progress: Progress = "untouched"
    flagged: bool = False
    by: str = ""
    """Who has set progress or flag last; "" = nobody, or a program."""
    comments: tuple[CaseComment, ...] = ()
    """The newest last."""
    region: Region | None = None
    """Everything outside of it is background."""
    oriented: bool = True
    """Whether it is known where left and right are."""
    sequence: SequenceName | Literal[""] = ""
    """What the image shows; "" = nobody said."""
    further: tuple[ProjectSequence, ...] = ()
    """Other sequences of the patient."""

    @classmethod
    def of(cls, case: CaseFiles | Case, loaded: Case, *, copied: bool) -> ProjectCase:
        """The entry of a case.

        Args:
            case: as it was given.
            loaded: the same, read.
            copied: whether the image will be stored in the project; its sum is filled in later.

        Raises:
            InvalidInput: the id can't be a file name, or the image can't be read.
        """
        rows = [tuple(float(v) for v in row) for row in loaded.grid.affine]
        files = case if isinstance(case, CaseFiles) else None
        image = f"cases/{case.id}/image.nii.gz"
        if files is not None and not copied:
            image = str(files.image.resolve())
        values = {
            "id": case.id,
            "patient": case.patient,
            "image": image,
            "image_sha256": "0" * 64 if copied else sha256_of(Path(image)),
            "shape": loaded.grid.shape,
            "affine": rows,
            "split": files.split if files else None,
            "group": files.group if files else None,
            "phase": files.phase if files else None,
            # A copied image is the one frame that was read.
            "frame": files.frame if files and not copied else None,
            "region": case.region,
            "sequence": loaded.image.sequence,
            "further": _further_of(case, loaded, copied=copied),
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InvalidInput(f"Case {case.id!r}: {explain(error, cls)}") from error

    @property
    def status(self) -> Status:
        """What a list shows of the case."""
        return "flagged" if self.flagged else self.progress

    @property
    def grid(self) -> Grid:
        """The geometry that scribbles and reference have to have."""
        return Grid(self.shape, np.array(self.affine), self.oriented)


class ProjectDocument(BaseModel):
    """The document project.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    revision: Count = 1
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    labels: LabelSchema
    cases: tuple[ProjectCase, ...] = ()

    def with_entry(self, entry: ProjectCase) -> ProjectDocument:
        """The document with another entry in the place of the one with the same id."""
        cases = tuple(entry if case.id == entry.id else case for case in self.cases)
        return self.model_copy(update={"cases": cases})

    def with_phase(self, case_id: str, phase: str | None) -> ProjectDocument:
        """The document in which a frame has this phase, and no other frame of its image."""
        (chosen,) = [case for case in self.cases if case.id == case_id]

        def changed(case: ProjectCase) -> ProjectCase:
            if case.id == case_id:
                return case.model_copy(update={"phase": phase})
            rival = phase is not None and case.phase == phase
            if rival and case.image_sha256 == chosen.image_sha256:
                return case.model_copy(update={"phase": None})
            return case

        return self.model_copy(update={"cases": tuple(map(changed, self.cases))})

    def free_id(self, wanted: str, taken: Collection[str] = ()) -> str:
        """An id that neither a case has nor one of `taken` is: `wanted`, or with a number."""
        known = {each.casefold() for each in (*taken, *(case.id for case in self.cases))}
        number, free = 1, wanted
        while free.casefold() in known:
            number += 1
            free = f"{wanted[:60]}-{number}"
        return free

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [case.id.casefold() for case in self.cases]
        if len(set(ids)) < len(ids):
            raise ValueError("two cases have one id")
        return self


def _further_of(
    case: CaseFiles | Case, loaded: Case, *, copied: bool
) -> tuple[dict[str, object], ...]:
    """The further sequences of a case, see `ProjectCase.of`."""
    if isinstance(case, CaseFiles) and not copied:
        return tuple(
            {
                "name": one.name,
                "image": str(one.path.resolve()),
                "image_sha256": sha256_of(one.path),
                "frame": one.frame,
            }
            for one in case.further
        )
    return tuple(
        {
            "name": name,
            "image": f"cases/{case.id}/sequence-{number}.nii.gz",
            "image_sha256": "0" * 64,
        }
        for number, name in enumerate(loaded.image.further, start=2)
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of the bytes of a file, or of all files of a (DICOM) folder with their names.

    Raises:
        InvalidInput: the file is not there or can't be read.
    """
    digest = hashlib.sha256()
    try:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if path.is_dir():
                digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            with open_own(file, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    except OSError as error:
        raise InvalidInput(
            f"The image {path} can't be read ({error.strerror}); was it moved or is the drive "
            "not connected?"
        ) from error
    return digest.hexdigest()
