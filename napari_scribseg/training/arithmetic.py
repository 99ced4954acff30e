"""Whether a processor computes faster in bfloat16 than in float32.

Some have instructions for it that are no faster than those for float32. So a network is tried out
in both, once for a computer and a version of PyTorch: the answer is kept in the user's cache, or a
busy moment could let two programs compute in different arithmetic.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import statistics
import time
from functools import lru_cache
from typing import Final, TypeVar

import torch
from torch import nn

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.atomic import write_json
from napari_scribseg.networks.unet import UNet
from napari_scribseg.training.user_cache import cache_folder

M = TypeVar("M", bound=nn.Module)

_ROUNDS: Final = 5
_SHAPE: Final = (2, 1, 96, 96)
_CLEARLY: Final = 1.1
"""How many times faster it must be: float32 is more accurate."""


def in_memory_format(module: M, order: torch.memory_format) -> M:
    """The module, its weights of rank 4 in this order of memory."""
    return module.to(memory_format=order)  # pyright: ignore[reportCallIssue]


@lru_cache(maxsize=1)
def is_bfloat16_faster() -> bool:
    """Whether this computer learns faster in bfloat16; False where it has no such instructions."""
    # Older versions of torch can't be asked.
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if able.get("amx_bf16"):  # many times faster, without a trial
        return True
    if not able.get("avx512_bf16"):
        return False
    computer = json.dumps([torch.__version__, sorted(able.items())])
    entry = cache_folder() / f"arithmetic-{hashlib.sha256(computer.encode()).hexdigest()[:12]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return bool(json.loads(entry.read_text(encoding="ascii"))["bfloat16_is_faster"])
    ratio = seconds_ratio()
    faster = ratio > _CLEARLY
    answer = {"bfloat16_is_faster": faster, "float32_over_bfloat16": ratio}
    # The cache only saves time and keeps programs alike: a full disk must not end a training.
    with contextlib.suppress(OSError, InvalidInput):
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_json(entry, answer)
    return faster


def seconds_ratio() -> float:
    """Processor time of a U-Net, forwards and backwards, in float32 over that in bfloat16."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng([]):
            network = in_memory_format(UNet(4, dropout=(0.0,) * 5), torch.channels_last)
            image = torch.randn(_SHAPE)
        dtypes = (torch.float32, torch.bfloat16)
        rounds = [[_seconds(network, image, dtype) for dtype in dtypes] for _ in range(_ROUNDS + 1)]
    finally:
        torch.set_num_threads(threads)
    return round(statistics.median(plain / half for plain, half in rounds[1:]), 3)


def _seconds(network: nn.Module, image: torch.Tensor, dtype: torch.dtype) -> float:
    began = time.process_time()
    with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
        logits = network(image)
    logits.float().square().mean().backward()
    network.zero_grad()
    return time.process_time() - began
