"""Cases: the volumes of one examination that share a geometry, and the files they come from.

A `CaseFiles` says where the volumes are and whose they are; `load` turns it into a `Case`, whose
arrays all lie on the grid of the image. Patients, not cases, are the unit of every split.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, StringConstraints

from napari_scribseg import io
from napari_scribseg.core.conventions import CONVENTIONS, ScribbleConvention, check_convention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.region import Region
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.doubts import stroke_doubts
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.data.sequence_files import SequenceFile, SequenceName, with_further
from napari_scribseg.data.stored_labels import partial_note, read_reference, read_scribbles

CaseId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Ids become file names, so only harmless characters are allowed."""

_LONGEST_WITH_HASH = 51
"""Characters of an id that a hash of 12 digits is put behind: 64 in all."""


@dataclass(frozen=True)
class CaseKey:
    """Which case something belongs to: given once, when the case is opened or listed.

    Two keys are equal only where they mean one and the same case. What people call a case is no
    part of that, since the files of two patients may well have one name.

    Args:
        source: where the case comes from: the folder of its project, or else its image file or
            folder, absolute; "layer:" and a random word where there is no file; "" = only made
            in memory.
        id: its id there.
        title: what it is called on the screen; "" = its id.
    """

    source: str
    id: str
    title: str = field(default="", compare=False)

    @classmethod
    def in_project(cls, folder: Path, case_id: str, title: str = "") -> CaseKey:
        """The key of a case of a project."""
        return cls(os.path.realpath(folder), case_id, title)

    @classmethod
    def of_file(cls, image: Path, case_id: str, title: str = "") -> CaseKey:
        """The key of a case that is nowhere but in the file, or DICOM folder, of its image."""
        return cls(os.path.realpath(image), case_id, title)

    @property
    def name(self) -> str:
        """What to call it on the screen."""
        return self.title or self.id

    def __str__(self) -> str:
        return self.name

    def is_in(self, project: Path) -> bool:
        """Whether it is a case of this project."""
        return self.source == os.path.realpath(project)

    def id_among(self, project: Path) -> str:
        """An id that no case of a project has, or is: its own for a case of that project.

        Files about a case, in a run of a project, are called like this. For a case from elsewhere
        a hash of where it is from stands behind its id.
        """
        if self.is_in(project):
            return self.id
        origin = f"{self.source}\0{self.id}".encode("utf-8", "surrogatepass")
        return f"{self.id[:_LONGEST_WITH_HASH]}-{hashlib.sha256(origin).hexdigest()[:12]}"


class CaseFiles(BaseModel):
    """Where the volumes of a case are stored, and whose they are; nothing is read yet.

    `patient` is the unit of every split: two cases of one patient never part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: CaseId
    patient: str
    image: Path
    scribbles: Path | None = None
    reference: Path | None = None
    split: str | None = None
    group: str | None = None
    phase: str | None = None
    frame: int | None = None
    """Index of the frame to take from an image that is a time series."""
    convention: ScribbleConvention | None = None
    """How the scribble file is written; None = ours."""
    reference_convention: ScribbleConvention | None = None
    """How the reference file is written; None = class indices, every voxel labelled."""
    region: Region | None = None
    """Everything outside of it is background."""
    sequence: SequenceName | Literal[""] = ""
    """What the image shows ("T2"); "" = nobody said."""
    further: tuple[SequenceFile, ...] = ()
    """Other sequences of the patient, which are brought onto the image's grid."""

    @property
    def key(self) -> CaseKey:
        """Which case it is, as long as no project has it."""
        return CaseKey.of_file(self.image, self.id)

    def load(self, schema: LabelSchema) -> Case:
        """Read, check and bring onto the image's grid.

        Raises:
            InvalidInput: a file can't be read, lies elsewhere in the patient than the image, or
                has values that are not in the schema.
        """
        image = self.read_image()
        notes = list(image.notes)
        scribbles = reference = None
        if self.scribbles is not None:
            name = f"The scribbles of case {self.id}"
            stored, found = put_on_grid(self._read_labels(self.scribbles), image.grid, name)
            scribbles, converted = read_scribbles(stored, self.convention, schema, name)
            notes += [*found, *converted]
            notes += stroke_doubts(image.array, scribbles, name)
        if self.reference is not None:
            name = f"The reference of case {self.id}"
            stored, found = put_on_grid(self._read_labels(self.reference), image.grid, name)
            reference = read_reference(stored, self.reference_convention, schema, name)
            notes += [*found, *partial_note(reference, name)]
        return Case(
            self.id,
            self.patient,
            image,
            scribbles,
            reference,
            tuple(dict.fromkeys(notes)),
            source=self.key.source,
            region=self.region,
        )

    def read_image(self) -> Volume:
        """The image alone, with the further sequences of the case on its grid.

        Raises:
            InvalidInput: a file can't be read, or a sequence lies elsewhere than the image.
        """
        image = io.read_volume(self.image, frame=self._frame_in(self.image))
        return with_further(image, self.sequence, self.further, self.id)

    def at_frame(self, frame: int) -> CaseFiles:
        """The same files, this frame of those that don't say yet which one they are."""
        chosen = {"frame": frame if self.frame is None else self.frame}
        further = (f if f.frame is not None else f.model_copy(update=chosen) for f in self.further)
        return self.model_copy(update={**chosen, "further": tuple(further)})

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file or DICOM folder of the case, its image first."""
        further = (one.path for one in self.further)
        return tuple(filter(None, (self.image, *further, self.scribbles, self.reference)))

    def absolute(self) -> CaseFiles:
        """The same files, with paths that hold wherever a process starts."""
        names = ("image", "scribbles", "reference")
        changes = {n: p.absolute() for n in names if (p := getattr(self, n)) is not None}
        further = (one.model_copy(update={"path": one.path.absolute()}) for one in self.further)
        return self.model_copy(update={**changes, "further": tuple(further)})

    def _read_labels(self, path: Path) -> Volume:
        return io.read_labels(path, frame=self._frame_in(path))

    def _frame_in(self, path: Path) -> int | None:
        """The frame to ask a reader for: none where the file is a single volume."""
        if self.frame is None or io.frame_count(path) == 1:
            return None
        return self.frame


@dataclass(frozen=True, eq=False)
class Case:
    """The volumes of one examination, all on the grid of the image.

    Args:
        id: names the case in files and reports.
        patient: whose it is.
        image: intensities, of every sequence that was read.
        scribbles: (z, y, x) uint8 in the scribble world of `labels`, or None.
        reference: (z, y, x) uint8, the truth as class indices, or None; a partial one is UNKNOWN
            where it says nothing.
        notes: what was noticed while reading, in sentences.
        source: where it comes from, see `CaseKey`.
        region: outside of it everything is background.

    Example:
        >>> from napari_scribseg import read_dataset, sample_folder
        >>> dataset = read_dataset(sample_folder("cardiac"))
        >>> case = dataset.cases[0].load(dataset.schema)
        >>> case.image.array.shape == case.scribbles.shape == case.reference.shape
        True
    """

    id: str
    patient: str
    image: Volume
    scribbles: Array | None = None
    reference: Array | None = None
    notes: tuple[str, ...] = ()
    source: str = ""
    region: Region | None = None

    def __post_init__(self) -> None:
        for name, array in (("scribbles", self.scribbles), ("reference", self.reference)):
            if array is not None and array.shape != self.image.shape:
                raise InvalidInput(
                    f"Case {self.id}: the {name} have the shape {array.shape}, the image has "
                    f"{self.image.shape}; they must lie on one grid."
                )

    @property
    def key(self) -> CaseKey:
        """Which case it is."""
        return CaseKey(self.source, self.id)

    @property
    def grid(self) -> Grid:
        """The geometry that all volumes of the case share."""
        return self.image.grid

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over voxels, geometry, scribbles and reference."""
        digest = hashlib.sha256(self.grid.affine.tobytes())
        for array in (*self.image.channels, self.scribbles, self.reference):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """The cases of one folder.

    Args:
        title: what it is called.
        layout: which folder layout was recognised ("scribble-bench", "plain", ...).
        schema: the structures.
        cases: in the order of the folder.
        notes: what was noticed in the folder, in sentences.
        patients_from: how it is known whose the cases are, in words.
        faults: what is wrong with the folder as a whole, in sentences.
        sequences: that the folder says each case has; see `sequences.sequences_of`.

    Example:
        >>> from napari_scribseg import read_dataset, sample_folder
        >>> dataset = read_dataset(sample_folder("cardiac"))
        >>> len(dataset.split("train")), len(dataset.split("val"))
        (8, 4)
    """

    title: str
    layout: str
    folder: Path
    schema: LabelSchema
    cases: tuple[CaseFiles, ...]
    notes: tuple[str, ...] = ()
    patients_from: str = ""
    faults: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, int]:
        """Number of cases of every split, in order of appearance."""
        names = [case.split for case in self.cases if case.split is not None]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    @property
    def patients_in_several_splits(self) -> dict[str, tuple[str, ...]]:
        """Patients with cases on more than one side, and the splits they are in."""
        splits: dict[str, set[str]] = {}
        for case in self.cases:
            if case.split is not None:
                splits.setdefault(case.patient, set()).add(case.split)
        return {patient: tuple(sorted(s)) for patient, s in splits.items() if len(s) > 1}

    @property
    def duplicate_ids(self) -> tuple[str, ...]:
        """Ids that more than one case has, upper and lower case taken as equal."""
        ids = [case.id.casefold() for case in self.cases]
        return tuple(sorted({i for i in ids if ids.count(i) > 1}))

    def split(self, name: str) -> tuple[CaseFiles, ...]:
        """The cases of one split; "all" is every case.

        Raises:
            InvalidInput: there is no such split (the message lists those that exist), two cases
                have one id, or one patient is on both sides of the splits.
        """
        if self.duplicate_ids:
            raise InvalidInput(
                f"{self.title}: several cases have the id {_listing(self.duplicate_ids)}; "
                "results could not be told apart. Rename the files."
            )
        if name == "all":
            return self.cases
        if name not in self.splits:
            raise InvalidInput(
                f"{self.title} has no split '{name}'; "
                f"there are: {', '.join(['all', *self.splits])}."
            )
        if self.patients_in_several_splits:
            raise InvalidInput(
                f"{self.title}: patients are in more than one split, so results would look better "
                f"than they are: {_listing(self.patients_in_several_splits)}. "
                "Put all cases of a patient into one split."
            )
        return tuple(case for case in self.cases if case.split == name)

    def read_as(self, convention: Callable[[int], ScribbleConvention]) -> Dataset:
        """The same dataset with all scribble files read in this convention.

        Args:
            convention: a named constructor such as `ScribbleConvention.wsl4mis`; it is given the
                number of foreground classes.
        """
        chosen = convention(self.schema.n_classes - 1)
        cases = [case.model_copy(update={"convention": chosen}) for case in self.cases]
        return replace(self, cases=tuple(cases))

    def references_as(self, convention: Callable[[int], ScribbleConvention]) -> Dataset:
        """The same dataset with all references read in this convention, as `read_as`."""
        chosen = convention(self.schema.n_classes - 1)
        cases = [case.model_copy(update={"reference_convention": chosen}) for case in self.cases]
        return replace(self, cases=tuple(cases))

    def read_in(self, scribbles: str | None, references: str | None) -> Dataset:
        """The same dataset read in conventions by their words; None = as the folder says.

        Raises:
            InvalidInput: there is no such convention, or it doesn't fit the classes.
        """
        check_convention(scribbles)
        check_convention(references)
        read = self if scribbles is None else self.read_as(CONVENTIONS[scribbles])
        return read if references is None else read.references_as(CONVENTIONS[references])

    def at_frame(self, frame: int) -> Dataset:
        """The same dataset with this frame taken from every file that is a time series.

        Cases that say themselves which frame they are keep it.

        Args:
            frame: counted from 0.

        Raises:
            InvalidInput: every case says so itself.
        """
        if self.cases and all(case.frame is not None for case in self.cases):
            raise InvalidInput(
                f"The cases of {self.title} say themselves which frame they are: leave --frame out."
            )
        return replace(self, cases=tuple(case.at_frame(frame) for case in self.cases))


def _listing(names: Collection[str], most: int = 8) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + rest


def load_without_bad_reference(files: CaseFiles, schema: LabelSchema) -> tuple[Case, str]:
    """The case, without its reference where that can't be used; and why it can't.

    Raises:
        InvalidInput: image or scribbles can't be used.
    """
    try:
        return files.load(schema), ""
    except InvalidInput as error:
        if files.reference is None:
            raise
        # Raises again where the reference is not what is wrong.
        return files.model_copy(update={"reference": None}).load(schema), str(error)
