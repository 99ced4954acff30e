"""Full supervision in 2.5D: Scribble2D5's backbone on dense references, the bound beside it."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig, TrainConfig
from napari_scribseg.data.case import Case
from napari_scribseg.methods.base import Maps, Preset, Task
from napari_scribseg.methods.recipes import SCRIBBLE2D5
from napari_scribseg.methods.references import (
    reference_losses,
    reference_map,
    references_missing,
)
from napari_scribseg.methods.unet25d_method import (
    ANISOTROPY,
    UNet25DConfig,
    UNet25DMethod,
    neighbours_missing,
)
from napari_scribseg.networks.unet25d import SegmentingUNet25D, flat_levels


class Full25D(UNet25DMethod):
    """Cross-entropy and Dice on every voxel of the references; scribbles are not looked at."""

    name = "full_25d"
    title = "Full supervision (2.5D U-Net)"
    summary = "Learns volumes from dense references, not from strokes: the bound of Scribble2D5."
    source = (
        "The row 2.5D U-Net of Chen and Hong, Scribble2D5, MICCAI 2022; network of Wang et al., "
        "Automatic segmentation of vestibular schwannoma, MICCAI 2019, "
        "https://github.com/KCL-BMEIS/VS_Seg"
    )
    Config = UNet25DConfig
    uses_unlabelled = True
    uses_references = True

    def __init__(self, n_classes: int, options: UNet25DConfig) -> None:
        super().__init__(n_classes, options)
        flat = flat_levels(self.anisotropy)
        self.network = SegmentingUNet25D(n_classes, flat, options.base_width, options.norm)

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU; paper as Scribble2D5 trains."""
        return {
            "quick": Preset(
                "A quarter of the width and small patches: for a CPU, where it wants an hour.",
                UNet25DConfig(base_width=4, norm="group"),
                TrainConfig(batch_size=2, patch=(96, 96), learning_rate=4e-3),
            ),
            "paper": Preset(
                "As Scribble2D5: 200 epochs of 140 volumes, for a GPU.",
                UNet25DConfig(anisotropy=ANISOTROPY),
                SCRIBBLE2D5,
            ),
        }

    @classmethod
    def unsupported(cls, task: Task) -> str | None:
        """It needs references and neighbouring slices, and no scribbles."""
        return references_missing(task) or neighbours_missing(task)

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:  # noqa: ARG003
        """The reference of a case as a target; IGNORE throughout where it has none."""
        return reference_map(case)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Z, Y, X) of images (B, 1, Z, Y, X)."""
        return self.network(image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Half cross-entropy, half Dice, on the references."""
        return reference_losses(self(batch.image), batch.maps["reference"])
