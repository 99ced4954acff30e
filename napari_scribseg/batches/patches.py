"""Patches of volumes for methods that learn in 3D: some neighbouring slices of one case.

A patch is in-plane what a slice is: brought to one pixel size, augmented, cut out around a drawn
voxel. All its slices are turned, zoomed and mirrored alike; along z the slices are taken as they
are, at the distance that the volume has.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_scribseg.batches.augmentation import CPU, Slice, augmented
from napari_scribseg.batches.outside import targets_shown
from napari_scribseg.batches.slices import Batch, SliceSet, draw_indices
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.labels import IGNORE, LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import Case


class PatchSet:
    """All training volumes in memory, and the batches of patches drawn from them.

    Args:
        schema: the structures.
        spacing_mm: in-plane pixel size that every slice is brought to.
        depth: slices (z) of a patch.
    """

    def __init__(self, schema: LabelSchema, spacing_mm: float, depth: int) -> None:
        self.schema = schema
        self.spacing_mm = spacing_mm
        self.depth = depth
        self._slices = SliceSet(schema, spacing_mm)
        self._volumes: list[range] = []
        """Where in the set of slices those of each volume are."""

    def __len__(self) -> int:
        return len(self._volumes)

    @property
    def map_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the integer maps and of the float maps, in the order of their layers."""
        return self._slices.map_names

    def add(
        self,
        case: Case,
        maps: dict[str, Array],
        *,
        unlabelled: bool,
        outside: Array | None = None,
    ) -> None:
        """Take in a case; arguments and errors are those of `SliceSet.add`, of whole volumes."""
        first = len(self._slices)
        self._slices.add(case, maps, unlabelled=True, outside=outside)
        volume = range(first, len(self._slices))
        if unlabelled or any(len(self._slices.slices[i].centres) for i in volume):
            self._volumes.append(volume)

    def stacks(self, slices: int) -> list[tuple[Slice, ...]]:
        """All volumes, in stacks of so many neighbouring slices in order, the last ones thinner."""
        return [
            tuple(self._slices.slices[i] for i in volume[first : first + slices])
            for volume in self._volumes
            for first in range(0, len(volume), slices)
        ]

    def replace_maps(self, case: Case, maps: dict[str, Array]) -> None:
        """Put other maps in the place of those that the case was added with.

        Raises:
            InvalidInput: see `add`.
        """
        self._slices.replace_maps(case, maps)

    def patch(self, wanted: tuple[int, int]) -> tuple[int, int]:
        """The wanted in-plane patch (y, x), cut as `SliceSet.patch` does."""
        return self._slices.patch(wanted)

    def batch(
        self, step: int, config: TrainConfig, progress: float, device: torch.device = CPU
    ) -> Batch:
        """The batch of this step: images (B, C, Z, Y, X); the same for the same arguments.

        Every epoch shows every volume once. A patch holds a drawn voxel of its volume, if there is
        any; outside the volume, images continue with its lowest value and labels with IGNORE.

        Args:
            step: counted from 1.
            config: batch size, in-plane patch, augmentation and random seed.
            progress: share of the budget used, handed on to the method.
            device: see `SliceSet.batch`.
        """
        # Another stream than that of the augmentation, which is the same as for slices.
        rng = np.random.default_rng((config.random_seed, step, self.depth))
        volumes = [self._volumes[i] for i in draw_indices(len(self), step, config)]
        slabs = [self._slab([self._slices.slices[i] for i in v], rng) for v in volumes]
        image, integers, floats = augmented(
            slabs, config, np.random.default_rng((config.random_seed, step)), device
        )
        integer_names, float_names = self._slices.map_names
        layers = self._unstacked(integers)
        maps = {name: layers[i] for i, name in enumerate(integer_names, start=1)}
        maps |= dict(zip(float_names, self._unstacked(floats), strict=True))
        counts = [s.background for s in slabs]
        target, drawn = targets_shown(layers[0], counts, config, rng)
        cases = tuple(s.case for s in slabs)
        image = image.unflatten(1, (slabs[0].n_channels, self.depth))
        return Batch(image, target, maps, cases, progress, drawn)

    def _slab(self, volume: list[Slice], rng: np.random.Generator) -> Slice:
        """Neighbouring slices of a volume as the channels of one: (layers * depth, y, x)."""
        counts = np.array([len(item.centres) for item in volume])
        drawn, place = int(counts.sum()), rng.random()
        middle = int(place * len(volume))
        if drawn:
            middle = int(np.searchsorted(counts.cumsum(), int(place * drawn), side="right"))
        first, last = max(0, middle - self.depth + 1), max(0, len(volume) - self.depth)
        start = int(rng.integers(min(first, last), min(middle, last), endpoint=True))
        shown = volume[start : start + self.depth]
        before, after = padding(len(shown), self.depth)
        layers = [s.image for s in shown]
        if before + after:
            lowest = torch.stack([s.image.amin((1, 2)) for s in volume]).amin(0)
            air = lowest[:, None, None].expand_as(shown[0].image)
            layers = [*[air] * before, *layers, *[air] * after]
        return Slice(
            image=torch.stack(layers, 1).flatten(0, 1),
            integers=_stacked([s.integers for s in shown], (before, after), IGNORE),
            floats=_stacked([s.floats for s in shown], (before, after), 0.0),
            centres=volume[middle].centres,
            case=volume[middle].case,
            n_channels=volume[middle].n_channels,
            background=(
                sum(s.background[0] for s in shown),
                sum(s.background[1] for s in shown),
            ),
        )

    def _unstacked(self, channels: Tensor) -> list[Tensor]:
        """The layers (B, Z, Y, X) that lie behind each other in (B, layers * depth, Y, X)."""
        firsts = range(0, channels.shape[1], self.depth)
        return [channels[:, i : i + self.depth].contiguous() for i in firsts]


SampleSet = SliceSet | PatchSet
"""What a run learns from."""


def padding(n: int, depth: int) -> tuple[int, int]:
    """Slices of air before and after a volume of n slices that fill it up to the depth."""
    missing = max(depth - n, 0)
    return missing // 2, missing - missing // 2


def _stacked(slices: list[Tensor], around: tuple[int, int], value: float) -> Tensor:
    """Slices (C, y, x) with padding around them as (C * depth, y, x), z running fastest."""
    volume = torch.stack(slices, 1)
    padded = torch.nn.functional.pad(volume, (0, 0, 0, 0, *around), value=value)
    return padded.flatten(0, 1)
