"""PuzzleMix: the cut against brute force, the energy from its definition, transport, mixing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from napari_scribseg.mixing.puzzle_mix import (
    Puzzle,
    block_costs,
    block_size,
    least_cut,
    solve_puzzle,
    transport_plan,
)


def _grid_pairs(rows: int, columns: int) -> np.ndarray:
    index = np.arange(rows * columns).reshape(rows, columns)
    down = np.stack([index[:-1].ravel(), index[1:].ravel()], 1)
    right = np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], 1)
    return np.concatenate([down, right])


def _all_labels(n: int) -> np.ndarray:
    return np.array(list(itertools.product((0, 1, 2), repeat=n)))


# The cut


@pytest.mark.parametrize(("rows", "columns", "trials"), [(1, 1, 5), (2, 3, 60), (3, 3, 15)])
def test_the_cut_is_the_optimum_that_brute_force_finds(rows, columns, trials) -> None:
    rng = np.random.default_rng(rows * columns)
    pairs, labels = _grid_pairs(rows, columns), _all_labels(rows * columns)
    for _ in range(trials):
        unary = rng.normal(0, 1, (rows * columns, 3))
        weight = rng.uniform(0, 2, len(pairs)) * rng.choice([0.1, 1, 3])
        apart = (labels[:, pairs[:, 0]] - labels[:, pairs[:, 1]]) / 2
        energies = unary[np.arange(rows * columns), labels].sum(1) + apart**2 @ weight
        cut = least_cut(unary, pairs, weight)
        reached = unary[np.arange(len(cut)), cut].sum()
        reached += (((cut[pairs[:, 0]] - cut[pairs[:, 1]]) / 2) ** 2) @ weight
        assert reached == pytest.approx(energies.min(), abs=1e-6)


def test_without_neighbours_every_block_takes_its_cheapest_label() -> None:
    unary = np.array([[0.0, 1, 2], [2, 0, 1], [1, 2, 0]])
    assert least_cut(unary, np.zeros((0, 2), int), np.zeros(0)).tolist() == [0, 1, 2]


# The energy


def _energies_by_definition(images, saliencies, share, side, labels) -> np.ndarray:
    """Of many labellings, for a pair of slices of 16 x 24 in blocks of 8 x 8."""
    rows, columns = 2, 3
    first, second = saliencies
    level = np.array([0.0, 0.5, 1.0])[labels].reshape(-1, rows, columns).transpose(1, 2, 0)
    prior = -np.log([share**2, 2 * share * (1 - share), (1 - share) ** 2])
    energy = np.zeros(len(labels))
    for y in range(rows):
        for x in range(columns):
            block = (slice(8 * y, 8 * y + 8), slice(8 * x, 8 * x + 8))
            lost_1 = first[block].sum() / first.sum()
            lost_2 = second[block].sum() / second.sum()
            energy += (1 - level[y, x]) * lost_2 + level[y, x] * lost_1
            energy += 0.2 * prior[(2 * level[y, x]).astype(int)] / 6
    beta = 1.2 / (16 * side)
    cells = [image.reshape(4, 4, 6, 4).mean((1, 3)) for image in images]
    for y, x, down in itertools.product(range(rows), range(columns), (True, False)):
        if (down and y == rows - 1) or (not down and x == columns - 1):
            continue
        border = (2 * y + 1, slice(2 * x, 2 * x + 2)) if down else (slice(2 * y, 2 * y + 2),)
        here = border if down else (*border, 2 * x + 1)
        there = (2 * y + 2, border[1]) if down else (*border, 2 * x + 2)
        d = [[np.abs(a[here] - b[there]).mean() for b in cells] for a in cells]
        # The one form c + a l + b m + w (l - m)^2 that agrees with d at the four corners.
        w = (d[0][1] + d[1][0] - d[0][0] - d[1][1]) / 2
        a = d[1][0] - d[0][0] - w
        b = d[0][1] - d[0][0] - w
        one, other = level[y, x], level[(y + 1, x) if down else (y, x + 1)]
        fit = d[0][0] + a * one + b * other + w * (one - other) ** 2
        energy += beta * (0.5 * fit + (one - other) ** 2)
    return energy


def test_the_mask_is_the_optimum_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    labels = _all_labels(6)
    different = set()
    for share in (0.1, 0.4, 0.5, 0.8):
        image = rng.normal(0, 1, (2, 16, 24))
        saliency = rng.exponential(1, (2, 16, 24)) ** 3
        puzzle = solve_puzzle(
            torch.from_numpy(image)[:, None].float(),
            torch.from_numpy(saliency).float(),
            torch.tensor([1, 0]),
            share=share,
            side=3,
        )
        assert puzzle.share.shape == (2, 2, 3)
        for order in ([0, 1], [1, 0]):
            found = ((1 - puzzle.share[order[0]]) * 2).int().flatten().numpy()
            args = (image[order], saliency[order], share, 3)
            best = _energies_by_definition(*args, labels).min()
            assert _energies_by_definition(*args, found[None]) == pytest.approx(best, abs=1e-5)
            different.add(tuple(found))
    assert len(different) > 4


def test_costs_are_lost_saliency_and_the_wanted_share() -> None:
    first, second = np.array([[[0.7, 0.3]]]), np.array([[[0.2, 0.8]]])
    costs = block_costs(first, second, 0.25)
    prior = [-0.1 * math.log(p) for p in (1 / 16, 3 / 8, 9 / 16)]
    np.testing.assert_allclose(costs[0, 0, 0], np.array([0.2, 0.45, 0.7]) + prior)
    np.testing.assert_allclose(costs[0, 0, 1], np.array([0.8, 0.55, 0.3]) + prior)


def test_salient_blocks_of_both_slices_stay_visible() -> None:
    saliency = torch.full((2, 64, 64), 1e-6)
    saliency[0, :16, :16] = 1
    saliency[1, 48:, 48:] = 1
    puzzle = solve_puzzle(
        torch.zeros(2, 1, 64, 64), saliency, torch.tensor([1, 0]), share=0.5, side=4
    )
    assert puzzle.share[0, 0, 0] == 1
    assert puzzle.share[0, 3, 3] == 0
    assert puzzle.share[1, 0, 0] == 0
    assert puzzle.share[1, 3, 3] == 1


def test_saliency_that_is_not_finite_counts_as_none() -> None:
    image, order = torch.zeros(2, 1, 16, 16), torch.tensor([1, 0])
    saliency = torch.full((2, 16, 16), torch.nan)
    saliency[1, :8] = 1
    saliency[1, 8:] = torch.inf
    known = torch.zeros(2, 16, 16)
    known[1, :8] = 1
    puzzles = [solve_puzzle(image, s, order, share=0.5, side=4) for s in (saliency, known)]
    assert torch.equal(puzzles[0].share, puzzles[1].share)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_extreme_share_shows_one_slice_where_nothing_is_salient(share) -> None:
    puzzle = solve_puzzle(
        torch.randn(3, 1, 40, 56, generator=torch.Generator().manual_seed(0)),
        torch.zeros(3, 40, 56),
        torch.tensor([2, 0, 1]),
        share=share,
        side=2,
    )
    assert (puzzle.share == share).all()


@pytest.mark.parametrize(
    ("shape", "side", "block", "grid"),
    [
        ((256, 256), 16, 16, (16, 16)),
        ((212, 212), 16, 16, (14, 14)),
        ((5, 100), 4, 28, (1, 4)),
        ((3, 3), 16, 4, (1, 1)),
    ],
)
def test_blocks_of_any_slice_size(shape, side, block, grid) -> None:
    assert block_size(shape, side) == block
    torch.manual_seed(0)
    image = torch.randn(2, 1, *shape)
    puzzle = solve_puzzle(
        image, torch.rand(2, *shape), torch.tensor([1, 0]), share=0.5, side=side, transport=True
    )
    assert puzzle.share.shape[1:] == grid
    assert puzzle.apply(image).shape == image.shape


# Transport


def test_the_plan_is_the_best_of_all_permutations() -> None:
    rng = np.random.default_rng(0)
    y, x = (axis.ravel() for axis in np.indices((2, 3)))
    for _ in range(10):
        saliency = rng.dirichlet(np.full(6, 0.3)).reshape(2, 3)
        shown = rng.random((2, 3)) < 0.5
        squared = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
        cost = 0.8 * squared / 4 - saliency.ravel()[:, None] * shown.ravel()

        def total(source, cost=cost) -> float:
            return sum(cost[block, place] for place, block in enumerate(source))

        best = min(total(source) for source in itertools.permutations(range(6)))
        assert total(transport_plan(saliency, shown)) == pytest.approx(best)


def test_a_salient_block_moves_to_where_its_slice_is_shown() -> None:
    """To change places with its neighbour costs 2 * 0.8 / 2^2 = 0.4."""
    saliency, shown = np.array([[1.0, 0.0, 0.0]]), np.array([[False, True, True]])
    assert transport_plan(0.41 * saliency, shown).tolist() == [1, 0, 2]
    assert transport_plan(0.39 * saliency, shown).tolist() == [0, 1, 2]
    assert transport_plan(0 * saliency, shown).tolist() == [0, 1, 2]


# Mixing


def _puzzle(moved: torch.Tensor | None = None) -> Puzzle:
    """Two slices of 4 x 6 in blocks of 4: the left block is the first's, the right half-half."""
    share = torch.tensor([[[1.0, 0.5]], [[0.0, 1.0]]])
    return Puzzle(share, torch.tensor([1, 0]), 4, moved)


def test_mixed_by_hand() -> None:
    maps = torch.stack([torch.full((1, 4, 6), 2.0), torch.full((1, 4, 6), 8.0)])
    mixed = _puzzle().apply(maps)
    assert mixed[0, 0, 0].tolist() == [2, 2, 2, 2, 5, 5]
    assert mixed[1, 0, 3].tolist() == [2, 2, 2, 2, 8, 8]


def test_staying_where_one_is_changes_nothing() -> None:
    stay = torch.arange(2).expand(2, 2, 2)
    maps = torch.rand(2, 3, 4, 6)
    torch.testing.assert_close(_puzzle(stay).apply(maps), _puzzle().apply(maps))


def test_moved_blocks_by_hand_and_the_same_for_every_channel() -> None:
    swap, stay = torch.tensor([1, 0]), torch.tensor([0, 1])
    moved = torch.stack([torch.stack([swap, stay]), torch.stack([stay, stay])])
    row = torch.tensor([0.0, 1, 2, 3, 4, 5])
    maps = torch.stack([row.expand(1, 4, 6), row.expand(1, 4, 6)])
    mixed = _puzzle(moved).apply(torch.cat([maps, 10 * maps], 1))
    # The right block is continued at the edge: 4, 5, 5, 5.
    assert mixed[0, 0, 0].tolist() == [4, 5, 5, 5, (0 + 4) / 2, (1 + 5) / 2]
    assert mixed[1, 0, 0].tolist() == row.tolist()
    torch.testing.assert_close(mixed[:, 1], 10 * mixed[:, 0])


def test_image_labels_and_predictions_are_transported_alike() -> None:
    """What belongs to a pixel still belongs to it: an image that is its label stays so."""
    torch.manual_seed(0)
    labels = torch.nn.functional.one_hot(torch.randint(3, (4, 48, 48)), 3).movedim(-1, 1).float()
    image = (labels * torch.tensor([-1.0, 0.5, 2.0])[:, None, None]).sum(1, keepdim=True)
    saliency = torch.rand(4, 48, 48) ** 30
    saliency[:, 20:24, 20:24] = 50
    puzzle = solve_puzzle(
        image, saliency, torch.tensor([1, 2, 3, 0]), share=0.5, side=8, transport=True
    )
    assert puzzle.moved is not None
    assert not torch.equal(puzzle.moved, torch.arange(64).expand(4, 2, -1).to(puzzle.moved))
    mixed = puzzle.apply(labels)
    of_labels = (mixed * torch.tensor([-1.0, 0.5, 2.0])[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(puzzle.apply(image), of_labels)


def test_predictions_keep_their_gradient() -> None:
    predictions = torch.rand(2, 3, 4, 6, requires_grad=True)
    _puzzle().apply(predictions).sum().backward()
    shares = predictions.grad
    assert shares is not None
    assert shares[0, 0, 0].tolist() == [2, 2, 2, 2, 0.5, 0.5]
