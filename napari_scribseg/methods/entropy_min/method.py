"""EntMin: partial cross-entropy, and predictions that are sure everywhere."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.losses.regularisers import normalised_entropy
from napari_scribseg.methods.entropy_min import SPEC, EntropyMinConfig
from napari_scribseg.methods.unet_method import UNetMethod


class EntropyMin(UNetMethod):
    """Cross-entropy on labelled pixels, and low entropy on all."""

    spec = SPEC

    uses_unlabelled = True
    options: EntropyMinConfig

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles and entropy on all pixels."""
        logits = self(batch.image)
        return {
            "scribbles": partial_cross_entropy(logits, batch.target),
            "entropy": self.options.entropy_weight * normalised_entropy(logits),
        }
