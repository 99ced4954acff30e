"""A last layer fitted to the strokes: class-balanced logistic regression on frozen features.

The problem is convex, so the result depends on strokes and features only; it takes seconds. With
features that know anatomy it segments at once, and a training goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from napari_scribseg.batches.augmentation import Slice
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import TaskNotSupported
from napari_scribseg.core.labels import IGNORE, OUTER_BACKGROUND
from napari_scribseg.methods.base import Method
from napari_scribseg.training.machine import Machine

Floats = npt.NDArray[np.float64]

_MOST_SLICES: Final = 160
_MOST_PIXELS: Final = 400
"""Of a class, and of the outside, on one slice."""
_BALANCE: Final = 0.5
"""0 = every pixel counts the same, 1 = every class does."""
_RIDGE: Final = 1e-3
"""How much large weights cost beside the mean cross-entropy."""
_FLATTEST: Final = 0.05
"""A feature that varies less than this share of the liveliest one is not blown up further: its
digits would be those of bfloat16's rounding."""
_ABSENT: Final = -10.0
"""Logit of a class of which no pixel is known, beside those of the others."""
_ITERATIONS: Final = 200
_STACK_RANK: Final = 3
"""Axes of the targets of a stack."""
_SLICE_RANK: Final = 4
"""Axes of a batch of slices."""


@dataclass(frozen=True, eq=False)
class Known:
    """Pixels whose class is known.

    Args:
        features: (N, C).
        classes: (N,) class indices.
    """

    features: Floats
    classes: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeadSample:
    """A slice, or neighbouring slices as a stack, at the pixel size that a network is shown.

    Args:
        slices: one, or those of the stack in order.
        stacked: whether the network sees them as a volume.
        layer: of the slices' integers, in which the known classes are: strokes, or a reference.
    """

    slices: tuple[Slice, ...]
    stacked: bool
    layer: int = 0

    @property
    def image(self) -> Tensor:
        """(C, y, x), or (C, z, y, x) of a stack."""
        if self.stacked:
            return torch.stack([item.image for item in self.slices], 1)
        return self.slices[0].image

    @property
    def targets(self) -> Tensor:
        """What is known, and what lies outside of it: (y, x), or (z, y, x) of a stack."""
        if self.stacked:
            return torch.stack([item.integers[self.layer] for item in self.slices])
        return self.slices[0].integers[self.layer]

    @property
    def is_known(self) -> bool:
        """Whether anything is drawn on it, or known to lie outside."""
        return bool((self.targets != IGNORE).any())


def fit_head(
    method: Method, samples: Sequence[HeadSample], config: TrainConfig, machine: Machine
) -> None:
    """Fit the heads of a method to what is drawn on slices.

    Args:
        method: on the machine; what comes before its heads stays as it is.
        samples: slices, or stacks of them for a network that sees volumes.
        config: how much of the outside counts as background, and the random seed.
        machine: where features are computed.

    Raises:
        TaskNotSupported: the method has no head that can be fitted.
    """
    heads = method.heads()
    if not heads:
        raise TaskNotSupported(
            f"The last layer of {method.spec.title} with these options can't be fitted to the "
            "strokes: choose start=random and at least one step, or another method."
        )
    groups = (heads,) if method.heads_alike else tuple((head,) for head in heads)
    for group in groups:
        known = known_pixels(method, group[0], samples, config, machine)
        weights, constants = fit_logistic(known, method.n_classes)
        for head in group:
            _put(head, weights, constants)


def known_pixels(
    method: Method,
    head: nn.Conv2d | nn.Conv3d,
    samples: Sequence[HeadSample],
    config: TrainConfig,
    machine: Machine,
) -> Known:
    """What goes into a head at the pixels of strokes and outside of them, and their classes."""
    rng = np.random.default_rng(config.random_seed)
    caught: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    was_training = method.training
    method.eval()
    parts: list[tuple[Floats, npt.NDArray[np.int64]]] = []
    try:
        for sample in _evenly([sample for sample in samples if sample.is_known]):
            places, classes = _chosen(sample.targets.numpy(), config, rng)
            if not len(classes):
                continue
            image = sample.image[None].to(machine.device)
            if image.ndim == _SLICE_RANK:
                image = image.contiguous(memory_format=machine.memory_format)
            caught.clear()
            with torch.no_grad(), machine.autocast():
                method(image)
            features = method.head_features(head, caught[0], image)[0]
            seen = features[(slice(None), *places.T)]
            parts.append((seen.T.double().cpu().numpy(), classes))
    finally:
        hook.remove()
        method.train(was_training)
    features = np.concatenate([f for f, _ in parts]) if parts else np.zeros((0, head.in_channels))
    labels = np.concatenate([c for _, c in parts]) if parts else np.zeros(0, np.int64)
    return Known(features, labels)


def _evenly(samples: Sequence[HeadSample]) -> list[HeadSample]:
    """Some of the samples where there are many, and all that alone have a class."""
    total = sum(len(sample.slices) for sample in samples)
    step = max(1, total // _MOST_SLICES)
    chosen, seen = list(samples[::step]), set[int]()
    if step == 1:
        return chosen
    for sample in [*chosen, *samples]:
        classes = set(sample.targets.unique().tolist())
        if not classes <= seen and sample not in chosen:
            chosen.append(sample)
        seen |= classes
    return chosen


def _chosen(
    targets: npt.NDArray[np.integer[Any]], config: TrainConfig, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Some known pixels (n, D) of a slice or of a stack and their classes (n,)."""
    most = _MOST_PIXELS * (len(targets) if targets.ndim == _STACK_RANK else 1)
    places, classes = [], []
    for k in np.unique(targets[targets >= 0]):
        some = _some(np.argwhere(targets == k), most, rng)
        places.append(some)
        classes.append(np.full(len(some), k, np.int64))
    outside = np.argwhere(targets == OUTER_BACKGROUND)
    wanted = round(config.outer_background * int((targets == 0).sum()))
    if wanted and len(outside):
        some = _some(outside, min(wanted, most), rng)
        places.append(some)
        classes.append(np.zeros(len(some), np.int64))
    if not places:
        return np.zeros((0, targets.ndim), np.intp), np.zeros(0, np.int64)
    return np.concatenate(places), np.concatenate(classes)


def _some(
    places: npt.NDArray[np.intp], most: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    if len(places) <= most:
        return places
    return places[np.sort(rng.choice(len(places), most, replace=False))]


def fit_logistic(
    known: Known, n_classes: int, *, balance: float = _BALANCE, ridge: float = _RIDGE
) -> tuple[Floats, Floats]:
    """Multinomial logistic regression: weights (K, C) and constants (K,) of the logits.

    Features are brought to mean 0 and deviation 1 first, which is folded into the result.

    Args:
        known: pixels; a class without any becomes unlikely everywhere.
        n_classes: K.
        balance: 0 = every pixel counts the same, 1 = every class does.
        ridge: cost of the squared weights.
    """
    counts = np.bincount(known.classes, minlength=n_classes)
    present = np.flatnonzero(counts)
    channels = known.features.shape[1]
    weights, constants = np.zeros((n_classes, channels)), np.full(n_classes, _ABSENT)
    if not len(present):
        return weights, np.zeros(n_classes)
    mean, deviation = known.features.mean(0), known.features.std(0)
    deviation = np.maximum(deviation, max(_FLATTEST * float(deviation.max()), 1e-6))
    x = (known.features - mean) / deviation
    y = np.searchsorted(present, known.classes)
    found = _minimum(x, y, len(present), (counts[present] / counts.sum()) ** -balance, ridge)
    weights[present] = found[:, :-1] / deviation
    constants[present] = found[:, -1] - weights[present] @ mean
    return weights, constants


def _minimum(
    x: Floats, y: npt.NDArray[np.intp], n: int, importance: Floats, ridge: float
) -> Floats:
    """The weights and constants (n, C + 1) of least weighted cross-entropy."""
    rows = np.arange(len(y))
    share = importance[y] / importance[y].sum()

    def cost(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(n, -1)
        logits = x @ w[:, :-1].T + w[:, -1]
        logits -= logits.max(1, keepdims=True)
        probabilities = np.exp(logits)
        total = probabilities.sum(1)
        value = float(share @ (np.log(total) - logits[rows, y])) + ridge * float(
            (w[:, :-1] ** 2).sum()
        )
        probabilities /= total[:, None]
        probabilities[rows, y] -= 1.0
        probabilities *= share[:, None]
        gradient = np.empty_like(w)
        gradient[:, :-1] = probabilities.T @ x + 2 * ridge * w[:, :-1]
        gradient[:, -1] = probabilities.sum(0)
        return value, gradient.ravel()

    start = np.zeros(n * (x.shape[1] + 1))
    result: Any = minimize(
        cost, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}
    )
    found = result.x.reshape(n, -1)
    found[:, -1] -= found[:, -1].mean()
    return found


@torch.no_grad()
def _put(head: nn.Conv2d | nn.Conv3d, weights: Floats, constants: Floats) -> None:
    """Make a convolution give these logits: a kernel acts through its middle alone."""
    middle = tuple(side // 2 for side in head.kernel_size)
    head.weight.zero_()
    head.weight[(slice(None), slice(None), *middle)] = torch.from_numpy(weights).to(head.weight)
    if head.bias is not None:
        head.bias.copy_(torch.from_numpy(constants))
