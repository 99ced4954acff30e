"""DMPLS: two decoders that disagree, and pseudo-labels mixed from both with a random share."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.dense import dense_dice
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.dmpls import SPEC, DMPLSConfig
from napari_scribseg.networks.unet import UNetCCT


class DMPLS(Method):
    """Two decoders learn from scribbles and from a random mixture of their own predictions."""

    spec = SPEC

    uses_unlabelled = True
    options: DMPLSConfig

    def __init__(self, n_classes: int, options: DMPLSConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        self.network = UNetCCT(n_classes, n_channels)

    def forward(self, image: Tensor) -> Tensor:
        """The first decoder's logits (B, K, Y, X) of images (B, C, Y, X)."""
        return self.network(image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Each decoder: cross-entropy on the scribbles, Dice against the mixed pseudo-labels."""
        both = self.network.both(batch.image)
        pseudo = mixed_pseudo_labels(*both, share=float(torch.rand(())))
        scribbles = [partial_cross_entropy(logits, batch.target) for logits in both]
        mixed = [dense_dice(logits, pseudo) for logits in both]
        return {
            "scribbles": 0.5 * (scribbles[0] + scribbles[1]),
            "pseudo_labels": self.options.pseudo_weight * 0.5 * (mixed[0] + mixed[1]),
        }


@torch.no_grad()
def mixed_pseudo_labels(first: Tensor, second: Tensor, *, share: float) -> Tensor:
    """Likeliest classes (B, *S) of share p_1 + (1 - share) p_2.

    Args:
        first: (B, K, *S), logits.
        second: (B, K, *S), logits.
        share: of the first; the paper draws it anew in every step, evenly from 0 to 1.
    """
    mixture = share * first.float().softmax(1) + (1.0 - share) * second.float().softmax(1)
    return mixture.argmax(1)
