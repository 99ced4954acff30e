"""E-steps: when they come, what is learnt from afterwards, and that they survive a stop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_runs import phantom_run

from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Relabelled, Stepped
from napari_scribseg.methods.random_walker.method import RandomWalker
from napari_scribseg.training import loop
from napari_scribseg.training import train as engine
from napari_scribseg.training.checkpoint import load_checkpoint


class Recursive(RandomWalker):
    """Learns from seeds, and twice replaces those of unlabelled voxels by what it predicts."""

    name = "recursive"

    @property
    def relabel_at(self):
        return (1 / 3, 2 / 3)

    def relabel(self, case, maps, shown):
        probabilities = shown.to_grid(self(shown.image).softmax(1))
        assert probabilities.shape[1:] == case.image.shape
        return {"seeds": probabilities.argmax(0).astype(np.int16)}


@pytest.fixture(autouse=True)
def known(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "method_named", lambda name: Recursive)
    monkeypatch.setattr(loop, "_REPORT_SECONDS", 0.0)
    monkeypatch.setenv("SCRIBSEG_CACHE", str(tmp_path / "cache"))


def test_targets_change_at_their_shares_of_the_budget(tmp_path) -> None:
    run = phantom_run(tmp_path, Recursive, steps=6)
    seen: list[str] = []
    for event in engine.train(run):
        if isinstance(event, Relabelled):
            seen.append(f"relabelled after {event.step}")
            assert 0 < event.changed <= 1
    assert seen == ["relabelled after 2", "relabelled after 4"]
    assert [p.name for p in (run.path / "relabelled").iterdir()] == ["2"]


def test_a_run_stopped_between_two_e_steps_ends_bit_equal(tmp_path) -> None:
    unbroken = phantom_run(tmp_path, Recursive, folder="unbroken", steps=6)
    list(engine.train(unbroken))
    broken = phantom_run(tmp_path, Recursive, folder="broken", steps=6)
    for event in engine.train(broken):
        if isinstance(event, Stepped) and event.step == 3:
            broken.request("stop")
    broken.clear_requests()
    resumed = list(engine.train(broken, resume=True))
    assert sum(isinstance(event, Relabelled) for event in resumed) == 1
    first, second = (load_checkpoint(r.checkpoint("last"))[0]["model"] for r in (unbroken, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_lost_targets_are_told_and_not_made_up(tmp_path) -> None:
    run = phantom_run(tmp_path, Recursive, steps=6)
    for event in engine.train(run):
        if isinstance(event, Stepped) and event.step == 3:
            run.request("stop")
    run.clear_requests()
    next((run.path / "relabelled/1").iterdir()).unlink()
    with pytest.raises(RunError, match="missing or damaged"):
        list(engine.train(run, resume=True))
