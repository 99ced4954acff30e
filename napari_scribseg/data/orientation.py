"""Orientation: networks see every case the same way round, in whatever order it is stored.

One volume can be stored in 48 orders: axes permuted and reversed, the voxels at the same places in
the patient. A network that has only seen hearts in one of them finds none in another. So a run has
an orientation, three directions in the patient, and every case is turned, by permuting and
reversing whole axes, into the order that comes nearest to it. Nothing is interpolated; what a
network says is turned back. The nearest axes of the patient would be a worse rule: oblique volumes
that look alike on the screen would be turned apart where their codes differ (LSP, PSR).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case
from napari_scribseg.io.geometry import describe_axes, from_grid

Matrix = npt.NDArray[np.float64]
Direction = tuple[float, float, float]
"""A unit vector in LPS (x, y, z)."""

_SLICE_RATIO: Final = 1.2
"""An axis is the slice axis when its spacing is this much larger than the others; our choice."""
_FAR_DEGREES: Final = 60.0
"""A case that lies farther than this from the run's orientation shows another plane; our choice.
Another plane is 90 degrees off; short axes of hearts (MSCMR) lie within 34 degrees, and one short
axis among axial slices (the sample's) at 51."""
_TIE: Final = 1e-4
"""Traces closer than this are equal: NIfTI rounds its affine to float32."""
_SAME_SUM: Final = 1e-3
"""Sums of angles in radians closer than this are equal."""
_MOST_CANDIDATES: Final = 200
"""Of more cases than this some are tried as the middle of all; they take seconds by then."""
_PLANE_DEGREES: Final = 30.0
"""Slices that are farther from all planes of the patient than this have no name but oblique."""
_STANDARD: Final = np.eye(3)[::-1]
"""Slices from the feet to the head, rows from the front to the back, columns from right to left."""
_PLANES: Final = ("sagittal", "coronal", "axial")


@dataclass(frozen=True)
class Turn:
    """How the axes of a stored volume become those that a network sees: one of 48 ways.

    Args:
        axes: the stored axis (0, 1, 2 for z, y, x) that becomes the network's z, y and x.
        reversed: which of the network's axes run against the stored ones.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    reversed: tuple[bool, bool, bool] = (False, False, False)

    @property
    def is_none(self) -> bool:
        """Whether the network sees the volume as it is stored."""
        return self == Turn()

    @property
    def matrix(self) -> Matrix:
        """(3, 3) that takes directions of stored axes, as columns, to those of the network's."""
        return np.eye(3)[:, list(self.axes)] * np.where(self.reversed, -1.0, 1.0)

    def applied(self, array: Array) -> Array:
        """What is stored (z, y, x) as the network sees it; the array itself if nothing changes."""
        if self.is_none:
            return array
        return np.ascontiguousarray(np.flip(array.transpose(self.axes), self._reversed_axes))

    def undone(self, array: Array) -> Array:
        """What the network sees, (..., z, y, x), in the order in which the volume is stored."""
        if self.is_none:
            return array
        leading = array.ndim - 3
        back = [leading + int(axis) for axis in np.argsort(self.axes)]
        stored = np.flip(array, tuple(leading + axis for axis in self._reversed_axes))
        return np.ascontiguousarray(stored.transpose(*range(leading), *back))

    def shown(self, array: Array) -> Array:
        """What is stored, (..., z, y, x), as the network sees it; a view that can be written to."""
        leading = array.ndim - 3
        turned = array.transpose(*range(leading), *(leading + axis for axis in self.axes))
        return np.flip(turned, tuple(leading + axis for axis in self._reversed_axes))

    def grid(self, grid: Grid) -> Grid:
        """The geometry of a turned volume: every voxel stays where it is in the patient."""
        affine = grid.affine[:, [*self.axes, 3]]
        shape = [grid.shape[axis] for axis in self.axes]
        for axis in self._reversed_axes:
            affine[:3, 3] += (shape[axis] - 1) * affine[:3, axis]
            affine[:3, axis] *= -1
        return Grid((shape[0], shape[1], shape[2]), affine, grid.oriented)

    def volume(self, volume: Volume) -> Volume:
        """The volume as the network sees it."""
        if self.is_none:
            return volume
        further = {name: self.applied(array) for name, array in volume.further.items()}
        array, grid = self.applied(volume.array), self.grid(volume.grid)
        return replace(volume, array=array, grid=grid, further=further)

    def case(self, case: Case) -> Case:
        """The case as the network sees it; its drawings are turned with its image."""
        if self.is_none:
            return case
        drawings = {
            name: None if array is None else self.applied(array)
            for name, array in (("scribbles", case.scribbles), ("reference", case.reference))
        }
        region = case.region
        if region is not None:
            region = region.turned(self.axes, self.reversed, case.image.shape)
        return replace(case, image=self.volume(case.image), region=region, **drawings)

    def slice_seen(self, z: int, n: int) -> tuple[int, int]:
        """Where the network has stored slice z of n: along which of its axes, and where on it."""
        axis = self.axes.index(0)
        return axis, n - 1 - z if self.reversed[axis] else z

    @property
    def _reversed_axes(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(3) if self.reversed[axis])


_TURNS: Final = tuple(
    Turn((axes[0], axes[1], axes[2]), (signs[0], signs[1], signs[2]))
    for axes in permutations(range(3))
    for signs in product((False, True), repeat=3)
)
_MATRICES: Final = np.stack([turn.matrix for turn in _TURNS])


@dataclass(frozen=True)
class StoredAxes:
    """How a volume is stored.

    Args:
        grid: its geometry.
        sides_known: whether the file says how its axes lie in the patient.
    """

    grid: Grid
    sides_known: bool = True

    @classmethod
    def of(cls, volume: Volume) -> StoredAxes:
        """Those of a volume that was read; its grid tells whether its sides are known."""
        return cls(volume.grid, volume.grid.oriented)

    @property
    def slice_axis(self) -> int | None:
        """The axis along which slices were acquired; None where all could be (nearly isotropic).

        It is the axis of a single slice, else the one whose voxels lie farthest apart.
        """
        single = [axis for axis, n in enumerate(self.grid.shape) if n == 1]
        if len(single) == 1:
            return single[0]
        spacing = self.grid.spacing
        widest = int(np.argmax(spacing))
        others = max(s for axis, s in enumerate(spacing) if axis != widest)
        return widest if spacing[widest] >= _SLICE_RATIO * others else None

    @property
    def slices_first(self) -> Turn:
        """The turn that puts the slice axis first and keeps everything else as it is stored."""
        axis = self.slice_axis or 0
        y, x = (other for other in range(3) if other != axis)
        return Turn((axis, y, x))

    @property
    def possible(self) -> npt.NDArray[np.bool_]:
        """(48,) which turns show slices as they were acquired."""
        axis = self.slice_axis
        return np.array([axis in (None, turn.axes[0]) for turn in _TURNS])


@dataclass(frozen=True)
class View:
    """How one case is shown to the network.

    Args:
        turn: what is done to it.
        doubt: what somebody should know who trusts the result, as a sentence; "" = nothing.
        is_far: the doubt is that the case shows another plane than the run has learnt from.
    """

    turn: Turn
    doubt: str = ""
    is_far: bool = False


class Orientation(BaseModel):
    """The orientation in which a run's network sees every case.

    `directions` are those of the network's z, y and x axes; None when the files of all training
    cases leave their sides unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    directions: tuple[Direction, Direction, Direction] | None

    @classmethod
    def of(cls, cases: Sequence[StoredAxes]) -> Orientation:
        """The orientation of a run that is trained on these cases, in whatever sequence they come.

        It is that of the case which is nearest to all others (the medoid), in the order in which
        most cases are stored; so where all are stored alike none is turned. Where two are equally
        good it is the one nearer to axial slices from the feet to the head, rows to the back and
        columns to the left, as in DICOM.
        """
        known = [case for case in cases if case.sides_known]
        if not known:
            return cls(directions=None)
        decided = [case for case in known if case.slice_axis is not None] or known
        centre = _medoid([_first_frame(case) for case in decided], known)
        votes = np.zeros(len(_TURNS), dtype=int)
        for case in known:
            to_centre = _MATRICES[_nearest(centre, case)]
            votes += [np.array_equal(to_centre.T, matrix) for matrix in _MATRICES]
        keeps_slices = decided[0].slice_axis is not None
        ways = [i for i, t in enumerate(_TURNS) if t.axes[0] == 0 or not keeps_slices]
        best = max(ways, key=lambda i: (votes[i], *_rank(centre @ _MATRICES[i])))
        z, y, x = (centre @ _MATRICES[best]).T.tolist()
        return cls(directions=(tuple(z), tuple(y), tuple(x)))

    def view(self, stored: StoredAxes) -> View:
        """How a case is shown: among the orders that keep its slices the nearest one.

        Only orders of the run's handedness count, so the network never sees a patient mirrored.
        Where the sides are unknown only the slice axis is put in its place.
        """
        if self.directions is None or not stored.sides_known:
            return View(stored.slices_first, UNKNOWN_CASE if self.directions else UNKNOWN_RUN)
        ours = np.array(self.directions).T
        turn = _TURNS[_nearest(ours, stored)]
        seen = stored.grid.directions @ turn.matrix
        cosine = np.clip((np.trace(ours.T @ seen) - 1) / 2, -1, 1)
        degrees = float(np.degrees(np.arccos(cosine)))
        if degrees <= _FAR_DEGREES:
            return View(turn)
        return View(turn, _far(degrees, plane_of(seen[:, 0]), plane_of(ours[:, 0])), is_far=True)


UNKNOWN_CASE: Final = (
    "Left and right are unknown, so the network sees the image as it is stored: where that differs "
    "from the training cases, the segmentation is wrong."
)
UNKNOWN_RUN: Final = (
    "Left and right are unknown in all training cases of the run, so the network sees every image "
    "as it is stored: where that differs from the training cases, the segmentation is wrong."
)
NOT_RECORDED: Final = (
    "The run was trained before orientations were recorded, so the network sees every image as it "
    "is stored: where that differs from the training cases, the segmentation is wrong. Continue "
    "the run in a new one (train --continue-from), or train anew."
)


def view_of(orientation: Orientation | None, image: Volume) -> View:
    """How a run's network sees an image; as it is stored where the run is too old to say."""
    if orientation is None:
        return View(Turn(), NOT_RECORDED)
    return orientation.view(StoredAxes.of(image))


def plane_of(normal: npt.ArrayLike) -> str:
    """The plane of slices across an LPS direction: axial, coronal, sagittal or oblique."""
    strength = np.abs(np.asarray(normal, dtype=np.float64))
    axis = int(strength.argmax())
    return _PLANES[axis] if strength[axis] > np.cos(np.radians(_PLANE_DEGREES)) else "oblique"


def codes_of(grid: Grid) -> str:
    """Where the axes x, y, z of a volume point, in three letters ("LPS")."""
    return describe_axes(from_grid(grid)).split()[0]


def _far(degrees: float, plane: str, learnt: str) -> str:
    planes = f": its slices are {plane}, those of the training cases {learnt}"
    return (
        f"The image lies {degrees:.0f} degrees from the orientation that the run has learnt"
        f"{planes if plane != learnt else ''}. Its segmentation can't be trusted."
    )


def _first_frame(case: StoredAxes) -> Matrix:
    """Directions (3, 3) of a case's axes as columns, its slice axis first."""
    return case.grid.directions @ case.slices_first.matrix


def _nearest(ours: Matrix, case: StoredAxes) -> int:
    """Index of the turn that brings a case nearest to directions, without mirroring it.

    Which one does not depend on the order in which the case is stored, not even in a tie.
    """
    frames = case.grid.directions @ _MATRICES
    relative = ours.T @ frames
    allowed = case.possible & (np.linalg.det(relative) > 0)
    traces = np.where(allowed, np.trace(relative, axis1=1, axis2=2), -np.inf)
    ties = np.flatnonzero(traces >= traces.max() - _TIE)
    return int(max(ties, key=lambda i: relative[i].round(2).ravel().tolist()))


def _medoid(candidates: Sequence[Matrix], cases: Sequence[StoredAxes]) -> Matrix:
    """Of some frames (3, 3) the one from which the angles to all cases sum up least."""
    frames = np.stack([case.grid.directions @ _MATRICES for case in cases])
    hands, possible = np.linalg.det(frames), np.stack([case.possible for case in cases])
    sums: list[float] = []
    if len(candidates) > _MOST_CANDIDATES:
        every = math.ceil(len(candidates) / _MOST_CANDIDATES)
        candidates = sorted(candidates, key=_best_rank)[::every]
    for candidate in candidates:
        allowed = possible & (hands * np.linalg.det(candidate) > 0)
        traces = np.where(allowed, np.einsum("ab,nkab->nk", candidate, frames), -1.0)
        sums.append(float(np.arccos(np.clip((traces.max(axis=1) - 1) / 2, -1, 1)).sum()))
    least = min(sums) + _SAME_SUM
    ties = [frame for frame, total in zip(candidates, sums, strict=True) if total <= least]
    # Those that differ in the order of storage only are one; of others the first by a fixed rule.
    return max(ties, key=_best_rank)


def _best_rank(frame: Matrix) -> tuple[float, ...]:
    return max(_rank(frame @ matrix) for matrix in _MATRICES)


def _rank(frame: Matrix) -> tuple[float, ...]:
    """How near a frame is to the standard one, and a fixed sequence of those equally near."""
    return (round(float(np.trace(_STANDARD.T @ frame)), 3), *frame.round(3).ravel().tolist())
