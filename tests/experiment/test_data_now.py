"""Data that changes after the plan: noted with the trial, told as a mixture, refused on request."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from experiments import ENDING, stubs

from napari_scribseg.cli import main
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.sequence_files import SequenceFile
from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment.data_now import data_now
from napari_scribseg.experiment.experiment import trials_of
from napari_scribseg.experiment.mixtures import mixtures
from napari_scribseg.experiment.place import fault_of_place
from napari_scribseg.project.document import sha256_of

FIRST, SECOND = "good-fold1-seed0-100", "good-fold2-seed0-100"


def edit(path: Path) -> None:
    """Another content of the same size, as after a stroke."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("images/patient00.nii.gz", "patient00 image"),
        ("scribbles/patient00.nii.gz", "patient00 scribbles"),
        ("labels/patient00.nii.gz", "patient00 reference"),
    ],
)
def test_what_is_edited_between_plan_and_trials_is_told(planned, tmp_path, capsys, file, named):
    out, experiment = planned
    edit(tmp_path / "data" / file)
    assert fault_of_place(out, experiment) == "", "one edited image is no other folder"
    for name in (FIRST, SECOND):
        assert main(["experiment", str(out), "--trial", name]) == 0
    with (out / "timing.csv").open() as file_of_rows:
        assert {row["changed_data"] for row in csv.DictReader(file_of_rows)} == {named}
    assert main(["experiment", str(out), "--tables"]) == 0
    assert f"2 trials had data that has changed since the plan ({named};" in capsys.readouterr().out
    assert f"changed since the plan ({named};" in (out / "report.html").read_text()
    assert main(["experiment", str(out), "--tables", "--strict"]) == 1


def test_what_is_edited_between_two_trials_is_told_of_the_later_one(planned, tmp_path, capsys):
    out, _ = planned
    assert main(["experiment", str(out), "--trial", FIRST]) == 0
    edit(tmp_path / "data/scribbles/patient00.nii.gz")
    assert main(["experiment", str(out), "--trial", SECOND, "--strict"]) == 4
    said = capsys.readouterr().err
    assert "--strict refuses data that has changed since the plan (patient00 scribbles)" in said
    assert not (out / "cells" / SECOND / "result.json").exists()
    assert main(["experiment", str(out), "--trial", SECOND]) == 0
    assert main(["experiment", str(out), "--tables"]) == 0
    assert "1 trial had data that has changed" in capsys.readouterr().out


def test_what_is_edited_while_a_trial_is_trained_is_noted(planned, tmp_path, monkeypatch):
    out, _ = planned
    reference = tmp_path / "data/labels/patient00.nii.gz"
    editing = f"open({str(reference)!r}, 'ab').write(b'x')\n" + ENDING.replace("ENDS", "['done']")
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs(train=editing))
    assert main(["experiment", str(out), "--trial", FIRST]) == 0
    noted = json.loads((out / "cells" / FIRST / "timing.json").read_text())
    assert noted["changed_data"] == "patient00 reference"
    assert ", then " in noted["data_sha256"]


def test_files_that_were_copied_or_touched_are_the_same_data(planned, tmp_path):
    _, experiment = planned
    cases = trials_of(experiment)[FIRST].train
    before = data_now(cases)
    assert before.changed == ()
    image = tmp_path / "data/images/patient00.nii.gz"
    shutil.copy(image, tmp_path / "copy")
    (tmp_path / "copy").replace(image)
    assert data_now(cases) == before


def test_another_dataset_under_the_same_path_is_a_fault_of_the_place(planned, tmp_path):
    out, experiment = planned
    for path in (tmp_path / "data/images").iterdir():
        edit(path)
    assert "is another image than when the experiment was planned" in fault_of_place(
        out, experiment
    )


def test_another_file_of_a_further_sequence_is_a_change(tmp_path):
    t2, adc = tmp_path / "t2.nii", tmp_path / "adc.nii"
    t2.write_bytes(b"t2")
    adc.write_bytes(b"adc")
    further = (SequenceFile(name="ADC", path=adc),)
    files = CaseFiles(id="p01", patient="p01", image=t2, sequence="T2", further=further)
    sums = {"image_sha256": sha256_of(t2), "further_sha256": (sha256_of(adc),)}
    case = SimpleNamespace(files=files, **sums)
    before = data_now([case])
    adc.write_bytes(b"another")
    assert (before.changed, data_now([case]).changed) == ((), ("p01 ADC",))
    assert data_now([case]).sha256 != before.sha256


def test_what_changed_twice_is_told_by_its_name(planned, tmp_path):
    """Before the trial the scribbles had changed, and while it was trained the reference did."""
    out, experiment = planned
    assert main(["experiment", str(out), "--trial", FIRST]) == 0
    notes = out / "cells" / FIRST / "timing.json"
    told = {**json.loads(notes.read_text()), "changed_data": "p01 scribbles, then p01 reference"}
    notes.write_text(json.dumps(told))
    (sentence,) = mixtures(out, experiment)
    assert "(p01 reference, p01 scribbles; such as" in sentence
