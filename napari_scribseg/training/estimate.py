"""About how much memory and time a training takes: measured on a few steps with made-up slices.

Steps rather than a formula: methods differ in how often they run their network, and machines in how
fast. What else the computer does at the moment is part of the answer. Memory is told by a small
step; the time is that of whole batches, as far as these are small: much of a step is spent once
for a batch, so that a small one times many would be too long.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_scribseg.core.config import MethodConfig, TrainConfig
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case
from napari_scribseg.methods.base import Method
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.machine import choose_machine, choose_threads
from napari_scribseg.training.prepare import SampleSet, empty_samples

_BASE_MIB = 450.0
"""Python, PyTorch and this package without any network (measured on Linux)."""
_SLACK = 1.15
"""Buffers of convolutions and the allocator's fragments, on top of what is kept for gradients."""
_TIMED_MIB = 1024.0
"""A batch that is timed keeps no more than that for its gradients."""
_TIMED_STEPS = 3
"""The first finds out how to compute and is not counted; the fastest of the others is."""


@dataclass(frozen=True)
class Estimate:
    """About what a training takes.

    Args:
        memory_mib: of the training process, beside the training slices; on a GPU, of the GPU.
        seconds_per_step: now, on this machine.
        seconds: the whole budget, without preparing the cases.
        device: where it would train.
    """

    memory_mib: float
    seconds_per_step: float
    seconds: float
    device: str


def estimate(
    kind: type[Method], options: MethodConfig, training: TrainConfig, schema: LabelSchema
) -> Estimate:
    """About what training with these settings takes; itself some seconds.

    Args:
        kind: the method.
        options: its options.
        training: settings of the engine.
        schema: the structures.

    Raises:
        InvalidInput: the device is not there.
    """
    machine = choose_machine(training.device, training.precision, volumes=kind.unsafe_in_bfloat16())
    choose_threads(machine, training.threads)
    case = _made_up(kind, options, training, schema)
    spacing = training.spacing_mm or case.image.spacing[1]
    options = kind.fitted(options, [(case.image.spacing[0], spacing, spacing)])
    samples = empty_samples(kind, options, schema, case.image.spacing[1])
    samples.add(case, kind.prepare(case, options), unlabelled=kind.uses_unlabelled)
    size = min(2, training.batch_size)
    small = training.updated(
        {"batch_size": size, "steps": 8, "minutes": None, "patch": list(training.patch)}
    )
    learner = Learner(kind(schema.n_classes, options), small, machine)
    learner.learn(samples.batch(1, small, 0.0))
    batch, kept = samples.batch(2, small, 0.5), _Kept()
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor):
        learner.learn(batch)
    weights = sum(p.nbytes for p in learner.method.parameters())
    # Weights, gradient, two moments of the optimiser, and the average.
    fixed = weights * 5 / 2**20 + (0.0 if machine.device.type == "cuda" else _BASE_MIB)
    each = kept.mib(weights) / size
    timed = min(training.batch_size, max(size, int(_TIMED_MIB / max(each, 1.0))))
    step = _seconds(learner, samples, small.updated({"batch_size": timed}))
    step *= training.batch_size / timed
    return Estimate(
        memory_mib=fixed + _SLACK * each * training.batch_size,
        seconds_per_step=step,
        seconds=60 * training.minutes if training.minutes else step * training.steps,
        device=str(machine),
    )


def _seconds(learner: Learner, samples: SampleSet, training: TrainConfig) -> float:
    """Of a step in the middle of a training."""
    found = []
    for number in range(_TIMED_STEPS):
        batch = samples.batch(3 + number, training, 0.5)
        began = time.perf_counter()
        learner.learn(batch)
        found.append(time.perf_counter() - began)
    return min(found[1:])


class _Kept:
    """Counts the memory that a step keeps for its gradients, every storage once."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}

    def pack(self, tensor: Tensor) -> Tensor:
        """Called for every tensor that is kept."""
        storage = tensor.untyped_storage()
        self._sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    def mib(self, weights: int) -> float:
        """MiB kept, without the weights, which are there anyway."""
        return max(sum(self._sizes.values()) - weights, 0) / 2**20


def _made_up(
    kind: type[Method], options: MethodConfig, training: TrainConfig, schema: LabelSchema
) -> Case:
    """A case as large as a patch: stripes of every class, each with a stroke and a reference."""
    shape = (max(2, kind.patch_depth(options)), *training.patch)
    columns = np.arange(shape[2]) * schema.n_classes // shape[2]
    reference = np.broadcast_to(columns, shape).astype(np.uint8)
    rows = np.arange(shape[1]) % 16 < 2
    strokes: Any = np.where(reference == 0, BACKGROUND, reference) * rows[None, :, None]
    noise = np.random.default_rng(0).normal(0, 10, shape)
    image = Volume(
        (100.0 * reference + noise).astype(np.float32), Grid.from_spacing(shape, (8, 1.5, 1.5))
    )
    return Case("estimate", "estimate", image, strokes.astype(np.uint8), reference.copy())
