"""Scribble2D5: a 2.5D network that learns from supervoxels and from borders."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import Case
from napari_scribseg.losses.boundary import active_boundary, static_boundary
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy, partial_dice
from napari_scribseg.methods.base import Maps
from napari_scribseg.methods.scribble2d5 import SPEC, Scribble2D5Config
from napari_scribseg.methods.unet25d_method import UNet25DMethod
from napari_scribseg.networks.boundary_heads import BoundaryHead, FinalHead, InitialHead
from napari_scribseg.networks.slice_convolutions import resized
from napari_scribseg.networks.unet25d import UNet25D, cropped, flat_levels, padded
from napari_scribseg.propagate.edges import edge_function, edge_map
from napari_scribseg.propagate.random_walker import random_walker_probabilities, random_walker_seeds
from napari_scribseg.propagate.supervoxels import grown_labels, supervoxels

_BETA = 130.0
"""Of the random walker, as the method of that name has it."""
_NEVER = math.inf
"""A probability that no background reaches."""
_INITIAL_STEP = 2
"""Pixels y and x of the image that are one of the first head's features."""


class Scribble2D5(UNet25DMethod):
    """Two segmentations, one refining the other by a boundary, from labels grown in 3D."""

    spec = SPEC

    sliced_convolutions = True
    heads_alike = False
    prepared_from = (
        "lpm",
        "tau",
        "grow_background",
        "sbpm",
        "supervoxel_mm3",
        "compactness",
        "edges",
    )
    options: Scribble2D5Config

    def __init__(self, n_classes: int, options: Scribble2D5Config, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        width, norm, flat = options.base_width, options.norm, options.flat_heads
        first = int(not options.full_resolution)
        # Nothing asks for the full resolution of the backbone but the boundary.
        self.backbone = UNet25D(
            None,
            flat_levels(self.anisotropy),
            width,
            norm,
            top=0 if options.sbpm else 1,
            first=first,
            in_channels=n_channels,
        )
        self.initial = InitialHead(n_classes, width, flat=flat)
        self.boundary = None
        if options.sbpm:
            self.boundary = BoundaryHead(width, norm, first=first, flat=flat)
        self.final = FinalHead(n_classes, width, boundary=options.sbpm, flat=flat)
        self.to_image = ToImage(2**first)

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:
        """Pseudo-labels, where the volume is, and its edges if the boundary is learnt."""
        assert isinstance(options, Scribble2D5Config)
        spacing = case.image.spacing
        maps: Maps = {
            "pseudo_labels": _grown(case, options),
            "inside": np.zeros(case.image.shape, np.int16),
        }
        if options.sbpm:
            function = edge_function(options.edges)
            maps["edges"] = edge_map(case.image.channels, spacing, function)
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """Final logits (B, K, Z, Y, X) of images (B, C, Z, Y, X)."""
        return self.segment(image)[0]

    def segment(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Final logits, initial logits (B, K, Z, Y, X), and boundary logits (B, 1, Z, Y, X)."""
        shown = padded(image, self.backbone.divisor)
        decoder = self.backbone(shown).decoder
        step = self.to_image.step
        own = image[..., ::step, ::step]
        z, y, x = shown.shape[2:]
        initial = cropped(self.initial(decoder, (z, y // step, x // step)), own)
        boundary = None if self.boundary is None else cropped(self.boundary(decoder), own)
        final = self.final(initial, boundary)
        final, initial = self.to_image(final, image), self.to_image(initial, image)
        return final, initial, None if boundary is None else self.to_image(boundary, image)

    def heads(self) -> tuple[nn.Conv3d, ...]:
        """That of the first segmentation, then that of the final one, which sees the first."""
        return self.initial.head, self.final.head

    def head_features(self, head: nn.Module, features: Tensor, image: Tensor) -> Tensor:
        """The first head works at half resolution, of an image continued to fit the network."""
        step = _INITIAL_STEP if head is self.initial.head else self.to_image.step
        return ToImage(step)(features, image)

    def pretrained(self) -> tuple[nn.Module, ...]:
        """The backbone with the first head; boundary and final segmentation build upon them."""
        return (nn.ModuleDict({"backbone": self.backbone, "initial": self.initial}),)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy of both segmentations, static and active boundary."""
        options, pseudo = self.options, batch.maps["pseudo_labels"]
        outside = (pseudo == IGNORE) & (batch.strokes == IGNORE)
        pseudo = torch.where(outside, batch.target, pseudo)
        inside = batch.maps["inside"] != IGNORE
        final, initial, boundary = self.segment(batch.image)
        weights = None
        if options.balance:
            weights = class_weights(pseudo, self.n_classes, options.balance)
        terms = {
            "segmentation": partial_cross_entropy(final, pseudo, class_weights=weights),
            "initial": partial_cross_entropy(initial, pseudo, class_weights=weights),
        }
        if options.dice_weight:
            both = partial_dice(final, pseudo) + partial_dice(initial, pseudo)
            terms["dice"] = options.dice_weight * both / 2
        if boundary is not None:
            loss = static_boundary(boundary, batch.maps["edges"], inside)
            terms["boundary"] = options.boundary_weight * loss
        if options.abl:
            loss = active_boundary(
                final.float().softmax(1),
                batch.image,
                inside,
                anisotropy=self.anisotropy,
                inner_weight=options.inner_weight,
                outer_weight=options.outer_weight,
            )
            terms["active_boundary"] = options.active_weight * loss
        return terms


class ToImage(nn.Module):
    """Logits brought to the pixels of the image.

    Args:
        step: pixels y and x of the image that are one of the network.
    """

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, logits: Tensor, image: Tensor) -> Tensor:
        """Logits (B, C, Z, Y, X) of images (B, C, Z, Y, X)."""
        z, y, x = logits.shape[2:]
        return cropped(resized(logits, (z, self.step * y, self.step * x)), image)


def _grown(case: Case, options: Scribble2D5Config) -> np.ndarray:
    """Targets (z, y, x) that the chosen propagation makes of the strokes."""
    if case.scribbles is None:
        return np.full(case.image.shape, IGNORE, np.int16)
    targets, image = targets_of(case.scribbles).astype(np.int16), case.image.channels
    if options.lpm == "none" or (targets == IGNORE).all():
        return targets
    if options.lpm == "random_walker":
        background = None if options.grow_background else _NEVER
        return random_walker_seeds(
            image, targets, tau=options.tau, beta=_BETA, tau_background=background
        )
    spacing = case.image.spacing
    segments = supervoxels(image, spacing, options.supervoxel_mm3, options.compactness)
    grown = grown_labels(segments, targets)
    return _agreed(grown, image, targets, options) if options.lpm == "both" else grown


def _agreed(
    grown: np.ndarray, image: tuple[Array, ...], targets: np.ndarray, options: Scribble2D5Config
) -> np.ndarray:
    """Structures where supervoxels and the random walker agree, background as the walker has it.

    Args:
        grown: (z, y, x), targets that supervoxels made.
        image: every sequence (z, y, x).
        targets: (z, y, x), the strokes; they keep their class.
        options: whether background grows, and how sure the walker must be of it.
    """
    tau = options.tau if options.grow_background else _NEVER
    agreed = np.full_like(grown, IGNORE)
    for z in np.flatnonzero((targets != IGNORE).any((1, 2))):
        probabilities = random_walker_probabilities(
            [channel[z] for channel in image], targets[z], _BETA
        )
        likeliest = probabilities.argmax(0)
        agreed[z] = np.where((grown[z] > 0) & (likeliest == grown[z]), grown[z], IGNORE)
        agreed[z][(likeliest == 0) & (probabilities[0] > tau)] = 0
    return np.where(targets == IGNORE, agreed, targets).astype(np.int16)
