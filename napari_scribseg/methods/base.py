"""Method: how one paper learns, and nothing else.

A method is the `nn.Module` that is trained. Its `forward` is prediction, its `state_dict` is the
checkpoint, and beyond that it says which loss terms one batch has and, through hooks, what else
its paper does. The loop, optimiser, schedule, device, precision, data, validation, checkpoints and
stopping belong to `napari_scribseg.training`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.errors import TaskNotSupported
from napari_scribseg.core.method_spec import MethodSpec
from napari_scribseg.data.case import Case

Maps = dict[str, npt.NDArray[Any]]
"""Per-voxel maps of one case by name, each (z, y, x). Integers are class indices or IGNORE and
are resampled by nearest neighbour; floats are resampled linearly."""

Spacing = tuple[float, float, float]
"""Distances of voxels in mm (z, y, x)."""


@dataclass(frozen=True)
class Shown:
    """A case as the network is shown it, and the way back.

    Args:
        image: (Z, C, y, x), slices at the network's pixel size, on the network's device.
        to_grid: takes (Z, C, y, x) of the network's pixels to (C, z, y, x) float32 on the case's
            own grid, linearly.
    """

    image: Tensor
    to_grid: Callable[[Tensor], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Task:
    """What is to be learnt, as far as it decides whether a method can do it.

    Args:
        n_classes: class indices, background included (K).
        scribbled_classes: class indices that are drawn in at least one training case.
        n_scribbled: training cases with scribbles.
        n_references: training cases with a dense reference.
        class_names: name of every class index.
        slices: number of slices of each training case; empty where nobody counted.
    """

    n_classes: int
    scribbled_classes: frozenset[int]
    n_scribbled: int
    n_references: int
    class_names: tuple[str, ...]
    slices: tuple[int, ...] = ()


class Method(nn.Module, ABC):
    """How one paper learns.

    Args:
        n_classes: class indices, background included (K).
        options: an instance of the spec's `Config`.
        n_channels: sequences that its network sees (C).
    """

    spec: ClassVar[MethodSpec]
    """Name, citation, settings and presets."""
    sample: ClassVar[Literal["slice", "patch"]] = "slice"
    """What one element of a batch is: S is Y, X of a slice and Z, Y, X of a patch."""
    sliced_convolutions: ClassVar[bool] = False
    """Of a method of patches: whether it has no 3D convolution of PyTorch's on a CPU, where their
    gradient in bfloat16 damages memory; see `networks.slice_convolutions`."""
    heads_alike: ClassVar[bool] = True
    """Whether all `heads` get the weights of the first one; else each is fitted, in their order."""
    uses_unlabelled: ClassVar[bool] = False
    """Whether slices that nobody drew on teach it something; else they are not loaded."""
    prepared_from: ClassVar[tuple[str, ...]] = ()
    """The options that `prepare` depends on; they are part of the key of its cache."""

    def __init__(self, n_classes: int, options: MethodConfig, n_channels: int = 1) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.n_channels = n_channels
        self.options = options
        self.patch: tuple[int, int] | None = None
        """In-plane size (y, x) of what it learns from, told by the engine; methods of patches are
        shown windows of this size in prediction, too. None = whole slices."""

    relabels: int = 0
    """How often `relabel` has made new targets so far, told by the engine."""

    @classmethod
    def made_for(cls, n_classes: int, options: MethodConfig, n_channels: int) -> Self:
        """A new one; methods that know nothing of several sequences are made for one.

        Raises:
            TaskNotSupported: its `__init__` takes no number of channels, and there are several.
        """
        if n_channels == 1:
            return cls(n_classes, options)
        if "n_channels" not in signature(cls.__init__).parameters:
            raise TaskNotSupported(
                f"{cls.spec.title} learns from one sequence, and the cases have {n_channels}: "
                "choose one of them (--sequences), or another method."
            )
        return cls(n_classes, options, n_channels)

    @classmethod
    def patch_depth(cls, options: MethodConfig) -> int:  # noqa: ARG003
        """Slices (z) of a training patch and of a window of prediction; of patch methods only."""
        return 1

    @classmethod
    def unsafe_in_bfloat16(cls) -> bool:
        """Whether a CPU must not compute it in bfloat16."""
        return cls.sample == "patch" and not cls.sliced_convolutions

    @classmethod
    def fitted(cls, options: MethodConfig, spacings: Sequence[Spacing]) -> MethodConfig:  # noqa: ARG003
        """The options with what follows from the training cases filled in.

        Asked before everything else of a run; the checkpoint keeps the answer.

        Args:
            options: as somebody chose them.
            spacings: of the training cases as the network is shown them, mm (z, y, x).
        """
        return options

    @classmethod
    def unsupported(cls, task: Task) -> str | None:
        """Why this method can't do the task, in one sentence; None when it can."""
        return scribbles_missing(task)

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:  # noqa: ARG003
        """Maps made once per case before training: seeds, supervoxels, edges.

        A class method, because it needs no weights: the engine runs it in a process pool and
        caches its result by the content of the case.
        """
        return {}

    @property
    def relabel_at(self) -> tuple[float, ...]:
        """Shares of the budget, ascending, at which `relabel` makes new maps of every case."""
        return ()

    @property
    def restarts_optimiser(self) -> bool:
        """Whether the optimiser forgets what it has gathered when `relabel` has made new maps."""
        return True

    def relabel(self, case: Case, maps: Maps, shown: Shown) -> Maps:  # noqa: ARG002
        """New maps from the current model (an E-step); those left out stay as they are.

        Called without gradients, in evaluation mode, in the engine's arithmetic, on the averaged
        weights where there are any. See `restarts_optimiser`, too.

        Args:
            case: one of the training cases.
            maps: its maps as they are now.
            shown: the case as the network sees it.
        """
        return {}

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, *S) of images (B, C, *S) of any size."""

    @abstractmethod
    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The terms of the loss, already weighted; the engine minimises their sum."""

    def after_step(self, step: int) -> None:
        """Called after every step of the optimiser, e.g. to move a teacher."""

    def heads(self) -> tuple[nn.Conv2d | nn.Conv3d, ...]:
        """The convolutions that turn features into logits, that of `forward` first if alike.

        They are fitted in closed form where a training begins with weights that know anatomy. All
        of them get the same weights, so that teachers and second decoders agree at first; see
        `heads_alike`.
        """
        return tuple(
            module
            for name, module in self.named_modules()
            if name.endswith("head") and isinstance(module, nn.Conv2d)
        )

    def head_features(self, head: nn.Module, features: Tensor, image: Tensor) -> Tensor:  # noqa: ARG002
        """What went into a head, on the pixels of the image: (B, F, *S).

        Args:
            head: one of `heads`.
            features: its input when the image was shown.
            image: (B, C, *S).
        """
        return features

    def pretrained(self) -> tuple[nn.Module, ...]:
        """The networks that weights which know anatomy must fit; what is beside them is random."""
        return tuple(module for module in self.modules() if hasattr(module, "encoder"))

    def uncertainty(self, probabilities: Tensor) -> Tensor:
        """Uncertainty 0..1 (B, *S) of probabilities (B, K, *S): entropy over its maximum, ln K."""
        entropy = -torch.special.xlogy(probabilities, probabilities).sum(1)
        return entropy / float(np.log(probabilities.shape[1]))


def scribbles_missing(task: Task) -> str | None:
    """Why the drawn scribbles can't teach every class, in one sentence; None when they can."""
    if task.n_scribbled == 0:
        return "No training case has scribbles: draw some strokes first."
    missing = [
        task.class_names[k] for k in range(task.n_classes) if k not in task.scribbled_classes
    ]
    if missing:
        return (
            f"No training case has a stroke of {', '.join(missing)}: every class, background "
            "included, must be drawn at least once."
        )
    return None
