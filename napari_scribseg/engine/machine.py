"""Machine: which device computes, in which arithmetic, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from napari_scribseg.config import DEVICE
from napari_scribseg.errors import InvalidInput

M = TypeVar("M", bound=nn.Module)


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
        """The module with its weights on the device, in the memory format."""
        return module.to(self.device).to(memory_format=self.memory_format)  # pyright: ignore[reportCallIssue]

    def __str__(self) -> str:
        if self.device.type == "cuda":
            return f"{self.device} ({torch.cuda.get_device_name(self.device)})"
        return str(self.device)


def choose_machine(device: str = "auto", precision: str = "auto") -> Machine:
    """The machine of these wishes; "auto" takes the fastest that this computer does well.

    Args:
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: auto, float32, bfloat16 or float16.

    Raises:
        InvalidInput: there is no device of this name, or the computer lacks it.
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
    dtype = _best_dtype(chosen) if precision == "auto" else getattr(torch, precision)
    if chosen.type == "cpu" and dtype is torch.float16:
        raise InvalidInput("float16 needs a GPU. Choose auto, float32 or bfloat16 on the CPU.")
    return Machine(chosen, dtype, torch.channels_last)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively, float16 on older GPUs, else float32."""
    if device.type == "cuda":
        return (
            torch.bfloat16
            if torch.cuda.is_bf16_supported(including_emulation=False)
            else torch.float16
        )
    if device.type == "cpu":
        # Older versions of torch can't be asked.
        able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return torch.bfloat16 if able.get("amx_bf16") or able.get("avx512_bf16") else torch.float32
    return torch.float32
