"""EntMin: partial cross-entropy, and predictions that are sure everywhere."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig, NonNegative, TrainConfig
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.losses.regularisers import normalised_entropy
from napari_scribseg.methods.base import Preset
from napari_scribseg.methods.recipes import WSL4MIS
from napari_scribseg.methods.unet_method import UNetMethod


class EntropyMinConfig(MethodConfig):
    """How much sureness weighs."""

    entropy_weight: NonNegative = Field(
        default=0.1, description="Weight of the entropy, which is between 0 and 1."
    )


class EntropyMin(UNetMethod):
    """Cross-entropy on labelled pixels, and low entropy on all."""

    name = "entropy_min"
    title = "Entropy minimisation"
    summary = "Partial cross-entropy, and predictions are pushed to be sure on every pixel."
    source = (
        "Grandvalet & Bengio, Semi-supervised learning by entropy minimization, NeurIPS 2004; "
        "trained as in https://github.com/HiLab-git/WSL4MIS"
    )
    Config = EntropyMinConfig
    uses_unlabelled = True
    options: EntropyMinConfig

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU; paper as in WSL4MIS."""
        return {
            "quick": Preset("Minutes on a CPU.", EntropyMinConfig(), TrainConfig()),
            "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", EntropyMinConfig(), WSL4MIS),
        }

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles and entropy on all pixels."""
        logits = self(batch.image)
        return {
            "scribbles": partial_cross_entropy(logits, batch.target),
            "entropy": self.options.entropy_weight * normalised_entropy(logits),
        }
