"""Weights that know anatomy: files of the package, made by `scripts/make_weights.py`.

Beside every file lies a document that says how it was made and what its check sum is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load, save
from torch import Tensor, nn

from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.errors import RunError, TaskNotSupported
from napari_scribseg.io.atomic import write_bytes, write_text
from napari_scribseg.methods.base import Method
from napari_scribseg.networks.initial_unet25d import InitialUNet25D
from napari_scribseg.networks.unet import UNet
from napari_scribseg.networks.unet_modified import ModifiedUNet
from napari_scribseg.networks.unet_wide import WideUNet

FOLDER: Final = Path(__file__).parent.parent / "anatomy" / "weights"
_NO_DROPOUT: Final = (0.0,) * 5
_PLANE_RANK, _VOLUME_RANK = 4, 5
"""Axes of the weights of 2D and of 3D convolutions."""
_INPUTS: Final = (1, 4)
"""Channels that a first layer sees of one sequence: a pixel, or 2 x 2 pixels gathered."""
_DEEP: Final = 3
"""Slices that a kernel sees which is not flat."""

NETWORKS: Final[dict[str, Callable[[int], nn.Module]]] = {
    "unet": lambda n: UNet(n, dropout=_NO_DROPOUT),
    "unet_modified": lambda n: ModifiedUNet(n, 16, normalised_logits=False, up_channels=16),
    "unet_wide": lambda n: WideUNet(n, base_width=12, convolutions=2, normalised_logits=False),
    "unet25d": lambda n: InitialUNet25D(n, flat=3, base_width=8),
}
"""Networks that are pre-trained, by the name of their file: those of the `quick` presets."""


class Origin(BaseModel):
    """How weights were made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    seed: int
    steps: int
    planned_steps: int
    slices: int
    processor_hours: float
    machine: str
    torch: str
    licence: str = "CC0-1.0"
    note: str = ""
    """What else must be known to make them again."""
    sha256: str = ""
    """Of the file with the weights."""


def write_weights(folder: Path, origin: Origin, network: nn.Module) -> None:
    """Write the weights of a network in float16, and beside them how they were made."""
    tensors = {
        name: (t.half() if t.is_floating_point() else t).contiguous()
        for name, t in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    content = save(tensors)
    sha256 = hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / f"{origin.network}.safetensors", content)
    told = origin.model_copy(update={"sha256": sha256})
    write_text(folder / f"{origin.network}.json", told.model_dump_json(indent=1) + "\n")


def begin_with_anatomy(method: Method) -> None:
    """Put the weights that know anatomy into every network of a method; heads stay as they are.

    A network that sees several channels gets the same first weights for each of them, divided by
    their number: of channels that are alike it gives what the network of one channel gives.

    Args:
        method: made anew.

    Raises:
        TaskNotSupported: one of its networks has no such weights.
        RunError: the files of the package are damaged.
    """
    for network, tensors in _matched(method):
        network.load_state_dict(tensors, strict=False)


def refuse_without_anatomy(
    kind: type[Method], n_classes: int, options: MethodConfig, n_channels: int = 1
) -> None:
    """Make sure that a method can begin with weights that know anatomy, before anything is done.

    Raises:
        TaskNotSupported: one of its networks has no such weights, or no last layer to be fitted.
        RunError: the files of the package are damaged.
    """
    with torch.device("meta"):  # without memory and without drawing random numbers
        method = kind.made_for(n_classes, options, n_channels)
    _matched(method)
    if not method.heads():
        raise _no_weights(kind)


def _matched(method: Method) -> list[tuple[nn.Module, dict[str, Tensor]]]:
    """The networks of a method, each with the weights that fit it."""
    networks = method.pretrained()
    heads = {id(parameter) for head in method.heads() for parameter in head.parameters()}
    found = [(network, _adapted(network, heads)) for network in networks]
    matched = [(network, tensors) for network, tensors in found if tensors is not None]
    if not matched or len(matched) < len(found):
        raise _no_weights(type(method))
    return matched


def _adapted(network: nn.Module, heads: set[int]) -> dict[str, Tensor] | None:
    """The weights that fit a network, by its names; None where no file has them all.

    Args:
        network: of a method.
        heads: identities of the parameters that are fitted to strokes instead.
    """
    left_out = {name for name, parameter in network.named_parameters() if id(parameter) in heads}
    wanted = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name not in left_out and not name.endswith("num_batches_tracked")
    }
    for file in NETWORKS:
        if not (FOLDER / f"{file}.json").is_file():
            continue
        known = read_weights_of(file)
        if not _is_normalised_alike(known, set(map(_first, wanted))):
            continue
        fitted = {
            name: _fitting(known.get(_first(name)), like, rises=name.startswith("backbone.up."))
            for name, like in wanted.items()
        }
        if all(tensor is not None for tensor in fitted.values()):
            return {name: tensor for name, tensor in fitted.items() if tensor is not None}
    return None


def _is_normalised_alike(known: Mapping[str, Tensor], wanted: Collection[str]) -> bool:
    """Whether every layer with weights that were learnt beside running statistics keeps such."""
    statistics = (name for name in known if name.endswith("running_mean"))
    return all(
        name in wanted for name in statistics if name.replace("running_mean", "weight") in wanted
    )


def _first(name: str) -> str:
    """What a second decoder's weight is called in the first one."""
    return name.removeprefix("second_")


def _fitting(known: Tensor | None, like: Tensor, *, rises: bool = False) -> Tensor | None:
    """Known weights in the shape of others; None where they are of another layer.

    Args:
        known: weights of a network of one channel.
        like: tensor of the wanted shape.
        rises: whether they are of a transposed convolution.
    """
    if known is None:
        return None
    both_of_volumes = known.ndim == like.ndim == _VOLUME_RANK
    if both_of_volumes and known.shape[2] != like.shape[2]:
        known = _as_deep(known, like.shape[2], rises=rises)
    if known.shape == like.shape:
        return known.to(like.dtype)
    if known.ndim < _PLANE_RANK or known.ndim != like.ndim:
        return None
    copies, rest = divmod(like.shape[1], known.shape[1])
    same = known.shape[0] == like.shape[0] and known.shape[2:] == like.shape[2:]
    if known.shape[1] not in _INPUTS or rest or not same:
        return None
    sizes = (1, copies, *(1 for _ in known.shape[2:]))
    return (known / copies).repeat(sizes).to(like.dtype)


def _as_deep(known: Tensor, depth: int, *, rises: bool) -> Tensor:
    """A kernel for volumes with more or with less distance between slices.

    A flat kernel becomes one of three slices that looks at its middle alone; a transposed one fills
    the slices between by the mean of their neighbours. The way back adds the slices up.

    Args:
        known: (O, I, Z, Y, X).
        depth: slices that the kernel shall see, 1 or 3.
        rises: whether it is of a transposed convolution.
    """
    ends = 0.5 if rises else 0.0
    if depth == _DEEP:
        return torch.cat([ends * known, known, ends * known], 2)
    total = known.sum(2, keepdim=True)
    return total / 2 if rises else total


@lru_cache(maxsize=8)
def read_weights_of(name: str) -> dict[str, Tensor]:
    """The weights of one of `NETWORKS`, float32, by name.

    Raises:
        RunError: a file is missing or damaged.
    """
    origin = origin_of(name)
    path = FOLDER / f"{name}.safetensors"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, "it can't be read") from error
    if hashlib.sha256(content).hexdigest() != origin.sha256:
        raise _damaged(path, "its check sum is not the one that was noted when it was made")
    return {key: t.float() if t.is_floating_point() else t for key, t in load(content).items()}


def origin_of(name: str) -> Origin:
    """How the weights of one of `NETWORKS` were made.

    Raises:
        RunError: the document is missing or damaged.
    """
    path = FOLDER / f"{name}.json"
    try:
        return Origin.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(path, type(error).__name__) from error


def _damaged(path: Path, why: str) -> RunError:
    return RunError(
        f"The weights that know anatomy can't be used: {path}: {why}. Install napari-scribseg "
        "again, or train with start=random."
    )


def _no_weights(method: type[Method]) -> TaskNotSupported:
    return TaskNotSupported(
        f"There are no weights that know anatomy for the network of {method.spec.title} with these "
        "options: choose start=random, or another method (docs: Weights that know anatomy)."
    )
