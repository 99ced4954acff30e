"""Training on: a larger budget for a run, another run's weights for a new one, runs that wait."""

from __future__ import annotations

import json
import os
import sys

import pytest
import torch
from phantoms import TWO_BALLS
from small_runs import phantom_run

from napari_scribseg.cli import main
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Started, Warned
from napari_scribseg.core.volume import Volume
from napari_scribseg.io import read_volume, write_volume
from napari_scribseg.methods.em_crf.method import EMCRF
from napari_scribseg.methods.partial_ce.method import PartialCE, PartialCEDice
from napari_scribseg.methods.scribble2d5.method import Scribble2D5
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.process import start, threads_beside_a_window, watch
from napari_scribseg.runs.queue import RunQueue
from napari_scribseg.runs.worker import record
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.train import train
from napari_scribseg.training.warm_start import as_learnt, check_start, read_start

TINY = ["--set", "patch=48,48", "--set", "batch_size=4", "--set", "threads=1"]


def trained(tmp_path, method=PartialCE, **settings) -> RunFolder:
    run = phantom_run(tmp_path, method, **settings)
    list(record(run, train(run)))
    return run


def answer(capsys, *words) -> tuple[int, dict]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_complete_run_goes_on_with_a_larger_budget(tmp_path, capsys) -> None:
    run = trained(tmp_path, steps=3)
    code, told = answer(capsys, "train", run.path, "--resume", "--steps", 5)
    assert (code, told["step"]) == (0, 5)
    again = RunFolder.open(run.path)
    assert again.record.training.steps == 5
    assert json.loads((run.path / "run.json").read_text())["training"]["steps"] == 3
    first = [e.first_step for e in again.events() if isinstance(e, Started)]
    assert first == [1, 4]


def test_a_run_goes_on_with_moved_data_that_is_the_same(tmp_path, capsys) -> None:
    run = trained(tmp_path, steps=3)
    images = run.files("train")[0].image.parent.parent
    moved = tmp_path / "moved"
    images.rename(moved)
    code, told = answer(capsys, "train", run.path, "--resume", "--steps", 4)
    assert code == 2
    assert "--resume --data FOLDER" in told["error"]
    scribbles = next((moved / "scribbles").iterdir())
    whole = scribbles.read_bytes()
    other = next(path for path in (moved / "scribbles").iterdir() if path != scribbles)
    scribbles.write_bytes(other.read_bytes())
    words = ("train", run.path, "--resume", "--data", moved, "--steps", 5)
    code, told = answer(capsys, *words)
    assert code == 2
    assert "are not those" in told["error"]
    assert not (run.path / "moved.json").exists()
    scribbles.write_bytes(whole)
    code, told = answer(capsys, *words)
    assert (code, told["step"]) == (0, 5)
    assert RunFolder.open(run.path).files("train")[0].image.is_relative_to(moved)


def test_what_was_noticed_in_the_cases_is_an_event(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=1)
    for files in run.files("train"):
        image = read_volume(files.image)
        array = image.array.copy()
        array[0, 0, :3] = float("nan")
        write_volume(files.image, Volume(array, image.grid))
    told = [e.message for e in record(run, train(run)) if isinstance(e, Warned)]
    assert len(told) == 1
    assert "voxels are not numbers (3 NaN, 0 infinite)" in told[0]
    assert told == [e.message for e in run.events() if isinstance(e, Warned)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--steps", 3], "more than that"),
        (["--minutes", 5], "in steps"),
        ([], "larger budget"),
    ],
)
def test_a_budget_that_adds_nothing_is_refused(tmp_path, capsys, words, says) -> None:
    run = trained(tmp_path, steps=3)
    code, told = answer(capsys, "train", run.path, "--resume", *words)
    assert code in (2, 4)
    assert says in told["error"]


def test_a_warm_start_begins_with_the_weights_that_predict(tmp_path) -> None:
    first = trained(tmp_path, steps=3, weight_average=0.9)
    second = RunFolder.create(
        tmp_path / "second",
        method=first.record.method,
        options=first.record.options,
        training=first.record.training.updated({"learning_rate": 1e-12, "weight_decay": 0.0}),
        schema=TWO_BALLS,
        cases=first.cases,
        preset="quick",
        continues=first,
    )
    start = read_start(first.weights).tensors
    list(train(second))
    learnt = load_checkpoint(second.checkpoint("last"))[0]["model"]
    for name, tensor in start.items():
        if "running" not in name and "num_batches" not in name:
            assert torch.allclose(tensor, learnt[name], atol=1e-7), name
    assert second.record.continues == first.path.name


def test_continue_from_on_the_command_line(tmp_path, capsys) -> None:
    first = trained(tmp_path, steps=2)
    words = ("train", tmp_path / "data", "--continue-from", first.path, "--out")
    code, told = answer(capsys, *words, tmp_path / "more", "--steps", 2)
    assert (code, told["method"], told["step"]) == (0, "partial_ce", 2)
    for wrong, says in (
        (["--method", "partial_ce_dice"], "not of partial_ce_dice"),
        (["--resume"], "give one of them"),
    ):
        code, told = answer(capsys, *words, tmp_path / "never", *wrong)
        assert code == 2
        assert says in told["error"]
        assert not (tmp_path / "never").exists()


def test_a_network_of_another_shape_is_refused(tmp_path) -> None:
    first = phantom_run(tmp_path, EMCRF, steps=1)
    list(train(first))
    other = EMCRF.spec.presets["quick"].options.updated({"base_width": 4})
    with pytest.raises(InvalidInput, match="another shape"):
        check_start(first, EMCRF, other, TWO_BALLS)


@pytest.mark.parametrize("anisotropy", [1.0, 7.0])
def test_what_followed_from_other_cases_stays_as_it_was(tmp_path, anisotropy: float) -> None:
    """Kernels are as deep as they were, whatever the distance of slices is now."""
    options = {"anisotropy": anisotropy, "base_width": 4}
    first = phantom_run(tmp_path, Scribble2D5, options=options, start="random", steps=1)
    list(train(first))
    free = Scribble2D5.spec.presets["quick"].options.updated({"base_width": 4})
    assert free.anisotropy is None
    check_start(first, Scribble2D5, free, TWO_BALLS)
    learnt = as_learnt(free, read_start(first.weights).options)
    assert learnt.anisotropy == anisotropy
    assert as_learnt(free.updated({"anisotropy": 2.0}), {"anisotropy": 7.0}).anisotropy == 2.0


def test_other_structures_and_missing_weights_are_refused(tmp_path, capsys) -> None:
    first = phantom_run(tmp_path, PartialCE)
    words = ("train", tmp_path / "data", "--continue-from", first.path, "--out", tmp_path / "more")
    assert "no weights yet" in answer(capsys, *words)[1]["error"]
    list(record(first, train(first)))
    labels = tmp_path / "data" / "labels.json"
    labels.write_text(labels.read_text().replace("dim", "grey"))
    assert "only fit the same structures" in answer(capsys, *words)[1]["error"]


def test_waiting_runs_keep_their_order_on_disk(tmp_path) -> None:
    folder = tmp_path / "runs"
    made = [
        phantom_run(tmp_path, kind, folder=f"runs/{kind.spec.name}{i}").path
        for i, kind in enumerate((PartialCE, PartialCEDice, PartialCE))
    ]
    RunQueue(folder).add(*made)
    RunQueue(folder).remove(made[1])
    assert RunQueue(folder).take() == made[0]
    assert RunQueue(folder).waiting() == [made[2]]
    RunFolder.open(made[2]).heartbeat()
    assert RunQueue(folder).take() is None, "one that was started otherwise waits no more"
    with pytest.raises(InvalidInput, match="is not in"):
        RunQueue(folder).add(tmp_path / "elsewhere")


def test_an_estimate_grows_with_the_batch(capsys) -> None:
    found = []
    for batch in (2, 8):
        size = ["--set", f"batch_size={batch}", "--set", "steps=10"]
        words = ("estimate", "--method", "partial_ce", *TINY[:2], *TINY[4:], *size)
        code, told = answer(capsys, *words)
        assert code == 0
        found.append(told)
    assert found[1]["memory_mib"] > found[0]["memory_mib"] > 100
    assert found[0]["seconds"] == pytest.approx(10 * found[0]["seconds_per_step"])


def test_a_training_that_was_let_go_survives_its_starter(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE)
    code = (
        "import sys, time; from napari_scribseg.runs.folder import RunFolder; "
        "from napari_scribseg.runs import children, worker; children.GRACE_SECONDS = 0.1; "
        f"run = RunFolder.open({str(run.path)!r}); worker.end_when_stdin_closes(run); "
        "time.sleep(1.0); run.heartbeat()"
    )

    def ends(*, let_go: bool) -> int:
        child = start(run, command=lambda *_: [sys.executable, "-c", code])
        if let_go:
            child.let_go()
        child._child.cut_line()
        assert child._child.ends_within(20)
        run.end_heartbeat()
        return child._child.code

    assert ends(let_go=True) == 0
    assert ends(let_go=False) != 0


def test_a_run_is_watched_without_its_handle_until_it_ends_or_dies(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE)
    run.heartbeat()
    run.append(Warned(message="slow"))
    events = watch(run, 0.01)
    assert next(events).kind == "warned"
    run.end_heartbeat()
    end = next(events)
    assert (end.kind, end.outcome) == ("finished", "crashed")


def test_a_training_beside_a_window_leaves_it_a_core_and_the_right_of_way(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, threads=0)
    show = (
        "import os, sys, time; time.sleep(0.5); linux = sys.platform == 'linux'; "
        "print(os.environ['OMP_NUM_THREADS'], linux and os.sched_getscheduler(0) == os.SCHED_IDLE)"
    )
    child = start(run, beside_window=True, command=lambda *_: [sys.executable, "-c", show])
    assert child._child.ends_within(20)
    run.end_heartbeat()
    threads, yields = run.log_path.read_text().split()
    assert threads == str(threads_beside_a_window())
    assert 1 <= int(threads) <= max(1, (os.cpu_count() or 1) - 1)
    assert yields == str(sys.platform == "linux")
