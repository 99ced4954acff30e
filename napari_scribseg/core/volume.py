"""Volume: a 3D scalar array together with where its voxels lie in the patient.

Arrays are always indexed (z, y, x). Positions are always LPS millimetres (x, y, z), the
convention of DICOM and ITK. A `Grid` is the only thing that links the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array

_ORTHONORMAL_TOLERANCE = 1e-3
"""Largest entry of |D'D - I| that still counts as rounding of a header."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a volume lie in the patient.

    Args:
        shape: number of voxels along (z, y, x).
        affine: (4, 4) float64; takes an array index (z, y, x, 1) to the position of that voxel's
            centre in LPS millimetres (x, y, z, 1).
        oriented: whether it is known how the axes lie in the patient. False = positions hold among
            files of one case only, and left and right are unknown; every file that is written on
            such a grid says so. Not part of equality, which is about places.

    Raises:
        InvalidInput: the shape is empty, the affine is not finite, a spacing is not positive, or
            the axes are not perpendicular (sheared).

    Example:
        >>> import numpy as np
        >>> from napari_scribseg import Grid
        >>> grid = Grid((3, 64, 64), np.diag([8.0, 1.5, 1.5, 1.0])[[2, 1, 0, 3]])
        >>> grid.spacing
        (8.0, 1.5, 1.5)
    """

    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]
    oriented: bool = True

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        _check_shape(self.shape)
        _check_affine(affine)

    @classmethod
    def from_spacing(
        cls,
        shape: tuple[int, int, int],
        spacing: tuple[float, float, float],
        origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Grid:
        """A grid whose z, y, x axes are the patient's S, P, L axes.

        Args:
            shape: voxels along (z, y, x).
            spacing: millimetres along (z, y, x).
            origin: LPS millimetres (x, y, z) of voxel (0, 0, 0).
        """
        affine = np.eye(4)
        affine[:3, :3] = np.diag(np.asarray(spacing, dtype=np.float64))[::-1]
        affine[:3, 3] = origin
        return cls(shape, affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres in mm along (z, y, x)."""
        z, y, x = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @property
    def directions(self) -> npt.NDArray[np.float64]:
        """(3, 3): column k is the LPS unit vector along array axis k."""
        return self.affine[:3, :3] / np.asarray(self.spacing)

    def position(self, index: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """LPS positions in mm (..., 3) of array indices (..., 3) given as (z, y, x)."""
        return np.asarray(index, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def index(self, position: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Array indices (..., 3), as (z, y, x) and not rounded, of LPS positions (..., 3) in mm."""
        return (np.asarray(position, dtype=np.float64) - self.affine[:3, 3]) @ np.linalg.inv(
            self.affine[:3, :3]
        ).T

    def offset_from(self, other: Grid) -> float:
        """Largest distance between corresponding corner voxels, in voxels of this grid.

        0 for the same grid; infinite when the shapes differ.
        """
        if self.shape != other.shape:
            return float("inf")
        far = np.asarray(self.shape) - 1
        corners = np.array(np.meshgrid(*[[0, n] for n in far], indexing="ij")).reshape(3, -1).T
        return float(np.abs(self.index(other.position(corners)) - corners).max())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Grid)
            and self.shape == other.shape
            and np.array_equal(self.affine, other.affine)
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.affine.tobytes()))

    def __str__(self) -> str:
        shape = " x ".join(str(n) for n in self.shape)
        spacing = " x ".join(f"{s:.4g}" for s in self.spacing)
        return f"{shape} voxels of {spacing} mm (z, y, x)"


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3D scalar array with its geometry, and further sequences of the patient on the same grid.

    Args:
        array: (z, y, x).
        grid: its geometry, of the same shape.
        notes: what the reader noticed, one sentence each ("left and right are unknown: ...").
        frame: index of the frame this volume was taken from, when the file is a time series.
        sequence: what the array shows ("T2"); "" = nobody said.
        further: other sequences by name ("ADC"), each (z, y, x) on the same grid.

    Raises:
        InvalidInput: array and grid have different shapes, or two sequences have one name.

    Example:
        >>> import numpy as np
        >>> from napari_scribseg import Grid, Volume
        >>> volume = Volume(np.zeros((3, 64, 64), np.float32), Grid((3, 64, 64), np.eye(4)))
        >>> volume.grid.spacing
        (1.0, 1.0, 1.0)
    """

    array: Array
    grid: Grid
    notes: tuple[str, ...] = ()
    frame: int | None = None
    sequence: str = ""
    further: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in self.channels:
            if array.shape != self.grid.shape:
                raise InvalidInput(
                    f"An array of shape {array.shape} does not fit a grid of {self.grid}."
                )
        if self.sequence in self.further:
            raise InvalidInput(
                f"Two sequences are called {self.sequence!r}; give each a name of its own."
            )

    @property
    def sequences(self) -> tuple[str, ...]:
        """The name of every sequence, that of the array first."""
        return (self.sequence, *self.further)

    @property
    def channels(self) -> tuple[Array, ...]:
        """Every sequence (z, y, x), in the order of `sequences`."""
        return (self.array, *self.further.values())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (z, y, x)."""
        return self.grid.shape

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres along (z, y, x)."""
        return self.grid.spacing


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise InvalidInput(
            f"A volume needs three axes (z, y, x) of at least one voxel, got {shape}."
        )


def _check_affine(affine: npt.NDArray[np.float64]) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise InvalidInput(
            "The position of the voxels is not known: the affine must be 4 x 4 and finite, "
            f"got {np.array2string(affine, precision=4)}."
        )
    axes = affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    if (spacing <= 0).any():
        raise InvalidInput(
            "Spacing must be three positive lengths in mm (z, y, x), "
            f"got {tuple(round(float(s), 6) for s in spacing)}."
        )
    unit = axes / spacing
    if np.abs(unit.T @ unit - np.eye(3)).max() > _ORTHONORMAL_TOLERANCE:
        raise InvalidInput(
            "The axes of the volume are not perpendicular (sheared or tilted acquisition); "
            "resample it to a straight grid first."
        )
