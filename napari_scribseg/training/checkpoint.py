"""Checkpoints: tensors in safetensors, everything else as JSON in the same file's header.

No pickle anywhere. One file, so that a crash can't leave half of a pair; a SHA-256 over the JSON
and every tensor tells a damaged checkpoint from a good one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from napari_scribseg.core.config import NonNegative, Positive, PositiveInt, explain
from napari_scribseg.core.errors import RunError
from napari_scribseg.core.labels import MAX_CLASSES
from napari_scribseg.data.orientation import Orientation
from napari_scribseg.io.atomic import write_bytes

_SEPARATOR = "|"
_VERSION = 1
_SGD_KEEPS = frozenset({"momentum_buffer"})
_ADAM_KEEPS = frozenset({"step", "exp_avg", "exp_avg_sq"})
"""What an optimiser keeps of every weight."""

Count = Annotated[int, Field(ge=0)]


class CheckpointInfo(BaseModel):
    """What a checkpoint says besides its tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    method: str
    options: dict[str, Any]
    n_classes: Annotated[int, Field(ge=2, le=MAX_CLASSES + 1)]
    class_names: tuple[str, ...] = ()
    """Of every class index; empty in checkpoints of before they were noted."""
    sequences: tuple[str, ...] = ()
    """That the network sees, in its order; none = one that nobody named."""
    spacing_mm: Positive
    """In-plane pixel size that the network was trained at."""
    patch: tuple[PositiveInt, PositiveInt] | None = None
    """In-plane size (y, x) of what it was shown; None in checkpoints of before it was noted."""
    orientation: Orientation | None = None
    """In which the network sees every case; None = as stored, before orientations were recorded."""
    threads: PositiveInt = 1
    """CPU threads it was trained with."""
    data_sha256: str = ""
    """Of everything in the training cases; see `Learner`."""
    step: Count
    seconds: NonNegative
    """Time spent training so far."""
    batch_size: PositiveInt
    """Smaller than configured after CUDA ran out of memory."""
    relabels: Count = 0
    """How often the method has made new targets so far."""
    best_score: float | None = None
    not_better: Count = 0
    """Validations since the score was last better than all before."""
    loss_scale: float | None = None
    """Of float16 training."""

    @property
    def n_channels(self) -> int:
        """Channels of an image as the network sees it."""
        return max(1, len(self.sequences))


def save_checkpoint(path: Path, groups: dict[str, dict[str, Tensor]], info: CheckpointInfo) -> None:
    """Write a checkpoint; the old one stays until the new one is whole.

    Args:
        path: ends in .safetensors.
        groups: tensors by group ("model", "average", "optimiser") and name.
        info: everything else.

    Raises:
        RunError: a tensor holds NaN or infinite numbers; nothing is written.
    """
    tensors: dict[str, Tensor] = {}
    for group, members in groups.items():
        for name, tensor in members.items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise RunError(
                    f"The {group} holds numbers that are not finite ({name}), so it was not saved."
                )
            # A clone, since safetensors refuses tensors that share memory.
            tensors[f"{group}{_SEPARATOR}{name}"] = tensor.detach().cpu().contiguous().clone()
    text = info.model_dump_json()
    write_bytes(path, save(tensors, {"info": text, "sha256": _digest(text, tensors)}))


def checkpoint_info(path: Path) -> CheckpointInfo:
    """Everything but the tensors, without reading those; whether they are whole is not checked.

    Raises:
        RunError: the header is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            return CheckpointInfo.model_validate_json((file.metadata() or {})["info"])
    except (SafetensorError, ValidationError, KeyError, OSError, ValueError) as error:
        raise _damaged(path, type(error).__name__) from error


def load_checkpoint(path: Path) -> tuple[dict[str, dict[str, Tensor]], CheckpointInfo]:
    """The tensors by group and name, and everything else.

    Raises:
        RunError: there is no checkpoint, it is damaged or of a newer version, or holds numbers that
            are not finite.
    """
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise _damaged(path, "not a regular file")
    if not path.exists():
        raise RunError(
            f"There is no checkpoint {path.name} in {path.parent}: the run was not trained, or "
            "ended before its first save."
        )
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        whole = header["sha256"] == _digest(header["info"], tensors)
    except KeyError as error:
        raise _damaged(path, "it is of another program") from error
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise _damaged(path, type(error).__name__) from error
    if not whole:
        raise _damaged(path, "wrong check sum")
    info = _info_of(header["info"], path)
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            name = key.partition(_SEPARATOR)[2]
            raise _damaged(path, f"{name} holds numbers that are not finite")
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        group, _, name = key.partition(_SEPARATOR)
        groups.setdefault(group, {})[name] = tensor
    return groups, info


def predicting(groups: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """The weights that predict, by name: the averaged ones if there are any."""
    return groups.get("average") or groups.get("model") or {}


def _info_of(text: str, path: Path) -> CheckpointInfo:
    try:
        version = json.loads(text).get("version")
        if isinstance(version, int) and version > _VERSION:
            raise RunError(
                f"The checkpoint {path} was written by a newer napari-scribseg (version {version}, "
                f"this one knows {_VERSION}); update napari-scribseg to use it."
            )
        return CheckpointInfo.model_validate_json(text)
    except ValidationError as error:
        raise _damaged(path, explain(error, CheckpointInfo).rstrip(".")) from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path, type(error).__name__) from error


def _damaged(path: Path, why: str) -> RunError:
    return RunError(
        f"The checkpoint {path} is damaged ({why}). Nothing was overwritten: use the run's other "
        "checkpoint, or train anew into another folder."
    )


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as named tensors, that `restore_optimiser` puts back."""
    return {
        f"{index}{_SEPARATOR}{key}": value
        for index, state in optimiser.state_dict()["state"].items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor], parameters: list[nn.Parameter]
) -> None:
    """Put saved state into a fresh optimiser of the same parameters.

    Raises:
        RunError: the state is of another optimiser, or of other parameters.
    """
    state: dict[int, dict[str, Tensor]] = {}
    keeps = _SGD_KEEPS if isinstance(optimiser, torch.optim.SGD) else _ADAM_KEEPS
    for key, value in tensors.items():
        index, _, name = key.partition(_SEPARATOR)
        known = index.isdecimal() and int(index) < len(parameters)
        like = parameters[int(index)] if known else None
        if like is None or name not in keeps or value.shape not in {like.shape, torch.Size()}:
            raise RunError(
                f"The checkpoint's optimiser has kept {name} for weight {index}, which the one of "
                "the run's settings doesn't: put run.json back as it was, or train anew."
            )
        # The memory format of the weight, so that the arithmetic stays the same to the bit.
        same = value.shape == like.shape
        placed = torch.empty_like(like, dtype=value.dtype).copy_(value) if same else value
        state.setdefault(int(index), {})[name] = placed
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
