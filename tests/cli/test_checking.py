"""The check of a dataset tells every doubt once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

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
