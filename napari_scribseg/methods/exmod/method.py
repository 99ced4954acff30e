"""ExMod and CycleMix: learn from mixed slices, and stay consistent with the plain ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.consistency import cosine_distance, local_consistency
from napari_scribseg.losses.partial import (
    partial_cross_entropy,
    shares_of,
    soft_partial_cross_entropy,
)
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.exmod import CYCLEMIX, SPEC, ExModConfig
from napari_scribseg.mixing.occlusion import hidden_squares, turned
from napari_scribseg.mixing.puzzle_mix import SHARE_ALPHA, SIDES, Puzzle, solve_puzzle
from napari_scribseg.networks.unet_wide import WideUNet

_IN_FRAME = 0.999
"""A pixel that was turned there and back counts if this much of it never left the frame."""


class ExMod(Method):
    """Scribbles, mixed scribbles, and predictions that agree with each other."""

    spec = SPEC

    options: ExModConfig

    def __init__(self, n_classes: int, options: ExModConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        self.network = self._network()

    def _network(self) -> WideUNet:
        return WideUNet(
            self.n_classes,
            self.n_channels,
            base_width=self.options.base_width,
            convolutions=self.options.convolutions,
            normalised_logits=self.options.normalised_logits,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X)."""
        return self.network(image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """CE of plain and mixed slices, and the two consistencies (ExMod, section 3).

        During the warm-up, CE of plain slices alone.
        """
        options = self.options
        if batch.progress < options.warm_up:
            logits = self(batch.image)
            return {"scribbles": self._scribble_loss(logits, batch.target)}
        chance = _Chance.draw(len(batch.image))
        logits, saliency = self._with_saliency(batch)
        probabilities = logits.float().softmax(1)
        terms = {"scribbles": self._scribble_loss(logits, batch.target)}
        if options.local_weight > 0:
            terms["local_consistency"] = options.local_weight * local_consistency(
                probabilities, connected_foreground=options.connected_foreground
            )
        if options.mixing:
            puzzle = solve_puzzle(
                batch.image,
                saliency,
                chance.partner,
                share=chance.share,
                side=chance.side,
                transport=options.transport,
            )
            terms |= self._mixed_terms(batch, probabilities, puzzle, chance)
        return terms

    def _scribble_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return partial_cross_entropy(logits, target, reduction=self.options.reduction)

    def _with_saliency(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits, and how much each pixel (B, Y, X) bears on the scribble loss.

        The authors' code runs the network twice for this; one graph serves both.
        """
        # The engine also asks for the terms without gradients, to find a case that breaks them.
        with torch.enable_grad():
            image = batch.image.detach().requires_grad_()
            logits = self(image)
            # The sum, not the mean over all pixels: its gradient doesn't underflow in float16.
            labelled = (batch.target != IGNORE).sum()
            loss = partial_cross_entropy(logits, batch.target) * labelled
            (gradient,) = torch.autograd.grad(loss, image, retain_graph=True)
        return logits, gradient.float().square().mean(1).sqrt()

    def _mixed_terms(
        self, batch: Batch, probabilities: Tensor, puzzle: Puzzle, chance: _Chance
    ) -> dict[str, Tensor]:
        options, device = self.options, batch.image.device
        shape = (batch.image.shape[-2], batch.image.shape[-1])
        hidden = hidden_squares(chance.centres, options.occlusion, shape).to(device)
        radians = chance.turns.to(device) * math.radians(options.turn_degrees)
        # Images are z-scored, so zero is their mean.
        image = puzzle.apply(batch.image).masked_fill(hidden, 0.0)
        logits = turned(self(turned(image, radians)).float(), -radians)
        inside = turned(turned(torch.ones_like(image[:, :1]), radians), -radians) > _IN_FRAME
        target = puzzle.apply(shares_of(batch.target, self.n_classes))
        target = self._hide_labels(target, hidden) * inside
        cross_entropy = soft_partial_cross_entropy(logits, target, reduction=options.reduction)
        terms = {"mixed_scribbles": cross_entropy}
        if options.global_weight > 0:
            expected = puzzle.apply(probabilities) * (inside & ~hidden)
            agreement = cosine_distance(logits.softmax(1), expected)
            terms["global_consistency"] = options.global_weight * agreement
        return terms

    def _hide_labels(self, target: Tensor, hidden: Tensor) -> Tensor:
        """Labels (B, K, Y, X) after a square has covered them."""
        visible = target.masked_fill(hidden, 0.0)
        if self.options.occlusion_label == "background":
            visible[:, :1] += (target * hidden).sum(1, keepdim=True)
        return visible


class CycleMix(ExMod):
    """ExMod's losses with the network and optimiser that it was made from."""

    spec = CYCLEMIX

    def _network(self) -> WideUNet:
        return WideUNet(
            self.n_classes,
            self.n_channels,
            base_width=self.options.base_width,
            convolutions=self.options.convolutions,
            norm_first=False,
            normalised_logits=self.options.normalised_logits,
        )


@dataclass(frozen=True)
class _Chance:
    """All that is random about a step, so that no option changes what another one draws.

    Args:
        partner: (B,), a permutation.
        share: wanted share of the first slice.
        side: blocks along the longer side.
        centres: (B, 2), centres of the hidden squares as shares of the slice.
        turns: (B,), -1..1, angles as shares of the largest.
    """

    partner: Tensor
    share: float
    side: int
    centres: Tensor
    turns: Tensor

    @classmethod
    def draw(cls, n: int) -> _Chance:
        partner = torch.randperm(n)
        share = torch.distributions.Beta(SHARE_ALPHA, SHARE_ALPHA).sample()
        side = SIDES[int(torch.randint(len(SIDES), ()))]
        return cls(partner, float(share), side, torch.rand(n, 2), 2 * torch.rand(n) - 1)
