"""A computer whose drive hangs is named in time, and what hangs with it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.cli import main
from napari_scribseg.experiment import place
from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.place import fault_of_place, inspected


@pytest.fixture
def hanging(tmp_path, monkeypatch):
    """An experiment, the second scribbles of which never open."""
    experiment, out = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())
    with at_work(out, experiment, "plan"):
        pass
    over, path = threading.Event(), tmp_path / "data/scribbles/patient01.nii.gz"
    there = Path.open

    def hang(self, *arguments, **more):
        if self == path and threading.current_thread().name == "look at the drive":
            over.wait(60)
        return there(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", hang)
    monkeypatch.setattr(place, "_SILENT_SECONDS", 1.0)
    yield out, experiment, path
    over.set()


def test_a_drive_that_hangs_is_a_fault_of_the_place_with_the_file_s_name(hanging, capsys):
    out, experiment, path = hanging
    assert fault_of_place(out, experiment).startswith(f"{path} has not answered for 1 s")
    assert str(path) in inspected(out, command=None).fault
    assert main(["experiment", str(out), "--trial", "0"]) == 4
    assert f"can't be computed on this computer: {path} has not answered" in capsys.readouterr().err


def test_a_slow_drive_that_gets_on_is_waited_for(hanging, monkeypatch):
    out, experiment, path = hanging
    slow = place._unreadable

    def slowly(experiment, at):
        for _ in range(6):
            at(path)
            time.sleep(0.4)
        return slow(experiment.model_copy(update={"cases": ()}), at)

    monkeypatch.setattr(place, "_unreadable", slowly)
    assert fault_of_place(out, experiment) == ""


def test_what_goes_wrong_in_a_look_is_raised_where_it_was_asked_for(hanging, monkeypatch):
    out, experiment, _ = hanging
    monkeypatch.setattr(place, "_unreadable", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fault_of_place(out, experiment)
