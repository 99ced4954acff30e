"""MLoss: partial cross-entropy, and classes that are regions of one grey level (Mumford-Shah)."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.losses.regularisers import mumford_shah
from napari_scribseg.methods.mumford_shah import SPEC, MumfordShahConfig
from napari_scribseg.methods.unet_method import UNetMethod


class MumfordShah(UNetMethod):
    """Cross-entropy on labelled pixels, and the Mumford-Shah functional on all."""

    spec = SPEC

    uses_unlabelled = True
    options: MumfordShahConfig

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles and Mumford-Shah on all pixels."""
        logits = self(batch.image)
        regions = mumford_shah(logits, _between_0_and_1(batch.image))
        return {
            "scribbles": partial_cross_entropy(logits, batch.target),
            "mumford_shah": self.options.region_weight * regions,
        }


def _between_0_and_1(image: Tensor) -> Tensor:
    """Each sequence of (B, C, Y, X) with its grey range brought to 0..1, as WSL4MIS's are."""
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    return (image - low) / (high - low).clamp_min(1e-6)
