"""wPCE: partial cross-entropy in which every class of the batch weighs the same."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig, TrainConfig
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy
from napari_scribseg.methods.base import Preset
from napari_scribseg.methods.recipes import WSL4MIS
from napari_scribseg.methods.unet_method import UNetMethod


class WPCE(UNetMethod):
    """Cross-entropy on labelled pixels, each weighed by how rare its class is in the batch."""

    name = "wpce"
    title = "Weighted partial cross-entropy"
    summary = "Partial cross-entropy in which rarely drawn classes count as much as background."
    source = (
        "Valvano et al., Learning to segment from scribbles using multi-scale adversarial "
        "attention gates, IEEE TMI 2021; "
        "https://github.com/gvalvano/multiscale-adversarial-attention-gates (not used)"
    )
    Config = MethodConfig

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU; paper with the schedule of the other 2D baselines."""
        return {
            "quick": Preset("Minutes on a CPU.", MethodConfig(), TrainConfig()),
            "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", MethodConfig(), WSL4MIS),
        }

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles; a class weighs labelled pixels / those of the class."""
        weights = class_weights(batch.target, self.n_classes, balance=1.0)
        loss = partial_cross_entropy(self(batch.image), batch.target, class_weights=weights)
        return {"scribbles": loss}
