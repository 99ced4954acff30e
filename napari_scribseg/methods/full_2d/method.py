"""Full supervision: the same small U-Net on dense references, the bound that scribbles aim at."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import REFERENCE_MAP
from napari_scribseg.data.case import Case
from napari_scribseg.methods.base import Maps, Task
from napari_scribseg.methods.full_2d import SPEC
from napari_scribseg.methods.references import reference_losses, reference_map, references_missing
from napari_scribseg.methods.unet_method import UNetMethod


class Full2D(UNetMethod):
    """Cross-entropy and Dice on every pixel of the references; scribbles are not looked at."""

    spec = SPEC

    uses_unlabelled = True

    @classmethod
    def unsupported(cls, task: Task) -> str | None:
        """Why this method can't do the task: it needs references, and no scribbles."""
        return references_missing(task)

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:  # noqa: ARG003
        """The reference of a case as a target; IGNORE throughout where it has none."""
        return reference_map(case)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Half cross-entropy, half Dice, on the references."""
        return reference_losses(self(batch.image), batch.maps[REFERENCE_MAP])
