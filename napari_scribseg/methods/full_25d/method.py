"""Full supervision in 2.5D: Scribble2D5's backbone on dense references, the bound beside it."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import REFERENCE_MAP
from napari_scribseg.data.case import Case
from napari_scribseg.methods.base import Maps, Task
from napari_scribseg.methods.full_25d import SPEC
from napari_scribseg.methods.references import reference_losses, reference_map, references_missing
from napari_scribseg.methods.unet25d_config import UNet25DConfig
from napari_scribseg.methods.unet25d_method import UNet25DMethod, neighbours_missing
from napari_scribseg.networks.unet25d import SegmentingUNet25D, flat_levels


class Full25D(UNet25DMethod):
    """Cross-entropy and Dice on every voxel of the references; scribbles are not looked at."""

    spec = SPEC

    uses_unlabelled = True
    sliced_convolutions = True

    def __init__(self, n_classes: int, options: UNet25DConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        flat = flat_levels(self.anisotropy)
        self.network = SegmentingUNet25D(
            n_classes,
            flat,
            options.base_width,
            options.norm,
            int(not options.full_resolution),
            in_channels=n_channels,
        )

    @classmethod
    def unsupported(cls, task: Task) -> str | None:
        """It needs references and neighbouring slices, and no scribbles."""
        return references_missing(task) or neighbours_missing(task)

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:  # noqa: ARG003
        """The reference of a case as a target; IGNORE throughout where it has none."""
        return reference_map(case)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Z, Y, X) of images (B, C, Z, Y, X)."""
        return self.network(image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Half cross-entropy, half Dice, on the references."""
        return reference_losses(self(batch.image), batch.maps[REFERENCE_MAP])
