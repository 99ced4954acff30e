"""Pre-training: a network learns random anatomy, so that a head can be fitted to few strokes.

Two things are learnt at once. The first is to name tissues in scenes that have names. The second is
what the features are for: a head is fitted in closed form (ridge regression) at few pixels of a
slice, and must segment all of it and, in some steps, another one that is alike; the error goes
through the fit into the features. So they become such that a linear head can tell structures apart
that nobody has named. A 2.5D network sees stacks of neighbouring slices: its head is fitted to half
of them and must segment all.

Source: the differentiable fit is that of Bertinetto et al., "Meta-learning with differentiable
closed-form solvers", ICLR 2019; random contrast over label maps that of SynthSeg (Billot et al.,
Medical Image Analysis 2023).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_scribseg.anatomy.rendering import render
from napari_scribseg.anatomy.scenes import random_scene
from napari_scribseg.anatomy.tissues import Tissue
from napari_scribseg.networks.slice_convolutions import resized, slices_of, volumes_of
from napari_scribseg.training.machine import Machine
from napari_scribseg.training.optimisation import WeightAverage

_SIBLINGS = 2
"""Slices of a scene in some steps: alike, and each of a body of its own."""
_SIBLINGS_EVERY = 4
"""In every so many steps a head fitted to one sibling is scored on the other; else every slice is a
scene of its own, with a contrast of its own, which teaches tissues faster."""
_STROKE_PIXELS = 48
"""Pixels of every class on the first sibling, to which a head is fitted."""
_ASKED_PIXELS = 192
"""Pixels of every class on all siblings, where the fitted head is scored."""
_MOST_CLASSES = 6
_LEAST_PIXELS = 60
"""Of a region on the first and on the last sibling, for it to become a class."""
_STRIDE = 2
_WARM_UP = 0.04
_AVERAGE = 0.998
_RARE = {
    Tissue.OTHER: 0.7,
    Tissue.RIGHT_VENTRICLE: 3.0,
    Tissue.MYOCARDIUM: 3.0,
    Tissue.LEFT_VENTRICLE: 3.0,
    Tissue.PERIPHERAL_ZONE: 3.0,
    Tissue.CENTRAL_GLAND: 3.0,
}
"""Weights of tissues in the cross-entropy; 1 for the others."""


@dataclass(frozen=True)
class PretrainConfig:
    """What the weights follow from, all of it.

    Args:
        seed: of weights, scenes and episodes.
        steps: of the optimiser.
        slices: per step, a multiple of the depth.
        depth: neighbouring slices of a stack that the network sees together; 1 for a 2D network.
        side: pixels of a slice along y and x.
        learning_rate: highest.
        weight_decay: of AdamW.
    """

    seed: int = 0
    steps: int = 8000
    slices: int = 8
    depth: int = 1
    side: int = 96
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2


@dataclass(frozen=True, eq=False)
class Scenes:
    """What a step learns from.

    Args:
        image: (B, 1, Y, X), slices of a scene follow each other.
        siblings: slices of a scene.
        depth: of the stacks that these slices are; 1 if each is shown alone.
        regions: (B, Y, X) int64.
        tissues: (B, Y, X) int64.
        named: (B,) whether the scene has tissues with names.
    """

    image: Tensor
    siblings: int
    depth: int
    regions: Tensor
    tissues: Tensor
    named: Tensor


def draw_scenes(config: PretrainConfig, step: int) -> Scenes:
    """The scenes of a step; the same for the same configuration."""
    images, scenes = [], []
    stacked = config.depth > 1
    n = config.depth if stacked or step % _SIBLINGS_EVERY else _SIBLINGS
    for i in range(config.slices // n):
        seed = (config.seed, step, i)
        scene = random_scene(seed, slices=n, side=config.side, siblings=not stacked)
        scenes.append(scene)
        images.append(render(scene, (*seed, 1)))
    named = torch.tensor([scene.kind != "shapes" for scene in scenes])
    return Scenes(
        torch.from_numpy(np.concatenate(images))[:, None],
        n,
        config.depth,
        torch.from_numpy(np.concatenate([s.regions for s in scenes])).long(),
        torch.from_numpy(np.concatenate([s.tissues for s in scenes])).long(),
        named.repeat_interleave(n),
    )


class Pretraining(nn.Module):
    """A network with a head for tissues, and the temperature of fitted heads.

    Args:
        network: 2D, or 2.5D for scenes of some depth; has a convolution `head` with as many outputs
            as there are tissues.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.log_scale = nn.Parameter(torch.tensor(2.0))
        self.log_ridge = nn.Parameter(torch.tensor(-3.0))
        self._features: list[Tensor] = []
        head = network.head
        assert isinstance(head, nn.Module)
        head.register_forward_pre_hook(lambda _, inputs: self._features.append(inputs[0]))

    def losses(self, scenes: Scenes, draws: torch.Generator) -> dict[str, Tensor]:
        """Naming tissues, and segmenting siblings with a head fitted to some of them."""
        logits, features = self._seen(scenes)
        terms: dict[str, Tensor] = {}
        if scenes.named.any():
            terms["tissues"] = tissue_loss(logits[scenes.named], scenes.tissues[scenes.named])
        if episodes := list(self._episodes(features.float(), scenes, draws)):
            terms["fitted"] = torch.stack(episodes).mean()
        return terms

    def _seen(self, scenes: Scenes) -> tuple[Tensor, Tensor]:
        """Logits (B, K, Y, X) of slices, and what went into the head (B, C, Y, X)."""
        self._features.clear()
        if scenes.depth == 1:
            logits = self.network(scenes.image)
            return logits, self._features[0][..., : logits.shape[-2], : logits.shape[-1]]
        logits = self.network(volumes_of(scenes.image, len(scenes.image) // scenes.depth))
        features = resized(self._features[0], logits.shape[-3:])
        return slices_of(logits), slices_of(features)

    def _episodes(
        self, features: Tensor, scenes: Scenes, draws: torch.Generator
    ) -> Iterator[Tensor]:
        parts = 2 if scenes.depth > 1 else scenes.siblings
        for first in range(0, len(features), scenes.siblings):
            some = torch.arange(first, first + scenes.siblings)
            by_tissue = bool(scenes.named[first]) and torch.rand((), generator=draws) < 0.6
            if scenes.depth > 1:  # strokes are on some slices of a stack, wherever they are
                some = some[torch.randperm(len(some), generator=draws)]
            labels = scenes.tissues[some] if by_tissue else scenes.regions[some]
            classes = choose_classes(labels.reshape(parts, -1), draws)
            if classes is None:
                continue
            shown = _drawn_pixels(classes[:1], _STROKE_PIXELS, draws)
            asked = _drawn_pixels(classes, _ASKED_PIXELS, draws)
            pixels = features[some].movedim(1, -1).flatten(0, -2)
            flat = classes.flatten()
            weights = fit_ridge(pixels[shown], flat[shown], self.log_ridge.exp())
            scored = with_constant(pixels[asked]) @ weights
            yield F.cross_entropy(self.log_scale.exp() * scored, flat[asked])


def choose_classes(labels: Tensor, draws: torch.Generator) -> Tensor | None:
    """Some regions as classes 1, 2, ... and the rest as background, of the same shape.

    Args:
        labels: (S, ...) regions or tissues of siblings, or of the two halves of a stack.
        draws: chooses.

    Returns:
        None where no region is large enough on the first and on the last of them.
    """
    count = int(labels.max()) + 1
    here = torch.bincount(labels[0].flatten(), minlength=count)
    there = torch.bincount(labels[-1].flatten(), minlength=count)
    able = ((here >= _LEAST_PIXELS) & (there >= _LEAST_PIXELS)).nonzero()[:, 0]
    able = able[able > 0]
    if not len(able):
        return None
    most = min(len(able), _MOST_CLASSES - 1)
    n = int(torch.randint(1, most + 1, (), generator=draws))
    chosen = able[torch.randperm(len(able), generator=draws)[:n]]
    table = torch.zeros(count, dtype=torch.long)
    table[chosen] = torch.arange(1, n + 1)
    return table[labels]


def _drawn_pixels(classes: Tensor, wanted: int, draws: torch.Generator) -> Tensor:
    """Places in the flattened labels: as many of every class, by chance, some twice if few."""
    flat = classes.flatten()
    # numpy sorts bytes by counting them, many times faster than a comparison.
    order = torch.from_numpy(np.argsort(flat.numpy().astype(np.uint8), kind="stable"))
    counts = torch.bincount(flat)
    starts = counts.cumsum(0) - counts
    chance = torch.rand(len(counts), wanted, generator=draws)
    places = starts[:, None] + (chance * counts[:, None]).long()
    return order[places[counts > 0].flatten()]


def with_constant(features: Tensor) -> Tensor:
    """Features (N, C) with a column of ones."""
    return torch.cat([features, torch.ones_like(features[:, :1])], 1)


def fit_ridge(features: Tensor, classes: Tensor, ridge: Tensor) -> Tensor:
    """Weights (C + 1, K) that turn features with a constant into about 1 for their class, else 0.

    Args:
        features: (N, C), as many of every class.
        classes: (N,).
        ridge: how much large weights cost, as a share of the features' mean square.
    """
    x = with_constant(features)
    y = F.one_hot(classes).to(x.dtype)
    gram = x.T @ x / len(x)
    costs = torch.full((x.shape[1],), 1.0, dtype=x.dtype)
    costs[-1] = 0.0
    scale = gram.diagonal()[:-1].mean() + 1e-6
    system = gram + torch.diag(costs * (ridge + 1e-4) * scale + 1e-5)
    return torch.linalg.solve(system, x.T @ y / len(x))


def tissue_loss(logits: Tensor, tissues: Tensor) -> Tensor:
    """Weighted cross-entropy and soft Dice of the tissues that are there, on every fourth pixel."""
    logits, tissues = logits[..., ::_STRIDE, ::_STRIDE].float(), tissues[..., ::_STRIDE, ::_STRIDE]
    weights = torch.ones(len(Tissue))
    for tissue, weight in _RARE.items():
        weights[tissue] = weight
    cross_entropy = F.cross_entropy(logits, tissues, weights)
    probabilities = logits.softmax(1)
    wanted = F.one_hot(tissues, len(Tissue)).movedim(-1, 1).float()
    overlap = (probabilities * wanted).sum((0, 2, 3))
    size = (probabilities + wanted).sum((0, 2, 3))
    there = wanted.sum((0, 2, 3)) > 0
    return cross_entropy + (1 - (2 * overlap + 1) / (size + 1))[there].mean()


@dataclass(frozen=True)
class Progress:
    """Where pre-training stands.

    Args:
        step: done so far.
        terms: of the loss, averaged over the latest steps.
        cpu_seconds: of the process since it began.
        network: averaged weights, those to keep.
    """

    step: int
    terms: dict[str, float]
    cpu_seconds: float
    network: nn.Module


def pretrain(network: nn.Module, config: PretrainConfig, machine: Machine) -> Iterator[Progress]:
    """Train a network on random anatomy; yields after every step.

    Args:
        network: made anew, see `Pretraining`.
        config: everything that is random follows from it.
        machine: in which arithmetic it computes; a CPU, where the scenes are drawn too.
    """
    began = time.process_time()
    learner = machine.place(Pretraining(network))
    optimiser = torch.optim.AdamW(
        learner.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    average = WeightAverage(network, _AVERAGE)
    recent: dict[str, float] = {}
    for step in range(1, config.steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _rate(step / config.steps)
        draws = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        torch.manual_seed(config.seed * 1_000_003 + step)
        scenes = draw_scenes(config, step)
        shown = scenes.image.to(memory_format=machine.memory_format)
        scenes = replace(scenes, image=shown)
        learner.train()
        with machine.autocast():
            terms = learner.losses(scenes, draws)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 5.0)
        optimiser.step()
        average.update(network, step)
        for name, term in terms.items():
            value = float(term.detach())
            recent[name] = 0.98 * recent.get(name, value) + 0.02 * value
        yield Progress(step, dict(recent), time.process_time() - began, average.model)


def _rate(progress: float) -> float:
    """Learning rate as a share of the highest: a short rise, then half a cosine."""
    if progress < _WARM_UP:
        return progress / _WARM_UP
    return 0.001 + 0.999 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP))) / 2
