"""From cases to batches: normalised, resampled slices held in memory, augmented as tensors.

The same functions prepare an image for training and for prediction, so the network sees the same
kind of pixels in both. Everything random about a batch follows from `(random_seed, step)` alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.batches.augmentation import CPU, Slice, augmented
from napari_scribseg.batches.centres import patch_centres, reference_centres
from napari_scribseg.batches.intensities import normalise
from napari_scribseg.batches.outside import background_counts, targets_shown
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import (
    IGNORE,
    OUTER_BACKGROUND,
    REFERENCE_MAP,
    LabelSchema,
    targets_of,
    targets_of_reference,
)
from napari_scribseg.core.types import Array, Channels, channels_of
from napari_scribseg.data.case import Case

_CONTEXT = 2.0
"""A patch shows at least this many times the extent of the structures; our choice."""
_SLICE_RANK = 4
"""Axes of a batch of slices (B, C, Y, X); one of patches has Z too."""


@dataclass(frozen=True)
class Batch:
    """What a method is shown in one step.

    Args:
        image: (B, C, *S) float, a channel for every sequence, each z-scored per volume; S is Y, X
            of slices and Z, Y, X of patches.
        target: (B, *S) int64, the scribbles as class index or IGNORE, with some background where it
            follows from them (see `outer_background`).
        maps: per-voxel maps from `Method.prepare`, (B, *S): int64 class index or IGNORE, or
            float.
        cases: id of the case of each sample.
        progress: share of the training budget that is used, 0 to 1.
        drawn: (B, *S) int64, the part of the target that somebody drew; None = all of it.
    """

    image: Tensor
    target: Tensor
    maps: dict[str, Tensor] = field(default_factory=dict)
    cases: tuple[str, ...] = ()
    progress: float = 0.0
    drawn: Tensor | None = None

    @property
    def strokes(self) -> Tensor:
        """What somebody drew, (B, *S) int64 class index or IGNORE."""
        return self.target if self.drawn is None else self.drawn

    def to(self, device: torch.device, memory_format: torch.memory_format) -> Batch:
        """The batch on another device, slices in this memory format, patches as they lie."""
        if self.image.ndim != _SLICE_RANK:
            memory_format = torch.preserve_format
        return replace(
            self,
            image=self.image.to(device, memory_format=memory_format, non_blocking=True),
            target=self.target.to(device, non_blocking=True),
            maps={name: m.to(device, non_blocking=True) for name, m in self.maps.items()},
            drawn=None if self.drawn is None else self.drawn.to(device, non_blocking=True),
        )

    def sample(self, i: int) -> Batch:
        """The batch of its i-th sample alone."""
        return replace(
            self,
            image=self.image[i : i + 1],
            target=self.target[i : i + 1],
            maps={name: m[i : i + 1] for name, m in self.maps.items()},
            cases=self.cases[i : i + 1],
            drawn=None if self.drawn is None else self.drawn[i : i + 1],
        )


def choose_spacing(cases: Sequence[Case], patch: tuple[int, int]) -> float:
    """In-plane pixel size in mm at which a network learns these cases.

    The median pixel size of the cases, unless a patch would then show less than twice the extent of
    their foreground strokes, or of their references where nobody drew: a network needs to see what
    surrounds a structure. On MSCMR (hearts at 0.73 mm) the rule gives 1.3 mm and on a prostate at
    0.5 mm 0.64 mm, near what papers take.

    Args:
        cases: the training cases; at least one.
        patch: pixels (y, x) that the network sees.
    """
    median = float(np.median([case.image.spacing[1:] for case in cases]))
    extents = [e for case in cases if (e := _stroke_extent(case)) > 0]
    extents = extents or [e for case in cases if (e := _reference_extent(case)) > 0]
    if not extents:
        return median
    return max(median, _CONTEXT * float(np.median(extents)) / min(patch))


def _stroke_extent(case: Case) -> float:
    return 0.0 if case.scribbles is None else _extent(case, targets_of(case.scribbles))


def _reference_extent(case: Case) -> float:
    return 0.0 if case.reference is None else _extent(case, targets_of_reference(case.reference))


def _extent(case: Case, labels: Array) -> float:
    """Longest side in mm of the in-plane box around the structures (z, y, x) of a slice."""
    longest = 0.0
    for drawn in labels > 0:
        for axis, spacing in enumerate(case.image.spacing[1:]):
            places = np.flatnonzero(drawn.any(1 - axis))
            if len(places):
                longest = max(longest, float(places[-1] - places[0] + 1) * spacing)
    return longest


def in_plane_shape(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], target_mm: float
) -> tuple[int, int]:
    """Pixels (y, x) that a slice has at the target pixel size; at least one.

    Args:
        shape: voxels (z, y, x) of the volume.
        spacing: its spacing in mm (z, y, x).
        target_mm: wanted in-plane pixel size in mm.
    """
    y, x = (max(1, round(n * s / target_mm)) for n, s in zip(shape[1:], spacing[1:], strict=True))
    return y, x


def resample_in_plane(slices: Tensor, shape: tuple[int, int]) -> Tensor:
    """Slices with another number of pixels over the same field of view.

    Args:
        slices: (Z, C, Y, X). Floats are interpolated linearly (smoothed first when shrinking),
            integers take the nearest value.
        shape: pixels (y, x) of the result.
    """
    if tuple(slices.shape[-2:]) == shape:
        return slices
    if slices.is_floating_point():
        return F.interpolate(slices, shape, mode="bilinear", antialias=True, align_corners=False)
    nearest = F.interpolate(slices.float(), shape, mode="nearest-exact")
    return nearest.to(slices.dtype)


def image_slices(
    case_image: Channels, spacing: tuple[float, float, float], target_mm: float
) -> Tensor:
    """What the network is shown of a volume: (Z, C, Y, X) float32 at the target pixel size.

    Args:
        case_image: (z, y, x), or several sequences.
        spacing: its spacing in mm (z, y, x).
        target_mm: wanted in-plane pixel size in mm.
    """
    shape = channels_of(case_image)[0].shape
    image = normalised_slices(case_image)
    return resample_in_plane(image, in_plane_shape(shape, spacing, target_mm))


def normalised_slices(image: Channels) -> Tensor:
    """Slices (Z, C, y, x) float32 of one or several sequences, each normalised on its own."""
    seen = [torch.from_numpy(normalise(channel)) for channel in channels_of(image)]
    return seen[0][:, None] if len(seen) == 1 else torch.stack(seen, 1)


class SliceSet:
    """All training slices in memory, and the batches drawn from them.

    Args:
        schema: the structures.
        spacing_mm: in-plane pixel size that every slice is brought to.
    """

    def __init__(self, schema: LabelSchema, spacing_mm: float) -> None:
        self.schema = schema
        self.spacing_mm = spacing_mm
        self.slices: list[Slice] = []
        self._integer_names: tuple[str, ...] | None = None
        self._float_names: tuple[str, ...] = ()

    @property
    def map_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the integer maps and of the float maps, in the order of their layers."""
        return self._integer_names or (), self._float_names

    def __len__(self) -> int:
        return len(self.slices)

    def add(
        self,
        case: Case,
        maps: dict[str, Array],
        *,
        unlabelled: bool,
        outside: Array | None = None,
    ) -> None:
        """Take in the slices of a case.

        Args:
            case: with or without scribbles.
            maps: per-voxel maps (z, y, x) of the case, the same names for every case. Where nobody
                drew, patches are cut out around what a `REFERENCE_MAP` labels.
            unlabelled: also take slices nobody drew on.
            outside: (z, y, x) bool, where the case is background although nobody drew there.

        Raises:
            InvalidInput: a map has another shape than the case, or the names changed.
        """
        self.slices.extend(self._slices_of(case, maps, unlabelled=unlabelled, outside=outside))

    def replace_maps(self, case: Case, maps: dict[str, Array]) -> None:
        """Put other maps in the place of those that the case was added with.

        Which of its slices are shown, and their targets, stay as they are: a case may have been
        added with more strokes than it has itself.

        Raises:
            InvalidInput: see `add`.
        """
        fresh = {item.z: item for item in self._slices_of(case, maps, unlabelled=True)}
        self.slices = [
            _with_targets_of(old, fresh[old.z]) if old.case == case.id else old
            for old in self.slices
        ]

    def _slices_of(
        self,
        case: Case,
        maps: dict[str, Array],
        *,
        unlabelled: bool,
        outside: Array | None = None,
    ) -> Iterator[Slice]:
        if strange := [k for k in sorted(maps) if maps[k].dtype.kind not in "iuf"]:
            raise InvalidInput(
                f"Case {case.id}: the map '{strange[0]}' holds {maps[strange[0]].dtype}, expected "
                "integers or floats."
            )
        integer_names = tuple(k for k in sorted(maps) if maps[k].dtype.kind in "iu")
        float_names = tuple(k for k in sorted(maps) if maps[k].dtype.kind == "f")
        if self._integer_names is None:
            self._integer_names, self._float_names = integer_names, float_names
        if (integer_names, float_names) != (self._integer_names, self._float_names):
            raise InvalidInput(f"Case {case.id} has other maps than the first case.")
        if strange := [k for k in sorted(maps) if maps[k].shape != case.image.shape]:
            raise InvalidInput(
                f"Case {case.id}: the map '{strange[0]}' has the shape {maps[strange[0]].shape}, "
                f"the image has {case.image.shape}; they must lie on one grid."
            )
        target = (
            np.full(case.image.shape, IGNORE, np.int16)
            if case.scribbles is None
            else self.schema.to_targets(case.scribbles)
        )
        if outside is not None:
            target = np.where((target == IGNORE) & outside, np.int16(OUTER_BACKGROUND), target)
        image = image_slices(case.image.channels, case.image.spacing, self.spacing_mm)
        shape = (int(image.shape[-2]), int(image.shape[-1]))
        integers = _stacked([target, *(maps[k] for k in integer_names)], np.int16, shape)
        floats = _stacked([maps[k] for k in float_names], np.float32, shape, like=image)
        for z in range(len(image)):
            centres = patch_centres(integers[z, 0])
            if unlabelled or len(centres):
                if not len(centres) and REFERENCE_MAP in integer_names:
                    layer = 1 + integer_names.index(REFERENCE_MAP)
                    centres = reference_centres(integers[z, layer])
                yield Slice(
                    image[z],
                    integers[z],
                    floats[z],
                    centres,
                    case.id,
                    image.shape[1],
                    background_counts(integers[z, 0]),
                    z,
                )

    def patch(self, wanted: tuple[int, int]) -> tuple[int, int]:
        """The wanted patch (y, x), cut to the largest slice, rounded up to a multiple of 16."""
        sizes = [item.image.shape[-2:] for item in self.slices]
        y, x = (16 * math.ceil(max(int(size[axis]) for size in sizes) / 16) for axis in (0, 1))
        return min(wanted[0], y), min(wanted[1], x)

    def batch(
        self, step: int, config: TrainConfig, progress: float, device: torch.device = CPU
    ) -> Batch:
        """The batch of this step; the same for the same slices and arguments.

        Args:
            step: counted from 1.
            config: batch size, patch, augmentation and random seed.
            progress: share of the budget used, handed on to the method.
            device: where slices are turned, zoomed and varied, and where the batch is.
        """
        rng = np.random.default_rng((config.random_seed, step))
        chosen = [self.slices[i] for i in draw_indices(len(self.slices), step, config)]
        image, integers, floats = augmented(chosen, config, rng, device)
        integer_names, float_names = self.map_names
        maps = {name: integers[:, i].contiguous() for i, name in enumerate(integer_names, start=1)}
        maps |= {name: floats[:, i].contiguous() for i, name in enumerate(float_names)}
        counts = [s.background for s in chosen]
        target, drawn = targets_shown(integers[:, 0].contiguous(), counts, config, rng)
        return Batch(image, target, maps, tuple(s.case for s in chosen), progress, drawn)


def _with_targets_of(old: Slice, fresh: Slice) -> Slice:
    """A slice with fresh maps and the targets that it had."""
    integers = torch.cat([old.integers[:1], fresh.integers[1:]])
    return replace(fresh, integers=integers, centres=old.centres, background=old.background)


def draw_indices(n: int, step: int, config: TrainConfig) -> list[int]:
    """Which of n samples a step shows: every epoch is a permutation of all of them."""
    first = (step - 1) * config.batch_size
    indices: list[int] = []
    for position in range(first, first + config.batch_size):
        epoch, place = divmod(position, n)
        indices.append(_permutation(config.random_seed, epoch, n)[place])
    return indices


_cached_permutation: dict[tuple[int, int, int], list[int]] = {}


def _permutation(random_seed: int, epoch: int, n: int) -> list[int]:
    key = (random_seed, epoch, n)
    if key not in _cached_permutation:
        if len(_cached_permutation) > 8:
            _cached_permutation.clear()
        rng = np.random.default_rng((random_seed, 2**31 + epoch))
        _cached_permutation[key] = rng.permutation(n).tolist()
    return _cached_permutation[key]


def _stacked(
    arrays: Sequence[Array],
    dtype: npt.DTypeLike,
    shape: tuple[int, int],
    like: Tensor | None = None,
) -> Tensor:
    """Volumes (z, y, x) as slices (Z, len(arrays), *shape)."""
    if not arrays:
        n = 0 if like is None else len(like)
        return torch.zeros(n, 0, *shape)
    stacked = torch.from_numpy(np.stack([a.astype(dtype) for a in arrays], axis=1))
    return resample_in_plane(stacked, shape)
