"""Which predicted cases are the phases of one heart, and their segmentations from the disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.results import phases
from napari_scribseg.gui.results.phases import PhaseCase
from napari_scribseg.io import read_labels, read_volume, write_volume
from napari_scribseg.project.folder import Project

TWO_PATIENTS = (("a1", "a", "ED"), ("a2", "a", "ES"), ("b1", "b", "ED"), ("b2", "b", "ES"))
KINDS = [
    ((("b1", "b", "ED"), *TWO_PATIENTS[:2]), None, ("a1", "a2")),
    (TWO_PATIENTS, "b1", ("b1", "b2")),
    (TWO_PATIENTS[:3], "b1", ("a1", "a2")),  # the shown patient has only one of them
    ((("x_ES", "", ""), ("x_ED", "", "")), None, ("x_ED", "x_ES")),  # names tell it
    ((("one_ED", "a", "ES"), ("two", "a", "ED")), None, ("two", "one_ED")),  # somebody has said it
    ((("p", "p", ""), ("TEST_MEDIAN", "q", "")), "p", (None, None)),  # no word in another
]


@pytest.mark.parametrize(("given", "shown", "expected"), KINDS)
def test_two_phases_of_one_patient_are_proposed(given, shown, expected) -> None:
    cases = [PhaseCase(CaseKey("", name), patient, phase) for name, patient, phase in given]
    found = phases.proposed(cases, None if shown is None else CaseKey("", shown))
    assert tuple(None if one is None else one.key.id for one in found) == expected


@pytest.fixture
def project(tmp_path):
    """Three cases of a project, two of which a run has segmented as a whole."""
    folder = tmp_path / "project"
    files = read_dataset(phantom_dataset(tmp_path / "data", 3)).cases
    with Project.create(folder, TWO_BALLS) as made:
        for one, phase in zip(files, ("ED", "ES", None), strict=True):
            made.add_case(one.model_copy(update={"patient": "ann", "phase": phase}))
    out = folder / "runs" / "one" / "predictions" / "2026-01-02T03-04-05_0000" / "output"
    out.mkdir(parents=True)
    for one in files[:2]:
        assert one.reference is not None
        write_volume(out / f"{one.id}.nii.gz", read_labels(one.reference))
        write_volume(out / f"{one.id}_uncertainty.nii.gz", read_volume(one.image))
    return folder


def test_what_a_run_has_segmented_is_found_on_the_disk(project) -> None:
    found = phases.predicted_cases(project, project / "runs" / "one")
    assert [(one.key.id, one.whose, one.phase) for one in found] == [
        ("patient00", "ann", "ED"),
        ("patient01", "ann", "ES"),
    ]
    assert phases.predicted_cases(project, project / "runs" / "two") == ()
    assert phases.predicted_cases(project / "none", project / "runs" / "one") == ()


def test_a_segmentation_on_the_disk_is_cleaned_up_unless_it_was_corrected(project, monkeypatch):
    run = project / "runs" / "one"
    monkeypatch.setattr(phases, "described", lambda _run: (None, TWO_BALLS))
    case = phases.predicted_cases(project, run)[0]
    (path,) = run.glob("predictions/*/output/patient00.nii.gz")
    saved = read_labels(path)
    array = saved.array.copy()
    array[0, 0, 0] = 1  # an island
    write_volume(path, Volume(array, saved.grid))
    cleaning = PostProcessing(largest_component=True)
    read = phases.read_segmentation(case, run, cleaning)
    np.testing.assert_array_equal(read.shown.array, saved.array)
    assert read.shown.spacing == pytest.approx(saved.spacing)
    mark = {"version": 1, "cases": ["patient00"]}
    (path.parent / "corrected.json").write_text(json.dumps(mark), encoding="utf-8")
    assert phases.read_segmentation(case, run, cleaning).shown.array[0, 0, 0] == 1
    path.unlink()
    with pytest.raises(InvalidInput, match="no saved prediction"):
        phases.read_segmentation(case, run, cleaning)
