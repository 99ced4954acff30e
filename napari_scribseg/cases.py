"""Cases: the volumes of one examination that share a geometry, and the files they come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, StringConstraints

from napari_scribseg.errors import InvalidInput
from napari_scribseg.labels import LabelSchema, ScribbleConvention
from napari_scribseg.volume import Grid, Volume

Array = npt.NDArray[Any]

CaseId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Ids become file names, so only harmless characters are allowed."""


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

    def load(self, schema: LabelSchema) -> Case:
        """Read, check and bring onto the image's grid.

        Raises:
            InvalidInput: a file can't be read, lies elsewhere in the patient than the image, or
                has values that are not in the schema.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Case:
    """The volumes of one examination, all on the grid of the image.

    Args:
        id: names the case in files and reports.
        patient: whose it is.
        image: intensities.
        scribbles: (z, y, x) uint8 in the scribble world of `labels`, or None.
        reference: (z, y, x) uint8, the dense truth as class indices, or None.
        notes: what was noticed while reading, in sentences.
    """

    id: str
    patient: str
    image: Volume
    scribbles: Array | None = None
    reference: Array | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, array in (("scribbles", self.scribbles), ("reference", self.reference)):
            if array is not None and array.shape != self.image.shape:
                raise InvalidInput(
                    f"Case {self.id}: the {name} have the shape {array.shape}, the image has "
                    f"{self.image.shape}; they must lie on one grid."
                )

    @property
    def grid(self) -> Grid:
        """The geometry that all volumes of the case share."""
        return self.image.grid

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over voxels, geometry, scribbles and reference."""
        digest = hashlib.sha256(self.grid.affine.tobytes())
        for array in (self.image.array, self.scribbles, self.reference):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """The cases of one folder.

    Args:
        title: what it is called.
        layout: which folder layout was recognised ("dataset.json", "plain", ...).
        schema: the structures.
        cases: in the order of the folder.
    """

    title: str
    layout: str
    folder: Path
    schema: LabelSchema
    cases: tuple[CaseFiles, ...]

    def split(self, name: str) -> tuple[CaseFiles, ...]:
        """The cases of one split; "all" is every case.

        Raises:
            InvalidInput: there is no such split; the message lists those that exist.
        """
        raise NotImplementedError
