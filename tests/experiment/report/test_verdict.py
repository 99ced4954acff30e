"""The first sentence of a report: no method wins on other cases than the others, or by nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment, trials_of
from napari_scribseg.experiment.report.result_tables import ResultTables
from napari_scribseg.experiment.report.verdict import verdict
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import compute_trials


def said_after(out: Path, experiment: Experiment, names: list[str]) -> str:
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, names, jobs=2, programs=stubs()))
        write_results(out, experiment)
    return verdict(ResultTables.read(out, experiment))


def test_no_method_is_ahead_on_other_cases_than_the_others(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain")
    out = tmp_path / "out"
    assert said_after(out, experiment, []) == (
        "No trial has ended yet, so there is nothing to compare."
    )
    said = said_after(out, experiment, ["good-fold1-seed0-100"])
    assert said.startswith("good has a mean Dice of 0.8")
    assert said.endswith(" so far (1 of 4 trials).")
    said = said_after(out, experiment, ["plain-fold2-seed0-100"])
    assert said.startswith("No method is ahead yet: 2 of 4 trials have ended")
    said = said_after(out, experiment, ["good-fold2-seed0-100"])
    assert said.startswith("No method is ahead yet: 3 of 4 trials have ended")
    said = said_after(out, experiment, list(trials_of(experiment)))
    assert said.startswith("good has the highest mean Dice, 0.8")
    assert said.endswith(", of 2 methods.")


def test_methods_that_have_ended_on_the_same_cases_are_compared_so_far(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain")
    names = ["good-fold1-seed0-100", "plain-fold1-seed0-100"]
    said = said_after(tmp_path / "out", experiment, names)
    assert said.startswith("good has the highest mean Dice, 0.8")
    assert said.endswith(", of 2 methods so far (2 of 4 trials).")


@pytest.mark.parametrize("labels", [("bad", "bad2"), ("bad", "bad2", "bad3")])
def test_equal_means_have_no_winner(tmp_path, labels):
    experiment = phantom_experiment(tmp_path, *labels)
    said = said_after(tmp_path / "out", experiment, list(trials_of(experiment)))
    assert said == (
        f"{', '.join(labels)} have the same mean Dice, 0.000, the highest of {len(labels)} methods."
    )
