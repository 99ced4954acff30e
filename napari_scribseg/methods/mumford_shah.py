"""MLoss: partial cross-entropy, and classes that are regions of one grey level (Mumford-Shah)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig, NonNegative, TrainConfig
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.losses.regularisers import mumford_shah
from napari_scribseg.methods.base import Preset
from napari_scribseg.methods.recipes import WSL4MIS
from napari_scribseg.methods.unet_method import UNetMethod


class MumfordShahConfig(MethodConfig):
    """How much the regions weigh."""

    region_weight: NonNegative = Field(
        default=0.79,
        description="Weight of the Mumford-Shah term, a mean over pixels; 0.79 is the 1e-6 of "
        "WSL4MIS on the sum over 12 slices of 256 x 256 pixels.",
    )


class MumfordShah(UNetMethod):
    """Cross-entropy on labelled pixels, and the Mumford-Shah functional on all."""

    name = "mumford_shah"
    title = "Mumford-Shah loss"
    summary = "Partial cross-entropy, and classes are pushed to be regions of one grey level."
    source = (
        "Kim & Ye, Mumford-Shah loss functional for image segmentation with deep learning, "
        "IEEE TIP 2020; trained as in https://github.com/HiLab-git/WSL4MIS"
    )
    Config = MumfordShahConfig
    uses_unlabelled = True
    options: MumfordShahConfig

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU; paper as in WSL4MIS."""
        return {
            "quick": Preset("Minutes on a CPU.", MumfordShahConfig(), TrainConfig()),
            "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", MumfordShahConfig(), WSL4MIS),
        }

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Cross-entropy on the scribbles and Mumford-Shah on all pixels."""
        logits = self(batch.image)
        regions = mumford_shah(logits, _between_0_and_1(batch.image))
        return {
            "scribbles": partial_cross_entropy(logits, batch.target),
            "mumford_shah": self.options.region_weight * regions,
        }


def _between_0_and_1(image: Tensor) -> Tensor:
    """Each image (B, 1, Y, X) with its grey range brought to 0..1, as WSL4MIS's are."""
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return (image - low) / (high - low).clamp_min(1e-6)
