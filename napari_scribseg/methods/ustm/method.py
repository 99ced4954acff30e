"""USTM: a mean teacher that is believed only where it is sure."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.losses.self_training import masked_squared_error, ramp_up
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.ustm import SPEC, USTMConfig
from napari_scribseg.networks.teacher import follow
from napari_scribseg.networks.unet import UNet

_NOISE = 0.1
_NOISE_LIMIT = 0.2
"""The teacher sees the image plus normal noise of 0.1, cut at 0.2, as shares of the grey range."""
_FIRST_LIMIT = 0.75
"""A pixel counts below this share of the highest entropy at first, below all of it at the end."""


class USTM(Method):
    """A student agrees with the teacher on turned images, where the teacher is sure."""

    spec = SPEC

    uses_unlabelled = True
    options: USTMConfig

    def __init__(self, n_classes: int, options: USTMConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        self.student = UNet(n_classes, n_channels)
        self.teacher = copy.deepcopy(self.student).requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        """The student's logits (B, K, Y, X) of images (B, C, Y, X)."""
        return self.student(image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles, and agreement with the teacher on a turned image."""
        turns = int(torch.randint(4, ()))
        logits = self(batch.image)
        teaching, sure = self._taught(torch.rot90(batch.image, turns, (2, 3)), batch.progress)
        learnt = torch.rot90(logits.float().softmax(1), turns, (2, 3))
        weight = self.options.consistency_weight * ramp_up(batch.progress)
        return {
            "scribbles": partial_cross_entropy(logits, batch.target),
            "consistency": weight * masked_squared_error(learnt, teaching, sure),
        }

    def after_step(self, step: int) -> None:
        """The teacher follows the student."""
        follow(self.teacher, self.student, self.options.teacher_decay, step)

    @torch.no_grad()
    def _taught(self, image: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        """The teacher's probabilities (B, K, Y, X), and where it is sure (B, Y, X).

        It stays in training mode: its dropout is what its passes differ by, beside the noise.
        """
        teaching = self._noisy_pass(image)
        mean = torch.zeros_like(teaching)
        for _ in range(self.options.passes):
            mean += self._noisy_pass(image) / self.options.passes
        return teaching, self.uncertainty(mean) < entropy_limit(progress)

    def _noisy_pass(self, image: Tensor) -> Tensor:
        """Probabilities (B, K, Y, X) of the teacher for the image with noise."""
        noise = (torch.randn_like(image) * _NOISE).clamp(-_NOISE_LIMIT, _NOISE_LIMIT)
        span = image.amax((2, 3), keepdim=True) - image.amin((2, 3), keepdim=True)
        return self.teacher(image + noise * span).float().softmax(1)


def entropy_limit(progress: float) -> float:
    """Below which share of the highest entropy, ln K, the teacher is believed: 0.75 to 1.

    Source: Yu et al., "Uncertainty-aware self-ensembling model", MICCAI 2019, with two classes;
    WSL4MIS keeps their ln 2 for four.
    """
    return _FIRST_LIMIT + (1.0 - _FIRST_LIMIT) * ramp_up(progress)
