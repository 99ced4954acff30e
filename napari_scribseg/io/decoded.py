"""What a file stores, before a frame is chosen, and how it becomes an image or labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io.geometry import orientation_notes, plausibility_notes

_WHOLE_TOLERANCE: Final = 1e-3
_MAX_LABEL: Final = 65535


@dataclass(frozen=True)
class FrameAxis:
    """What lies between the frames of a file.

    Args:
        step: from one frame to the next, in `unit`; 0 = the file doesn't tell.
        start: of the first frame, in `unit`.
        unit: "s"; "hz", "ppm" or "rads" as in NIfTI; or "unknown", in which case the frames need
            not be times at all.
    """

    step: float = 0.0
    start: float = 0.0
    unit: str = "unknown"


NO_AXIS: Final = FrameAxis()
"""Nothing is known of what lies between frames, or there is only one."""


@dataclass(frozen=True)
class Segment:
    """One structure of a segmentation by 3D Slicer.

    Args:
        name: as the user called it.
        value: its voxels have this value,
        layer: in this frame: structures that overlap lie in different ones.
        color: "#rrggbb", or None.
    """

    name: str
    value: int
    layer: int
    color: str | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """The content of a file.

    Args:
        frames: (frames, z, y, x) as stored, of any byte order; frames is 1 for a 3D file.
        grid: geometry of every frame.
        notes: what was noticed in the header.
        slope: real value = slope * stored value + intercept.
        intercept: see slope.
        axis: what lies between the frames.
        says_labels: whether the header says that the values are labels.
        segments: the structures that the header tells of.
    """

    frames: Array
    grid: Grid
    notes: tuple[str, ...] = ()
    slope: float = 1.0
    intercept: float = 0.0
    axis: FrameAxis = NO_AXIS
    says_labels: bool = False
    segments: tuple[Segment, ...] = ()

    @property
    def is_scaled(self) -> bool:
        """Whether stored values differ from real ones."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    def image(self, frame: int | None = None, *, is_layer: bool = False) -> Volume:
        """One frame as intensities.

        The type of the array is the stored one, or float32 (float64 for types of 4 bytes and
        more) when the values are scaled.

        Args:
            frame: counted from 0; needed where there are several.
            is_layer: whether the frames may be the layers of overlapping segments.

        Raises:
            InvalidInput: no frame, or one that doesn't exist, was chosen; no voxel is finite; the
                frames are layers and that was not asked for.
        """
        if not is_layer:
            self._refuse_layers()
        array, frame = self._frame(frame)
        if self.is_scaled:
            real = np.float64 if array.dtype.itemsize >= 4 else np.float32
            array = array.astype(real) * real(self.slope) + real(self.intercept)
        notes = (
            *self.notes,
            *orientation_notes(self.grid),
            *plausibility_notes(self.grid),
            *_value_notes(array),
        )
        return Volume(array, self.grid, notes, frame)

    def labels(self, frame: int | None = None) -> Volume:
        """One frame as whole numbers: uint8 when they fit, else uint16.

        Raises:
            InvalidInput: no frame, or one that doesn't exist, was chosen; values are scaled, not
                whole within 1e-3, negative or above 65535.
        """
        if self.is_scaled:
            raise InvalidInput(
                f"Labels are stored with a scaling (slope {self.slope:g}, intercept "
                f"{self.intercept:g}), expected plain whole numbers; export them without scaling."
            )
        self._refuse_layers()
        array, frame = self._frame(frame)
        whole, notes = _whole(array)
        _check_ids(whole)
        target = np.uint8 if whole.max() <= np.iinfo(np.uint8).max else np.uint16
        notes = (*self.notes, *orientation_notes(self.grid), *notes)
        return Volume(whole.astype(target), self.grid, notes, frame)

    def _refuse_layers(self) -> None:
        if self.segments and len(self.frames) > 1:
            raise InvalidInput(overlapping_segments(len(self.segments), len(self.frames)))

    def _frame(self, frame: int | None) -> tuple[Array, int | None]:
        """A frame with native byte order, and its index (None when there is only one)."""
        n_frames = len(self.frames)
        if frame is None and n_frames > 1:
            raise InvalidInput(
                f"The file is a series of {n_frames} frames; choose one, 0 to {n_frames - 1}, "
                "with --frame. In the window, open the file and press 'Work on this frame'."
            )
        if frame is not None and not 0 <= frame < n_frames:
            raise InvalidInput(
                f"There is no frame {frame}; the file has {n_frames}, counted from 0."
            )
        array = self.frames[frame or 0]
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
        return array, frame if n_frames > 1 else None


def _value_notes(array: Array) -> tuple[str, ...]:
    if array.dtype.kind == "f":
        n_nan = int(np.isnan(array).sum())
        n_infinite = int(np.isinf(array).sum())
        if n_nan + n_infinite == array.size:
            raise InvalidInput("No voxel holds a number: all are NaN or infinite.")
        if n_nan + n_infinite:
            note = (
                f"{n_nan + n_infinite} of {array.size} voxels are not numbers ({n_nan} NaN, "
                f"{n_infinite} infinite)."
            )
            return (note,)
    if array.size > 1 and array.min() == array.max():
        return (f"All voxels have the same value, {array.flat[0]:g}.",)
    return ()


def _whole(array: Array) -> tuple[Array, tuple[str, ...]]:
    """The array rounded (not cut) to whole numbers, when it is nearly whole already."""
    if array.dtype.kind != "f":
        return array, ()
    if not np.isfinite(array).all():
        n_strange = int(array.size - np.isfinite(array).sum())
        raise InvalidInput(f"{n_strange} labels are NaN or infinite, expected whole numbers.")
    rounded = np.rint(array)
    off = np.abs(array - rounded)
    far = off > _WHOLE_TOLERANCE
    if far.any():
        examples = ", ".join(f"{v:g}" for v in np.unique(array[far])[:4])
        raise InvalidInput(
            f"{int(far.sum())} labels are not whole numbers ({examples}), so they were probably "
            "resampled with interpolation; resample them with nearest neighbour."
        )
    if off.any():
        note = (
            f"{int((off > 0).sum())} labels were not exactly whole and were rounded, by at most "
            f"{off.max():.1e}."
        )
        return rounded, (note,)
    return rounded, ()


def _check_ids(array: Array) -> None:
    if array.min() >= 0 and array.max() <= _MAX_LABEL:
        return
    values, counts = np.unique(array, return_counts=True)
    strange = [(v, n) for v, n in zip(values, counts, strict=True) if not 0 <= v <= _MAX_LABEL]
    listing = ", ".join(f"{int(v)} ({n} voxels)" for v, n in strange[:8])
    raise InvalidInput(
        f"{len(strange)} label value(s) are outside 0 to {_MAX_LABEL}: {listing}; map them to "
        "class numbers first."
    )


def overlapping_segments(n_segments: int, n_layers: int) -> str:
    """Why one array can't hold a segmentation of 3D Slicer, whose fourth axis then is no time."""
    return (
        f"The file is a segmentation of 3D Slicer with {n_segments} segments in {n_layers} layers, "
        "since some overlap; expected one label per voxel. In Slicer, export the segments as a "
        "label map (it keeps one of those that overlap)."
    )
