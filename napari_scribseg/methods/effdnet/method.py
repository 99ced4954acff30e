"""EFFDNet: mean teacher, foreground-background separation, and pasted foregrounds."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.contrastive import foreground_background_separation
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.losses.self_training import ramp_up
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.effdnet import SPEC, EFFDNetConfig
from napari_scribseg.mixing.paste import draw_donors, paste_regions, scribble_boxes
from napari_scribseg.networks.teacher import follow
from napari_scribseg.networks.unet import UNet

_NOISE = 0.1
_NOISE_LIMIT = 0.05
"""The teacher sees the image plus normal noise of 0.1, cut at 0.05, as shares of the grey range
(authors' code, for images between 0 and 1)."""


class EFFDNet(Method):
    """A student learns from scribbles and from a teacher that is its own moving average."""

    spec = SPEC

    uses_unlabelled = True
    options: EFFDNetConfig

    def __init__(self, n_classes: int, options: EFFDNetConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        self.student = UNet(n_classes, n_channels)
        self.teacher = copy.deepcopy(self.student).requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        """The student's logits (B, K, Y, X) of images (B, C, Y, X)."""
        return self.student(image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """L1 on the batch and L2 on its pasted copy (equation 8 and below)."""
        pseudo_weight = self.options.pseudo_weight * self._ramp(batch.progress)
        pseudo = self._pseudo_labels(batch.image)
        logits, features = self.student.with_features(batch.image)
        terms = {
            "scribbles": partial_cross_entropy(logits, batch.target),
            "pseudo_labels": pseudo_weight * partial_cross_entropy(logits, pseudo),
        }
        if self.options.fbsl:
            separation = foreground_background_separation(
                features,
                batch.target,
                blocks=self.options.blocks,
                temperature=self.options.temperature,
            )
            terms["fbsl"] = pseudo_weight * self.options.fbsl_weight * separation
        if self.options.fadc and batch.progress >= self.options.fadc_from:
            image, target, pasted_pseudo = self._paste(batch, pseudo)
            logits = self.student(image)
            terms["pasted_scribbles"] = partial_cross_entropy(logits, target)
            terms["pasted_pseudo_labels"] = pseudo_weight * partial_cross_entropy(
                logits, pasted_pseudo
            )
        return terms

    def after_step(self, step: int) -> None:
        """The teacher follows the student.

        The authors average parameters only; we copy the batch-norm statistics too, so that the
        teacher could be evaluated.
        """
        follow(self.teacher, self.student, self.options.teacher_decay, step)

    def _ramp(self, progress: float) -> float:
        """Share of lambda at this share of the budget."""
        return ramp_up(progress / self.options.ramp_up) if self.options.ramp_up else 1.0

    @torch.no_grad()
    def _pseudo_labels(self, image: Tensor) -> Tensor:
        """The class index (B, Y, X) that the teacher thinks likeliest.

        It stays in training mode, as the authors'.
        """
        noise = (torch.randn_like(image) * _NOISE).clamp(-_NOISE_LIMIT, _NOISE_LIMIT)
        span = image.amax((2, 3), keepdim=True) - image.amin((2, 3), keepdim=True)
        return self.teacher(image + noise * span).argmax(1)

    def _paste(self, batch: Batch, pseudo: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image, scribbles and pseudo-labels of the pasted batch (FADC)."""
        boxes = scribble_boxes(batch.strokes, self.options.box)
        donors = draw_donors(boxes, torch.default_generator)
        labels = torch.stack([batch.target, pseudo], 1)
        image, labels = paste_regions(batch.image, labels, boxes, donors)
        return image, labels[:, 0], labels[:, 1]
