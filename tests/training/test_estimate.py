"""What a training takes is measured on whole batches, as far as memory allows."""

from __future__ import annotations

from typing import Any

import pytest

from napari_scribseg.batches.slices import SliceSet
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.methods.registry import spec_named
from napari_scribseg.training import estimate as module


@pytest.mark.parametrize(("limit", "timed"), [(1024.0, 12), (0.0, 2)])
def test_whole_batches_are_timed_as_far_as_they_are_small(monkeypatch, limit, timed) -> None:
    sizes: list[int] = []
    drawn = SliceSet.batch

    def batch(self: SliceSet, step: int, training: Any, progress: float) -> Any:
        sizes.append(training.batch_size)
        return drawn(self, step, training, progress)

    monkeypatch.setattr(SliceSet, "batch", batch)
    monkeypatch.setattr(module, "_TIMED_MIB", limit)
    spec = spec_named("partial_ce")
    preset = spec.preset("quick")
    training = preset.training.updated({"batch_size": 12, "patch": (32, 32), "device": "cpu"})
    found = module.estimate(spec.load(), preset.options, training, PRESETS["cardiac"])
    assert sizes == [2, 2, timed, timed, timed], "memory by a small step, time by a large one"
    assert found.seconds_per_step > 0
