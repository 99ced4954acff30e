"""SmoothCE: partial cross-entropy, and predictions that change little from pixel to pixel."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.unet_method import UNetMethod
from scribseg_smooth_ce import SPEC, SmoothCEConfig


class SmoothCE(UNetMethod):
    """A plain U-Net whose loss asks for short borders, too."""

    spec = SPEC
    options: SmoothCEConfig
    uses_unlabelled = True

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles, and total variation of the probabilities everywhere."""
        logits = self(batch.image)
        return {
            "scribbles": partial_cross_entropy(logits, batch.target),
            "smoothness": self.options.smoothness * total_variation(logits.float().softmax(1)),
        }


def total_variation(probabilities: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels of probabilities (B, K, Y, X), a scalar."""
    down = probabilities.diff(dim=-2).abs().mean()
    right = probabilities.diff(dim=-1).abs().mean()
    return down + right
