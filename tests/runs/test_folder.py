"""The run folder: what is written once, what is appended, and what its state means."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput, RunError, TaskNotSupported
from napari_scribseg.core.events import Event, Finished, Saved, Started, Warned
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.runs.documents import RunCase
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.worker import record

STARTED = Started(
    method="partial_ce",
    device="cpu",
    precision="float32",
    cases=1,
    slices=3,
    first_step=1,
    steps=5,
    minutes=None,
)
COMPLETED = Finished(outcome="completed", step=5, message="Done.", seconds=2.0)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "run")


def make_run(path: Path) -> RunFolder:
    files = CaseFiles(
        id="p1_ED",
        patient="p1",
        image=path.parent / "image.nii.gz",
        scribbles=path.parent / "scribbles.nii.gz",
        convention=ScribbleConvention.wsl4mis(3),
    )
    return RunFolder.create(
        path,
        method="partial_ce",
        options={"widths": (16, 32), "rate": 0.5},
        training=TrainConfig(steps=5, patch=(64, 96)),
        schema=PRESETS["cardiac"],
        cases=(RunCase(files=files, role="train"),),
        preset="quick",
        dataset="phantoms",
        validate_on="none",
    )


def test_everything_that_was_asked_for_is_read_back(run: RunFolder) -> None:
    again = RunFolder.open(run.path)
    assert again == run
    assert again.record.training.patch == (64, 96)
    assert again.record.options == {"widths": [16, 32], "rate": 0.5}
    assert again.files("train")[0].convention == ScribbleConvention.wsl4mis(3)
    assert again.files("validate") == ()
    assert again.status == "created"


def test_a_folder_with_anything_in_it_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="not empty"):
        make_run(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InvalidInput, match="exists already"):
        make_run(tmp_path / "run")


def test_an_empty_folder_can_become_a_run(tmp_path: Path) -> None:
    assert make_run(tmp_path).status == "created"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no run\.json"):
        RunFolder.open(tmp_path)


def test_a_record_of_the_wrong_type_is_refused(run: RunFolder) -> None:
    document = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps({**document, "method": 7}))
    with pytest.raises(InvalidInput, match="method"):
        RunFolder.open(run.path)


def test_events_come_back_in_order_and_with_a_time(run: RunFolder) -> None:
    before = time.time()
    run.append(STARTED)
    run.append(Warned(message="two\nlines, a ü and a \u2028"))
    events = run.events()
    assert [e.kind for e in events] == ["started", "warned"]
    assert before <= events[0].time <= events[1].time <= time.time()
    assert events[1] == Warned(message="two\nlines, a ü and a \u2028", time=events[1].time)


def test_a_line_cut_by_a_crash_costs_nothing_but_itself(run: RunFolder) -> None:
    run.append(STARTED)
    with run.events_path.open("ab") as file:
        file.write(b'{"kind":"warned","mess')
    assert [e.kind for e in run.events()] == ["started"]
    run.append(COMPLETED)
    assert [e.kind for e in run.events()] == ["started", "finished"]


def test_events_that_cannot_be_written_are_an_error(run: RunFolder) -> None:
    run.events_path.mkdir()
    with pytest.raises(RunError, match="can't be written"):
        run.append(STARTED)


def test_status_follows_events_and_heartbeat(run: RunFolder) -> None:
    assert run.status == "created"
    run.heartbeat()
    assert run.status == "running"
    run.append(STARTED)
    assert run.status == "running"
    (run.path / "heartbeat").write_text(str(time.time() - 31))
    assert run.status == "crashed"
    run.append(COMPLETED)
    assert run.status == "completed"
    time.sleep(0.01)
    run.heartbeat()  # resumed, no event yet
    assert run.status == "running"
    run.end_heartbeat()
    assert run.status == "completed"


@pytest.mark.parametrize("outcome", ["completed", "stopped", "failed", "crashed"])
def test_status_is_the_outcome_of_the_last_session(run: RunFolder, outcome: str) -> None:
    run.append(COMPLETED)
    run.append(STARTED)
    run.append(COMPLETED.model_copy(update={"outcome": outcome}))
    assert run.status == outcome


def test_the_most_urgent_request_wins_and_resume_takes_pause_back(run: RunFolder) -> None:
    assert run.requested is None
    run.request("pause")
    assert run.requested == "pause"
    run.request("resume")
    assert run.requested is None
    for what in ("pause", "finish", "stop"):
        run.request(what)
        assert run.requested == what
    run.clear_requests()
    assert run.requested is None


def test_follow_gives_what_is_there_and_what_comes_until_the_end(run: RunFolder) -> None:
    run.append(STARTED)
    seen: list[Event] = []
    watcher = threading.Thread(target=lambda: seen.extend(run.follow(0.01)))
    watcher.start()
    time.sleep(0.05)
    run.append(Warned(message="slow"))
    run.append(COMPLETED)
    watcher.join(5)
    assert not watcher.is_alive()
    assert [e.kind for e in seen] == ["started", "warned", "finished"]


def test_follow_waits_for_the_rest_of_a_line(run: RunFolder) -> None:
    line = run.append(COMPLETED).model_dump_json().encode()
    run.events_path.write_bytes(line[:20])
    watch = run.follow(0.01)
    late = threading.Timer(0.1, lambda: run.events_path.write_bytes(line + b"\n"))
    late.start()
    assert [e.kind for e in watch] == ["finished"]


def test_follow_can_begin_behind_an_earlier_session(run: RunFolder) -> None:
    run.append(COMPLETED)
    since = run.position
    run.append(STARTED)
    assert [e.kind for e in run.follow(0.01, lambda: True, since=since)] == ["started"]


def test_record_writes_every_event_and_beats_while_training(run: RunFolder) -> None:
    ages = []

    def training():
        yield STARTED
        time.sleep(0.05)
        ages.append(run.heart.age_seconds)
        yield COMPLETED

    told = list(record(run, training()))
    assert told == run.events()
    assert [e.kind for e in told] == ["started", "finished"]
    assert ages[0] is not None
    assert ages[0] < 2
    assert run.status == "completed"
    assert run.heart is None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TaskNotSupported("Draw some strokes first."), "Draw some strokes first."),
        (MemoryError(), "Memory ran out"),
        (ZeroDivisionError("division by zero"), "Unexpected ZeroDivisionError: division by zero."),
    ],
)
def test_record_turns_an_exception_into_one_end(
    run: RunFolder, error: Exception, message: str
) -> None:
    def training():
        yield STARTED
        yield Saved(step=3, path="checkpoints/last.safetensors")
        raise error

    end = list(record(run, training()))[-1]
    assert isinstance(end, Finished)
    assert (end.outcome, end.step) == ("failed", 3)
    assert end.message.startswith(message)
    assert [e.kind for e in run.events()] == ["started", "saved", "finished"]
    assert run.log_path.exists() == (not isinstance(error, TaskNotSupported))
    assert run.status == "failed"


def test_record_tells_of_a_training_that_ends_without_a_word(run: RunFolder) -> None:
    assert [e.kind for e in record(run, iter([STARTED]))] == ["started", "finished"]
    assert run.status == "failed"


@pytest.mark.parametrize("after", [1, 2])
def test_record_tells_the_end_once_when_nobody_listens_any_more(run: RunFolder, after: int) -> None:
    watch = record(run, iter([STARTED, COMPLETED]))
    for _ in range(after):
        next(watch)
    watch.close()
    assert [e.kind for e in run.events()] == ["started", "finished"]
    assert run.status == ("stopped" if after == 1 else "completed")


def test_record_tells_of_ctrl_c_and_passes_it_on(run: RunFolder) -> None:
    def training():
        yield STARTED
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(record(run, training()))
    assert run.status == "stopped"


def test_record_raises_when_the_end_cannot_be_written_either(run: RunFolder) -> None:
    run.events_path.mkdir()
    with pytest.raises(RunError, match="can't be written"):
        list(record(run, iter([STARTED, COMPLETED])))
    assert run.heart is None


def test_watching_needs_no_torch() -> None:
    code = "import sys, napari_scribseg.runs.process; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
