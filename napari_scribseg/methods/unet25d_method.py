"""UNet25DMethod: what methods have in common whose network is the 2.5D U-Net."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_scribseg.core.config import MethodConfig
from napari_scribseg.methods.base import Method, Spacing, Task
from napari_scribseg.methods.unet25d_config import ANISOTROPY, UNet25DConfig


class UNet25DMethod(Method):
    """A method that learns from patches of neighbouring slices; losses are its own."""

    sample = "patch"

    def __init__(self, n_classes: int, options: UNet25DConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        self.anisotropy = options.anisotropy or ANISOTROPY

    @classmethod
    def patch_depth(cls, options: MethodConfig) -> int:
        """As the option says."""
        assert isinstance(options, UNet25DConfig)
        return options.depth

    @classmethod
    def fitted(cls, options: MethodConfig, spacings: Sequence[Spacing]) -> MethodConfig:
        """The anisotropy is the median of the training cases, unless somebody chose it."""
        assert isinstance(options, UNet25DConfig)
        if options.anisotropy is not None or not spacings:
            return options
        ratio = float(np.median([z / min(y, x) for z, y, x in spacings]))
        return options.updated({"anisotropy": round(ratio, 3)})

    @classmethod
    def unsupported(cls, task: Task) -> str | None:
        """Single slices have no neighbours to learn from."""
        return neighbours_missing(task) or super().unsupported(task)


def neighbours_missing(task: Task) -> str | None:
    """Why the task is one for 2D methods, in one sentence; None when it has volumes."""
    if task.slices and max(task.slices) == 1:
        return (
            "Every training volume is a single slice, and this method learns from neighbouring "
            "slices: choose a 2D method."
        )
    return None
