"""Which slices are shown: the worst by what is wrong on them, one per case, and the median."""

from __future__ import annotations

from pathlib import Path

import pytest
from reports import SLICE_HEADING, computed_experiment

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.tables import csv_text
from napari_scribseg.experiment.experiment import trial_folder
from napari_scribseg.experiment.worst_slices import picked_slices, prediction_path


def write_slices(folder: Path, trial: str, *rows: tuple) -> None:
    text = csv_text([SLICE_HEADING, *rows])
    (trial_folder(folder, trial) / "slices.csv").write_text(text, encoding="utf-8")


def test_the_worst_come_first_one_per_case_and_the_median_last(tmp_path):
    out, experiment = computed_experiment(tmp_path, "good", "bad")
    picked = picked_slices(out, experiment, per_method=2)
    assert {one.label for one in picked} == {"good"}  # a failed trial has no slices
    assert [one.rank for one in picked] == ["worst", "worst", "median"]
    assert [round(one.dice, 2) for one in picked[:2]] == [0.49, 0.49]  # the first case of each fold
    assert {one.slice_index for one in picked[:2]} == {1}
    assert len({one.case for one in picked[:2]}) == 2
    assert prediction_path(out, picked[0].trial, picked[0].case).is_file()


def test_of_equally_bad_slices_the_one_with_more_wrong_tissue_is_worse(tmp_path):
    out, experiment = computed_experiment(tmp_path, "good")
    trials = ("good-fold1-seed0-100", "good-fold2-seed0-100")
    small = ("a", "a", "bright", 1, 0, "scored", 0.0, 9.0, 1.0, 0.0)
    large = ("b", "b", "bright", 1, 4, "scored", 0.0, 9.0, 100.0, 900.0)
    absent = ("c", "c", "bright", 1, 0, "not applicable", float("nan"), float("nan"), 0.0, 0.0)
    write_slices(out, trials[0], small, absent)
    write_slices(out, trials[1], large)
    picked = picked_slices(out, experiment)
    assert [(one.case, one.slice_index, one.trial) for one in picked] == [
        ("b", 4, trials[1]),
        ("a", 0, trials[0]),
    ]


def test_a_slice_counts_by_the_mean_of_its_structures(tmp_path):
    out, experiment = computed_experiment(tmp_path, "good")
    one = [
        ("a", "a", c, k, 0, "scored", d, 1.0, 9.0, 9.0)
        for c, k, d in (("bright", 1, 0.2), ("dim", 2, 0.8))
    ]
    write_slices(out, "good-fold1-seed0-100", *one)
    write_slices(out, "good-fold2-seed0-100")
    (picked,) = picked_slices(out, experiment)
    assert picked.dice == pytest.approx(0.5)


def test_a_damaged_table_is_named(tmp_path):
    out, experiment = computed_experiment(tmp_path, "good")
    write_slices(out, "good-fold1-seed0-100", ("a", "a", "bright", 1, "x", "scored", 0.1, 1, 1, 1))
    with pytest.raises(InvalidInput, match=r"good-fold1-seed0-100: the table slices.csv"):
        picked_slices(out, experiment)
