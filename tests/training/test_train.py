"""The loop: budget, resuming, requests, and what happens when something goes wrong."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, phantom_dataset
from small_runs import phantom_run

from napari_scribseg.core.errors import InvalidInput, RunError, TaskNotSupported
from napari_scribseg.core.events import Prepared, Started, Stepped, Validated, Warned
from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.core.volume import Volume
from napari_scribseg.io import read_labels, write_volume
from napari_scribseg.methods.effdnet.method import EFFDNet
from napari_scribseg.methods.full_2d.method import Full2D
from napari_scribseg.methods.partial_ce.method import PartialCE, PartialCEDice
from napari_scribseg.methods.random_walker.method import RandomWalker
from napari_scribseg.methods.scribble2d5.method import Scribble2D5
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.train import train


def _weights(run: RunFolder) -> dict[str, torch.Tensor]:
    groups, _ = load_checkpoint(run.checkpoint("last"))
    return {f"{g}/{n}": t for g, members in groups.items() for n, t in members.items()}


@pytest.mark.parametrize("method", [PartialCE, EFFDNet])
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_resumed_training_ends_bit_equal_to_an_unbroken_one(method, precision, tmp_path) -> None:
    unbroken = phantom_run(tmp_path, method, folder="unbroken", steps=6, precision=precision)
    list(train(unbroken))
    broken = phantom_run(tmp_path, method, folder="broken", steps=6, precision=precision)
    events = train(broken)
    next(e for e in events if isinstance(e, Stepped))
    broken.request("stop")
    assert list(events)[-1].outcome == "stopped"
    broken.clear_requests()
    session = list(train(broken, resume=True))
    started = next(e for e in session if isinstance(e, Started))
    assert 1 < started.first_step <= 6
    first, second = _weights(unbroken), _weights(broken)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_the_events_come_in_order(tmp_path) -> None:
    run = phantom_run(tmp_path, RandomWalker, validate=1, steps=4, validation_interval=2)
    kinds = [event.kind for event in train(run)]
    assert kinds[:3] == ["prepared", "prepared", "started"]
    assert kinds.count("validated") == 2
    assert kinds[-1] == "finished"
    assert kinds.count("finished") == 1


def test_validation_chooses_the_best_weights(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, validate=1, steps=9, validation_interval=3)
    scored = [e for e in train(run) if isinstance(e, Validated)]
    assert [e.measure for e in scored] == ["dice"] * 3
    best = max(e.mean for e in scored if e.mean is not None)
    _, info = load_checkpoint(run.checkpoint("best"))
    assert info.best_score == pytest.approx(best)
    assert info.step == next(e.step for e in scored if e.mean == best)


def test_without_references_validation_is_not_called_dice(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, validate=1, steps=1)
    for label in (tmp_path / "data" / "labels").iterdir():
        label.unlink()
    cases = tuple(
        case.model_copy(update={"files": case.files.model_copy(update={"reference": None})})
        for case in run.cases
    )
    run = RunFolder(run.path, run.record, run.schema, cases)
    scored = next(e for e in train(run) if isinstance(e, Validated))
    assert scored.measure == "stroke agreement"
    assert set(scored.scores) == {"background", "bright", "dim"}


@pytest.mark.parametrize("method", [PartialCE, EFFDNet, Scribble2D5, Full2D])
def test_a_ring_of_background_is_told_and_taught_unless_it_is_switched_off(
    method, tmp_path
) -> None:
    """Wide pixels, so that there is room around the balls."""
    phantom_dataset(tmp_path / "data", 1, spacing=(8.0, 4.0, 4.0))
    path = tmp_path / "data" / "scribbles" / "patient00.nii.gz"
    drawn = read_labels(path)
    scribbles = np.where(drawn.array == BACKGROUND, 0, drawn.array).astype(np.uint8)
    scribbles[:3, 5:43, [5, 42]] = BACKGROUND  # a ring on three of four slices
    scribbles[:3, [5, 42], 5:43] = BACKGROUND
    write_volume(path, Volume(scribbles, drawn.grid))
    # Walked labels fill the outside by themselves.
    options = {"lpm": "supervoxels"} if method is Scribble2D5 else {}
    weights = []
    for share in (1.0, 0.0):
        run = phantom_run(
            tmp_path,
            method,
            patients=1,
            folder=f"run{share}",
            steps=2,
            outer_background=share,
            reach=0.0,
            options=options,
        )
        (started,) = [e for e in train(run) if isinstance(e, Started)]
        assert started.enclosed_slices == (3 if share and not method.spec.uses_references else 0)
        weights.append(_weights(run))
    taught, strokes_only = weights
    differ = any(not torch.equal(taught[name], strokes_only[name]) for name in taught)
    assert differ is not method.spec.uses_references


@pytest.mark.parametrize(
    ("settings", "slices"),
    [({"reach": 0.0}, 0), ({}, 8), ({"held_out_strokes": 0.3}, 8), ({"outer_background": 0.0}, 0)],
    ids=["none", "preset", "held out", "no background shown"],
)
def test_far_beyond_all_strokes_is_background_unless_switched_off(
    tmp_path, settings, slices
) -> None:
    phantom_dataset(tmp_path / "data", 2)
    for path in (tmp_path / "data" / "scribbles").iterdir():
        drawn = read_labels(path)
        scribbles = drawn.array.astype(np.uint8)
        places = np.argwhere(scribbles == BACKGROUND)
        kept = places[places[:, 2] < 12][::20]  # a few voxels on one side stay: no ring
        scribbles[scribbles == BACKGROUND] = 0
        scribbles[tuple(kept.T)] = BACKGROUND
        write_volume(path, Volume(scribbles, drawn.grid))
    run = phantom_run(tmp_path, PartialCE, steps=1, start="random", **settings)
    started = next(event for event in train(run) if event.kind == "started")
    assert started.enclosed_slices == slices


def test_a_budget_in_minutes_ends_the_training_and_completes_the_schedule(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, minutes=0.05, steps=100_000)
    events = list(train(run))
    end = events[-1]
    last = [e for e in events if isinstance(e, Stepped)][-1]
    assert end.outcome == "completed"
    assert end.seconds == pytest.approx(3.0, abs=2.0)
    assert last.progress == 1.0
    assert last.learning_rate < 0.05 * run.record.training.learning_rate


def test_a_budget_of_processor_time_is_not_used_up_by_waiting(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, minutes=0.02, clock="cpu", steps=100_000)
    events = train(run)
    first = next(e for e in events if isinstance(e, Stepped))
    time.sleep(1.5)
    second = next(e for e in events if isinstance(e, Stepped))
    assert second.progress < 1.0
    assert first.progress < second.progress
    assert list(events)[-1].seconds == pytest.approx(1.2, abs=1.0)


def test_a_stop_is_urgent_and_scores_nothing(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, validate=1, steps=1000)
    events = train(run)
    next(e for e in events if isinstance(e, Stepped))
    run.request("stop")
    assert [e.kind for e in events] == ["saved", "saved", "finished"]


def test_a_resumed_run_that_is_stopped_while_preparing_keeps_its_step(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=1000)
    for event in train(run):
        run.append(event)
        run.request("stop" if event.kind == "stepped" else "resume")
    end = list(train(run, resume=True))[-1]
    assert (end.outcome, end.step) == ("stopped", run.last_step)
    assert end.step > 0


def test_finish_now_keeps_a_model_and_counts_as_completed(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=1000)
    events = train(run)
    next(e for e in events if isinstance(e, Stepped))
    run.request("finish")
    assert list(events)[-1].outcome == "completed"
    assert run.checkpoint("best").exists()


def test_a_paused_training_waits_and_goes_on(tmp_path, monkeypatch) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=5)
    waits = 0

    def instead_of_sleeping(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 3:
            run.request("resume")

    monkeypatch.setattr("napari_scribseg.training.loop.time.sleep", instead_of_sleeping)
    run.request("pause")
    end = list(train(run))[-1]
    assert waits == 3
    assert (end.outcome, end.step) == ("completed", 5)


def test_a_loss_that_is_not_finite_stops_with_the_case_and_keeps_the_weights(
    tmp_path, monkeypatch
) -> None:
    original = PartialCE.losses

    def poisoned(self, batch, step):
        terms = original(self, batch, step)
        bad = any(case == "patient01" for case in batch.cases) and step >= 3
        return {name: term * (math.nan if bad else 1.0) for name, term in terms.items()}

    monkeypatch.setattr(PartialCE, "losses", poisoned)
    monkeypatch.setattr("napari_scribseg.training.loop._SAVE_SECONDS", 0.0)
    run = phantom_run(tmp_path, PartialCE, steps=10)
    with pytest.raises(RunError, match=r"not finite at step \d+.* cases patient01\."):
        list(train(run))
    groups, info = load_checkpoint(run.checkpoint("last"))
    assert info.step >= 2
    assert all(t.isfinite().all() for t in groups["model"].values() if t.is_floating_point())


def test_memory_that_runs_out_once_halves_the_batch(tmp_path, monkeypatch) -> None:
    original = PartialCE.losses

    def hungry(self, batch, step):
        if len(batch.image) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, batch, step)

    monkeypatch.setattr(PartialCE, "losses", hungry)
    run = phantom_run(tmp_path, PartialCE, steps=2)
    events = list(train(run))
    warning = next(e for e in events if isinstance(e, Warned))
    assert "batches of 2 instead of 4" in warning.message
    assert warning.batch_size == 2
    assert events[-1].outcome == "completed"
    assert load_checkpoint(run.checkpoint("last"))[1].batch_size == 2


def test_memory_that_runs_out_twice_ends_the_run_with_advice(tmp_path, monkeypatch) -> None:
    def starving(self, batch, step):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(PartialCE, "losses", starving)
    with pytest.raises(RunError, match="smaller batch_size"):
        list(train(phantom_run(tmp_path, PartialCE)))


def test_a_task_that_can_not_be_learnt_is_refused_before_anything_starts(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE)
    original = run.cases[0].files.load(TWO_BALLS)
    assert BACKGROUND in original.scribbles
    bare = tuple(
        c.model_copy(update={"files": c.files.model_copy(update={"scribbles": None})})
        for c in run.cases
    )
    with pytest.raises(TaskNotSupported, match="draw some strokes"):
        list(train(RunFolder(run.path, run.record, run.schema, bare)))


def test_resuming_what_was_never_trained_says_so(tmp_path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        list(train(phantom_run(tmp_path, PartialCE), resume=True))


def test_prepared_maps_are_kept_and_only_changed_cases_are_redone(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SCRIBSEG_CACHE", str(tmp_path / "cache"))

    def cached(run: RunFolder) -> list[bool]:
        return [e.cached for e in train(run) if isinstance(e, Prepared)]

    assert cached(phantom_run(tmp_path, RandomWalker, folder="a", steps=1)) == [False, False]
    assert cached(phantom_run(tmp_path, RandomWalker, folder="b", steps=1)) == [True, True]
    entries = sorted((tmp_path / "cache").rglob("*.safetensors"))
    entries[0].write_bytes(b"broken")
    again = cached(phantom_run(tmp_path, RandomWalker, folder="c", steps=1))
    assert sorted(again) == [False, True]


def test_a_cache_that_can_not_be_written_costs_time_and_nothing_else(tmp_path, monkeypatch) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("SCRIBSEG_CACHE", str(tmp_path / "cache"))
    events = list(train(phantom_run(tmp_path, RandomWalker, steps=1)))
    assert events[-1].outcome == "completed"


def test_stopping_while_preparing_trains_nothing(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCEDice)
    run.request("stop")
    events = list(train(run))
    assert [e.kind for e in events] == ["finished"]
    assert not Path(run.checkpoint("last")).exists()


def test_a_run_is_not_continued_on_other_strokes(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=1000)
    events = train(run)
    next(e for e in events if isinstance(e, Stepped))
    run.request("stop")
    list(events)
    run.clear_requests()
    scribbles = run.files("train")[0].scribbles
    volume = read_labels(scribbles)
    write_volume(scribbles, Volume(np.flip(volume.array, 2).copy(), volume.grid))
    with pytest.raises(RunError, match="have changed since"):
        list(train(run, resume=True))


def test_a_reference_that_can_t_be_used_only_refuses_who_learns_from_it(tmp_path):
    from napari_scribseg.io import read_labels, write_volume
    from napari_scribseg.methods.full_2d.method import Full2D

    strokes = phantom_run(tmp_path, PartialCE, steps=1)
    dense = phantom_run(tmp_path, Full2D, folder="dense", steps=1)
    path = strokes.files("train")[0].reference
    labels = read_labels(path)
    labels.array[0, 0, 0] = 7
    write_volume(path, labels)
    events = list(train(strokes))
    assert any("left out" in event.message for event in events if isinstance(event, Warned))
    assert events[-1].outcome == "completed"
    with pytest.raises(InvalidInput, match="7"):
        list(train(dense))
