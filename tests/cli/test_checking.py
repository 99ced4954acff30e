"""The check of a dataset tells every doubt once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from phantoms import phantom_dataset, two_ball_case, write_nifti

from napari_scribseg.cli import main


def test_cases_in_another_order_of_axes_are_told_once(tmp_path: Path, capsys: Any) -> None:
    voxels = np.arange(6 * 7 * 4, dtype=np.float32).reshape(6, 7, 4)
    (tmp_path / "images").mkdir()
    for i in range(3):
        image: Any = nib.Nifti1Image(voxels, np.diag([-1.5, -1.5, 8.0, 1.0]))
        image = nib.as_closest_canonical(image) if i == 2 else image
        image.to_filename(tmp_path / "images" / f"p{i}.nii.gz")
    label = {"version": 1, "title": "t", "classes": [{"name": "a", "color": "#e69f00"}]}
    (tmp_path / "labels.json").write_text(json.dumps(label), encoding="utf-8")
    assert main(["check", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    told = [note for note in document["notes"] if "another order of axes" in note]
    assert [note.split(" are ")[0] for note in told] == ["1 of 3 case(s)"]
    assert "RAS" in "".join(document["cases"][2]["notes"]), "the case itself says which"
    assert "told_of_dataset" not in document["cases"][2]


def test_a_bad_reference_leaves_good_strokes(tmp_path: Path, capsys: Any) -> None:
    folder = phantom_dataset(tmp_path / "data", 2, shape=(2, 24, 24))
    path = folder / "labels" / "patient01.nii.gz"
    bad = two_ball_case((2, 24, 24), seed=1)
    reference = np.asarray(bad.reference).copy()
    reference[0, 0, 0] = 7
    write_nifti(path, reference, bad.grid)
    assert main(["check", str(folder), "--json"]) == 1
    case = json.loads(capsys.readouterr().out)["cases"][1]
    assert "7 (1 voxels)" in case["problems"][0]
    assert "learn from strokes can train on this case" in case["problems"][0]
    assert (case["strokes_only"], case["has_scribbles"], case["has_reference"]) == (
        True,
        True,
        False,
    )
    assert main(["check", str(folder)]) == 1
    assert "BAD REFERENCE, strokes are good" in capsys.readouterr().out


def test_values_to_ignore_in_a_plain_folder_are_said_for_references(
    tmp_path: Path, capsys: Any
) -> None:
    folder = phantom_dataset(tmp_path / "data", 1, shape=(2, 24, 24))
    case = two_ball_case((2, 24, 24), seed=0)
    reference = np.asarray(case.reference).copy()
    reference[0] = 255  # half of the voxels are to be ignored
    write_nifti(folder / "labels" / "patient00.nii.gz", reference, case.grid)
    assert main(["check", str(folder), "--json"]) == 0
    as_scribbles = json.loads(capsys.readouterr().out)
    assert "--reference-convention unlabelled_255" in " ".join(as_scribbles["notes"])
    said = ["--reference-convention", "unlabelled_255"]
    assert main(["check", str(folder), *said, "--json"]) == 0
    notes = " ".join(json.loads(capsys.readouterr().out)["cases"][0]["notes"])
    assert "it labels 50.00% of the voxels" in notes


def test_find_lists_cases_and_what_was_left_out(tmp_path: Path, capsys: Any) -> None:
    case = two_ball_case((2, 24, 24))
    write_nifti(tmp_path / "p1" / "image.nii.gz", np.asarray(case.image.array), case.grid)
    write_nifti(tmp_path / "p1" / "seg.nii.gz", np.asarray(case.reference), case.grid)
    (tmp_path / "todo.txt").write_text("x", encoding="utf-8")
    assert main(["find", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (found,) = document["cases"]
    assert (found["shape"], found["reference"]) == (
        [2, 24, 24],
        str(tmp_path / "p1" / "seg.nii.gz"),
    )
    assert document["left_out"] == [{"name": "todo.txt", "why": "text, not images"}]
    assert main(["find", str(tmp_path)]) == 0
    assert "1 case of 1 patient, 1 with a reference." in capsys.readouterr().out
    assert main(["find", str(tmp_path / "nowhere")]) == 2
