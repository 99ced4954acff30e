"""Full supervision: the same small U-Net on dense references, the bound that scribbles aim at."""

from __future__ import annotations

from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig, TrainConfig
from napari_scribseg.data.case import Case
from napari_scribseg.methods.base import Maps, Preset, Task
from napari_scribseg.methods.recipes import WSL4MIS
from napari_scribseg.methods.references import (
    reference_losses,
    reference_map,
    references_missing,
)
from napari_scribseg.methods.unet_method import UNetMethod


class Full2D(UNetMethod):
    """Cross-entropy and Dice on every pixel of the references; scribbles are not looked at."""

    name = "full_2d"
    title = "Full supervision (2D U-Net)"
    summary = "Learns from dense references, not from strokes: the bound the others aim at."
    source = (
        "Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, "
        "MICCAI 2015; trained as in https://github.com/HiLab-git/WSL4MIS"
    )
    Config = MethodConfig
    uses_unlabelled = True
    uses_references = True

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        """Quick for a CPU; paper as in WSL4MIS, which trains this one with a rate of 0.03."""
        paper = WSL4MIS.updated({"learning_rate": 0.03})
        return {
            "quick": Preset("Minutes on a CPU.", MethodConfig(), TrainConfig()),
            "paper": Preset("WSL4MIS: 60 000 steps, for a GPU.", MethodConfig(), paper),
        }

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
        return reference_losses(self(batch.image), batch.maps["reference"])
