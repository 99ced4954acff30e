"""Combined: what the four papers, the baselines and good practice give together."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from napari_scribseg.annotation.outer_background import outer_background_of
from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.data.case import Case
from napari_scribseg.losses.contrastive import foreground_background_separation
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy, partial_dice
from napari_scribseg.methods.base import Maps, Method, Shown
from napari_scribseg.methods.combined import SPEC, CombinedConfig
from napari_scribseg.networks.teacher import follow
from napari_scribseg.networks.unet import UNet
from napari_scribseg.propagate.random_walker import random_walker_seeds

_SLICES_AT_ONCE = 8
_NOISE = 0.05
"""Standard deviation of the noise that the teacher sees on top; images are z-scored."""


class Combined(Method):
    """One U-Net learns from strokes, from seeds grown from them, and from what it is sure of."""

    spec = SPEC

    prepared_from = ("tau", "tau_background", "beta")
    options: CombinedConfig

    def __init__(self, n_classes: int, options: CombinedConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        self.network = UNet(n_classes, n_channels)
        self.teacher = None
        if options.teacher_weight:
            self.teacher = copy.deepcopy(self.network).requires_grad_(requires_grad=False)

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:
        """The seeds: what is learnt from beside the strokes until the network labels itself."""
        assert isinstance(options, CombinedConfig)
        if case.scribbles is None:
            return {"targets": np.full(case.image.shape, IGNORE, np.int16)}
        seeds = random_walker_seeds(
            case.image.channels,
            targets_of(case.scribbles),
            tau=options.tau,
            tau_background=options.tau_background,
            beta=options.beta,
        )
        return {"targets": seeds}

    @property
    def relabel_at(self) -> tuple[float, ...]:
        """Once, where anything is learnt from own labels at all."""
        options = self.options
        wanted = options.seeds_weight > 0 and options.relabel_from < 1
        return (options.relabel_from,) if wanted else ()

    @property
    def restarts_optimiser(self) -> bool:
        """No: a short training has no time to gather again."""
        return False

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X)."""
        return self.network(image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """The terms of every ingredient that is switched on."""
        options = self.options
        logits, features = self.network.with_features(batch.image)
        terms: dict[str, Tensor] = {}
        if options.strokes_weight:
            terms |= self._terms("strokes", options.strokes_weight, logits, batch.target, 0.0)
        if options.seeds_weight:
            # What lies outside the ring of background strokes is known, whatever the network says.
            outside = (batch.target == 0) & (batch.strokes == IGNORE)
            target = batch.maps["targets"].masked_fill(outside, 0)
            name = "own_labels" if self.relabels else "seeds"
            terms |= self._terms(name, options.seeds_weight, logits, target, options.balance)
        if self.teacher is not None and (weight := self._teacher_weight(batch.progress)):
            target = self._teacher_labels(batch)
            terms |= self._terms("teacher", weight, logits, target, options.balance)
        if options.separation_weight:
            separation = foreground_background_separation(features, batch.target)
            terms["separation"] = options.separation_weight * separation
        return terms

    def after_step(self, step: int) -> None:
        """The teacher follows."""
        if self.teacher is not None:
            follow(self.teacher, self.network, self.options.teacher_decay, step)

    def relabel(self, case: Case, maps: Maps, shown: Shown) -> Maps:
        """The network's own labels where it is sure, on slices with strokes; strokes stay.

        Structures outside the ring of background strokes are left out: they can't be.
        """
        if case.scribbles is None:
            return {"targets": maps["targets"]}
        strokes = targets_of(case.scribbles)
        drawn = np.flatnonzero((strokes != IGNORE).any((1, 2)))
        targets = np.full(strokes.shape, IGNORE, np.int16)
        if len(drawn):
            parts = shown.image[torch.from_numpy(drawn)].split(_SLICES_AT_ONCE)
            probabilities = shown.to_grid(
                torch.cat([self(part).float().softmax(1) for part in parts])
            )
            sure = probabilities.max(0) > self.options.sure
            targets[drawn] = np.where(sure, probabilities.argmax(0), IGNORE)
        outside = outer_background_of(case)
        if outside is not None:
            targets[outside & (targets > 0)] = IGNORE
        return {"targets": np.where(strokes != IGNORE, strokes, targets).astype(np.int16)}

    def _terms(
        self, name: str, weight: float, logits: Tensor, target: Tensor, balance: float
    ) -> dict[str, Tensor]:
        """Cross-entropy and Dice on the known pixels of a target (B, Y, X)."""
        weights = class_weights(target, self.n_classes, balance) if balance else None
        cross_entropy = partial_cross_entropy(logits, target, class_weights=weights)
        return {
            f"{name}_cross_entropy": weight * cross_entropy,
            f"{name}_dice": weight * partial_dice(logits, target),
        }

    def _teacher_weight(self, progress: float) -> float:
        """Grows evenly from nothing to the whole weight."""
        options = self.options
        span = max(options.teacher_full - options.teacher_from, 1e-6)
        return options.teacher_weight * min(max((progress - options.teacher_from) / span, 0.0), 1.0)

    @torch.no_grad()
    def _teacher_labels(self, batch: Batch) -> Tensor:
        """What the teacher is sure of (B, Y, X), and what was drawn."""
        assert self.teacher is not None
        self.teacher.eval()
        noisy = batch.image + _NOISE * torch.randn_like(batch.image)
        certainty, labels = self.teacher(noisy).float().softmax(1).max(1)
        labels = labels.masked_fill(certainty <= self.options.teacher_sure, IGNORE)
        return torch.where(batch.target != IGNORE, batch.target, labels)
