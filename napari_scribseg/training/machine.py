"""Machine: which device computes, in which arithmetic, and why."""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn

from napari_scribseg.core.config import DEVICE
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.training.arithmetic import M, in_memory_format, is_bfloat16_faster

_TRIALS = 3
_TRIAL_STEPS = 3
_TRIAL_SHAPE = (4, 16, 128, 128)

_VOLUME_RANK = 5
"""Axes of the weights of a 3D convolution."""


@dataclass(frozen=True)
class Machine:
    """Where and how tensors are computed.

    Args:
        device: the device.
        dtype: arithmetic of convolutions and products; weights stay float32.
        memory_format: of images and weights.
    """

    device: torch.device
    dtype: torch.dtype
    memory_format: torch.memory_format

    @property
    def precision(self) -> str:
        """The arithmetic as a word: float32, bfloat16 or float16."""
        return str(self.dtype).removeprefix("torch.")

    def autocast(self) -> torch.autocast:
        """A context in which convolutions and products use `dtype`."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    def place(self, module: M) -> M:
        """The module with its weights on the device, in the memory format.

        A network of volumes stays as it is: the memory formats of slices and of volumes exclude
        each other.
        """
        if any(weight.ndim == _VOLUME_RANK for weight in module.parameters()):
            return module.to(self.device)
        return in_memory_format(module.to(self.device), self.memory_format)

    def __str__(self) -> str:
        if self.device.type == "cuda":
            return f"{self.device} ({torch.cuda.get_device_name(self.device)})"
        return str(self.device)


def choose_machine(
    device: str = "auto", precision: str = "auto", *, volumes: bool = False
) -> Machine:
    """The machine of these wishes; "auto" takes the fastest that this computer does well.

    Args:
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: auto, float32, bfloat16 or float16.
        volumes: whether PyTorch's 3D convolutions will be learnt.

    Raises:
        InvalidInput: there is no device of this name, or the computer lacks it, or its arithmetic
            isn't safe.
    """
    if not re.fullmatch(DEVICE, device):
        raise InvalidInput(f"There is no device '{device}'. Choose auto, cpu, cuda, cuda:1 or mps.")
    chosen = torch.device(_best_device() if device == "auto" else device)
    if chosen.type == "cuda" and not (
        torch.cuda.is_available() and (chosen.index or 0) < torch.cuda.device_count()
    ):
        raise InvalidInput(
            f"The device '{device}' can't be used: PyTorch sees {torch.cuda.device_count()} CUDA "
            "device(s). Choose auto or cpu, or install a PyTorch build with CUDA."
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise InvalidInput("The device 'mps' needs an Apple GPU. Choose auto or cpu.")
    # The gradient of a 3D convolution in bfloat16 writes beyond its memory (PyTorch 2.13, AMX).
    unsafe = volumes and chosen.type == "cpu"
    if precision != "auto":
        dtype = getattr(torch, precision)
    else:
        dtype = torch.float32 if unsafe else _best_dtype(chosen)
    if unsafe and dtype is torch.bfloat16:
        raise InvalidInput(
            "This method can't learn in bfloat16 on the CPU, where PyTorch's 3D convolutions "
            "damage memory. Choose auto or float32."
        )
    if chosen.type == "cpu" and dtype is torch.float16:
        raise InvalidInput("float16 needs a GPU. Choose auto, float32 or bfloat16 on the CPU.")
    return Machine(chosen, dtype, torch.channels_last)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware is faster in it, float16 on older GPUs, else float32."""
    if device.type == "cuda":
        return (
            torch.bfloat16
            if torch.cuda.is_bf16_supported(including_emulation=False)
            else torch.float16
        )
    if device.type == "cpu":
        return torch.bfloat16 if is_bfloat16_faster() else torch.float32
    return torch.float32


def choose_threads(machine: Machine, wanted: int = 0) -> int:
    """Set how many CPU threads PyTorch computes with, and tell how many.

    On a computer that does other work too, threads wait for each other at every operation: two
    threads on two busy cores were measured 5 times slower than one. So one, half and all of the
    cores are tried out on a small convolution, for a fraction of a second.

    Args:
        machine: nothing is tried out when it is not the CPU.
        wanted: 0 = whatever is fastest now.
    """
    if wanted:
        torch.set_num_threads(wanted)
    elif machine.device.type == "cpu":
        most = torch.get_num_threads()
        candidates = sorted({1, max(1, most // 2), most})
        rounds = [{n: _trial_seconds(machine, n) for n in candidates} for _ in range(_TRIALS)]
        best = min(candidates, key=lambda n: statistics.median(r[n] for r in rounds))
        torch.set_num_threads(best)
    return torch.get_num_threads()


def _trial_seconds(machine: Machine, threads: int) -> float:
    """Time of a small convolution, forwards and backwards, with this many threads."""
    torch.set_num_threads(threads)
    layer = machine.place(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)))
    image = torch.zeros(_TRIAL_SHAPE).contiguous(memory_format=machine.memory_format)
    began = time.perf_counter()
    for _ in range(_TRIAL_STEPS):
        with machine.autocast():
            result = layer(image)
        result.float().sum().backward()
    return time.perf_counter() - began
