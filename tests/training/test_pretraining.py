"""Pre-training: reproducible, on scenes alone, and its fitted heads are what they claim to be."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from napari_scribseg import anatomy
from napari_scribseg.anatomy.tissues import Tissue
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.pretraining import (
    PretrainConfig,
    choose_classes,
    draw_scenes,
    fit_ridge,
    pretrain,
    with_constant,
)


class _Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Conv2d(4, len(Tissue), 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(image))


def _trained(seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    network = _Small()
    config = PretrainConfig(seed=seed, steps=4, slices=2, side=32)
    *_, last = pretrain(network, config, choose_machine("cpu", "float32"))
    assert last.step == 4
    assert all(np.isfinite(value) for value in last.terms.values())
    return {name: tensor.clone() for name, tensor in last.network.state_dict().items()}


def test_nothing_but_the_seed_decides_the_weights() -> None:
    first, second, other = _trained(1), _trained(1), _trained(2)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert any(not torch.equal(tensor, other[name]) for name, tensor in first.items())


def test_a_ridge_head_is_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(90, 3)))
    classes = torch.from_numpy(rng.integers(0, 3, 90))
    found = fit_ridge(features, classes, torch.tensor(0.0, dtype=torch.float64))
    one_hot = np.eye(3)[classes.numpy()]
    expected, *_ = np.linalg.lstsq(with_constant(features).numpy(), one_hot, rcond=None)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_classes_are_regions_that_both_siblings_show() -> None:
    labels = torch.zeros(2, 20, 20, dtype=torch.long)
    labels[:, :10, :10] = 3
    labels[0, 12:, :] = 5  # only on the first
    classes = choose_classes(labels, torch.Generator().manual_seed(0))
    assert classes is not None
    assert torch.equal(classes, (labels == 3).long())
    assert choose_classes(torch.zeros_like(labels), torch.Generator()) is None


@pytest.mark.parametrize(("step", "siblings"), [(1, 1), (4, 2)])
def test_a_step_draws_its_slices_from_as_many_scenes_as_it_says(step: int, siblings: int) -> None:
    scenes = draw_scenes(PretrainConfig(slices=4, side=32), step)
    assert scenes.image.shape == (4, 1, 32, 32)
    assert (scenes.siblings, len(scenes.named)) == (siblings, 4)


def test_stacks_are_neighbours_in_one_body_and_are_learnt_together() -> None:
    config = PretrainConfig(seed=3, steps=3, slices=8, depth=4, side=32)
    scenes = draw_scenes(config, 1)
    assert (scenes.image.shape, scenes.siblings, scenes.depth) == ((8, 1, 32, 32), 4, 4)
    neighbours = (scenes.regions[0] == scenes.regions[1]).float().mean()
    strangers = (scenes.regions[0] == scenes.regions[4]).float().mean()
    assert neighbours > strangers
    seen: list[tuple[int, ...]] = []

    class _Deep(_Small):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.body = nn.Conv3d(1, 4, 3, padding=1, stride=(1, 2, 2))
            self.head = nn.Conv3d(4, len(Tissue), 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(image.shape))
            half = self.head(torch.relu(self.body(image)))
            return nn.functional.interpolate(half, image.shape[2:])

    torch.manual_seed(0)
    *_, last = pretrain(_Deep(), config, choose_machine("cpu", "float32"))
    assert set(seen) == {(2, 1, 4, 32, 32)}
    assert last.terms.keys() == {"tissues", "fitted"}
    assert all(np.isfinite(value) for value in last.terms.values())


def test_scenes_come_from_formulas_and_a_generator_alone() -> None:
    """No module of the package can read a file: so no image of anybody is in the weights."""
    allowed = {
        "__future__",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "math",
        "numpy",
        "typing",
    }
    for path in Path(anatomy.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                ours = name.startswith("napari_scribseg.anatomy")
                assert ours or name.partition(".")[0] in allowed, (path.name, name)
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                assert called not in {"open", "load", "fromfile", "memmap", "read_bytes"}, path.name
