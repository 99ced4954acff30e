"""How a training begins: with random weights, with those that know anatomy, or with a run's."""

from __future__ import annotations

from collections.abc import Sequence

from napari_scribseg.batches.patches import SampleSet
from napari_scribseg.batches.slices import SliceSet
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.labels import REFERENCE_MAP
from napari_scribseg.methods.base import Method
from napari_scribseg.training.anatomy_weights import begin_with_anatomy
from napari_scribseg.training.fitted_head import HeadSample, fit_head
from napari_scribseg.training.machine import Machine
from napari_scribseg.training.warm_start import StartWeights, begin_with

_STACK_SLICES = 16
"""Slices of a volume that are shown at once while a head is fitted: bounds the memory."""


def begin(
    method: Method,
    samples: SampleSet,
    config: TrainConfig,
    machine: Machine,
    start: StartWeights | None = None,
) -> None:
    """Give a method the weights that its training begins with.

    Its last layer is fitted to the strokes where the weights know anatomy, and where not a single
    step follows; that of a method which learns from references to those.

    Args:
        method: made anew, with random weights; moved to the machine.
        samples: what it will learn from.
        config: how it begins, unless a run is given.
        machine: where it computes.
        start: weights of a run to begin with.

    Raises:
        InvalidInput: the weights of the run are of another method or network.
        TaskNotSupported: there are no weights that know anatomy for this network.
        RunError: the weights that know anatomy are damaged.
    """
    if start is not None:
        begin_with(start, method)
    elif config.start == "anatomy":
        begin_with_anatomy(method)
    machine.place(method)
    if (start is None and config.start == "anatomy") or config.at_once:
        fit_head(method, _head_samples(samples), config, machine)


def _head_samples(samples: SampleSet) -> Sequence[HeadSample]:
    """What heads are fitted to: slices, or stacks of neighbouring ones."""
    names, _ = samples.map_names
    layer = 1 + names.index(REFERENCE_MAP) if REFERENCE_MAP in names else 0
    if isinstance(samples, SliceSet):
        return [HeadSample((item,), stacked=False, layer=layer) for item in samples.slices]
    stacks = samples.stacks(_STACK_SLICES)
    return [HeadSample(stack, stacked=True, layer=layer) for stack in stacks]
