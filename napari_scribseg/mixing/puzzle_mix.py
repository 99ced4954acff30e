"""PuzzleMix: blocks of two slices put together so that what matters in each stays visible.

Every block of the result shows the first slice, the second, or the mean of both. Which is found by
an exact minimum cut: it keeps salient blocks, neighbours that fit together, and on the whole the
wanted share of the first slice. If wanted, each slice's blocks are moved first (transport), so
that salient blocks of both find a place.

Source: Kim, Choo and Song, "Puzzle Mix: exploiting saliency and local statistics for optimal
mixup", ICML 2020, with the numbers that CycleMix (CVPR 2022) takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.core.types import Array

SHARE_ALPHA = 0.5
"""The share of the first slice is drawn from Beta(alpha, alpha)."""
SIDES = (2, 4, 8, 16)
"""Blocks along the longer side of a slice; drawn anew for every batch."""
_PRIOR = 0.2
"""eta: how much the wanted share counts."""
_SMOOTH = 1.2
"""beta: how much neighbours should show the same slice; divided by 16 times the blocks per side."""
_FIT = 0.5
"""gamma: how much, beside that, the grey levels should fit where blocks of two slices meet."""
_MOVE = 0.8
"""epsilon: what it costs to move a block by the longer side of the slice."""
_CELL = 4
"""Pixels per side of the cells on which grey levels are compared; blocks are whole cells."""
_TOTAL_CAPACITY = 2**29
"""scipy's maximum flow counts in int32; capacities are scaled to sum up to this."""
_UNCUTTABLE = 2**30


@dataclass(frozen=True)
class Puzzle:
    """How the slices of a batch are put together; apply it to all that belongs to them.

    Args:
        share: (B, rows, columns), share 0, 1/2 or 1 of the first slice in each block.
        partner: (B,), index of each slice's second slice.
        block: pixels per side of a block.
        moved: (B, 2, rows * columns), for each place the block of the first and of the second
            slice that goes there; None if blocks stay where they are.
    """

    share: Tensor
    partner: Tensor
    block: int
    moved: Tensor | None = None

    def apply(self, maps: Tensor) -> Tensor:
        """Mixed maps (B, C, Y, X), of the images, one-hot labels or predictions (B, C, Y, X)."""
        height, width = maps.shape[-2:]
        share = self.share.to(maps.dtype).unsqueeze(1)
        share = share.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)
        share = share[..., :height, :width]
        first, second = maps, maps[self.partner]
        if self.moved is not None:
            first = self._rearranged(first, self.moved[:, 0])
            second = self._rearranged(second, self.moved[:, 1])
        return share * first + (1 - share) * second

    def _rearranged(self, maps: Tensor, source: Tensor) -> Tensor:
        batch, channels, height, width = maps.shape
        rows, columns = self.share.shape[1:]
        missing = (0, columns * self.block - width, 0, rows * self.block - height)
        blocks = F.pad(maps, missing, mode="replicate").unflatten(3, (columns, self.block))
        blocks = blocks.unflatten(2, (rows, self.block)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        index = torch.arange(batch, device=maps.device)[:, None]
        blocks = blocks[index, source].unflatten(1, (rows, columns))
        whole = blocks.permute(0, 3, 1, 4, 2, 5).reshape(
            batch, channels, rows * self.block, columns * self.block
        )
        return whole[..., :height, :width]


def solve_puzzle(
    image: Tensor,
    saliency: Tensor,
    partner: Tensor,
    *,
    share: float,
    side: int,
    transport: bool = False,
) -> Puzzle:
    """The best puzzle for each slice and its partner.

    The cut is exact. Where grey levels favour a seam so much that the energy could not be cut, the
    weight of that pair is taken as 0. Slices without saliency have none to lose; saliency that is
    not finite is none.

    Args:
        image: (B, C, Y, X), z-scored.
        saliency: (B, Y, X), not negative, any scale.
        partner: (B,), index of the second slice.
        share: wanted share of the first slice, 0..1.
        side: blocks along the longer side.
        transport: move blocks by an optimal assignment, on the same blocks.

    Source: Kim et al. 2020. The authors' code solves an approximation for both
    parts, on an image padded to a power of two, and moves blocks of the images only, so that labels
    don't follow; ours is exact, takes any size, and a puzzle moves whatever it is applied to.
    """
    block = block_size((image.shape[-2], image.shape[-1]), side)
    # A training that diverges is for the engine to notice; here, it must not upset the cut.
    salient = _block_sums(saliency.detach().float().nan_to_num(0, 0, 0), block)
    salient = salient / salient.sum((1, 2), keepdim=True).clamp_min(1e-30)
    cells = _cells(image.detach().float(), block)
    mates = partner.to(image.device)
    first, second = salient.cpu().numpy(), salient[mates].cpu().numpy()
    unary = block_costs(first.astype(np.float64), second.astype(np.float64), share)
    labels = _solved(unary, _seams(cells, cells[mates], block // _CELL), side)
    chosen = (1.0 - labels / 2.0).astype(np.float32)
    moved = None
    if transport:
        plans = [
            (transport_plan(first[i], chosen[i] > 0), transport_plan(second[i], chosen[i] < 1))
            for i in range(len(chosen))
        ]
        moved = torch.from_numpy(np.array(plans)).to(image.device)
    return Puzzle(torch.from_numpy(chosen).to(image.device), mates, block, moved)


def block_size(shape: tuple[int, int], side: int) -> int:
    """Pixels per side of a block, a multiple of 4, so that `side` blocks span the longer side."""
    return _CELL * math.ceil(max(shape) / (_CELL * side))


def block_costs(first: Array, second: Array, share: float) -> Array:
    """What each block costs that shows the first slice, both, or the second: (B, rows, columns, 3).

    The saliency that is lost, and how unlikely the choice is given the wanted share (eta times the
    negative logarithm of the binomial distribution, over the number of blocks).

    Args:
        first: (B, rows, columns), saliency of the first slice; sums to 1.
        second: the same of the second.
        share: wanted share of the first slice.
    """
    share = min(max(share, 1e-3), 1 - 1e-3)
    likely = np.array([share**2, 2 * share * (1 - share), (1 - share) ** 2])
    lost = np.stack([second, (first + second) / 2, first], -1)
    return lost - _PRIOR * np.log(likely) / first[0].size


def least_cut(unary: Array, pairs: Array, weight: Array) -> npt.NDArray[np.int8]:
    """Labels l in {0, 1, 2} (N,) that minimise sum unary[p, l_p] + sum w (l_p - l_q)^2 / 4.

    A maximum flow on two nodes per block (Ishikawa's construction), hence the global minimum, up to
    rounding of the costs to about 2^-29 of their sum.

    Args:
        unary: (N, 3).
        pairs: (M, 2) indices of blocks, each pair once.
        weight: (M,), not negative.
    """
    n = len(unary)
    cost = unary.astype(np.float64).copy()
    np.subtract.at(cost[:, 1], pairs[:, 0], weight / 4)
    np.subtract.at(cost[:, 1], pairs[:, 1], weight / 4)
    cost -= cost.min(1, keepdims=True)
    upper, lower, source, sink = 2 * np.arange(n), 2 * np.arange(n) + 1, 2 * n, 2 * n + 1
    ends = [np.full(n, source), upper, lower, lower]
    starts_to = [upper, lower, np.full(n, sink), upper]
    scale = _TOTAL_CAPACITY / max(float(cost.sum() + 2 * weight.sum()), 1e-12)
    cost = np.rint(cost * scale).astype(np.int32)
    capacity = [cost[:, 0], cost[:, 1], cost[:, 2], np.full(n, _UNCUTTABLE, np.int32)]
    quarter = np.rint(weight / 4 * scale).astype(np.int32)
    for a in (0, 1):
        for b in (0, 1):
            p, q = 2 * pairs[:, 0] + a, 2 * pairs[:, 1] + b
            ends += [p, q]
            starts_to += [q, p]
            capacity += [quarter, quarter]
    shape = (2 * n + 2, 2 * n + 2)
    indices = (np.concatenate(ends), np.concatenate(starts_to))
    graph = csr_array((np.concatenate(capacity), indices), shape=shape, dtype=np.int32)
    residual = graph - maximum_flow(graph, source, sink).flow
    residual.data = (residual.data > 0).astype(np.int32)
    residual.eliminate_zeros()
    reached = np.zeros(2 * n + 2, bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    return (reached[upper].astype(np.int8) + reached[lower]).astype(np.int8)


def transport_plan(saliency: Array, shown: Array) -> npt.NDArray[np.int64]:
    """For each place the block that goes there (rows * columns,): the exact optimal assignment.

    A block gains its saliency where the slice is shown and costs 0.8 times the squared distance
    that it moves, with the longer side of the slice as unit.

    Args:
        saliency: (rows, columns), sums to 1 or is 0.
        shown: (rows, columns) bool, where the slice is shown at least in part.
    """
    rows, columns = shown.shape
    y, x = (axis.ravel() for axis in np.indices((rows, columns)))
    squared = (y[:, None] - y[None, :]) ** 2 + (x[:, None] - x[None, :]) ** 2
    cost = _MOVE * squared / max(rows - 1, columns - 1, 1) ** 2
    cost = cost - saliency.astype(np.float64).ravel()[:, None] * shown.ravel()[None, :]
    block, place = linear_sum_assignment(cost)
    plan = np.empty(rows * columns, np.int64)
    plan[place] = block
    return plan


def _solved(unary: Array, seams: tuple[Array, Array], side: int) -> Array:
    """Labels (B, rows, columns) of all slices, by one cut through one graph."""
    batch, rows, columns = unary.shape[:3]
    unary = unary.copy()
    smooth = _SMOOTH / (16 * side)
    index = np.arange(batch * rows * columns).reshape(batch, rows, columns)
    pairs: list[Array] = []
    weights: list[Array] = []
    for axis, seam in zip((1, 2), seams, strict=True):
        both, mixed, mixed_back, neither = smooth * _FIT * np.moveaxis(seam, -1, 0)
        towards_first, towards_second = _ends(axis)
        # D(a, b) = constant + linear in each end + w (l_p - l_q)^2; the linear parts are unary.
        p_end = (mixed_back - both + neither - mixed) / 2
        q_end = (mixed - both + neither - mixed_back) / 2
        for half, label in ((0.5, 1), (1.0, 2)):
            unary[(*towards_first, label)] += half * p_end
            unary[(*towards_second, label)] += half * q_end
        weight = (mixed + mixed_back - both - neither) / 2 + smooth
        ends = (index[towards_first].ravel(), index[towards_second].ravel())
        pairs.append(np.stack(ends, 1))
        weights.append(np.maximum(weight, 0).ravel())
    labels = least_cut(unary.reshape(-1, 3), np.concatenate(pairs), np.concatenate(weights))
    return labels.reshape(batch, rows, columns)


def _ends(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the first and the second block of all neighbours along an axis (1 or 2) are."""
    every, but_last, but_first = slice(None), slice(None, -1), slice(1, None)
    if axis == 1:
        return (every, but_last, every), (every, but_first, every)
    return (every, every, but_last), (every, every, but_first)


def _seams(first: Tensor, second: Tensor, cells: int) -> tuple[Array, Array]:
    """Differences of grey level where neighbours along y and along x meet.

    Each (B, rows, columns, 4), fewer by one along its axis: mean absolute difference if both show
    the first slice, the first then the second, the second then the first, both the second.

    Args:
        first: (B, C, Y, X), mean grey levels of the first slice's cells.
        second: of the second's.
        cells: cells per side of a block.
    """
    along_x = _seam(first.mT, second.mT, cells)
    return _seam(first, second, cells), along_x.swapaxes(1, 2)


def _seam(first: Tensor, second: Tensor, cells: int) -> Array:
    differences: list[Tensor] = []
    for here in (first, second):
        for there in (first, second):
            above = here[..., cells - 1 : -1 : cells, :]
            below = there[..., cells::cells, :]
            apart = (above - below).abs().mean(1)
            differences.append(apart.unflatten(-1, (-1, cells)).mean(-1))
    return torch.stack(differences, -1).cpu().numpy().astype(np.float64)


def _cells(image: Tensor, block: int) -> Tensor:
    """Mean grey levels of cells (B, C, y, x), the image continued at its edges to whole blocks."""
    height, width = image.shape[-2:]
    whole = F.pad(image, (0, -width % block, 0, -height % block), mode="replicate")
    return F.avg_pool2d(whole, _CELL)


def _block_sums(saliency: Tensor, block: int) -> Tensor:
    """Sums over blocks (B, rows, columns), nothing outside the slice."""
    height, width = saliency.shape[-2:]
    whole = F.pad(saliency, (0, -width % block, 0, -height % block))
    return F.avg_pool2d(whole.unsqueeze(1), block)[:, 0] * block**2
