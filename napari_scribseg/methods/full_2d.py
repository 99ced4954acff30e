"""Full supervision: the same small U-Net on dense references, the bound that scribbles aim at."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from napari_scribseg.cases import Case
from napari_scribseg.config import MethodConfig, TrainConfig
from napari_scribseg.data import Batch
from napari_scribseg.labels import IGNORE
from napari_scribseg.losses.dense import dense_dice
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.base import Maps, Preset, Task
from napari_scribseg.methods.recipes import WSL4MIS
from napari_scribseg.methods.unet_method import UNetMethod

_HALF = 0.5
"""Cross-entropy and Dice count the same (WSL4MIS)."""


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
        if task.n_references == 0:
            return (
                "No training case has a dense reference, and full supervision learns from nothing "
                "else: choose a method that learns from scribbles."
            )
        return None

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:  # noqa: ARG003
        """The reference of a case as a target; IGNORE throughout where it has none."""
        if case.reference is None:
            return {"reference": np.full(case.image.shape, IGNORE, np.int16)}
        return {"reference": case.reference.astype(np.int16)}

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Half cross-entropy, half Dice, on the references."""
        logits, reference = self(batch.image), batch.maps["reference"]
        return {
            "cross_entropy": _HALF * partial_cross_entropy(logits, reference),
            "dice": _HALF * dense_dice(logits, reference),
        }
