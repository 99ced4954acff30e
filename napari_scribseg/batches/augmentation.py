"""Augmentation: patches of slices, turned, zoomed, mirrored and varied in intensity as tensors.

One interpolation does all of the geometry, for a whole batch, and the same one for an image, its
scribbles and its maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.core.types import Array

CPU: Final = torch.device("cpu")
_CENTRE_JITTER = 0.1
"""Where an image is smaller than the patch, it is shifted by up to this share of the patch."""


@dataclass(frozen=True)
class Slice:
    """One training slice at the target pixel size.

    Args:
        image: (C, y, x) float32, a layer for every sequence; of a slab of several slices
            (C * depth, y, x), z running fastest.
        integers: (L, y, x) int16; first the scribbles as targets, then the integer maps.
        floats: (F, y, x) float32, the float maps.
        centres: (n, 2) positions (y, x) that patches are cut out around, scribbled pixels among
            them; none = patches lie anywhere.
        case: id of its case.
        n_channels: sequences (C) of the image.
        background: pixels of the slice where background was drawn, and where it is known although
            nobody drew.
        z: its index in the volume of its case.
    """

    image: Tensor
    integers: Tensor
    floats: Tensor
    centres: Tensor
    case: str
    n_channels: int = 1
    background: tuple[int, int] = (0, 0)
    z: int = 0


def augmented(
    chosen: Sequence[Slice],
    config: TrainConfig,
    rng: np.random.Generator,
    device: torch.device = CPU,
) -> tuple[Tensor, Tensor, Tensor]:
    """Images, integer layers and float layers (B, C, *patch) of one augmented patch per slice.

    Args:
        chosen: slices with any number of channels; all channels of a slice move alike.
        config: patch and augmentation.
        rng: draws the augmentation, the same for every device.
        device: where it is computed, and where the results are.
    """
    height, width = (max(int(s.image.shape[axis]) for s in chosen) for axis in (-2, -1))
    grid = _Placement.draw(chosen, config, rng).grid((height, width), device)
    n_channels = chosen[0].n_channels
    image = _sampled([s.image for s in chosen], grid, (height, width), "bilinear", n_channels)
    if config.intensity > 0:
        image = _vary_intensity(image, config.intensity, rng, n_channels)
    integers = _sampled([s.integers for s in chosen], grid, (height, width), "nearest")
    if not chosen[0].floats.shape[0]:
        return image, integers, torch.zeros(len(chosen), 0, *config.patch, device=device)
    floats = _sampled([s.floats for s in chosen], grid, (height, width), "bilinear")
    return image, integers, floats


@dataclass(frozen=True)
class _Placement:
    """Where the pixels of a batch of patches come from: in-plane rotation, zoom, flips, shift.

    Args:
        matrix: (B, 2, 2), patch offset (y, x) from its centre -> slice offset.
        centre: (B, 2), position (y, x) in the slice of the patch's centre.
        patch: pixels (y, x) of a patch.
    """

    matrix: Tensor
    centre: Tensor
    patch: tuple[int, int]

    @classmethod
    def draw(
        cls, slices: Sequence[Slice], config: TrainConfig, rng: np.random.Generator
    ) -> _Placement:
        n = len(slices)
        angle = np.deg2rad(rng.uniform(-1, 1, n) * config.rotation_degrees)
        zoom = np.exp(rng.uniform(-1, 1, n) * math.log1p(config.zoom))
        flips = rng.choice([-1.0, 1.0], (n, 2)) if config.flips else np.ones((n, 2))
        cos, sin = np.cos(angle), np.sin(angle)
        rotation = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
        matrix = rotation * (flips / zoom[:, None])[:, None, :]
        centre = np.stack([_patch_centre(s, config.patch, rng) for s in slices])
        return cls(torch.from_numpy(matrix).float(), torch.from_numpy(centre).float(), config.patch)

    def grid(self, canvas: tuple[int, int], device: torch.device) -> Tensor:
        """Sampling positions (B, Y, X, 2) for `grid_sample` on slices padded to the canvas."""
        matrix, centre = self.matrix.to(device), self.centre.to(device)
        y, x = (torch.arange(n, dtype=torch.float32, device=device) for n in self.patch)
        y, x = y - (len(y) - 1) / 2, x - (len(x) - 1) / 2
        offsets = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1)
        positions = torch.einsum("yxk,bjk->byxj", offsets, matrix) + centre[:, None, None]
        size = torch.tensor(canvas, dtype=torch.float32, device=device)
        return ((2 * positions + 1) / size - 1).flip(-1)


def _patch_centre(item: Slice, patch: tuple[int, int], rng: np.random.Generator) -> Array:
    """Position (y, x) of a patch's centre: on one of its centres, the patch inside the slice.

    Without centres anywhere, each place of the slice alike. Along an axis on which the slice is
    smaller than the patch: the middle, jittered.
    """
    shape = np.array(item.image.shape[-2:], dtype=np.float64)
    size = np.array(patch, dtype=np.float64)
    middle = (shape - 1) / 2
    anywhere = rng.uniform(-1, 1, 2)
    jitter = anywhere * _CENTRE_JITTER * size
    pick = rng.random()
    wanted = middle * (1 + anywhere)
    if len(item.centres):
        wanted = item.centres[int(pick * len(item.centres))].numpy().astype(np.float64)
    # On whole pixels: halfway between two, images blur and the nearest label is a toss-up.
    first = np.clip(np.ceil(wanted - (size - 1) / 2), 0, np.maximum(shape - size, 0))
    return np.where(shape > size, first + (size - 1) / 2, middle + jitter)


def _sampled(
    slices: Sequence[Tensor], grid: Tensor, size: tuple[int, int], mode: str, n_channels: int = 1
) -> Tensor:
    """Patches (B, C, *patch) of slices (C, y, x) of different sizes, on the device of the grid.

    Outside a slice, images and float maps continue with the slice's lowest value (air), that of
    each sequence; integer maps with IGNORE, never with background.

    Args:
        slices: at most of this size.
        grid: see `_Placement.grid`.
        size: pixels (y, x) of the canvas that the slices are laid on.
        mode: of interpolation.
        n_channels: sequences that the layers are of, equally many of each.
    """
    integer = not slices[0].is_floating_point()
    if integer:
        floor = torch.full((len(slices), 1, 1, 1), float(IGNORE))
    else:
        lowest = torch.stack([s.reshape(n_channels, -1).amin(1) for s in slices])
        depth = slices[0].shape[0] // n_channels
        floor = lowest.repeat_interleave(depth, 1)[:, :, None, None]
    canvas = torch.zeros(len(slices), slices[0].shape[0], *size)
    for i, item in enumerate(slices):
        canvas[i, :, : item.shape[-2], : item.shape[-1]] = item - floor[i]
    canvas, floor = canvas.to(grid.device), floor.to(grid.device)
    patches = F.grid_sample(canvas, grid, mode=mode, padding_mode="zeros", align_corners=False)
    patches = patches + floor
    return patches.round().long() if integer else patches


def _vary_intensity(
    image: Tensor, strength: float, rng: np.random.Generator, n_channels: int = 1
) -> Tensor:
    """Images with other contrast, brightness, gamma and noise, each sequence of a sample its own.

    Args:
        image: (B, L, Y, X), z-scored; the layers of one sequence change alike.
        strength: 0 = unchanged; 0.3 = contrast and brightness by up to 0.3, gamma 0.7 to 1.4.
        rng: draws the changes.
        n_channels: sequences that the layers are of, equally many of each.
    """
    seen = image.unflatten(1, (n_channels, -1))

    def uniform() -> Tensor:
        drawn = torch.from_numpy(rng.uniform(-strength, strength, (*seen.shape[:2], 1, 1, 1)))
        return drawn.float().to(image.device)

    low, high = seen.amin((2, 3, 4), keepdim=True), seen.amax((2, 3, 4), keepdim=True)
    span = (high - low).clamp_min(1e-6)
    bent = ((seen - low) / span) ** torch.exp(uniform()) * span + low
    noise = torch.from_numpy(rng.standard_normal(seen.shape, dtype=np.float32)).to(image.device)
    varied = bent * torch.exp(uniform()) + uniform() + noise * (uniform().abs() * 0.5)
    return varied.flatten(1, 2)
