"""Values that travel between the tabs, their presenters and their jobs. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.region import Region
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey

Level = Literal["info", "good", "warning", "error"]
"""How a sentence is meant; decides its colour."""


@dataclass(frozen=True)
class Inputs:
    """What is chosen among the layers, as far as it decides what can be done.

    Args:
        image: name of the image, None = none is chosen.
        scribbles: name of the scribbles, None = none are chosen.
        reference: name of the reference, None = none is chosen.
        schema: the structures.
        drawn: voxels by scribble value; None = not counted yet.
        problem: why the chosen layers don't fit together, in a sentence.
    """

    image: str | None
    scribbles: str | None
    reference: str | None
    schema: LabelSchema
    drawn: Mapping[int, int] | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Choice:
    """What to train, with which settings."""

    method: str
    preset: str
    options: Mapping[str, Any]
    training: TrainConfig
    all_cases: bool = False
    """Whether the other scribbled cases of the project are learnt from, too."""
    uses_references: bool = False
    """Whether the method learns from the reference of the case."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The chosen layers at one moment, safe to be read in another thread.

    Args:
        case: which case it is.
        image: intensities.
        scribbles: (z, y, x) scribbles, a copy; None when none are chosen.
        reference: (z, y, x) class indices, None when none is chosen.
        schema: the structures.
        kept: the case of the project that keeps these strokes on this image; None = there is none.
        file: the file or DICOM folder that the image is from; None = it is not known.
    """

    case: CaseKey
    image: Volume
    scribbles: Array | None
    reference: Array | None
    schema: LabelSchema
    kept: CaseKey | None = None
    file: Path | None = None
    region: Region | None = None
    """Everything outside of it is background."""
    strokes_of: str = ""
    """Whose version of the strokes it is; "" = the one that all share."""

    @property
    def stored(self) -> CaseKey:
        """The case that files about it are named after."""
        return self.kept or self.case


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a run says of a case: as it came back, or as somebody has corrected it.

    Args:
        case: the case.
        segmentation: class indices, on the grid of its image.
        uncertainty: 0 = sure, 1 = all classes equally likely; None = it is not known.
        schema: the structures that the run knows.
        run: its folder.
        probabilities: (K, z, y, x) float32, when they were asked for.
        z: the one slice that was predicted; None = all of them.
        doubts: what somebody should know of how the network saw the image, in sentences.
        corrected: whether somebody has changed it by hand.
    """

    case: CaseKey
    segmentation: Volume
    uncertainty: Volume | None
    schema: LabelSchema
    run: Path
    probabilities: Array | None = None
    z: int | None = None
    doubts: tuple[str, ...] = ()
    corrected: bool = False
