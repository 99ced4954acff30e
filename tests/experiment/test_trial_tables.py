"""Tables of trials under each other: whose a case is, is told as it is known now."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.evaluation.case_scores import CLINICAL_COLUMNS, SCORE_COLUMNS
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment, state_of, trial_folder, trials_of
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import compute_trials
from napari_scribseg.experiment.trial_tables import clinical_of
from napari_scribseg.io.atomic import write_text


@pytest.fixture
def done(tmp_path) -> tuple[Path, Experiment]:
    """Two methods on six patients in one fold, all finished."""
    ids = [f"patient{index:02d}" for index in range(6)]
    fold = {"name": "a", "train": ids[:2], "test": ids[2:]}
    split = {"kind": "listed", "folds": [fold]}
    experiment = phantom_experiment(tmp_path, "good", "plain", patients=6, split=split)
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, list(trials_of(experiment)), jobs=2, programs=stubs()))
    return out, experiment


def known(experiment: Experiment, **changes: dict[str, Any]) -> Experiment:
    """The experiment after something else has become known of some cases."""
    cases = tuple(
        case.model_copy(
            update={"files": case.files.model_copy(update=changes.get(case.files.id, {}))}
        )
        for case in experiment.cases
    )
    return experiment.model_copy(update={"cases": cases})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_methods_are_compared_by_the_patients_of_now(done):
    out, experiment = done
    write_results(out, experiment)
    assert {row["patients"] for row in rows(out / "comparisons.csv")} == {"4"}
    corrected = known(experiment, patient03={"patient": "patient02", "group": "=NOR"})
    states = {state_of(out, trial) for trial in trials_of(corrected).values()}
    assert states == {"finished"}, "not a number of a case has changed"
    write_results(out, corrected)
    assert {row["patients"] for row in rows(out / "comparisons.csv")} == {"3"}
    moved = [row for row in rows(out / "scores.csv") if row["case"] == "patient03"]
    assert {(row["patient"], row["group"]) for row in moved} == {("patient02", "'=NOR")}
    write_results(out, experiment)
    assert {row["patients"] for row in rows(out / "comparisons.csv")} == {"4"}


@pytest.mark.parametrize("is_named", [True, False])
def test_a_heart_goes_by_its_name_of_now_and_only_while_its_phases_are_one(done, is_named):
    out, experiment = done
    name = "good-a-seed0-100"
    phases = {"patient02": "ED", "patient03": "ES"}
    hearts = known(
        experiment, **{case: {"patient": "p2", "phase": phase} for case, phase in phases.items()}
    )
    scores = ",".join(SCORE_COLUMNS) + "\n"
    for case, phase in phases.items():
        given = {"case": case, "patient": "p2", "phase": phase}
        scores += ",".join(given.get(column, "") for column in SCORE_COLUMNS) + "\n"
    write_text(trial_folder(out, name) / "scores.csv", scores)
    columns = CLINICAL_COLUMNS if is_named else CLINICAL_COLUMNS[:-1]
    cases = ",patient02 patient03" if is_named else ""  # earlier versions did not name them
    measured = ",".join(columns) + f"\np2,,EF,%,50.0,55.0,-5.0,{cases}\n"
    write_text(trial_folder(out, name) / "clinical.csv", measured)
    trials = [trials_of(experiment)[name]]

    def told(known_now: Experiment) -> list[Any]:
        found = clinical_of(out, known_now, trials, "")
        return [dict(zip(found[0], row, strict=True))["patient"] for row in found[1:]]

    assert told(hearts) == ["p2"]
    renamed = {case: {"patient": "x", "phase": phase} for case, phase in phases.items()}
    assert told(known(experiment, **renamed)) == ["x"]
    assert told(known(hearts, patient03={"patient": "p3"})) == []
    assert told(known(hearts, patient03={"phase": "ED"})) == []


def test_what_earlier_versions_measured_on_several_examinations_is_left_out(done):
    """They took the end diastole of one visit and the end systole of another one."""
    out, experiment = done
    name = "good-a-seed0-100"
    phases = {"patient02": "ED", "patient03": "ED", "patient04": "ES", "patient05": "ES"}
    whose = {case: {"patient": "p2", "phase": phase} for case, phase in phases.items()}
    scores = ",".join(SCORE_COLUMNS) + "\n"
    for case, given in whose.items():
        row = {"case": case, **given}
        scores += ",".join(row.get(column, "") for column in SCORE_COLUMNS) + "\n"
    write_text(trial_folder(out, name) / "scores.csv", scores)
    measured = ",".join(CLINICAL_COLUMNS[:-1]) + "\np2,,EF,%,50.0,55.0,-5.0,\n"
    write_text(trial_folder(out, name) / "clinical.csv", measured)
    found = clinical_of(out, known(experiment, **whose), [trials_of(experiment)[name]], "")
    assert len(found) == 1
