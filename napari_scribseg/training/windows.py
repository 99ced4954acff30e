"""Windows of prediction for networks that see volumes: as large as what they have learnt from.

A norm of groups and an attention to means see one thing in a patch and another in a whole volume,
so a network is shown windows of the size of its training patches. Windows overlap by half along
every axis; where they do, their probabilities are averaged with Gaussian weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.batches.patches import padding
from napari_scribseg.methods.base import Method
from napari_scribseg.training.machine import Machine

_MULTIPLE = 16
"""Of patches, when they are cut to slices that are smaller; see `SliceSet.patch`."""


@torch.no_grad()
def window_means(method: Method, slices: Tensor, machine: Machine) -> Iterator[tuple[int, Tensor]]:
    """Probabilities of a volume, averaged over the windows that see them.

    A smaller volume gets air around it, as in training. A slice is given away when the last window
    over it is done, so memory grows by the depth of a window and not by that of the volume; what a
    network keeps is of one window.

    Args:
        method: in evaluation mode; says how deep and wide its patches are.
        slices: (Z, C, y, x), at the network's pixel size.
        machine: where to compute.

    Yields:
        Index of the first slice, and probabilities (K, n, y, x) of it and those after it.
    """
    seen = (method.patch_depth(method.options), *window_shape(method.patch, slices.shape[2:]))
    inside = (len(slices), *slices.shape[2:])
    before = [padding(n, size)[0] for n, size in zip(inside, seen, strict=True)]
    volume = _in_air(slices, seen).to(machine.device)
    del slices
    sizes = volume.shape[2:]
    columns = [window_starts(n, size) for n, size in zip(sizes[1:], seen[1:], strict=True)]
    weight = window_weights(seen).to(machine.device)
    summed = torch.zeros(method.n_classes, seen[0], *sizes[1:], device=machine.device)
    weights = torch.zeros(seen[0], *sizes[1:], device=machine.device)
    starts = window_starts(sizes[0], seen[0])
    for start, following in zip(starts, [*starts[1:], sizes[0]], strict=True):
        for y, x in product(*columns):
            place = (..., slice(y, y + seen[1]), slice(x, x + seen[2]))
            with machine.autocast():
                logits = method(volume[:, :, start : start + seen[0]][place])
            summed[place] += weight * logits[0].float().softmax(0)
            weights[place] += weight
        first, last = max(start, before[0]), min(following, before[0] + inside[0])
        if first < last:
            done = slice(first - start, last - start)
            mean = summed[:, done] / weights[done]
            y, x = before[1:]
            yield first - before[0], mean[..., y : y + inside[1], x : x + inside[2]]
        n = following - start
        summed = torch.cat([summed[:, n:], torch.zeros_like(summed[:, :n])], 1)
        weights = torch.cat([weights[n:], torch.zeros_like(weights[:n])])


def _in_air(slices: Tensor, least: Sequence[int]) -> Tensor:
    """Slices (Z, C, y, x) as a volume (1, C, Z, y, x) of at least this size, air around it."""
    sizes = (len(slices), *slices.shape[2:])
    around = [padding(n, size) for n, size in zip(sizes, least, strict=True)]
    pad = [side for axis in reversed(around) for side in axis]
    channels = [slices[None, :, c] for c in range(slices.shape[1])]
    return torch.stack([F.pad(each, pad, value=float(each.min())) for each in channels], 1)


def window_shape(patch: tuple[int, int] | None, shape: Sequence[int]) -> tuple[int, int]:
    """Size (y, x) of the windows on slices of this shape.

    Args:
        patch: of training; cut to the slices as there, for those that are smaller. None = slices
            are seen whole.
        shape: of the slices.
    """
    if patch is None:
        return shape[0], shape[1]
    y, x = (_MULTIPLE * math.ceil(size / _MULTIPLE) for size in shape)
    return min(patch[0], y), min(patch[1], x)


def window_starts(n: int, size: int) -> list[int]:
    """First places of windows that cover n places and overlap by half; the last one ends at n."""
    last = max(n - size, 0)
    return [*range(0, last, max(size // 2, 1)), last]


def window_weights(size: tuple[int, ...]) -> Tensor:
    """Weights of the voxels of a window: less towards its ends, never zero.

    The standard deviation is an eighth of the window, as in nnU-Net and MONAI.
    """
    weights = torch.ones(())
    for n in size:
        offset = torch.arange(n, dtype=torch.float32) - (n - 1) / 2
        along = torch.exp(-((8 * offset / n) ** 2) / 2).clamp_min(1e-3)
        weights = weights[..., None] * along
    return weights
