"""wPCE: partial cross-entropy in which every class of the batch weighs the same."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy
from napari_scribseg.methods.unet_method import UNetMethod
from napari_scribseg.methods.wpce import SPEC


class WPCE(UNetMethod):
    """Cross-entropy on labelled pixels, each weighed by how rare its class is in the batch."""

    spec = SPEC

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles; a class weighs labelled pixels / those of the class."""
        weights = class_weights(batch.target, self.n_classes, balance=1.0)
        loss = partial_cross_entropy(self(batch.image), batch.target, class_weights=weights)
        return {"scribbles": loss}
