"""Further sequences of a case: read beside its image and brought onto the image's grid.

A sequence on another grid (ADC beside T2) is resampled linearly by its place in the patient, and it
is said. What only one of the two shows is no reason to refuse them; lying apart is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, StringConstraints

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.on_grid import SAME_VOXELS

SequenceName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^,\n]+$")
]
"""Names are listed with commas between them."""

_LEAST_SHARE: Final = 0.1
"""Of the image's voxels that a sequence has to cover; our choice."""
_WHOLE_SHARE: Final = 0.999


class SequenceFile(BaseModel):
    """Where a further sequence of a case is stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: SequenceName
    path: Path
    frame: int | None = None
    """Index of the frame to take from a file that has several."""


def with_further(
    image: Volume, sequence: str, files: Sequence[SequenceFile], case_id: str
) -> Volume:
    """An image with further sequences on its grid; notes tell what was done to get them there.

    Args:
        image: the first sequence.
        sequence: its name; "" = nobody said.
        files: where the others are.
        case_id: for the sentences.

    Raises:
        InvalidInput: one can't be read, or lies elsewhere in the patient than the image.
    """
    notes, further = list(image.notes), dict[str, Array]()
    for file in files:
        name = f"{file.name} of case {case_id}"
        further[file.name], found = on_grid_of(_read(file, name), image.grid, name)
        notes += found
    kept = tuple(dict.fromkeys(notes))
    return replace(image, notes=kept, sequence=sequence, further=further)


def _read(file: SequenceFile, name: str) -> Volume:
    try:
        frame = None if file.frame is None or io.frame_count(file.path) == 1 else file.frame
        stored = io.read_volume(file.path, frame=frame)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from error
    return replace(stored, notes=tuple(f"{name}: {note}" for note in stored.notes))


def on_grid_of(stored: Volume, grid: Grid, name: str) -> tuple[Array, tuple[str, ...]]:
    """Intensities (z, y, x) on a grid, by place in the patient, and what was noticed.

    The same array where the grids are one. Else linear, smoothed first where the grid is coarser;
    what was not imaged gets the lowest value.

    Args:
        stored: with its own geometry.
        grid: where they are wanted.
        name: what they are, for sentences ("ADC of case A").

    Raises:
        InvalidInput: they cover less than a tenth of the grid, or only one of both says how it
            lies in the patient.
    """
    if grid.offset_from(stored.grid) <= SAME_VOXELS:
        return stored.array, stored.notes
    if stored.grid.oriented != grid.oriented:
        raise InvalidInput(
            f"{name}: it lies elsewhere than the first sequence, and only one of both files says "
            f"where left and right are, so it can't be put in place: got {stored.grid}, expected "
            f"{grid}. Give both one geometry."
        )
    array, share = _resampled(stored, grid)
    if share < _LEAST_SHARE:
        raise InvalidInput(
            f"{name}: it lies elsewhere in the patient than the first sequence (it covers "
            f"{share:.0%} of it; expected at least {_LEAST_SHARE:.0%}). Choose the file that "
            "belongs to the case, or train without this sequence (--sequences)."
        )
    notes = [f"{name}: resampled linearly onto the grid of the first sequence."]
    if share < _WHOLE_SHARE:
        notes.append(
            f"{name}: it covers {share:.0%} of the first sequence; the rest got its lowest value."
        )
    return array, (*stored.notes, *notes)


def _resampled(stored: Volume, grid: Grid) -> tuple[npt.NDArray[np.float32], float]:
    """The values (z, y, x) on a grid, and the share of its voxels that lie in the volume."""
    from scipy import ndimage  # few cases need it

    values = stored.array.astype(np.float32)
    finite = np.isfinite(values)
    lowest = float(values[finite].min()) if finite.any() else 0.0
    values = np.where(finite, values, np.float32(lowest))
    # How far one step along an axis of the grid goes along each stored axis.
    steps = np.linalg.solve(stored.grid.affine[:3, :3], grid.affine[:3, :3])
    coarser = np.abs(steps).max(axis=1)
    if coarser.max() > 1:
        values = ndimage.gaussian_filter(values, np.maximum(coarser - 1, 0) / 2, mode="nearest")
    result = np.empty(grid.shape, np.float32)
    last, covered = np.array(stored.shape)[:, None, None] - 0.5, 0
    y, x = np.meshgrid(*(np.arange(n) for n in grid.shape[1:]), indexing="ij")
    for z in range(grid.shape[0]):
        index = np.stack([np.full(y.shape, z), y, x], axis=-1)
        places = np.moveaxis(stored.grid.index(grid.position(index)), -1, 0)
        inside = ((places >= -0.5) & (places <= last)).all(axis=0)
        plane = ndimage.map_coordinates(values, places, order=1, mode="nearest")
        result[z] = np.where(inside, plane, lowest)
        covered += int(inside.sum())
    return result, covered / result.size
