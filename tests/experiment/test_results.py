"""Result files: rows of every trial, failed ones as zeros, comparisons by patient, safe text."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment, trial_folder, trials_of
from napari_scribseg.experiment.mixtures import mixtures
from napari_scribseg.experiment.results import TRIAL_COLUMNS, write_results
from napari_scribseg.experiment.schedule import compute_trials


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Experiment]:
    tmp_path = tmp_path_factory.mktemp("results")
    experiment = phantom_experiment(
        tmp_path, "good", "plain", "bad", patients=8, random_seeds=(0, 1)
    )
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, list(trials_of(experiment)), jobs=4, programs=stubs()))
        write_results(out, experiment)
    return out, experiment


def test_every_trial_has_a_row(done):
    out, _ = done
    found = rows(out / "cells.csv")
    assert tuple(found[0]) == TRIAL_COLUMNS
    assert len(found) == 3 * 2 * 2
    first = found[0]
    assert (first["cell"], first["state"], first["share_percent"]) == (
        "good-fold1-seed0-100",
        "finished",
        "100",
    )
    assert (first["train_patients"], first["test_patients"]) == ("4", "4")
    bad = next(row for row in found if row["label"] == "bad")
    assert (bad["state"], bad["mean_dice"]) == ("failed", "0.0")
    assert bad["reason"] == "The loss is not finite any more."


def test_scores_are_those_of_the_trials_and_zeros_for_failed_ones(done):
    out, _ = done
    found = rows(out / "scores.csv")
    assert len(found) == 3 * 2 * 8 * 2  # methods, seeds, patients, classes
    assert {row["dice"] for row in found if row["label"] == "bad"} == {"0.0"}
    assert {row["note"] for row in found if row["label"] == "bad"} == {
        "The loss is not finite any more."
    }
    inside = rows(trial_folder(out, "good-fold2-seed1-100") / "scores.csv")
    outside = [row for row in found if row["cell"] == "good-fold2-seed1-100"]
    assert [row["dice"] for row in outside] == [row["dice"] for row in inside]
    assert outside[0]["volume_error_ml"] == "-0.5"  # copied, not taken for a formula


def test_the_summary_is_the_mean_over_the_rows(done):
    out, _ = done
    scores = [r for r in rows(out / "scores.csv") if r["label"] == "good" and r["class"] == "dim"]
    (summary,) = [
        r for r in rows(out / "summary.csv") if r["label"] == "good" and r["class"] == "dim"
    ]
    mean = sum(float(row["dice"]) for row in scores) / len(scores)
    assert float(summary["dice_mean"]) == pytest.approx(mean)
    assert (summary["patients"], summary["cells"], summary["n_expected"]) == ("8", "4", "16")
    assert (summary["scribbled_voxels_mean"], summary["labelled_share_mean"]) == ("10.0", "0.1")
    by_seed = [
        sum(float(r["dice"]) for r in scores if r["random_seed"] == seed) / 8 for seed in "01"
    ]
    spread = abs(by_seed[0] - by_seed[1]) / 2**0.5
    assert float(summary["dice_std_between_seeds"]) == pytest.approx(spread)


def test_methods_are_compared_by_patient(done):
    out, _ = done
    found = rows(out / "comparisons.csv")
    dice = [row for row in found if row["measure"] == "dice"]
    assert len(dice) == 3 * 3  # pairs; mean, bright, dim
    first = dice[0]
    assert (first["first"], first["second"], first["class"]) == ("good", "plain", "mean of classes")
    assert (first["patients"], first["tests"]) == ("8", "9")
    assert float(first["difference"]) > 0.1
    assert float(first["p"]) == 2 / 2**8
    assert float(first["p_holm"]) == pytest.approx(min(1.0, 9 * 2 / 2**8))
    assert first["sentence"].startswith("Dice (mean of classes): the mean of good (0.8")
    lost = next(r for r in found if r["measure"] == "hd95_mm" and r["second"] == "bad")
    assert (lost["patients"], lost["left_out"]) == ("0", "8")  # infinite: nothing to subtract
    assert (lost["left_out_first"], lost["left_out_second"]) == ("0", "8")
    assert lost["tests"] == "2"  # good and plain, bright and dim; the others were none
    assert "no patient has a finite value of both" in lost["sentence"]


def test_volumes_are_compared_as_bland_and_altman_do(done):
    out, _ = done
    found = {(r["label"], r["quantity"]): r for r in rows(out / "agreement.csv")}
    good = found["good", "bright volume"]
    assert (good["pairs"], good["bias"], good["std"]) == ("16", "-0.5", "0.0")
    assert good["patients"] == "8"  # of two seeds
    assert (found["bad", "dim volume"]["pairs"], found["bad", "dim volume"]["left_out"]) == (
        "0",
        "16",
    )


def test_the_table_for_a_paper_is_valid_tex(tmp_path):
    experiment = phantom_experiment(tmp_path, "plain_100")
    labels = experiment.labels
    classes = (labels.classes[0].model_copy(update={"name": "50%_&x"}), labels.classes[1])
    experiment = experiment.model_copy(
        update={"labels": labels.model_copy(update={"classes": classes})}
    )
    write_results(tmp_path, experiment)
    text = (tmp_path / "table.tex").read_text()
    assert r"Dice 50\%\_\&x" in text
    assert text.count("{") == text.count("}")


def test_files_of_an_unfinished_experiment_hold_what_is_there(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain")
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, ["good-fold1-seed0-100"], jobs=1, programs=stubs()))
        assert write_results(out, experiment) == ()
    states = [row["state"] for row in rows(out / "cells.csv")]
    assert states == ["finished", "waiting", "waiting", "waiting"]
    assert {row["label"] for row in rows(out / "scores.csv")} == {"good"}


def test_methods_are_compared_on_what_has_ended_for_both(tmp_path):
    """One seed of a method is nothing to compare with the mean of two of the other one."""
    experiment = phantom_experiment(tmp_path, "good", "plain", patients=8, random_seeds=(0, 1))
    out = tmp_path / "out"
    first_seed = [name for name, t in trials_of(experiment).items() if t.random_seed == 0]
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, first_seed, jobs=2, programs=stubs()))
        write_results(out, experiment)
        of_one_seed = rows(out / "comparisons.csv")
        more = ["good-fold1-seed1-100", "good-fold2-seed1-100", "plain-fold1-seed1-100"]
        list(compute_trials(out, experiment, more[:2], jobs=2, programs=stubs()))
        write_results(out, experiment)
        assert rows(out / "comparisons.csv") == of_one_seed
        list(compute_trials(out, experiment, more[2:], jobs=2, programs=stubs()))
        write_results(out, experiment)
    scores = [r for r in rows(out / "scores.csv") if r["class"] == "dim"]
    in_both = [r for r in scores if (r["fold"], r["random_seed"]) != ("fold2", "1")]
    means = {
        label: {
            case: [float(r["dice"]) for r in in_both if (r["label"], r["case"]) == (label, case)]
            for case in {r["case"] for r in in_both}
        }
        for label in ("good", "plain")
    }
    (found,) = [
        r for r in rows(out / "comparisons.csv") if (r["measure"], r["class"]) == ("dice", "dim")
    ]
    for label, column in (("good", "mean_first"), ("plain", "mean_second")):
        by_patient = [sum(values) / len(values) for values in means[label].values()]
        assert float(found[column]) == pytest.approx(sum(by_patient) / 8)


def test_trials_of_different_code_are_told_of(tmp_path):
    experiment = phantom_experiment(tmp_path, "good")
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, list(trials_of(experiment)), jobs=2, programs=stubs()))
    assert mixtures(out, experiment) == ()
    timing = trial_folder(out, "good-fold1-seed0-100") / "timing.json"
    timing.write_text(timing.read_text().replace('"code_sha256": "', '"code_sha256": "other'))
    assert "2 states of the code" in str(mixtures(out, experiment))


@pytest.mark.parametrize(("asked", "is_told"), [("cpu", False), ("auto", True)])
def test_a_method_that_was_asked_to_compute_elsewhere_is_no_mixture(tmp_path, asked, is_told):
    """But trials that were asked for the same are, also those of two methods."""
    experiment = phantom_experiment(tmp_path, "good", "plain")
    good, plain = experiment.settings
    training = plain.training.model_copy(update={"device": asked})
    settings = (good, plain.model_copy(update={"training": training}))
    experiment = experiment.model_copy(update={"settings": settings})
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, list(trials_of(experiment)), jobs=2, programs=stubs()))
    for trial in trials_of(experiment).values():
        timing = trial_folder(out, trial.name) / "timing.json"
        used = {"device": "cuda:1"} if trial.label == good.label else {"device": "cpu"}
        used["precision"] = "bfloat16" if trial.label == good.label else "float32"
        timing.write_text(json.dumps({**json.loads(timing.read_text()), **used}))
    told = " ".join(mixtures(out, experiment))
    assert ("kinds of device" in told) == ("arithmetics" in told) == is_told


def test_a_damaged_table_of_a_trial_is_named(tmp_path):
    experiment = phantom_experiment(tmp_path, "good")
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, ["good-fold1-seed0-100"], jobs=1, programs=stubs()))
    (trial_folder(out, "good-fold1-seed0-100") / "scores.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInput, match=r"good-fold1-seed0-100: the table scores.csv has other"):
        write_results(out, experiment)
